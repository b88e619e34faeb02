"""A conversation: an agent and a customer share a bridge, until one of them has gone or the customer moves on.

One loop over the switchboard's happenings. Each is decided by `table` without waiting; the standing is kept before
anything is done about it; then Asterisk is brought to what the standing wants. An error of the switchboard is one
more thing that happens: everything is looked at again, and no talk is ended because Asterisk is out of reach.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.acd.model import AgentAccount, AgentId
from controller.calls.conversation import happenings, supervision
from controller.calls.conversation.course import FIRST, Course, Means
from controller.calls.conversation.keeper import Keeper
from controller.calls.conversation.moments import Adopted, Drop, Effect, Found, Moment, Refer, Ring, What
from controller.calls.conversation.numbers import Numbers
from controller.calls.conversation.performing import perform
from controller.calls.conversation.standing import (
    Ending,
    How,
    Phase,
    Standing,
    begun,
    load,
    save,
)
from controller.calls.conversation.wiring import Wiring
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.places import Places
from controller.errors import AsteriskRefused, AsteriskUnreachable, TelephonyError
from controller.flow.commands import VisitProgress
from controller.flow.queues import QueuePlan
from controller.ports import Clock
from controller.switchboard import Ask, Gone, Happening, Switchboard

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
"""After a doubtful answer everything is looked at again that much later."""
_TRIES = 4  # refusals in a row before customer and agent are taken for not connectable
_CHAIN = 20  # decisions that may follow from one thing that happened
_LAST_TRIES = 3
_FAREWELL_S = 2.0
_LAST_S = 10.0  # so long each waits for Asterisk, when it is away at the end


@dataclass(frozen=True, slots=True)
class Parted:
    """How a conversation ended, with the customer still there unless `how` is `CUSTOMER_GONE`.

    `MOVED`: the customer is to wait in `queue` with the original entry time, needing `needs` as well, not for the
    agent `excluded`, with at least `priority`; they hear music until then. `talk_s` and `hold_s` are sums (hold is
    part of talk), `agent` talked last, `cause` is that of the leg whose end ended it. `progress` was kept last.
    """

    how: How
    talk_s: float
    hold_s: float
    agent: str
    progress: VisitProgress
    cause: int = 16
    queue: str = ""
    needs: dict[str, int] = field(default_factory=dict)
    excluded: str = ""
    note: str = ""
    from_agent: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class _Stuck:
    """Asterisk refuses, again and again, what everybody who is there needs."""


@dataclass(frozen=True, slots=True)
class _NotHeard:
    """Asterisk refuses what a supervisor needs."""

    agent: str


Follow = Happening | Found | Adopted | _Stuck | _NotHeard


class Conversation:
    """See the module. `agent` talks on the leg `leg` with the customer in `bridge`, both of this call's numbers.

    `keep` writes the progress down; it is durable when it returns. With a `progress` that a conversation has kept
    before, `run` takes that one up: nothing that is as it should be is touched.
    """

    def __init__(
        self,
        board: Switchboard,
        places: Places,
        plan: QueuePlan,
        call: CallRef,
        keep: Callable[[VisitProgress], None],
        progress: VisitProgress,
        agent: AgentAccount,
        leg: str,
        bridge: str,
        clock: Clock,
        *,
        keeper: Keeper,
        numbers: Numbers,
    ) -> None:
        self._board = board
        self._places = places
        self._plan = plan
        self._call = call
        self._keep = keep
        self._progress = progress
        self._agent = agent
        self._leg = leg
        self._bridge = bridge
        self._numbers = numbers
        self._wiring = Wiring(board, call, plan, keeper)
        # Times are of one clock that is never set: the time of day at the beginning, and what has passed since.
        self._began, self._began_s = clock.now(), board.now()
        self._kept: Standing | None = None
        self._again_at: datetime | None = None
        self._ears_at: datetime | None = None
        """When an ear that was closed should have gone."""
        self._refusals = 0

    async def run(self, queues: Mapping[str, QueuePlan]) -> Parted:
        """Have the call until agent and customer part; `queues` are those the customer may be moved to."""
        kept = load(self._progress) if self._progress.phase in set(Phase) else None
        course = Course(
            kept
            or begun(self._progress, self._plan.rules.name, self._agent.agent, self._leg, self._bridge, self._board),
            Means(
                call=self._call,
                customer=self._board.caller,
                visit=self._progress.visit,
                places=self._places,
                plan=self._plan,
                queues=queues,
                numbers=self._numbers,
                party=self._board.leg_id,
            ),
        )
        try:
            if kept is None:
                self._begin(course)
            else:
                self._kept = kept
                await self._take_up(course)
            await self._settle(course, [])
            while course.standing.phase is not Phase.OVER:  # ends with its talks, each of which has a longest time
                await self._step(course)
            await self._leave(course)
        except Exception:
            # A fault of ours: whoever is in it is let go, the customer is told by the call.
            log.exception("conversation.crashed", phase=course.standing.phase)
            await self._abandon(course)
            raise
        return self._parted(course.standing)

    # --- beginning ----------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._began + timedelta(seconds=self._board.now() - self._began_s)

    def _begin(self, course: Course) -> None:
        standing = course.standing
        self._wiring.joined(standing.talk_bridge, self._board.caller, self._leg)
        if standing.lead is not None:
            course.begin_talk(standing.lead, self._progress.connected_at or self._now())

    async def _take_up(self, course: Course) -> None:
        """Go on where an earlier controller was: engage again who is engaged, and look what has happened."""
        standing = course.standing
        called = standing.called
        talking = [standing.lead] + ([standing.other] if standing.phase is Phase.THREE_WAY else [])
        engaged = [person.agent for person in (standing.lead, standing.other) if person]
        engaged += [called.agent] if called and called.reserved else []
        for agent in filter(None, engaged):
            self._places.reserve(AgentId(agent), self._call.call_id, standing.queue)
        for person in talking:
            if person is not None and person.agent:
                self._places.talking(AgentId(person.agent), self._call.call_id, standing.queue)
        if standing.slot:
            self._places.park(self._call.call_id)
        self._places.talk(course.view(self._now()), self._call.call_id, self._board.deliver)
        log.info("conversation.taken_up", phase=standing.phase, agent=standing.last_agent)
        for happened in await self._look(course):
            self._feed(course, happened)

    # --- the loop -----------------------------------------------------------------------------------------

    async def _step(self, course: Course) -> None:
        happening = await self._board.next(self._until(course))
        follow: list[Follow] = []
        if happening is not None:
            self._feed(course, happening)
        elif any(at is not None and at <= self._now() for at in (self._again_at, self._ears_at)):
            self._again_at = self._ears_at = None
            follow += await self._look(course)
        for _ in range(_CHAIN):
            if not happenings.tick(course, self._now()):
                break
        await self._settle(course, follow)
        self._answer(course, happening)

    @staticmethod
    def _answer(course: Course, happening: Happening | None) -> None:
        if not isinstance(happening, Ask):
            return
        if course.reply is None:
            happening.done()
        else:
            happening.refuse(course.reply)

    def _until(self, course: Course) -> float | None:
        times = (happenings.deadline(course), self._again_at, self._ears_at)
        due = [each for each in times if each is not None]
        return self._began_s + (min(due) - self._began).total_seconds() if due else None

    def _feed(self, course: Course, happening: Follow) -> None:
        at = self._now()
        if isinstance(happening, Ask):
            course.reply = None
        if isinstance(happening, Gone):
            self._wiring.forget(happening.party)
        match happening:
            case _Stuck():
                happenings.decide(course, Moment(What.FAILED, at))
            case _NotHeard():
                supervision.failed(course, happening.agent, at)
            case _:
                happenings.feed(course, happening, at)

    async def _settle(self, course: Course, follow: list[Follow]) -> None:
        """Keep what was decided, do it, decide about what follows from that, and so on until nothing does."""
        for _ in range(_CHAIN):
            for each in follow:
                self._feed(course, each)
            supervision.follow(course)
            self._write_down(course)
            effects, course.effects = course.effects, []
            before = course.standing
            follow = await self._arrange(course, effects)
            for effect in sorted(effects, key=_first_things_first):
                follow += await self._perform(course, effect)
            if not follow and course.standing is before and not course.effects:
                return
        log.error("conversation.unsettled", phase=course.standing.phase)

    def _write_down(self, course: Course) -> None:
        if course.standing is self._kept:
            return
        self._kept = course.standing
        self._progress = save(course.standing, self._progress)
        self._keep(self._progress)
        self._places.talk(course.view(self._now()), self._call.call_id, self._board.deliver)

    # --- doing --------------------------------------------------------------------------------------------

    async def _arrange(self, course: Course, effects: list[Effect]) -> list[Follow]:
        """Bring Asterisk to what is wanted; return what follows from its refusals."""
        follow: list[Follow] = []
        try:
            for recording in course.standing.finished:
                await self._wiring.finish(recording)
            if course.standing.finished:
                course.change(finished=())
            await self._wiring.arrange(course.standing, keys=course.keys_until is not None)
            follow += await self._attend(course)
        except AsteriskUnreachable as error:
            self._doubt(error)
        except AsteriskRefused as error:
            self._refusals += 1
            log.warning("conversation.refused_by_asterisk", phase=course.standing.phase, error=str(error))
            awaited = {effect.leg.party for effect in effects if isinstance(effect, Ring)}
            follow += await self._look(course, frozenset(awaited))
            if not follow and self._refusals >= _TRIES:
                self._refusals = 0
                return [_Stuck()]
            self._look_again()
        else:
            self._refusals = 0
        return follow

    async def _attend(self, course: Course) -> list[Follow]:
        """Let supervisors hear; what they cannot have costs nobody else anything."""
        follow: list[Follow] = []
        waiting, self._ears_at = self._ears_at, None
        for watcher in course.standing.watchers:
            try:
                if not await self._wiring.attend(course.standing, watcher):
                    self._ears_at = waiting or self._now() + timedelta(seconds=AGAIN_S)
            except AsteriskRefused as error:
                log.warning("conversation.supervisor_refused", agent=watcher.agent, error=str(error))
                follow.append(_NotHeard(watcher.agent))
        return follow

    async def _look(self, course: Course, awaited: frozenset[str] = frozenset()) -> list[Follow]:
        """See how everything is; a party that is gone is told by what this returns."""
        try:
            return [*await self._wiring.look(course.standing, self._now(), awaited)]
        except AsteriskUnreachable as error:
            self._doubt(error)
        except AsteriskRefused as error:
            log.warning("conversation.look_refused", error=str(error))
            self._look_again()
        return []

    async def _perform(self, course: Course, effect: Effect) -> list[Follow]:
        try:
            follow: list[Follow] = [*await perform(self._board, self._call, course, effect, self._now())]
        except AsteriskUnreachable as error:
            self._doubt(error)
            return []
        if isinstance(effect, Ring) and effect.bridge and not follow:
            self._wiring.joined(effect.bridge, effect.leg.party)
        return follow

    def _doubt(self, error: TelephonyError) -> None:
        """Whether something was done is not known: look again soon, as long as it takes."""
        log.warning("conversation.asterisk_unreachable", error=str(error))
        self._look_again()

    def _look_again(self) -> None:
        self._again_at = self._now() + timedelta(seconds=AGAIN_S)

    # --- ending -------------------------------------------------------------------------------------------

    async def _leave(self, course: Course) -> None:
        """See that what was asked for at the end was done, as far as it can be waited for."""
        for _ in range(_LAST_TRIES):
            if self._again_at is None:
                await self._farewell(course)
                return
            with contextlib.suppress(AsteriskUnreachable):
                await self._board.ready(_LAST_S)
                await asyncio.sleep(AGAIN_S)
            self._again_at = None
            await self._settle(course, await self._look(course))
        log.error(
            "conversation.left_over", legs=len(course.standing.leaving), do="look whether Asterisk is reachable"
        )

    async def _farewell(self, course: Course) -> None:
        """Wait a moment for the ends of the legs that were hung up: they belong to the record of this call."""
        until = self._board.now() + _FAREWELL_S
        while course.standing.leaving:
            happening = await self._board.next(until)
            if happening is None or (isinstance(happening, Gone) and happening.party == self._board.caller):
                break
            self._feed(course, happening)
            self._answer(course, happening)
        self._write_down(course)

    async def _abandon(self, course: Course) -> None:
        standing = course.standing
        for leg in standing.legs():
            with contextlib.suppress(TelephonyError):
                await self._board.drop(leg.party)
        for number in standing.bridges():
            with contextlib.suppress(TelephonyError):
                await self._board.close(self._board.bridge_id(number))
        for person in (standing.lead, standing.other, standing.called):
            if person is not None and person.agent:
                self._places.released(AgentId(person.agent), wrap_up=person is standing.lead)
        self._places.talk(None, self._call.call_id, self._board.deliver)

    def _parted(self, standing: Standing) -> Parted:
        ending = standing.ending or Ending(How.AGENT_GONE)
        return Parted(
            how=ending.how,
            talk_s=round(standing.talked_s, 3),
            hold_s=round(standing.held_s, 3),
            agent=standing.last_agent,
            progress=self._progress,
            cause=ending.cause,
            queue=ending.queue,
            needs=ending.needs,
            excluded=ending.excluded,
            note=ending.note,
            from_agent=ending.from_agent,
            priority=FIRST if ending.first else 0,
        )


def _first_things_first(effect: Effect) -> bool:
    """Whoever leaves leaves before somebody is called, and a phone hears of its transfer before it is hung up."""
    return not isinstance(effect, Drop | Refer)
