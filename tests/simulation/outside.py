"""The world outside: the trunk with the dialplan's gate, and the customers' telephones. It outlives controllers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from controller.callback.model import AttemptId
from controller.calls.outbound.ports import (
    DialAnswered,
    DialEnded,
    DialNews,
    DialRinging,
    DialState,
    LineState,
    OutboundCall,
)
from controller.errors import AsteriskRefused, AsteriskUnreachable, StoreError
from controller.numbering.model import NumberKind
from controller.outbound.model import Ceilings, Number, OutboundAsk, OutboundRules, Purpose, Usage, Verdict
from tests.rig.callbackstore import Tables
from tests.rig.virtualtime import VirtualClock

OURS = Number("+33353014700")
RULES = OutboundRules(
    off=False,
    caller_id=OURS,
    owned=frozenset({OURS}),
    countries=frozenset({"FR"}),
    kinds=frozenset({NumberKind.FIXED, NumberKind.MOBILE}),
    ceilings=Ceilings(hour=1e6, day=1e6, number=1e3, calls=1000),
)
BUSY, NO_ANSWER, REJECTED, ABSENT, CONGESTION, CLEARING = 17, 19, 21, 20, 42, 16


@dataclass
class Moods:
    """What happens when a customer is called: shares of one. The rest answers."""

    busy: float = 0.06
    no_answer: float = 0.08
    rejected: float = 0.02
    absent: float = 0.02
    congested: float = 0.005
    machine: float = 0.04
    refused_by_asterisk: float = 0.002
    unheard: float = 0.004
    """Asterisk's answer to a dial is lost; every second such dial was made all the same."""


@dataclass
class Dial:
    """A channel to a customer."""

    call: OutboundCall
    answered: bool = False
    machine: bool = False


class Trunk:
    """Dials, rings, and knows for ever what it has dialled. `answers(attempt)` is Stasis: the call is ours."""

    def __init__(
        self, chance: random.Random, answers: Callable[[AttemptId], None], moods: Moods | None = None
    ) -> None:
        self.clock = VirtualClock()
        self.chance = chance
        self.moods = Moods()
        self.lines: dict[AttemptId, Dial] = {}
        self.let_through: set[AttemptId] = set()
        """AstDB: attempts that the gate has seen."""
        self.ended: dict[AttemptId, tuple[str, int]] = {}
        """Asterisk's record of channels that are over: disposition and cause."""
        self.told: dict[AttemptId, Callable[[DialNews], None]] = {}
        self.dialling: Callable[[OutboundCall], None] = lambda _: None
        """Told of each dial in the moment in which it is made."""
        self.fates: Counter[str] = Counter()
        self._answers = answers
        self._engaged: dict[Number, float] = {}
        self._free: dict[Number, list[Callable[[], None]]] = {}

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, work)

    def tell(self, attempt: AttemptId, news: DialNews) -> None:
        told = self.told.get(attempt)
        if isinstance(news, DialEnded):
            self.told.pop(attempt, None)
        if told is not None:
            told(news)

    # --- one dial -----------------------------------------------------------------------------------------------

    def dial(self, call: OutboundCall) -> None:
        """Go through the dialplan's gate, and ring."""
        attempt = call.attempt
        if attempt in self.lines:
            return
        if attempt in self.let_through:
            self.later(0.05, lambda: self.tell(attempt, DialEnded(self.clock.now(), 0, already=True)))
            return
        self.dialling(call)
        self.let_through.add(attempt)
        self.lines[attempt] = Dial(call)
        fate = self._fate(call.number)
        self.fates[fate] += 1
        dice = self.chance.uniform
        match fate:
            case "busy":
                self._ends(attempt, dice(0.5, 2), BUSY, "BUSY")
            case "absent":
                self._ends(attempt, dice(0.5, 5), ABSENT, "CHANUNAVAIL")
            case "congested":
                self._ends(attempt, dice(0.2, 2), CONGESTION, "CONGESTION")
            case _:
                self.later(dice(0.5, 3), lambda: self._rings(attempt))
        match fate:
            case "no_answer":
                self._ends(attempt, call.ring_s, NO_ANSWER, "NOANSWER")
            case "rejected":
                self._ends(attempt, dice(4, 15), REJECTED, "BUSY")
            case "machine" | "person":
                self.later(dice(4, 18), lambda: self._answered(attempt, machine=fate == "machine"))

    def _fate(self, number: Number) -> str:
        if self._engaged.get(number, 0.0) > self.clock.monotonic():
            return "busy"
        moods, dice = self.moods, self.chance.random()
        for fate in ("busy", "no_answer", "rejected", "absent", "congested", "machine"):
            dice -= getattr(moods, fate)
            if dice < 0:
                break
        else:
            fate = "person"
        if fate == "busy":
            lasts_s = self.chance.uniform(10, 120)
            self._engaged[number] = self.clock.monotonic() + lasts_s
            self.later(lasts_s, lambda: self._freed(number))
        return fate

    def _freed(self, number: Number) -> None:
        for told in self._free.pop(number, []):
            told()

    def _rings(self, attempt: AttemptId) -> None:
        if attempt in self.lines:
            self.tell(attempt, DialRinging(self.clock.now()))

    def _answered(self, attempt: AttemptId, *, machine: bool) -> None:
        dial = self.lines.get(attempt)
        if dial is not None:
            dial.answered, dial.machine = True, machine
            detected = machine and dial.call.detect_voicemail
            self.tell(attempt, DialAnswered(self.clock.now(), machine=detected))
            self._answers(attempt)

    def _ends(self, attempt: AttemptId, delay_s: float, cause: int, status: str) -> None:
        self.later(delay_s, lambda: self.end(attempt, cause, status))

    def end(self, attempt: AttemptId, cause: int, status: str = "") -> None:
        """The channel is gone."""
        dial = self.lines.pop(attempt, None)
        if dial is None:
            return
        said = {"NOANSWER": "NO ANSWER", "BUSY": "BUSY", "CANCEL": "NO ANSWER"}.get(status, "FAILED")
        self.ended[attempt] = ("ANSWERED" if dial.answered else said, cause)
        self.tell(attempt, DialEnded(self.clock.now(), cause, status, answered=dial.answered))

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        """Watch a line, if it is one of those about which anybody tells: every fourth."""
        if int(number[-1]) % 4 or self._engaged.get(number, 0.0) <= self.clock.monotonic():
            return lambda: None
        watching = self._free.setdefault(number, [])
        watching.append(told)
        return lambda: told in watching and watching.remove(told)


class Operator:
    """`Originator` of one controller over the trunk. `dead`: its process is gone, and hears and does nothing."""

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self.dead = False

    def die(self) -> None:
        self.dead = True
        self.trunk.told.clear()

    async def _reach(self) -> None:
        await asyncio.sleep(self.trunk.chance.uniform(0.002, 0.01))
        if self.dead:
            await asyncio.get_running_loop().create_future()

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        self.trunk.told[attempt] = told

    def forget(self, attempt: AttemptId) -> None:
        self.trunk.told.pop(attempt, None)

    async def dial(self, call: OutboundCall) -> None:
        await self._reach()
        moods, dice = self.trunk.moods, self.trunk.chance.random()
        if dice < moods.refused_by_asterisk:
            raise AsteriskRefused("the exchange has no room for it", status=500)
        unheard = dice < moods.refused_by_asterisk + moods.unheard
        if not unheard or self.trunk.chance.random() < 0.5:
            self.trunk.dial(call)
        if unheard:
            raise AsteriskUnreachable("the exchange did not answer")

    async def cancel(self, attempt: AttemptId) -> None:
        await self._reach()
        dial = self.trunk.lines.get(attempt)
        if dial is not None and not dial.answered:
            self.trunk.end(attempt, CLEARING, "CANCEL")

    async def look(self, attempt: AttemptId) -> DialState:
        await self._reach()
        dial = self.trunk.lines.get(attempt)
        if dial is None:
            return DialState.ABSENT
        return DialState.UP if dial.answered else DialState.CALLING

    async def was_dialled(self, attempt: AttemptId) -> bool:
        await self._reach()
        return attempt in self.trunk.let_through

    async def line_state(self, number: Number) -> LineState:
        return LineState.UNKNOWN

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        return self.trunk.when_free(number, told)


@dataclass
class Decisions:
    """`OutboundStore` in memory, away when its database is. Who wants no calls is remembered; nothing else counts."""

    tables: Tables
    silent: dict[Number, datetime] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.tables.away:
            raise StoreError("Postgres is away: check that it runs")

    async def usage(self, number: Number, purpose: Purpose, now: datetime) -> Usage:
        await self._reach()
        return Usage(silent_since=self.silent.get(number))

    async def reserve(
        self, ask: OutboundAsk, attempt: str, number: Number, at: datetime, judge: Callable[[Usage], Verdict]
    ) -> Verdict:
        verdict = judge(await self.usage(number, ask.purpose, at))
        if verdict.allowed:
            self.reserved.add(attempt)
        return verdict

    async def decided(self, ask: OutboundAsk, verdict: Verdict, at: datetime, attempt: str = "") -> None:
        await self._reach()

    async def ended(self, attempt: str, at: datetime, talk_s: float, cost: float) -> None:
        await self._reach()
        self.reserved.discard(attempt)

    async def undone(self, attempt: str, at: datetime) -> None:
        await self._reach()
        self.reserved.discard(attempt)

    async def opt_out(self, number: Number, purpose: Purpose | None, at: datetime, source: str) -> None:
        await self._reach()
        self.silent[number] = at

    async def refused(self, number: Number, purpose: Purpose, at: datetime, source: str) -> None:
        await self._reach()

    async def opt_in(self, number: Number, purpose: Purpose | None) -> bool:
        await self._reach()
        return self.silent.pop(number, None) is not None
