"""What was decided about calls outside, what they cost, and who does not want to be called.

Implements `controller.calls.outbound.ports.OutboundStore`. Numbers on the list are found by themselves, and once they
are erased by their keyed hash, which stays.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from controller.numbering.tariffs import Tariff
from controller.outbound.model import Number, OutboundAsk, Purpose, Usage, Verdict
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, away
from controller.postgres.retention import number_hash
from controller.postgres.statements import statement
from controller.postgres.store import PostgresStore

_HEX = re.compile(r"[0-9a-f]{32}")
_MAX_TEXT = 300

_encode = msgspec.json.encode


class OptOut(msgspec.Struct, frozen=True):
    """One entry of the list. `number` is None once it was erased; `purpose` "" stands for all.

    `kind`: `opt_out` holds until it is taken off, `refusal` for the time that the rules say.
    """

    number: str | None
    purpose: str
    kind: str
    at: datetime
    source: str


class Refusal(msgspec.Struct, frozen=True):
    """A call that was not allowed."""

    at: datetime
    purpose: str
    number: str
    code: str
    message: str
    rule: str
    not_before: datetime | None


class OutboundDay(msgspec.Struct, frozen=True):
    """Calls outside of one day and sort, and what they cost."""

    day: date
    caller_id: str
    source: str
    campaign: str
    country: str
    kind: str
    purpose: str
    currency: str
    calls: int
    answered: int
    talk_s: float
    cost: float


class NumberCost(msgspec.Struct, frozen=True):
    """What calls to one of the company's own numbers have cost it. `priced`: the tariff of their class is known."""

    number: str
    tariff_class: str
    priced: bool
    calls: int
    talk_s: float
    cost: float


class PostgresOutbound:
    """See `OutboundStore`. Every method raises `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore, key: bytes) -> None:
        self._store = store
        self._key = key
        self._turn = asyncio.Lock()

    async def usage(self, number: Number, purpose: Purpose, now: datetime) -> Usage:
        """Return what the gate must know of `number` and of what was spent."""
        rows = await self._store.fetch("outbound/usage", *self._asked(number, purpose, now, None))
        return _usage(rows[0])

    async def reserve(
        self, ask: OutboundAsk, attempt: str, number: Number, at: datetime, judge: Callable[[Usage], Verdict]
    ) -> Verdict:
        """See `OutboundStore.reserve`. One at a time in the whole centre, by a lock of the database."""
        attempt_id = _uuid(attempt)
        pool = await self._store.pool()
        # The first lock keeps those who wait here from holding all connections of this process.
        async with self._turn:
            try:
                async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection, connection.transaction():
                    await connection.execute(statement("outbound/lock.sql"))
                    await connection.execute(statement("outbound/settle.sql"))
                    asked = self._asked(number, ask.purpose, at, attempt_id)
                    rows = await connection.fetch(statement("outbound/usage.sql"), *asked)
                    verdict = judge(_usage(rows[0]))
                    await connection.execute(
                        statement("outbound/decided.sql"), *_decision(ask, verdict, at, attempt_id)
                    )
            except AWAY as error:
                raise away(error, self._store.dsn) from error
        return verdict

    async def decided(self, ask: OutboundAsk, verdict: Verdict, at: datetime, attempt: str = "") -> None:
        """Write down what was asked and what was said."""
        await self._store.fetch("outbound/decided", *_decision(ask, verdict, at, _uuid(attempt)))

    async def ended(self, attempt: str, at: datetime, talk_s: float, cost: float) -> None:
        """Replace the reserved cost of a call by what it has cost."""
        await self._store.fetch("outbound/ended", _uuid(attempt), at, max(0.0, talk_s), max(0.0, cost))

    async def undone(self, attempt: str, at: datetime) -> None:
        """Take an allowed call back."""
        await self._store.fetch("outbound/undone", _uuid(attempt), at)

    async def opt_out(self, number: Number, purpose: Purpose | None, at: datetime, source: str) -> None:
        """Put a number on the list; None: for every purpose but a requested call-back asked for later."""
        told = purpose.value if purpose is not None else ""
        await self._store.fetch("outbound/opt_out", number_hash(number, self._key), number, told, at, _text(source))

    async def refused(self, number: Number, purpose: Purpose, at: datetime, source: str) -> None:
        """Note that the person refused calls for `purpose` in a conversation."""
        hashed = number_hash(number, self._key)
        await self._store.fetch("outbound/refusal", hashed, number, purpose.value, at, _text(source))

    async def opt_in(self, number: Number, purpose: Purpose | None, by: str = "system") -> bool:
        """Take it off, and end a silence after a refusal of `purpose`; False when there was nothing."""
        told = purpose.value if purpose is not None else ""
        hashed = number_hash(number, self._key)
        return bool(await self._store.fetch("outbound/opt_in", hashed, told, _text(by), datetime.now(UTC), number))

    async def opt_outs(self, number: Number | None = None, limit: int = 1000) -> Sequence[OptOut]:
        """Return what holds, newest first: of `number`, or of everybody."""
        hashed = number_hash(number, self._key) if number is not None else None
        return [OptOut(*row) for row in await self._store.fetch("outbound/opt_outs", hashed, limit, number)]

    async def refusals(self, since: datetime, limit: int = 1000) -> Sequence[Refusal]:
        """Return calls that were not allowed, newest first."""
        return [Refusal(*row) for row in await self._store.fetch("outbound/refusals", since, limit)]

    async def days(self, since: datetime, until: datetime, zone: str) -> Sequence[OutboundDay]:
        """Return calls outside and their cost, by day of `zone`, number shown, source and destination."""
        return [OutboundDay(*row) for row in await self._store.fetch("outbound/days", since, until, zone)]

    async def incoming(self, since: datetime, until: datetime, classes: Mapping[str, Tariff]) -> Sequence[NumberCost]:
        """Return what calls to the company's own numbers have cost it, by the tariff of each tariff class."""
        told = [{"tariff_class": name, **msgspec.structs.asdict(tariff)} for name, tariff in classes.items()]
        rows = await self._store.fetch("outbound/incoming", since, until, _encode(told).decode())
        return [NumberCost(*row) for row in rows]

    def _asked(self, number: Number, purpose: Purpose, now: datetime, attempt: UUID | None) -> tuple[Any, ...]:
        return number, number_hash(number, self._key), purpose.value, now, attempt


def _usage(row: asyncpg.Record) -> Usage:
    return Usage(**{**row, "recent": tuple(row["recent"])})


def _decision(ask: OutboundAsk, verdict: Verdict, at: datetime, attempt: UUID | None) -> tuple[Any, ...]:
    """Return the values of `outbound/decided.sql`, in its order."""
    facts, tariff = verdict.facts, verdict.tariff or Tariff(0.0)
    return (
        at,
        attempt if verdict.allowed else None,
        _uuid(ask.request) if _HEX.fullmatch(ask.request.replace("-", "")) else None,
        _text(ask.agent),
        facts.number if facts is not None else "",
        facts.country if facts is not None else "",
        facts.kind.value if facts is not None else "",
        ask.purpose.value,
        verdict.caller_id,
        verdict.allowed,
        verdict.code,
        _text(verdict.message),
        _text(verdict.rule),
        verdict.not_before,
        verdict.currency,
        tariff.per_min,
        tariff.connection,
        tariff.step_s,
        tariff.least_s,
        verdict.cost if verdict.allowed else 0.0,
    )


def _uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


def _text(text: str) -> str:
    """Return a text as Postgres takes it, and no longer than anybody reads."""
    return text.replace("\x00", "")[:_MAX_TEXT]
