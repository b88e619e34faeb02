"""Creates and upgrades the schema.

Alembic keeps the order and the version; the migrations themselves are plain SQL files under `sql/migrations`.
All that are due run in one transaction under an advisory lock: several controllers may start at once, and a
migration that fails leaves the database as it was. There is no way down: restore a backup instead.
"""

from __future__ import annotations

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from controller.errors import StoreError
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, away, describe
from controller.postgres.statements import statement

UPGRADE_TIMEOUT_S = 600.0
"""Limit of one migration's statement, and of the wait for another controller that is upgrading."""

_LOCK = 0x52415050454C  # "RAPPEL": the advisory lock every upgrading controller takes


async def upgrade(dsn: str) -> None:
    """Bring the schema of the database at `dsn` to the version this package needs; nothing to do: nothing done.

    Raises `StoreError` when the database cannot be reached, refuses a migration, or is newer than this package.
    """
    engine = _engine(dsn)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except StoreError:
        raise
    except CommandError as error:
        raise StoreError(
            f"{describe(dsn)}: {error}; a newer version of Rappel has upgraded this schema: use that version, "
            "or restore a backup from before"
        ) from error
    except DBAPIError as error:  # holds what asyncpg raised, twice wrapped
        cause = error.orig.__cause__ if error.orig is not None else None
        raise away(cause or error, dsn) from error
    except AWAY as error:
        raise away(error, dsn) from error
    finally:
        await engine.dispose()


def run_sql(name: str) -> None:
    """Run the whole file `sql/migrations/<name>` on the connection of the migration that calls this."""
    script = statement(f"migrations/{name}")
    driver = op.get_bind().connection.dbapi_connection
    if driver is None:
        raise StoreError("the connection of the migration is gone: run the upgrade again")
    # One simple-protocol query, straight on asyncpg: SQLAlchemy would prepare it, and Postgres prepares only
    # single statements. It runs inside the transaction that took the lock.
    driver.run_async(lambda connection: connection.execute(script, timeout=UPGRADE_TIMEOUT_S))


def _engine(dsn: str) -> AsyncEngine:
    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=UPGRADE_TIMEOUT_S)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "controller.postgres:schema")
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> None:
    # First statement on purpose: it opens the transaction that everything below runs in.
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
