"""The one way out: every call to a number outside is judged, written down and dialled here, and nowhere else.

This is the only module that holds an `Originator` (a contract of import-linter), and the only one that asks for a
call outside; the context that its calls run in is the only one of the dialplan that leads to a trunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import structlog

from controller.callback.model import AttemptId
from controller.callback.outcomes import OF_THE_GATE
from controller.calls.outbound.originator import Originator
from controller.calls.outbound.ports import (
    DialAnswered,
    DialEnded,
    DialNews,
    DialState,
    LineState,
    OutboundCall,
    OutboundStore,
)
from controller.errors import AsteriskRefused, StoreError
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand
from controller.outbound import gate
from controller.outbound.model import Number, OutboundAsk, OutboundRules, Purpose, Usage, Verdict
from controller.ports import Clock

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(seconds=5)
"""When a call that could not be judged may be asked for again."""


def always() -> bool:
    """Return that a call may be made, whoever asks."""
    return True


class Outbound:
    """Judges and places calls to numbers outside.

    `rules` gives those of the release in force. `judge` and `place` never raise `StoreError`: while Postgres is away
    the verdict is `unavailable`, and nobody is called.
    """

    def __init__(
        self, originator: Originator, store: OutboundStore, clock: Clock, rules: Callable[[], OutboundRules]
    ) -> None:
        self._originator = originator
        self._store = store
        self._clock = clock
        self._rules = rules
        self._settling: set[asyncio.Task[None]] = set()

    async def judge(self, ask: OutboundAsk) -> Verdict:
        """Say whether a call would be placed now, and why not. Only a refusal is written down."""
        rules, now = self._rules(), self._clock.now()
        found = gate.recognise(rules, ask)
        try:
            if isinstance(found, Verdict):
                verdict = found
            else:
                usage = await self._store.usage(found.number, ask.purpose, now)
                verdict = gate.judge(rules, ask, usage, now)
            if not verdict.allowed:
                await self._store.decided(ask, verdict, now)
        except StoreError as error:
            return self._unavailable(ask, error, now)
        return verdict

    async def place(
        self,
        ask: OutboundAsk,
        attempt: AttemptId,
        told: Callable[[DialNews], None],
        *,
        ring_s: float,
        detect_voicemail: bool = False,
        may: Callable[[], bool] = always,
    ) -> Verdict:
        """Judge `ask` again, write the decision down, and have it dialled; `told` hears how the dial goes.

        `may` is asked in the last moment: when it says no, nothing is dialled and the verdict is `unavailable`. An
        allowed verdict means that Asterisk has taken the call. The same attempt may be placed again: Asterisk's
        side sees to it that it is dialled once. Raises `TelephonyError`: of `AsteriskRefused` nothing was dialled,
        of `AsteriskUnreachable` nobody knows.
        """
        rules, now = self._rules(), self._clock.now()
        found = gate.recognise(rules, ask)
        try:
            if isinstance(found, Verdict):
                await self._store.decided(ask, found, now)
                verdict = found
            else:
                verdict = await self._store.reserve(
                    ask, attempt, found.number, now, lambda usage: gate.judge(rules, ask, usage, now)
                )
        except StoreError as error:
            return self._unavailable(ask, error, now)
        if not verdict.allowed or verdict.facts is None:
            log.info("outbound.refused", attempt=attempt, code=verdict.code, rule=verdict.rule)
            return verdict
        if not may():
            await self._undo(attempt)
            return _not_now(verdict.facts, "the right to dial is gone", now)
        self._originator.follow(attempt, self._settling_at_end(attempt, verdict.facts.number, told))
        call = OutboundCall(attempt, verdict.facts.number, verdict.caller_id, ring_s, detect_voicemail)
        try:
            await self._originator.dial(call)
        except AsteriskRefused:
            await self._undo(attempt)
            raise
        return verdict

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        """Hear of an attempt that was placed before, perhaps by another controller."""
        self._originator.follow(attempt, self._settling_at_end(attempt, None, told))

    async def cancel(self, attempt: AttemptId) -> None:
        """End an attempt that nobody has answered; one that is gone is not an error. Raises `TelephonyError`."""
        await self._originator.cancel(attempt)

    async def look(self, attempt: AttemptId) -> DialState:
        """Look where an attempt's channel is. Raises `TelephonyError`."""
        return await self._originator.look(attempt)

    async def was_dialled(self, attempt: AttemptId) -> bool:
        """Tell whether the dialplan's gate has ever let an attempt through. Raises `TelephonyError`."""
        return await self._originator.was_dialled(attempt)

    async def line_state(self, number: Number) -> LineState:
        """Return how the telephone behind a number is, as far as anybody knows. Raises `TelephonyError`."""
        return await self._originator.line_state(number)

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` once when that telephone is free, if anybody knows; return what ends the watching."""
        return self._originator.when_free(number, told)

    async def ended(self, attempt: AttemptId, number: Number, talk_s: float) -> float:
        """Replace what a call has reserved by what it has cost; return that. Safe to repeat. Raises `StoreError`."""
        cost = self.cost(number, talk_s)
        await self._store.ended(attempt, self._clock.now(), talk_s, cost)
        return cost

    def cost(self, number: Number, talk_s: float) -> float:
        """Return what a call of `talk_s` to `number` costs by the tariffs in force; 0 where they do not say."""
        rules = self._rules()
        facts = understand(number, rules.country)
        tariff = rules.tariffs.of(facts) if isinstance(facts, NumberFacts) else None
        return tariff.cost(talk_s) if tariff is not None else 0.0

    async def opt_out(self, number: Number, purpose: Purpose | None, source: str) -> None:
        """Put a number on the list of those who are not called. Raises `StoreError`."""
        await self._store.opt_out(number, purpose, self._clock.now(), source)

    async def refused(self, number: Number, purpose: Purpose, source: str) -> None:
        """Note that somebody refused calls for `purpose`. Raises `StoreError`."""
        await self._store.refused(number, purpose, self._clock.now(), source)

    async def usage(self, number: Number, purpose: Purpose) -> Usage:
        """Return what the gate knows of a number. Raises `StoreError`."""
        return await self._store.usage(number, purpose, self._clock.now())

    async def close(self) -> None:
        """Wait for what is being written; its limits are those of the store."""
        await asyncio.gather(*self._settling)

    def _settling_at_end(
        self, attempt: AttemptId, number: Number | None, told: Callable[[DialNews], None]
    ) -> Callable[[DialNews], None]:
        answered_at: datetime | None = None

        def hear(news: DialNews) -> None:
            nonlocal answered_at
            if isinstance(news, DialAnswered):
                answered_at = news.at
            # An answered call that was not seen from its beginning is settled by the record.
            seen = answered_at is not None and number is not None
            if isinstance(news, DialEnded) and news.status in OF_THE_GATE:  # nobody's telephone was called
                self._write(self._undo(attempt))
            elif isinstance(news, DialEnded) and (seen or not (news.answered or answered_at)) and not news.already:
                talk_s = (news.at - answered_at).total_seconds() if answered_at is not None else 0.0
                self._write(self._settle(attempt, talk_s, number))
            told(news)

        return hear

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _undo(self, attempt: AttemptId) -> None:
        """Take the reservation back; if that cannot be written, it counts as a call that nobody answered."""
        try:
            await self._store.undone(attempt, self._clock.now())
        except StoreError as error:
            log.warning("outbound.not_undone", attempt=attempt, error=str(error))

    async def _settle(self, attempt: AttemptId, talk_s: float, number: Number | None = None) -> None:
        """Free what was reserved; while Postgres is away the record of the call does so later."""
        cost = self.cost(number, talk_s) if number is not None else 0.0
        try:
            await self._store.ended(attempt, self._clock.now(), talk_s, cost)
        except StoreError as error:
            log.warning("outbound.not_settled", attempt=attempt, error=str(error))

    def _unavailable(self, ask: OutboundAsk, error: StoreError, now: datetime) -> Verdict:
        log.warning("outbound.unavailable", purpose=ask.purpose.value, error=str(error))
        return _not_now(None, "what was done before cannot be read, so that nobody is called", now)


def _not_now(facts: NumberFacts | None, message: str, now: datetime) -> Verdict:
    return Verdict(
        False,
        "unavailable",
        message,
        "try again in a moment",
        facts,
        not_before=now + AGAIN_AFTER,
        rule="availability",
    )
