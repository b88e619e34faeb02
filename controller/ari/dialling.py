"""One dial of one extension: a leg, a bridge, the ringing, the conversation.

The order is create → bridge → dial, so that nothing of the first words is clipped. The leg's and the bridge's
ids derive from the call: performing the same dial again, after a crash or a broken connection, finds them and goes
on from wherever they are, and never dials twice. The bridge is there as long as the dial is: a bridge without its
leg says that the leg has come and gone.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from controller.ari.causes import outcome_of
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import ChannelLost, Item, Resynchronised
from controller.ari.line import Line
from controller.errors import AsteriskRefused, ChannelGone
from controller.flow.commands import Dial, Dialled, DialOutcome
from controller.ids import derived_id
from controller.ports import LegObserver

log = structlog.get_logger(__name__)

NO_ANSWER = 19
NORMAL_CLEARING = 16
_ABSENT = 20
_CONFLICT = 409
_LEG_END_S = 2.0
# Asterisk gives up by itself, should this controller die while it rings; later than our own timer.
_SAFETY_S = 10


class Dialling:
    """Performs one `Dial`; `run` returns its event, or None when the caller has gone.

    `run` may be called again after `AsteriskUnreachable` and goes on where it was.
    """

    def __init__(self, line: Line, command: Dial, legs: LegObserver, endpoint: str) -> None:
        self._line = line
        self._command = command
        self._legs = legs
        self._endpoint = endpoint
        self._leg = derived_id(line.call_id, "leg", command.number)
        self._bridge = derived_id(line.call_id, "bridge", command.number)
        self._ended = False
        self._answered_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._cause = 0
        self._ours: DialOutcome | None = None  # we ended the leg, and as what

    async def run(self) -> Dialled | None:
        """Dial, ring and talk; whatever happens, the bridge is gone at the end (not when cancelled)."""
        self._line.own(self._leg, self._bridge)
        event = await self._dial_and_talk()
        if not self._line.gone:
            await self._line.send(ari.channels_ring_stop(self._line.channel_id))
        await self._line.attempt(ari.bridges_destroy(self._bridge))
        self._line.disown(self._leg, self._bridge)
        self._line.digits.clear()  # what was pressed in a conversation is not for the menu after it
        if self._line.gone:
            return None
        return event

    async def _dial_and_talk(self) -> Dialled:
        if not self._ended:
            refused = await self._set_up()
            if refused is not None:
                return refused
        ring_until = self._now() + self._command.ring_s
        while self._going and self._answered_at is None:
            if await self._step(ring_until) is None:
                await self._end_leg(NO_ANSWER, DialOutcome.NO_ANSWER)
        if self._going:
            await self._line.send(ari.channels_ring_stop(self._line.channel_id))
            talk_until = self._now() + self._command.max_talk_s - self._talked_s()
            while self._going:
                if await self._step(talk_until) is None:
                    await self._end_leg(NORMAL_CLEARING, DialOutcome.TALKED)
        if self._line.gone and not self._ended:
            await self._end_leg(NORMAL_CLEARING, DialOutcome.NO_ANSWER)
        return self._result()

    @property
    def _going(self) -> bool:
        return not self._ended and not self._line.gone

    def _result(self) -> Dialled:
        if self._answered_at is not None:
            return Dialled(DialOutcome.TALKED, self._cause, self._talked_s())
        return Dialled(self._ours or outcome_of(self._cause), self._cause)

    def _talked_s(self) -> float:
        if self._answered_at is None:
            return 0.0
        return max(0.0, ((self._ended_at or datetime.now(UTC)) - self._answered_at).total_seconds())

    # --- setting up, perhaps for the second time ------------------------------------------------------------

    async def _set_up(self) -> Dialled | None:
        """Bring leg and bridge to ringing; return the end when there is nothing to wait for."""
        leg = await self._line.attempt(ari.channels_get(self._leg))
        if leg is None:
            if await self._line.attempt(ari.bridges_get(self._bridge)) is not None:
                return await self._ended_before()
            try:
                leg = await self._create()
            except AsteriskRefused as error:
                log.warning("ari_dial_refused", endpoint=self._endpoint, error=str(error))
                return Dialled(DialOutcome.UNREACHABLE, _ABSENT)
        else:
            log.info("ari_leg_adopted", leg=self._leg, state=leg.state)
        self._legs.leg_started(self._leg, leg.name, self._command.extension, leg.creationtime)
        try:
            await self._connect(leg)
        except ChannelGone:
            await self._look()  # caller or leg went meanwhile; their events say how
        except AsteriskRefused as error:
            log.warning("ari_dial_refused", endpoint=self._endpoint, error=str(error))
            await self._end_leg(NORMAL_CLEARING, DialOutcome.FAILED)
        return None

    async def _create(self) -> models.Channel:
        try:
            return await self._line.request(
                ari.channels_create(
                    endpoint=self._endpoint,
                    app=self._line.application,
                    app_args="leg",
                    channel_id=self._leg,
                    originator=self._line.channel_id,
                )
            )
        except AsteriskRefused as error:
            if error.status != _CONFLICT:
                raise
            return await self._line.request(ari.channels_get(self._leg))

    async def _connect(self, leg: models.Channel) -> None:
        line = self._line
        if leg.state == "Up":
            self._answer(None, leg)
            return
        await line.request(ari.bridges_create_with_id(self._bridge, type="mixing"))
        await line.request(ari.bridges_add_channel(self._bridge, channel=[line.channel_id, self._leg]))
        await line.send(ari.channels_ring(line.channel_id))
        try:
            await line.request(
                ari.channels_dial(self._leg, caller=line.channel_id, timeout=int(self._command.ring_s) + _SAFETY_S)
            )
        except AsteriskRefused as error:
            if error.status != _CONFLICT or await self._vanished():
                raise
            log.info("ari_leg_rings_already", leg=self._leg)

    async def _ended_before(self) -> Dialled:
        """Report a leg that ended while nobody looked, from the events that were kept, if any were."""
        self._line.catch_up(self.note)
        if not self._ended:
            self._end(0, "", datetime.now(UTC), by_callee=False)
        return self._result()

    # --- events -------------------------------------------------------------------------------------------

    async def _step(self, until: float) -> Item | None:
        item = await self._line.next(until)
        if isinstance(item, Resynchronised):
            await self._look()
        elif item is not None:
            self.note(item)
        return item

    def note(self, item: Item) -> None:
        """Take note of what an event says about the leg."""
        if isinstance(item, ChannelLost):
            if item.channel_id == self._leg:
                self._end(0, "", datetime.now(UTC), by_callee=False)
            return
        channel: models.Channel | None = getattr(item, "channel", None)
        if channel is None or channel.id != self._leg:
            return
        if isinstance(item, models.ChannelDestroyed):
            self._end(
                item.cause, item.cause_txt, item.timestamp, by_callee=self._ours is None and not self._line.gone
            )
        elif isinstance(item, models.ChannelStateChange) and channel.state == "Up":
            self._answer(item.timestamp, channel)

    async def _look(self) -> None:
        """Events may be missing: see for ourselves how the leg is."""
        leg = await self._line.attempt(ari.channels_get(self._leg))
        if leg is None:
            self._line.catch_up(self.note)
            if not self._ended:
                self._end(0, "", datetime.now(UTC), by_callee=False)
        elif leg.state == "Up":
            self._answer(None, leg)

    async def _vanished(self) -> bool:
        return await self._line.attempt(ari.channels_get(self._leg)) is None

    def _answer(self, at: datetime | None, leg: models.Channel) -> None:
        """Note the answer, once. Without its event the time is that of the leg's creation: the best there is."""
        if self._answered_at is not None:
            return
        self._answered_at = at or leg.creationtime
        if at is not None:
            self._legs.leg_answered(self._leg, at)

    def _end(self, cause: int, text: str, at: datetime, *, by_callee: bool) -> None:
        if self._ended:
            return
        self._ended = True
        self._ended_at = at
        self._cause = cause
        self._legs.leg_ended(self._leg, cause, text, at, by_callee=by_callee)

    async def _end_leg(self, cause: int, outcome: DialOutcome) -> None:
        """Hang the leg up and wait for the event that says so."""
        self._ours = outcome
        await self._line.attempt(ari.channels_hangup(self._leg, reason_code=str(cause)))
        until = self._now() + _LEG_END_S
        while not self._ended and await self._step(until) is not None:
            pass
        if not self._ended:
            self._end(cause, "", datetime.now(UTC), by_callee=False)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
