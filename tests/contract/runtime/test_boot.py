"""The embedded parts on the real thing: they boot, they are there for a test, they stop."""

from __future__ import annotations

import time

import asyncpg

from controller.runtime.asterisk import AsteriskServer


async def test_asterisk_boots_with_its_endpoints(asterisk: AsteriskServer) -> None:
    endpoints = await asterisk.cli("pjsip show endpoints")
    assert "1001/1001" in endpoints
    assert "trunk" in endpoints
    log = (asterisk.paths.log / "messages.log").read_text()
    assert "ERROR" not in log
    assert "WARNING" not in log


async def test_asterisk_stops_when_asked(asterisk: AsteriskServer) -> None:
    began = time.monotonic()
    await asterisk.stop()
    assert asterisk.pid is None
    assert time.monotonic() - began < 8


async def test_a_database_is_a_copy_of_the_migrated_template(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert (
            await connection.fetchval("select count(*) from pg_tables where schemaname !~ '^(pg_|information)'") > 0
        )
    finally:
        await connection.close()
