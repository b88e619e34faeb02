"""Which version the schema has, and which it needs. Cheap to import; upgrading (`migrations`) is not.

A version is the number that its file under `sql/migrations` begins with.
"""

from __future__ import annotations

import asyncio
import importlib
from importlib import resources

import asyncpg

from controller.errors import StoreError
from controller.postgres.connection import AWAY, CONNECT_TIMEOUT_S, away, database_of


async def bring_up_to_date(dsn: str) -> None:
    """Upgrade the schema of the database at `dsn` if it is not the one this package needs. Raises `StoreError`."""
    if await current(dsn) == head():
        return
    # Alembic and SQLAlchemy take most of a second to import; a controller that is restarted has callers waiting.
    migrations = await asyncio.to_thread(importlib.import_module, "controller.postgres.migrations")
    await migrations.upgrade(dsn)


async def current(dsn: str) -> str | None:
    """Return the schema's version in the database at `dsn`, None if it has none. Raises `StoreError`."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=CONNECT_TIMEOUT_S)
        try:
            if await connection.fetchval("select to_regclass('schema_version')") is None:
                return None
            version: str | None = await connection.fetchval("select version_num from schema_version")
            return version
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except AWAY as error:
        raise away(error, dsn) from error


def head() -> str:
    """Return the version this package needs."""
    names = [path.name for path in resources.files("controller.postgres").joinpath("sql/migrations").iterdir()]
    if not names:
        raise StoreError("the package holds no migration: install it again")
    return max(names).partition("_")[0]


async def ensure_database(dsn: str) -> None:
    """Create the database that `dsn` names if it is not there. Raises `StoreError`.

    Needs the right to create databases, and the `postgres` database to do it from, only when it is missing.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        pass
    except AWAY as error:
        raise away(error, dsn) from error
    else:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
        return
    name = database_of(dsn).replace('"', '""')
    try:
        connection = await asyncpg.connect(dsn, database="postgres", timeout=CONNECT_TIMEOUT_S)
        try:
            await connection.execute(f'create database "{name}"', timeout=60.0)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return  # another controller was faster
    except AWAY as error:
        raise away(error, dsn) from error
