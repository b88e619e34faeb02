"""Brings Asterisk to what a conversation's standing wants, by differences: what is right already is not touched."""

from __future__ import annotations

from datetime import datetime

import structlog

from controller.calls.conversation.keeper import Keeper, TalkAudio
from controller.calls.conversation.standing import Recording, Standing, Watcher
from controller.calls.conversation.wanted import Wanted, listening, wanted
from controller.calls.queueing.callref import CallRef
from controller.errors import AsteriskRefused
from controller.flow.queues import QueuePlan
from controller.switchboard import Gone, Happening, PartyState, PickedUp, Switchboard

log = structlog.get_logger(__name__)

_BRIDGES = 30  # so many at most are looked at: what a conversation has opened


class Wiring:
    """What of one conversation is connected. `look` finds out, `arrange` changes; both raise `TelephonyError`."""

    def __init__(self, board: Switchboard, call: CallRef, plan: QueuePlan, keeper: Keeper) -> None:
        self._board = board
        self._call = call
        self._plan = plan
        self._keeper = keeper
        self._where: dict[str, int] = {}
        self._open: set[int] = set()
        self._music = False
        self._recording: int | None = None
        self._paused: bool | None = False
        self._ears: set[str] = set()

    def joined(self, bridge: int, *parties: str) -> None:
        """Take note of parties that share a bridge."""
        self._open.add(bridge)
        self._where.update(dict.fromkeys(parties, bridge))

    def forget(self, party: str) -> None:
        """Take note of a party that is gone."""
        self._where.pop(party, None)
        self._ears.discard(party)

    # --- looking ------------------------------------------------------------------------------------------

    async def look(self, standing: Standing, at: datetime, awaited: frozenset[str]) -> list[Happening]:
        """See how everything is, after a restart or a doubtful answer; return what must have happened meanwhile.

        `awaited` are parties that nobody has called yet.
        """
        board = self._board
        happened: list[Happening] = []
        ears = {each.snoop.party for each in standing.watchers if each.snoop is not None}
        there = {board.caller}
        for leg in standing.legs():
            if leg.party in awaited or leg.party in ears:
                continue
            state = await board.state_of(leg.party)
            if state is PartyState.ABSENT:
                happened.append(Gone(leg.party, 0, at))
                continue
            there.add(leg.party)
            if leg in standing.leaving:
                await board.drop(leg.party)
            elif state is PartyState.UP and leg in standing.ringing():
                happened.append(PickedUp(leg.party, at))
        numbers = {*standing.bridges(), *self._open, *range(standing.first_bridge, standing.bridge + 1)}
        self._where, self._open = {}, set()
        for number in sorted(numbers)[-_BRIDGES:]:
            members = await board.members(board.bridge_id(number))
            if members is not None:
                self.joined(number, *(members & (there | ears)))
        self._ears = ears & self._where.keys()
        for ear in self._ears:  # the others are opened again
            await board.state_of(ear)
        self._music = False  # asked for again, if it is wanted
        self._recording, self._paused = None, None  # likewise: Asterisk knows a recording that it has already
        return happened

    # --- changing -----------------------------------------------------------------------------------------

    async def arrange(self, standing: Standing, *, keys: bool) -> None:
        """Connect the customer and those who talk as they are wanted.

        Whom the conversation has let go is left alone: they are hung up next.
        """
        board, want = self._board, wanted(standing, self._board.caller, keys=keys)
        rooms = {party: number for number, parties in want.bridges.items() for party in parties}
        if want.recording is None or want.recording[2]:
            await self._record(want)  # what is not meant for a recording must not get into it
        for number in sorted(want.bridges.keys() - self._open):
            await board.bridge(board.bridge_id(number))
            self._open.add(number)
        if not want.bridges:
            await self._close(standing)  # whoever is in them is out then
        if board.caller in self._where and board.caller not in rooms:
            number = self._where[board.caller]
            await board.part(board.bridge_id(number), board.caller)
            del self._where[board.caller]
        if self._music and board.caller not in want.music:
            await self._play_music(on=False)
        for number, parties in want.bridges.items():
            missing = sorted(party for party in parties if self._where.get(party) != number)
            if missing:
                await board.join(board.bridge_id(number), *missing)
                self.joined(number, *missing)
        if not self._music and board.caller in want.music:
            await self._play_music(on=True)
        await self._close(standing)
        await self._record(want)

    async def _play_music(self, *, on: bool) -> None:
        try:
            await self._board.music(self._board.caller, on, self._plan.music)
        except AsteriskRefused as error:  # music is not worth a call
            log.warning("conversation.no_music", music=self._plan.music, error=str(error))
        self._music = on

    async def _close(self, standing: Standing) -> None:
        for number in sorted(self._open - standing.bridges()):
            try:
                await self._board.close(self._board.bridge_id(number))
            except AsteriskRefused as error:
                log.info("conversation.bridge_not_closed", error=str(error))
            self._open.discard(number)
            self._where = {party: where for party, where in self._where.items() if where != number}

    # --- recordings ---------------------------------------------------------------------------------------

    async def _record(self, want: Wanted) -> None:
        if want.recording is None:
            self._recording = None
            return
        number, bridge, paused = want.recording
        recording = self._board.recording_id(number)
        try:
            if self._recording != number:
                if bridge not in self._open:
                    return
                await self._board.record(recording, self._board.bridge_id(bridge))
                self._recording = number
                self._paused = False if self._paused is not None else None
            if self._paused is not paused:
                await self._board.pause_recording(recording, paused)
                self._paused = paused
        except AsteriskRefused as error:  # the talk goes on
            log.error("conversation.not_recorded", recording=recording, error=str(error))  # noqa: TRY400
            self._recording, self._paused = number, paused

    async def finish(self, recording: Recording) -> None:
        """End the recording of a talk that is over and hand it to the keeper."""
        name = self._board.recording_id(recording.number)
        try:
            await self._board.end_recording(name)
        except AsteriskRefused as error:  # it ended by itself, with its bridge
            log.info("conversation.recording_ended", recording=name, error=str(error))
        if self._plan.record is not None:
            queue, keep_s = self._plan.rules.name, self._plan.record.keep_s
            audio = TalkAudio(name, self._call, queue, recording.agent, recording.began_at, keep_s)
            self._keeper.keep_talk(audio)

    # --- supervisors --------------------------------------------------------------------------------------

    async def attend(self, standing: Standing, watcher: Watcher) -> bool:
        """Let a supervisor hear what they shall; False: not yet. Raises `AsteriskRefused` when that cannot be."""
        board, how = self._board, listening(watcher)
        if how is None or watcher.snoop is None or standing.lead is None:
            return True
        if self._ears - {each.snoop.party for each in standing.watchers if each.snoop is not None}:
            return False  # an ear that was closed is still there; see `supervision`
        snoop, party = watcher.snoop.party, watcher.legs[0].party
        if watcher.bridge not in self._open:
            await board.bridge(board.bridge_id(watcher.bridge))
            self._open.add(watcher.bridge)
        if snoop not in self._ears:
            await board.listen(snoop, standing.lead.leg.party, how)
            self._ears.add(snoop)
        missing = [each for each in (party, snoop) if self._where.get(each) != watcher.bridge]
        if missing:
            await board.join(board.bridge_id(watcher.bridge), *missing)
            self.joined(watcher.bridge, *missing)
        return True
