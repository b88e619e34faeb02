"""The record store on Postgres: takes batches of entries from the journal (`controller.ports.RecordStore`).

A batch is folded into what it tells of each call and merged into the tables by one statement;
versions of the centre and Asterisk's own records have one each, and so has what queues and agents leave, in one
transaction with the calls. Merging is idempotent, so a batch whose fate is unknown is simply written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from controller.cdr.entries import DistributionEntry, Entry, StateSaved
from controller.cdr.fold import Folded, fold_all
from controller.cdr.visits import fold_visits
from controller.errors import StoreConflict, StoreError
from controller.ids import CallId
from controller.ports import Rejection
from controller.postgres import rows
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, Pool, away, blames_the_row, open_pool
from controller.postgres.hookevents import hook_events
from controller.postgres.statements import statement

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_decode_sources = msgspec.json.Decoder(dict[str, str]).decode


class PostgresStore:
    """Writes the record to one Postgres database and reads running calls back.

    Opens its connections when it needs them; every method raises `StoreError` while Postgres is away, within
    the limits of `controller.postgres.connection`.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Pool | None = None

    async def pool(self) -> Pool:
        """Return the pool all statements go through, opened on first use."""
        if self._pool is None:
            self._pool = await open_pool(self._dsn)
        return self._pool

    @property
    def dsn(self) -> str:
        """The address of the database; holds its password."""
        return self._dsn

    async def close(self) -> None:
        """Close all connections; cut those that do not close in time."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CONNECT_TIMEOUT_S)
        except (TimeoutError, *AWAY):
            pool.terminate()

    async def write(self, entries: Sequence[Entry]) -> Sequence[Rejection]:
        """Store `entries` idempotently; return those Postgres will never take. See `RecordStore.write`.

        When a row is refused, the batch is halved until the entry that brings it stands alone: the rest of a
        batch of n costs about log2(n) more transactions for each refused entry.
        """
        if not entries:
            await self.fetch("read/ping")
        rejections: list[Rejection] = []
        todo = [(0, len(entries))] if entries else []
        while todo:
            first, last = todo.pop()
            try:
                await self._write_folded(fold_all(entries[first:last]))
            except Exception as error:
                if not blames_the_row(error):
                    if isinstance(error, AWAY):
                        raise away(error, self._dsn) from error
                    raise
                if last - first == 1:
                    rejections.append(Rejection(first, _reason(error)))
                else:
                    middle = (first + last) // 2
                    todo += [(middle, last), (first, middle)]
        return rejections

    async def live_states(self) -> Sequence[StateSaved]:
        """Return the last stored state of every call, on any node, that has not ended."""
        return [
            StateSaved(CallId(call_id), at, channel_id, driver, release, node, state)
            for call_id, at, channel_id, driver, release, node, state in await self.fetch("read/live_states")
        ]

    async def ended(self, call_ids: Collection[CallId]) -> Collection[CallId]:
        """Return those of `call_ids` that are known to have ended."""
        return {CallId(row[0]) for row in await self.fetch("read/ended", list(call_ids))}

    async def load_release(self, release: str) -> Mapping[str, str] | None:
        """Return the sources of the centre's version `release`; None if the database does not have it."""
        found = await self.fetch("read/release", release)
        return _decode_sources(found[0][0]) if found else None

    async def fetch(self, name: str, *values: Any) -> list[asyncpg.Record]:
        """Run the statement `sql/<name>.sql` and return its rows; `StoreError` when Postgres is away or refuses."""
        try:
            pool = await self.pool()
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                return await connection.fetch(statement(f"{name}.sql"), *values)
        except AWAY as error:
            raise away(error, self._dsn) from error

    async def change(self, name: str, *values: Any) -> list[asyncpg.Record]:
        """As `fetch`, for what somebody asks to be stored: `StoreConflict` when what they gave cannot be."""
        try:
            return await self.fetch(name, *values)
        except StoreError as error:
            if error.__cause__ is not None and blames_the_row(error.__cause__):
                raise StoreConflict(f"it cannot be stored: {_reason(error.__cause__)}; correct it") from error
            raise

    async def _write_folded(self, folded: Folded) -> None:
        pool = await self.pool()
        async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            if not folded.distribution:
                # Each statement is whole and idempotent by itself: a batch that fails half-way is written again.
                await _write_calls(connection, folded)
                return
            async with connection.transaction():
                await _write_calls(connection, folded)
                await _write_distribution(connection, folded.distribution)


async def _write_calls(connection: Connection, folded: Folded) -> None:
    # Always in the order of their ids, so that two controllers that write at once never wait in a circle.
    calls = [folded.calls[call_id] for call_id in sorted(folded.calls)]
    replaced = [call.call_id for call in calls if call.state_dropped and call.state is not None]
    if folded.releases:
        await connection.execute(statement("write/releases.sql"), rows.release_rows(folded.releases.values()))
    if folded.asterisk_cdrs:
        await connection.execute(statement("write/asterisk_cdr.sql"), rows.cdr_rows(folded.asterisk_cdrs))
    if replaced:
        await connection.execute(statement("write/live_calls_void.sql"), replaced)
    if calls:
        await connection.execute(statement("write/batch.sql"), rows.batch_rows(calls))


async def _write_distribution(connection: Connection, entries: Sequence[DistributionEntry]) -> None:
    visits = fold_visits(entries)
    told = rows.distribution_rows(visits)
    if visits.talks:
        await connection.execute(statement("write/lock_talks.sql"))
        await connection.execute(statement("write/close_talks.sql"), told)
    await connection.execute(statement("write/distribution.sql"), told)
    if await connection.fetch(statement("write/lock_webhooks.sql")):
        await connection.execute(statement("write/webhook_events.sql"), rows.event_rows(hook_events(entries)))


def _reason(error: BaseException) -> str:
    """What Postgres said, without the detail line, which repeats the row and the numbers in it."""
    said = str(error).splitlines()
    return f"{type(error).__name__}: {said[0] if said else 'no message'}"
