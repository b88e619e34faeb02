"""Our record of a call beside Asterisk's own, over every fault that may come between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from controller.cdr.entries import Disposition
from controller.postgres import migrations, queries
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.softphone.phone import Phone, answer_after, reject_with
from tests.rig.centre import Centre, Process, config_for, readiness, ready, until

TOLERANCE_S = 2
NAMES = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "${SHELL(id)} ${CHANNEL(name)}",
    "Robert'); drop table calls; --",
    "{{ 7 * 7 }} {% raw %} ${jndi:ldap}",
    "Zoé Ünal ☎ 電話",
    "a,b;c|d^e&f~g\\h",
    "x" * 300,
]


async def asterisk_records(centre: Centre, channels: set[str]) -> dict[str, list[asyncpg.Record]]:
    """Asterisk's own records of `channels`, by unique id, once there is one of each."""
    pool = await centre.store.pool()

    async def there() -> bool:
        found = await pool.fetch(
            "select distinct uniqueid from asterisk_cdr where uniqueid = any($1)", list(channels)
        )
        return len(found) == len(channels)

    await until(there)
    rows: dict[str, list[asyncpg.Record]] = {}
    for row in await pool.fetch("select * from asterisk_cdr where uniqueid = any($1)", list(channels)):
        rows.setdefault(row["uniqueid"], []).append(row)
    return rows


async def agree(centre: Centre, since: datetime) -> None:
    """Every row of our `cdr` view agrees with Asterisk's own record of that channel, and the ledger finds nothing."""
    pool = await centre.store.pool()
    ours = await pool.fetch("select * from cdr order by calldate")
    theirs = await asterisk_records(centre, {row["uniqueid"] for row in ours})
    for row in ours:
        records = theirs[row["uniqueid"]]
        assert {each["channel"] for each in records} == {row["channel"]}
        fields = [json.loads(each["fields"]) for each in records]
        assert (row["disposition"] == "ANSWERED") == any(each["AnswerTime"] for each in fields)
        assert {each["Source"] for each in fields} == {row["src"]}
        for ours_s, theirs_s in (("duration", "duration_s"), ("billsec", "billsec_s")):
            longer = row[ours_s] - sum(each[theirs_s] for each in records)
            assert longer >= -TOLERANCE_S
            # Asterisk closes its record of a call that the dialplan dialled from at the end of that dial.
            assert longer <= TOLERANCE_S or all(each["LastApplication"] == "Dial" for each in fields)
    found = await queries.disagreements(pool, since, datetime.now(UTC) + timedelta(seconds=1), TOLERANCE_S)
    assert list(found) == []


@pytest.mark.parametrize("agi", ["", "agi"])
async def test_our_records_agree_with_asterisk_s(centre: Centre, phone: Phone, agi: str):
    since = datetime.now(UTC) - timedelta(seconds=1)

    async def completed() -> None:
        call = await phone.call(centre.uri(f"{agi}2000"), caller="33600000001")
        await call.wait_for(0.4)
        await call.press("1")
        assert await call.wait_ended(10)

    async def abandoned() -> None:
        call = await phone.call(centre.uri(f"{agi}1000"), caller="33600000002")
        await call.wait_for(1.5)
        await call.hangup()

    async def reached(caller: str) -> None:
        call = await phone.call(centre.uri(f"{agi}4000"), caller=caller)
        assert await call.wait_ended(15)

    port = centre.asterisk.settings.sip_port
    async with centre.account("1001", on_call=answer_after(0.2)) as alice:
        assert await alice.register(f"sip:127.0.0.1:{port}") == 200
        talked = asyncio.create_task(reached("33600000003"))
        await asyncio.gather(completed(), abandoned())

        async def talking() -> bool:
            return any(talk.heard.duration_s > 0.5 for talk in alice.calls)

        await until(talking)
        (talk,) = alice.calls
        await talk.hangup()
        await talked
    async with centre.account("1001", on_call=reject_with(486)) as alice:
        assert await alice.register(f"sip:127.0.0.1:{port}") == 200
        await reached("33600000004")
    expected = {
        "33600000001": (Disposition.COMPLETED, "Stasis", ""),
        "33600000002": (Disposition.ABANDONED, "Stasis", ""),
        "33600000003": (Disposition.TALKED, "Dial", "1001"),
        "33600000004": (Disposition.COMPLETED, "Dial", "1001"),
    }
    pool = await centre.store.pool()
    for caller, (disposition, application, reached_number) in expected.items():
        record = await centre.record(caller)
        assert record.call.disposition is disposition
        row = await pool.fetchrow("select * from cdr where uniqueid = $1", record.call.channel_id)
        assert row["lastapp"] == ("AGI" if agi and application == "Stasis" else application)
        assert (row["src"], row["disposition"], row["userfield"]) == (caller, "ANSWERED", disposition)
        assert row["lastdata"] == (reached_number or record.call.flow)
        causes = [leg.cause for leg in record.legs]
        assert causes == ([16, 17] if caller.endswith("4") else [16, 16] if reached_number else [16])
    await agree(centre, since)


@pytest_asyncio.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    """A Postgres that the test may stop."""
    server = PostgresServer(postgres_runtime.find(), tmp_path / "pg", durable=False)
    await server.start()
    yield server
    await server.stop()


async def test_a_killed_controller_loses_nothing(
    asterisk: AsteriskServer, own_postgres: PostgresServer, folder: Path, audio_cache: Path, tmp_path: Path
):
    """Postgres goes, calls are made, the controller is killed: its successor brings the records from the journal."""
    dsn = await own_postgres.create_database("gone")
    await migrations.upgrade(dsn)
    config = config_for(asterisk, dsn, folder, audio_cache)
    centre, controller = Centre(config, asterisk, None), Process(config, tmp_path / "controller.log")
    since = datetime.now(UTC) - timedelta(seconds=1)
    try:
        await controller.start()
        await ready(centre)
        os.kill(own_postgres.pid or 0, signal.SIGINT)  # fast shutdown
        await own_postgres.wait()
        async with Phone() as phone:
            whole = await phone.call(centre.uri("2000"), caller="33600000001")
            await whole.wait_for(0.4)
            await whole.press("1")
            assert await whole.wait_ended(10)
            cut = await phone.call(centre.uri("1000"), caller="33600000002")
            await cut.wait_for(1.3)
            controller.kill(signal.SIGKILL)
            await controller.ended()
            await controller.start()  # and Postgres is still away
            await away(centre)
            await cut.press("2")
            assert await cut.wait_ended(15)
            await own_postgres.start()
            await ready(centre)
            for caller, steps in (
                ("33600000001", ["menu", "bravo", "fin"]),
                ("33600000002", ["bienvenue", "menu", "bravo", "au_revoir"]),
            ):
                record = await centre.record(caller)
                assert [step.step for step in record.steps] == steps
                assert record.call.disposition is Disposition.COMPLETED
                assert [leg.cause for leg in record.legs] == [16]
        pool = await centre.store.pool()
        assert await pool.fetchval("select count(*) from calls") == 2
        assert await pool.fetchval("select count(*) from live_calls") == 0
        assert len(await queries.recent_calls(pool, 10)) == 2
        # The first call's own record of Asterisk came while only the journal was there; the gap's may be missing.
        found = await queries.disagreements(pool, since, datetime.now(UTC) + timedelta(seconds=1), TOLERANCE_S)
        assert {each.finding for each in found} <= {"no record of Asterisk's"}
    finally:
        controller.kill()
        await controller.ended()
        await centre.store.close()


async def away(centre: Centre) -> None:
    """Wait until the controller serves calls although Postgres is away."""

    async def serves() -> bool:
        try:
            _, checks = await readiness(centre)
        except aiohttp.ClientError:
            return False
        return bool(checks["Asterisk"]["ok"]) and not checks["Postgres"]["ok"]

    await until(serves)


@pytest.mark.parametrize("number", ["2000", "agi2000"])
async def test_hostile_names_stay_data(centre: Centre, number: str):
    for place, name in enumerate(NAMES):
        async with Phone(user=f"3360000000{place}", display_name=name) as phone:
            call = await phone.call(centre.uri(number))
            await call.press("2")
            assert await call.wait_ended(10)
    pool = await centre.store.pool()
    for place, name in enumerate(NAMES):
        record = await centre.record(f"3360000000{place}")
        assert record.call.disposition is Disposition.COMPLETED
        assert record.call.caller_name
        sent = name.replace("\\", 2 * "\\")  # Asterisk leaves SIP's quoting of a backslash in
        assert sent.startswith(record.call.caller_name), (name, record.call.caller_name)
        row = await pool.fetchrow("select clid, src from cdr where uniqueid = $1", record.call.channel_id)
        assert row["src"] == f"3360000000{place}"
        assert row["clid"].startswith('"')
        assert len(row["clid"]) <= 80
    assert len(await queries.recent_calls(pool, 50)) == len(NAMES)
    url = f"http://127.0.0.1:{centre.config.web.port}/"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        page = await answer.text()
    assert "<script" not in page
