"""The trunk for call-backs, in memory and on virtual time: `FakeExit`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.callback.model import (
    AttemptId,
)
from controller.calls.callback.means import Expected, Past
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialNews, DialRinging, DialState
from controller.errors import AsteriskUnreachable
from controller.numbering.model import Number, NumberFacts, NumberKind
from controller.outbound.model import OutboundAsk, Purpose, Verdict
from controller.ports import Clock


@dataclass
class FakeLine:
    """A dial, as the trunk has it."""

    ask: OutboundAsk
    told: Callable[[DialNews], None] | None
    state: DialState = DialState.CALLING


@dataclass
class FakeExit:
    """`Exit`, with the record of what its customers did. `dials` counts the INVITEs of each attempt.

    `down`: Asterisk is out of reach; `lose`: it takes the dial, and its answer does not come.
    """

    clock: Clock
    dials: Counter[AttemptId] = field(default_factory=Counter)
    lines: dict[AttemptId, FakeLine] = field(default_factory=dict)
    pasts: dict[AttemptId, Past] = field(default_factory=dict)
    opted_out: list[str] = field(default_factory=list)
    watched: list[Callable[[], None]] = field(default_factory=list)
    verdict: Verdict | None = None
    down: bool = False
    lose: bool = False

    async def judge(self, ask: OutboundAsk) -> Verdict:
        return self.verdict or _allowed(ask)

    async def place(
        self,
        ask: OutboundAsk,
        attempt: AttemptId,
        told: Callable[[DialNews], None],
        *,
        ring_s: float,
        detect_voicemail: bool = False,
        may: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        await asyncio.sleep(0.002)
        verdict = self.verdict or _allowed(ask)
        if not verdict.allowed:
            return verdict
        if not may():
            return Verdict(False, "unavailable", not_before=self.clock.now() + timedelta(seconds=5))
        if self.down:
            raise AsteriskUnreachable("away")
        if attempt in self.dials:  # the dialplan's gate
            if attempt not in self.lines:
                asyncio.get_running_loop().call_soon(told, DialEnded(self.clock.now(), 0, already=True))
        else:
            self.dials[attempt] += 1
            self.lines[attempt] = FakeLine(ask, told)
        if self.lose:
            raise AsteriskUnreachable("no answer")
        return verdict

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        if attempt in self.lines:
            self.lines[attempt].told = told

    async def cancel(self, attempt: AttemptId) -> None:
        await self._reach()
        if attempt in self.lines and self.lines[attempt].state is DialState.CALLING:
            self.end(attempt, 16, "CANCEL")

    async def look(self, attempt: AttemptId) -> DialState:
        await self._reach()
        return self.lines[attempt].state if attempt in self.lines else DialState.ABSENT

    async def was_dialled(self, attempt: AttemptId) -> bool:
        await self._reach()
        return attempt in self.dials

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        self.watched.append(told)
        return lambda: None

    async def ended(self, attempt: AttemptId, number: Number, talk_s: float) -> float:
        return 0.0

    async def opt_out(self, number: Number, purpose: Purpose | None, source: str) -> None:
        self.opted_out.append(number)

    async def _reach(self) -> None:
        await asyncio.sleep(0.001)
        if self.down:
            raise AsteriskUnreachable("away")

    # --- what customers do

    @property
    def numbers(self) -> list[str]:
        """Who rings just now."""
        return [line.ask.number for line in self.lines.values() if line.state is DialState.CALLING]

    def ring(self, attempt: AttemptId) -> None:
        self._tell(attempt, DialRinging(self.clock.now()))

    def answer(self, attempt: AttemptId, *, machine: bool = False) -> None:
        self.lines[attempt].state = DialState.UP
        self._tell(attempt, DialAnswered(self.clock.now(), machine))

    def end(self, attempt: AttemptId, cause: int, status: str = "") -> None:
        """The channel is gone."""
        line = self.lines.pop(attempt)
        if line.told is not None:
            line.told(DialEnded(self.clock.now(), cause, status, answered=line.state is DialState.UP))

    def _tell(self, attempt: AttemptId, news: DialNews) -> None:
        told = self.lines[attempt].told
        if told is not None:
            told(news)

    # --- what the record says

    async def past(self, attempt: AttemptId) -> Past:
        return self.pasts.get(attempt, Past())

    async def open(self) -> Mapping[str, int]:
        return {}

    async def expected(self, queue: str, zone: str, now: datetime) -> Expected:
        return Expected()


def _allowed(ask: OutboundAsk) -> Verdict:
    facts = NumberFacts(Number(ask.number), "FR", NumberKind.MOBILE, ask.number, ("Europe/Paris",))
    return Verdict(True, facts=facts, caller_id=ask.caller_id)
