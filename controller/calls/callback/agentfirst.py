"""Agent-first: the agent's phone rings before the customer's, and the agent waits on the line for the customer.

The agent sees whom it is about while it rings, hears the queue's whisper, accepts with the key if the queue asks for
one, and then hears ringing. The legs have the ids that the legs of the customer's call will have, so that this call
takes the waiting leg over as its own (`Offering.join`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from controller.acd.model import AgentAccount, OfferOutcome
from controller.callback.model import Outcome
from controller.calls.callback.flights import Flight
from controller.calls.callback.inflow import note_of
from controller.calls.callback.means import Boards, Line
from controller.calls.callback.news import AgentGone, AgentReady, News
from controller.calls.queueing.callref import told_of
from controller.calls.queueing.offering import ACCEPT_S, MAX_DEVICES, WHISPER_S
from controller.cdr.entries import Role
from controller.errors import AsteriskUnreachable, TelephonyError
from controller.flow.causes import outcome_of
from controller.flow.commands import DialOutcome, MediaId
from controller.flow.queues import QueuePlan
from controller.switchboard import Gone, LegPlan, PartyState, PickedUp, Pressed, SoundEnded, Switchboard

log = structlog.get_logger(__name__)

SORRY_S = 8.0
"""The longest that an agent hears why there is no customer."""
_BUSY = ("tone/busy",) * 4
_NOT_REACHED = ("tone/congestion",) * 6
_ELSEWHERE, _NORMAL, _NO_ANSWER = 26, 16, 19
_LOOKS, _READY_S = 3, 10.0
_OUTCOMES = {
    DialOutcome.BUSY: OfferOutcome.BUSY,
    DialOutcome.NO_ANSWER: OfferOutcome.NO_ANSWER,
    DialOutcome.REFUSED: OfferOutcome.DECLINED,
    DialOutcome.UNREACHABLE: OfferOutcome.UNREACHABLE,
}
_SILENT = frozenset({Outcome.TALKED, Outcome.LEFT, Outcome.NO_AGENT, Outcome.DECLINED, Outcome.RESCHEDULED})
"""Outcomes after which the agent is told nothing: they were there, or know."""


class FirstAgent:
    """Implements `WaitingAgent`; one for each attempt. `tell` is the attempt's stream."""

    def __init__(self, flight: Flight, tell: Callable[[News], None], boards: Boards, line: Line) -> None:
        self._flight = flight
        self._tell = tell
        self._boards = boards
        self._line = line
        self._board: Switchboard | None = None
        self._alive: dict[int, str] = {}
        """The legs that have not ended: number and party."""
        self._picked = 0
        self._ready = False
        self._sound = ""
        self._until = 0.0
        self._causes: list[int] = []
        self._task: asyncio.Task[None] | None = None
        self._over = False

    # --- `WaitingAgent` ---------------------------------------------------------------------------------------

    async def call(self) -> None:
        """See `WaitingAgent.call`."""
        board = self._open()
        account = self._line.account(self._flight.attempt.agent)
        try:
            devices = await board.contacts(account.extension) if account is not None else ()
            if account is None or not devices:
                self._tell(AgentGone(OfferOutcome.UNREACHABLE))
                return
            self._alive = {number: board.leg_id(number) for number in range(1, min(len(devices), MAX_DEVICES) + 1)}
            self._flight.legs = tuple(self._alive)
            self._until = board.now() + self._plan_ring_s
            for (_, party), device in zip(list(self._alive.items()), devices, strict=False):
                await board.call(self._leg(account, party, device))
        except TelephonyError as error:
            log.warning("callbacks.agent_not_called", attempt=self._flight.attempt_id, error=str(error))
            await self._hang_up(_NORMAL)
            self._tell(AgentGone(OfferOutcome.FAILED))
            return
        self._task = asyncio.create_task(self._follow())

    async def take_up(self) -> None:
        """See `WaitingAgent.take_up`."""
        board = self._open()
        for _ in range(_LOOKS):
            try:
                # A controller that has just started is there a moment before Asterisk has dialled it.
                await board.ready(_READY_S)
                await self._look(board)
                break
            except AsteriskUnreachable as error:
                log.warning("callbacks.agent_not_seen", attempt=self._flight.attempt_id, error=str(error))
            except TelephonyError as error:
                log.warning("callbacks.agent_not_seen", attempt=self._flight.attempt_id, error=str(error))
                break
        self._until = board.now() + self._plan_ring_s
        if not self._alive:
            self._tell(AgentGone(OfferOutcome.FAILED))
            return
        if self._flight.leg:
            self._ready = True
        elif self._picked:
            await self._answered(self._picked)
        self._task = asyncio.create_task(self._follow())

    async def _look(self, board: Switchboard) -> None:
        """See which of the agent's telephones still ring, and which was answered."""
        for number in self._flight.legs or range(1, MAX_DEVICES + 1):
            party = board.leg_id(number)
            state = await board.state_of(party)
            if state is not PartyState.ABSENT:
                self._alive[number] = party
            if state is PartyState.UP:
                self._picked = number

    async def ring(self) -> None:
        """See `WaitingAgent.ring`."""
        if self._board is not None and self._picked in self._alive:
            with contextlib.suppress(TelephonyError):
                await self._board.ring(on=True, party=self._alive[self._picked])

    async def let_go(self, outcome: Outcome, *, queued: bool) -> None:
        """See `WaitingAgent.let_go`."""
        self._over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        board = self._board
        if board is None:
            return
        if not queued and self._picked in self._alive and outcome not in _SILENT:
            with contextlib.suppress(TelephonyError):
                await self._say_sorry(board, self._alive[self._picked], outcome)
        if not queued:
            await self._hang_up(_NORMAL)
        self._boards.close(board)

    # --- inside -----------------------------------------------------------------------------------------------

    def _open(self) -> Switchboard:
        if self._board is None:
            self._board = self._boards.board(self._flight.call_id)
        return self._board

    @property
    def _plan(self) -> QueuePlan | None:
        return self._line.plan(self._flight.queue)

    @property
    def _plan_ring_s(self) -> float:
        return self._plan.rules.ring_s if self._plan is not None else 20.0

    @property
    def _accept_key(self) -> str:
        return self._plan.accept_key if self._plan is not None else ""

    def _leg(self, account: AgentAccount, party: str, device: str) -> LegPlan:
        flight, request = self._flight, self._flight.request
        title = self._plan.title if self._plan is not None else flight.queue
        return LegPlan(
            party=party,
            device=device,
            number=account.extension,
            role=Role.AGENT,
            ring_s=self._plan_ring_s,
            caller_number=request.number,
            caller_name=request.customer.name or title,
            headers={
                "X-Rappel-Call": flight.call_id,
                "X-Rappel-Queue": flight.queue,
                **told_of(note_of(request)),
            },
        )

    async def _follow(self) -> None:
        """Follow the agent's legs until one of them waits for the customer, and then until it has gone."""
        board = self._open()
        while self._alive:  # each leg ends, or is taken over by the call, or `let_go` ends this
            try:
                await self._step(board)
            except TelephonyError as error:
                log.warning("callbacks.agent_interrupted", attempt=self._flight.attempt_id, error=str(error))
                await asyncio.sleep(1.0)
        self._tell(AgentGone(self._how()))

    async def _step(self, board: Switchboard) -> None:
        happening = await board.next(None if self._ready else self._until)
        match happening:
            case None:
                await self._time_is_up()
            case PickedUp(party=party):
                number = self._number(party)
                if number and not self._picked:
                    await self._answered(number)
            case Pressed(party=party, digit=digit) if party == self._alive.get(self._picked):
                await self._pressed(board, digit)
            case SoundEnded(sound=sound) if sound == self._sound:
                self._sound = ""
                if self._accept_key:
                    self._until = board.now() + ACCEPT_S
                else:
                    self._be_ready()
            case Gone(party=party, cause=cause):
                await self._gone(self._number(party), cause)

    async def _pressed(self, board: Switchboard, digit: str) -> None:
        if digit != self._accept_key:
            return
        if self._sound:
            await board.stop_sound(self._sound)
        self._be_ready()

    async def _gone(self, number: int, cause: int) -> None:
        if not number:
            return
        del self._alive[number]
        self._causes.append(cause)
        if number == self._picked:
            await self._hang_up(_NORMAL)

    def _number(self, party: str) -> int:
        return next((number for number, each in self._alive.items() if each == party), 0)

    async def _answered(self, number: int) -> None:
        board, plan, language = self._open(), self._plan, self._flight.request.language
        self._picked = number
        media: tuple[MediaId, ...] = ()
        if plan is not None:
            media = (*plan.whisper(language), *plan.accept(language))
        for other, party in list(self._alive.items()):
            if other != number:
                del self._alive[other]
                with contextlib.suppress(TelephonyError):
                    await board.drop(party, _ELSEWHERE)
        if not media and not self._accept_key:
            self._be_ready()
            return
        self._until = board.now() + WHISPER_S
        self._sound = await board.play(self._alive[number], media)

    async def _time_is_up(self) -> None:
        if self._picked and not self._accept_key:
            self._be_ready()
            return
        self._causes.append(_NO_ANSWER)
        await self._hang_up(_NO_ANSWER)

    def _be_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._tell(AgentReady(self._picked))

    def _how(self) -> OfferOutcome:
        if self._picked:
            return OfferOutcome.NOT_ACCEPTED if self._accept_key and not self._ready else OfferOutcome.DECLINED
        seen = {_OUTCOMES.get(outcome_of(cause), OfferOutcome.FAILED) for cause in self._causes}
        weighty = (OfferOutcome.DECLINED, OfferOutcome.BUSY, OfferOutcome.NO_ANSWER, OfferOutcome.UNREACHABLE)
        return next((each for each in weighty if each in seen), OfferOutcome.FAILED)

    async def _hang_up(self, cause: int) -> None:
        alive, self._alive = self._alive, {}
        for party in alive.values():
            with contextlib.suppress(TelephonyError):
                await self._open().drop(party, cause)

    async def _say_sorry(self, board: Switchboard, party: str, outcome: Outcome) -> None:
        """Let the agent hear that the customer was not reached: the tones of a telephone."""
        await board.ring(on=False, party=party)
        sound = await board.play(party, _BUSY if outcome is Outcome.BUSY else _NOT_REACHED)
        until = board.now() + SORRY_S
        while (happening := await board.next(until)) is not None:
            if isinstance(happening, SoundEnded) and happening.sound == sound:
                return
            if isinstance(happening, Gone) and happening.party == party:
                self._alive.clear()
                return
