"""Lets the floor match in the loop's turn in which something changed, and hands assignments to the calls."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from controller.acd.floor import Floor
from controller.acd.matching import Assignment
from controller.acd.model import AgentAccount, EntryId, OfferOutcome
from controller.calls.asks import Assigned
from controller.ports import Clock
from controller.switchboard import Ask

log = structlog.get_logger(__name__)

Deliver = Callable[[Ask], bool]
"""Puts an ask into a call's stream; False when the call has ended or takes no more."""

BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
_AFTER_FAULT_S = 1.0
_TIMER_SLACK_S = 0.001  # a loop's timer may be a little early; then it would be set again for nothing


class Histogram:
    """How often something took how long; `buckets` are the upper bounds in seconds."""

    def __init__(self, buckets: Sequence[float] = BUCKETS_S) -> None:
        self._buckets = tuple(buckets)
        self._counts = [0] * (len(self._buckets) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._buckets, seconds)] += 1
        self.total_s += seconds

    def cumulative(self) -> tuple[tuple[str, float], ...]:
        """Return (upper bound, how many took no longer), as Prometheus wants them; the last bound is +Inf."""
        found, count = [], 0
        for bound, here in zip((*map(str, self._buckets), "+Inf"), self._counts, strict=True):
            count += here
            found.append((bound, float(count)))
        return tuple(found)


class Matcher:
    """The floor's turn. `stir` after every change; `turned` is called at the end of each turn.

    Nothing is matched while it is `held`: after a start, until those who waited before have taken their places again.
    """

    def __init__(self, floor: Floor, clock: Clock, turned: Callable[[], None]) -> None:
        self._floor = floor
        self._clock = clock
        self._turned = turned
        self._delivers: dict[EntryId, Deliver] = {}
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._stirred_at = 0.0
        self._stopped = False
        self.held = True
        self.latency = Histogram()
        """From the first change of a turn until its assignments are delivered."""
        self.offers = 0
        """Offers handed out so far, one for each agent."""

    # --- who is told ----------------------------------------------------------------------------------------

    def expect(self, entry: EntryId, deliver: Deliver) -> None:
        """Tell `entry` by `deliver` from now on."""
        self._delivers[entry] = deliver

    def forget(self, entry: EntryId) -> None:
        """Tell `entry` nothing more."""
        self._delivers.pop(entry, None)

    def tell(self, entry: EntryId, ask: Ask) -> bool:
        """Put `ask` to one who waits; False when that cannot be done."""
        deliver = self._delivers.get(entry)
        if deliver is None:
            return False
        try:
            return deliver(ask)
        except Exception:  # one call's bug must not keep the others from their agents
            log.exception("distribution.not_delivered", call_id=entry, ask=type(ask).__name__)
            return False

    def expects(self, entry: EntryId) -> bool:
        """Tell whether `entry` is told of assignments."""
        return entry in self._delivers

    def waiting(self) -> tuple[EntryId, ...]:
        """Return who is told of assignments."""
        return tuple(self._delivers)

    # --- turns ----------------------------------------------------------------------------------------------

    def stir(self) -> None:
        """Something has changed: match before the loop does anything else for long."""
        if self._turn is None and not self._stopped:
            self._stirred_at = self._clock.monotonic()
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def stop(self) -> None:
        """Match no more."""
        self._stopped = True
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        self._turn = self._timer = None

    def _take_turn(self) -> None:
        self._turn = None
        try:
            self._match()
        except Exception:  # a bug that one thing brings out must not stop the matching for all
            log.exception("distribution.turn_failed")
            self._arm_at(self._clock.monotonic() + _AFTER_FAULT_S, self._clock.monotonic())

    def _match(self) -> None:
        now = self._clock.monotonic()
        self._floor.tick(now)
        if not self.held:
            dealt = self._floor.match(now)
            for assignment in dealt:
                self._assign(assignment, now)
            if dealt:
                self.latency.observe(self._clock.monotonic() - self._stirred_at)
        self._turned()
        self._arm(now)

    def _assign(self, assignment: Assignment, now: float) -> None:
        accounts = [self._floor.account(agent) for agent in assignment.agents]
        known: tuple[AgentAccount, ...] = tuple(account for account in accounts if account is not None)
        self.offers += len(known)
        if self.tell(assignment.entry, Assigned(known, assignment.queue)):
            return
        # The call has ended: the agents are for the next one, in this very turn.
        log.info("distribution.caller_gone", call_id=assignment.entry)
        for agent in assignment.agents:
            self._floor.offer_ended(assignment.entry, agent, OfferOutcome.CUSTOMER_LEFT, now)
        self._floor.leave(assignment.entry, now)
        self.forget(assignment.entry)
        self.stir()

    def _arm(self, now: float) -> None:
        self._arm_at(self._floor.next_due(now), now)

    def _arm_at(self, due: float | None, now: float) -> None:
        """Set the one timer for when time alone changes something."""
        if due == self._due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            delay = max(due - now, 0.0) + _TIMER_SLACK_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self.stir()


def wall(clock: Clock, at: float) -> datetime:
    """Return the time of day of a time on the monotonic clock."""
    return clock.now() + timedelta(seconds=at - clock.monotonic())
