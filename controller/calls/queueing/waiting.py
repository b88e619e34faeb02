"""A caller waits in one queue, from the first music to an agent, an exit, another queue, or the caller's end."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from controller.acd.model import OfferOutcome, Refused
from controller.calls.asks import Assigned, MoveTo, NewsOfPlace, QueueClosed, Withdrawn
from controller.calls.queueing.announcer import Announcer
from controller.calls.queueing.offer import Offer
from controller.calls.queueing.offering import Offering
from controller.calls.queueing.place import Place
from controller.calls.queueing.stay import WAITING, Stay
from controller.cdr.entries import QueueEntered, QueueExited
from controller.flow.commands import QueueExit
from controller.switchboard import Ask, Gone, Happening, PickedUp, Pressed, SoundEnded

log = structlog.get_logger(__name__)

STAFF_S = 10.0
"""How often it is looked whether anybody is still logged in, when the flow wants to know."""
_REFUSALS = {"queue_full": QueueExit.FULL, "queue_closed": QueueExit.CLOSED, "unknown_queue": QueueExit.CLOSED}
_NOT_TALKING = Refused("not_talking", "the caller is still waiting for an agent", "ask again when they talk")
_ANSWERED = Refused("in_a_call", "an agent has just answered this caller", "ask the conversation instead")
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Connected:
    """Agent and caller are in the bridge."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Exit:
    """The wait is over, and the caller is there."""

    how: QueueExit


@dataclass(frozen=True, slots=True)
class Moved:
    """A supervisor moved the caller to `queue`."""

    queue: str
    by: str


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller has hung up."""

    cause: int


WaitEnd = Connected | Exit | Moved | CallerGone


@dataclass(slots=True)
class Waiting:
    """One wait in one queue; `run` it once."""

    stay: Stay
    place: Place
    announcer: Announcer = field(init=False)
    offering: Offering = field(init=False)
    _until: float = _NEVER
    _staff_at: float = _NEVER

    def __post_init__(self) -> None:
        self.announcer = Announcer(self.stay)
        self.offering = Offering(self.stay, self.place, self.announcer)

    async def run(self) -> WaitEnd:
        """Wait until something ends it. Whatever does: the place is given up, and no phone rings any more."""
        end = await self._begin()
        while end is None:  # bounded by the longest wait
            chosen = self.offering.chosen
            if chosen is not None and await self.offering.connect(chosen):
                end = Connected(chosen)
                break
            happening = await self.stay.board.next(self._next_at())
            end = await self._due() if happening is None else await self._take(happening)
        await self._over(end)
        return end

    # --- beginning --------------------------------------------------------------------------------------------

    async def _begin(self) -> WaitEnd | None:
        stay = self.stay
        self._until = stay.board.now() + (stay.notes.until - stay.clock.now()).total_seconds()
        self._staff_at = stay.board.now() + STAFF_S if stay.command.no_agents else _NEVER
        end = self._line_up()
        if stay.notes.offers:
            await self.offering.adopt()
        if self.offering.chosen:
            return None
        if end is None:
            await self.announcer.begin()
        return end

    def _line_up(self) -> WaitEnd | None:
        """Take the place, for the first time or again. Nothing is awaited: no match can come before `adopt`."""
        stay = self.stay
        refused = self.place.take()
        if not stay.entered:
            stay.entered = True
            stay.keep(phase=WAITING, agent="", legs=(), connected_at=None)
            self._tell_entered()
        if refused is not None:
            log.info("queue.refused", queue=stay.progress.queue, reason=refused.code)
            return Exit(_REFUSALS.get(refused.code, QueueExit.FAILED))
        return self._staffed()

    def _staffed(self) -> WaitEnd | None:
        stay = self.stay
        leaves = stay.command.no_agents and not stay.places.staffed(stay.progress.queue)
        return Exit(QueueExit.NO_AGENTS) if leaves else None

    def _tell_entered(self) -> None:
        stay = self.stay
        stay.places.told(
            QueueEntered(
                call_id=stay.call.call_id,
                visit=stay.progress.visit,
                queue=stay.progress.queue,
                at=stay.clock.now(),
                entered_at=stay.command.entered_at,
                priority=stay.notes.priority,
                needs=stay.notes.needs,
                position=stay.places.position(stay.entry),
                estimate_s=stay.places.estimate_s(stay.entry),
                from_agent=stay.notes.from_agent,
                service_level_s=stay.plan.rules.service_level_s,
                short_abandoned_s=stay.plan.rules.short_abandoned_s,
            )
        )

    # --- what happens -----------------------------------------------------------------------------------------

    def _next_at(self) -> float:
        until = _NEVER if self.offering.engaged else self._until
        due = min(until, self._staff_at, self.announcer.next_at(), self.offering.next_at())
        return due if due < _NEVER else self.stay.board.now() + STAFF_S

    async def _due(self) -> WaitEnd | None:
        now = self.stay.board.now()
        await self.offering.due()
        if self._until <= now and not self.offering.engaged:
            return Exit(QueueExit.TIMEOUT)
        if self._staff_at <= now:
            self._staff_at = now + STAFF_S
            if not self.offering.offers and (end := self._staffed()):
                return end
        await self.announcer.due()
        return None

    async def _take(self, happening: Happening) -> WaitEnd | None:
        caller = self.stay.board.caller
        match happening:
            case Gone(party, cause) if party == caller:
                return CallerGone(cause)
            case Pressed(party, digit) if party == caller:
                return self._keyed(digit)
            case SoundEnded():
                if not await self.announcer.ended(happening):
                    await self.offering.sound_ended(happening)
            case PickedUp():
                await self.offering.picked_up(happening)
            case Gone():
                await self.offering.gone(happening)
            case Pressed():
                await self.offering.pressed(happening)
            case Ask():
                self.place.look_at(happening)
                return await self._asked(happening)
        return None

    def _keyed(self, digit: str) -> WaitEnd | None:
        """The caller pressed a key: what it stands for is done once it was offered, unless an agent has answered."""
        command, waited = self.stay.command, self.stay.waited_s()
        if self.offering.engaged:
            return None
        if digit == command.callback_key and waited >= command.callback_after_s:
            return Exit(QueueExit.CALLBACK)
        if digit == command.message_key and waited >= command.message_after_s:
            return Exit(QueueExit.MESSAGE)
        return None

    async def _asked(self, ask: Ask) -> WaitEnd | None:
        match ask:
            case Assigned(agents=agents, queue=queue):
                if not (ask.leg and await self.offering.join(agents[0], queue, ask.leg)):
                    await self.offering.make(agents, queue)
                ask.done()
            case Withdrawn(agents=withdrawn):
                await self.offering.withdraw(withdrawn)
                ask.done()
            case NewsOfPlace():
                ask.done()  # looked up when they are said
            case QueueClosed() if not self.offering.engaged:
                ask.done()
                return Exit(QueueExit.CLOSED)
            case MoveTo():
                return self._move(ask)
            case _:
                ask.refuse(_ANSWERED if self.offering.engaged else _NOT_TALKING)
        return None

    def _move(self, ask: MoveTo) -> WaitEnd | None:
        if self.offering.engaged:
            ask.refuse(_ANSWERED)
            return None
        if ask.queue not in self.stay.plans:
            ask.refuse(Refused("unknown_queue", f"this call knows no queue '{ask.queue}'", "choose another queue"))
            return None
        refused = self.place.take(ask.queue)
        if refused is not None:
            ask.refuse(refused)
            return None
        ask.done()
        return Moved(ask.queue, ask.by)

    # --- the end ----------------------------------------------------------------------------------------------

    async def _over(self, end: WaitEnd) -> None:
        """Stop what still rings and is still heard, and write down how the wait ended."""
        stay = self.stay
        if isinstance(end, Connected):
            self.place.close(OfferOutcome.ELSEWHERE)
            return
        outcome = OfferOutcome.CUSTOMER_LEFT if isinstance(end, CallerGone) else OfferOutcome.WITHDRAWN
        if isinstance(end, Moved):
            self.place.close(outcome)
        else:
            self.place.leave(outcome)
        await self.offering.end_all(outcome)
        if not isinstance(end, CallerGone):
            await self.announcer.hush()
        how = end.how.value if isinstance(end, Exit) else "moved" if isinstance(end, Moved) else "abandoned"
        stay.places.told(QueueExited(stay.call.call_id, stay.progress.visit, stay.clock.now(), how))
