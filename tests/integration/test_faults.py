"""Parts break while people call: controller, Asterisk, Postgres, the operators' files."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import asyncpg

from controller.app import assembled
from controller.cdr.entries import Disposition
from controller.postgres import migrations
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.softphone.call import CallState
from controller.softphone.media import tone
from controller.softphone.phone import Phone, answer_after
from controller.softphone.sound import has_tone, level_dbfs
from tests.rig import freeports
from tests.rig.asterisk import Rig
from tests.rig.centre import Centre, Process, config_for, readiness, ready, running, until

CALLER = "33612345678"


# --- the operators' files ---------------------------------------------------------------------------------


async def test_a_broken_file_disturbs_neither_running_nor_new_calls(centre: Centre, phone: Phone, folder: Path):
    assert centre.parts is not None
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    (folder / "accueil.yaml").write_text("flow: accueil\nstart: nowhere\nsteps: {a: {type: sya}}\n")
    assert not await centre.parts.releases.reload()
    assert "nowhere" in centre.parts.releases.last_error
    await call.press("2")
    assert await call.wait_ended(10)
    assert centre.heard(call)[-2:] == ["fr/bravo", "fr/au_revoir"]
    again = await phone.call(centre.uri("1000"))
    await again.press("2")
    assert await again.wait_ended(10)
    assert centre.heard(again)[-1] == "fr/au_revoir"
    assert centre.parts.releases.failures == 1


async def test_a_running_call_keeps_the_version_it_began_with(centre: Centre, phone: Phone, folder: Path):
    assert centre.parts is not None
    old = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    flow = folder / "accueil.yaml"
    flow.write_text(flow.read_text().replace("2: bravo, 0", "2: au_revoir, 0"))
    assert await centre.parts.releases.reload()
    new = await phone.call(centre.uri("1000"))
    for call in (old, new):
        await call.press("2")
    for call in (old, new):
        assert await call.wait_ended(10)
    assert "fr/bravo" in centre.heard(old)
    assert "fr/bravo" not in centre.heard(new)
    assert len(centre.parts.releases._live) == 1  # the old version is forgotten with its last call


# --- the controller ---------------------------------------------------------------------------------------


async def test_a_killed_controller_asks_the_menu_again(process: tuple[Centre, Process], phone: Phone):
    centre, controller = process
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    await call.press("1")
    await asyncio.sleep(0.4)  # in the submenu's prompt
    controller.kill(signal.SIGKILL)
    await controller.ended()
    killed_at = time.monotonic() - call.heard.origin
    await controller.start()
    await ready(centre)
    await asyncio.sleep(1.0)
    await call.press("1")
    assert await call.wait_ended(15)
    heard = centre.ear.listen(call.heard.samples)
    assert [each.name for each in heard][-4:] == ["fr/sous_menu", "fr/sous_menu", "fr/bravo", "fr/au_revoir"]
    again = heard[-3]
    assert again.start_s > killed_at
    record = await centre.record(CALLER)
    assert [step.step for step in record.steps] == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]
    assert record.call.disposition is Disposition.COMPLETED


async def test_a_killed_controller_leaves_a_conversation_untouched(process: tuple[Centre, Process], phone: Phone):
    centre, controller = process
    port = centre.asterisk.settings.sip_port
    async with centre.account("1001", on_call=answer_after(0.1, lambda: tone(1300))) as alice:
        assert await alice.register(f"sip:127.0.0.1:{port}") == 200
        call = await phone.call(centre.uri("4000"), source=tone(700))
        await asyncio.sleep(1.5)
        (talk,) = alice.calls
        controller.kill(signal.SIGKILL)
        await controller.ended()
        await asyncio.sleep(1.0)
        assert has_tone(call.heard.samples[-4000:], 1300)
        assert has_tone(talk.heard.samples[-4000:], 700)
        await controller.start()
        await ready(centre)
        await asyncio.sleep(0.5)
        assert has_tone(call.heard.samples[-4000:], 1300)
        assert len(alice.calls) == 1  # nobody was dialled twice
        await talk.hangup()
        assert await call.wait_ended(10)
        assert centre.heard(call)[-1] == "fr/au_revoir"
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert len(record.legs) == 2
    assert await centre.channels() == []


async def test_a_caller_whose_state_is_lost_begins_again(process: tuple[Centre, Process], phone: Phone):
    """Disk and database forgot the call: its channel is still there, and so is the caller."""
    centre, controller = process
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    await centre.record(CALLER, ended=False)
    controller.kill(signal.SIGKILL)
    await controller.ended()
    shutil.rmtree(Path(centre.config.node.state_dir) / "journal")
    connection = await asyncpg.connect(centre.config.postgres.url)
    await connection.execute("truncate live_calls")
    await connection.close()
    await controller.start()
    await ready(centre)
    await asyncio.sleep(1.5)
    await call.press("2")
    assert await call.wait_ended(15)
    heard = centre.heard(call)
    assert heard.count("fr/bienvenue") == 2
    assert heard[-2:] == ["fr/bravo", "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert (record.call.called_number, record.call.disposition) == ("1000", Disposition.COMPLETED)


async def test_calls_of_the_gap_are_served_or_closed(process: tuple[Centre, Process], phone: Phone):
    """One caller hangs up while no controller is there, one calls meanwhile."""
    centre, controller = process
    gone = await phone.call(centre.uri("1000"), caller="33600000001")
    await asyncio.sleep(0.5)
    controller.kill(signal.SIGKILL)
    await controller.ended()
    await gone.hangup()
    new = await phone.dial(centre.uri("2000"), caller="33600000002")
    await asyncio.sleep(0.5)
    await controller.start()
    assert await new.wait_answered(10)
    await asyncio.sleep(0.3)
    await new.press("1")
    assert await new.wait_ended(10)
    assert centre.heard(new) == ["fr/menu", "fr/bravo"]
    first = await centre.record("33600000001")
    assert first.call.disposition in {Disposition.ABANDONED, Disposition.LOST}
    assert (await centre.record("33600000002")).call.disposition is Disposition.COMPLETED


async def test_without_a_controller_the_caller_hears_why(process: tuple[Centre, Process], phone: Phone):
    centre, controller = process
    controller.kill(signal.SIGTERM)
    assert await controller.ended() == 0
    call = await phone.dial(centre.uri("1000"), ring_timeout_s=60)
    assert await call.wait_answered(40)
    assert await call.wait_ended(20)
    assert call.heard.duration_s > 2  # Asterisk's own recordings
    assert level_dbfs(call.heard.samples) > -45


async def test_a_controller_may_dial_an_asterisk_that_cannot_dial_it(
    asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path, phone: Phone
):
    asterisk = await asterisk_rig.boot(controller_port=9)  # nobody listens where Asterisk dials
    config = config_for(asterisk, database, folder, audio_cache)
    config.asterisk.link = "controller"
    config.web.socket_port = freeports.block()
    async with assembled(config) as parts:
        await parts.driver.connection.ready(10)
        centre = Centre(config, asterisk, parts)
        call = await phone.call(centre.uri("2000"))
        await asyncio.sleep(0.3)
        await call.press("1")
        assert await call.wait_ended(10)
        assert centre.heard(call) == ["fr/menu", "fr/bravo"]
        await centre.store.close()


async def test_an_asterisk_that_forgets_to_dial_is_dialled(
    asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path, phone: Phone
):
    asterisk = await asterisk_rig.boot(controller_port=9)  # as if its thread for the WebSocket were stuck
    config = config_for(asterisk, database, folder, audio_cache)
    config.web.socket_port = freeports.block()
    for caller in (CALLER, "33600000004"):  # and the next controller as well
        async with assembled(config) as parts:
            await parts.driver.connection.ready(10)
            centre = Centre(config, asterisk, parts)
            call = await phone.call(centre.uri("2000"), caller=caller)
            await asyncio.sleep(0.3)
            await call.press("1")
            assert await call.wait_ended(10)
            assert centre.heard(call) == ["fr/menu", "fr/bravo"]
            await centre.store.close()


# --- Asterisk ---------------------------------------------------------------------------------------------


async def test_asterisk_dies_and_comes_back(asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path):
    asterisk = await asterisk_rig.boot()
    async with running(asterisk, database, folder, audio_cache) as centre, Phone(user=CALLER) as phone:
        before = await phone.call(centre.uri("1000"))
        await asyncio.sleep(1.2)
        await asterisk.kill()

        async def not_ready() -> bool:
            return (await readiness(centre))[0] == 503

        await until(not_ready)
        status, checks = await readiness(centre)
        assert (status, checks["Asterisk"]["ok"]) == (503, False)
        assert checks["Asterisk"]["reason"]
        asterisk = asterisk_rig.again(asterisk)
        await asterisk.start()
        await ready(centre)
        record = await centre.record(CALLER)
        assert record.call.disposition in {Disposition.LOST, Disposition.ABANDONED, Disposition.FAILED}
        after = await phone.call(centre.uri("2000"), caller="33600000003")
        await asyncio.sleep(0.3)
        await after.press("1")
        assert await after.wait_ended(10)
        assert centre.heard(after) == ["fr/menu", "fr/bravo"]
        assert (await centre.record("33600000003")).call.disposition is Disposition.COMPLETED
        assert centre.parts is not None
        assert centre.parts.supervisor.running == []
        before.abandon()


async def test_a_frozen_asterisk_is_noticed_and_goes_on_when_it_thaws(
    asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path
):
    asterisk = await asterisk_rig.boot()
    async with running(asterisk, database, folder, audio_cache) as centre, Phone(user=CALLER) as phone:
        call = await phone.call(centre.uri("1000"))
        await asyncio.sleep(1.2)
        assert asterisk.pid is not None
        os.kill(asterisk.pid, signal.SIGSTOP)
        try:

            async def not_ready() -> bool:
                return (await readiness(centre))[0] == 503

            began = time.monotonic()
            await until(not_ready)
            noticed_s = time.monotonic() - began
            await asyncio.sleep(1)
        finally:
            os.kill(asterisk.pid, signal.SIGCONT)
        assert noticed_s < 6
        await ready(centre)
        assert centre.parts is not None
        assert not centre.parts.driver.connection.dialled_by_us
        await call.press("2")
        assert await call.wait_ended(15)
        assert centre.heard(call)[-2:] == ["fr/bravo", "fr/au_revoir"]
        assert (await centre.record(CALLER)).call.disposition is Disposition.COMPLETED


# --- Postgres ---------------------------------------------------------------------------------------------


async def test_postgres_goes_and_nothing_is_lost(
    asterisk: AsteriskServer, folder: Path, audio_cache: Path, postgres_server: PostgresServer, tmp_path: Path
):
    server = PostgresServer(postgres_runtime.find(), tmp_path / "pg", durable=False)
    await server.start()
    try:
        dsn = await server.create_database("gone")
        await migrations.upgrade(dsn)
        async with running(asterisk, dsn, folder, audio_cache) as centre, Phone(user=CALLER) as phone:
            during = await phone.call(centre.uri("1000"))
            await asyncio.sleep(0.5)
            os.kill(server.pid or 0, signal.SIGINT)  # fast shutdown
            await server.wait()
            await asyncio.sleep(0.8)
            await during.press("2")
            assert await during.wait_ended(10)
            assert centre.heard(during)[-2:] == ["fr/bravo", "fr/au_revoir"]
            alone = await phone.call(centre.uri("2000"), caller="33600000004")
            await alone.press("2")
            assert await alone.wait_ended(10)
            status, checks = await readiness(centre)
            assert (status, checks["Postgres"]["ok"]) == (503, False)
            assert "wait on disk" in str(checks["Postgres"]["reason"])
            await server.start()
            await ready(centre)
            assert [s.step for s in (await centre.record(CALLER)).steps][-1] == "au_revoir"
            assert (await centre.record("33600000004")).call.disposition is Disposition.COMPLETED
            assert centre.parts is not None
            assert (centre.parts.journal.pending, centre.parts.journal.dropped) == (0, 0)
            assert during.state is CallState.ENDED
    finally:
        await server.stop()
