"""Connections to Postgres: time limits on everything, errors told apart, no password in any message."""

from __future__ import annotations

from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg

from controller.errors import StoreError

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# SQLSTATE classes that blame the row, not the server: bad data, a broken constraint, a value over a limit,
# an exception raised by a function.
_ROW_CLASSES = ("22", "23", "54", "P0")


def describe(dsn: str) -> str:
    """Return `dsn` fit for a log: host, port and database, neither user nor password."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = query.get("host", [""])[-1] or parts.hostname or "the default socket"
    port = query.get("port", [""])[-1] or parts.port or 5432
    return f"database {database_of(dsn) or 'by default'} on {host} port {port}"


def database_of(dsn: str) -> str:
    """Return the name of the database `dsn` names; empty when it leaves it to the environment."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    named = query.get("dbname", query.get("database", [""]))[-1]
    return named or parts.path.lstrip("/")


async def open_pool(dsn: str, *, max_size: int = 4) -> Pool:
    """Return a pool that connects when first used, so that it can be opened while Postgres is away.

    Raises `StoreError` if `dsn` cannot be understood.
    """
    try:
        parts = urlsplit(dsn)
        understood = parts.scheme in {"postgresql", "postgres"} and parts.port != 0
    except ValueError:
        understood = False
    if not understood:
        raise StoreError(
            "the address of the database cannot be understood; write it as "
            "postgresql://user:password@host:5432/name or postgresql:///name?host=/folder/of/the/socket"
        )
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=300.0,
        reset=_keep,
        server_settings={"application_name": "rappel"},
    )


async def _keep(_: object) -> None:
    """Leave a connection as it is when it goes back to the pool: nobody sets anything on a session.

    asyncpg would otherwise send a statement to reset it, as dear as the statement it was taken for.
    """


def blames_the_row(error: BaseException) -> bool:
    """Tell whether `error` says that this very data will never be taken, however often it is sent."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_ROW_CLASSES)
    # asyncpg could not even encode a value: of the wrong type or out of its range.
    return isinstance(error, (asyncpg.DataError, OverflowError, UnicodeError))


AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a statement raises when Postgres is away, stopping, full or set up wrongly (or the row is bad).

asyncpg calls it an internal error when a statement is sent in the moment between the server's farewell and the end
of the connection.
"""


def away(error: BaseException, dsn: str = "") -> StoreError:
    """Return the error that says what was wrong with Postgres (at `dsn`, if told) and what to do."""
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("42"):
        hint = "upgrade the schema (a controller does so when it starts), or grant the account its tables"
    elif state.startswith("28"):
        hint = "check the account and the password"
    elif state.startswith("53"):
        hint = "Postgres is out of disk, memory or connections"
    else:
        hint = "check that it runs and can be reached"
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    where = describe(dsn) if dsn else "Postgres"
    return StoreError(f"{where}: {what}; {hint}")
