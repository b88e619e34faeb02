"""What may befall a conversation: a killed controller, an unplugged phone; and what is kept of what was said."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
import soundfile

from controller.ari.generated import operations
from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndConsult,
    Hold,
    PauseRecording,
    Supervise,
    SuperviseHow,
    Target,
    TargetKind,
)
from controller.runtime.asterisk import AsteriskServer
from controller.softphone.phone import Phone
from controller.softphone.sdp import Direction
from controller.softphone.sound import tone_level
from tests.rig.agents import write_queues
from tests.rig.centre import Centre, Process, ready, running, until
from tests.rig.listening import silences
from tests.rig.stage import CUSTOMER, HZ, MUSIC, Stage, staged
from tests.rig.unplugged import unplug

QUEUES = {
    "aide": {"ring": "5s"},
    "notee": {"ring": "5s", "record": {"announcement": "annonce"}},
}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two queues; conversations of the second one are recorded."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@pytest_asyncio.fixture
async def stage(centre: Centre, phone: Phone) -> AsyncIterator[Stage]:
    """A customer, Anne, Bruno, and Chloé who supervises."""
    async with staged(centre, phone, list(QUEUES)) as stage:
        yield stage


LOST_WITHIN_S = 7.0
"""Noticed within 5 s; then the customer is offered to somebody else, who answers."""


async def restarted(centre: Centre, controller: Process) -> None:
    controller.kill(signal.SIGKILL)
    await controller.ended()
    await controller.start()
    await ready(centre)


async def test_a_killed_controller_leaves_a_conversation_untouched_and_takes_it_up(
    process: tuple[Centre, Process], phone: Phone
):
    centre, controller = process
    async with staged(centre, phone, list(QUEUES)) as stage:
        await stage.connect("aide")
        customer, anne = stage.calls["customer"], stage.calls["anne"]
        since = time.monotonic()
        await restarted(centre, controller)
        await stage.hear(customer={"anne"}, anne={"customer"})
        assert silences(customer, since, stage.desks["anne"].phone.pacer, at_least_s=0.3) == []
        assert await anne.reinvite(Direction.SENDONLY) == 200  # the new controller has it
        await stage.hear(customer=MUSIC)
        await restarted(centre, controller)
        await stage.hear(customer=MUSIC)
        assert await anne.reinvite(Direction.SENDRECV) == 200
        await stage.hear(customer={"anne"}, anne={"customer"})
        controller.kill(signal.SIGKILL)
        await controller.ended()
        await anne.hangup()  # nobody sees it
        await controller.start()
        await ready(centre)
        assert await customer.wait_ended(15)
        assert "fr/bravo" in centre.heard(customer)  # the flow went on
        await stage.over()
        record = await centre.record(CUSTOMER)
        assert record.call.disposition == "talked"


async def test_the_next_controller_takes_up_whoever_takes_part(
    asterisk: AsteriskServer, database: str, folder: Path, audio_cache: Path, phone: Phone
):
    everybody = {"customer": MUSIC, "bruno": {"anne"}, "anne": {"bruno", "chloe"}, "chloe": {"anne", "bruno"}}
    async with AsyncExitStack() as seats:
        async with running(asterisk, database, folder, audio_cache) as centre:
            stage = await seats.enter_async_context(staged(centre, phone, list(QUEUES)))
            await stage.connect("notee")
            await stage.ready("bruno")
            await stage.seat("chloe")
            assert await stage.ask(Supervise(stage.account("chloe"), SuperviseHow.WHISPER), "chloe") is None
            await stage.joined("chloe")
            assert await stage.ask(Consult(Target(TargetKind.AGENT, "bruno"))) is None
            await stage.joined("bruno")
            await stage.hear(**everybody)
        since = time.monotonic()
        async with running(asterisk, database, folder, audio_cache) as centre:
            stage.take(centre)
            await stage.hear(**everybody)
            for name, call in stage.calls.items():
                speakers = [desk.phone.pacer for desk in stage.desks.values()]
                assert silences(call, since, *speakers, at_least_s=0.3) == [], name
            assert (stage.talk.consulting, stage.talk.supervisors) == ("bruno", ("chloe",))
            assert await stage.ask(EndConsult(ConsultEnd.THREE_WAY)) is None
            await stage.hear(customer={"anne", "bruno"}, chloe={"anne", "bruno", "customer"})
            await stage.calls["bruno"].hangup()
            await stage.hear(customer={"anne"}, anne={"customer", "chloe"})
            await stage.over()
            assert len((await centre.record(CUSTOMER)).legs) == 4


async def test_an_unplugged_phone_is_no_hang_up(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno")
    phone = stage.desks["anne"].phone
    for call in phone.calls:
        call.media.close()
    await unplug(phone.endpoint)
    await stage.joined("bruno", limit_s=LOST_WITHIN_S)  # before others, with the original entry time
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    await stage.over()
    await stage.events()
    pool = await stage.centre.store.pool()
    rows = await pool.fetch("SELECT agent, how, ended_by FROM talks ORDER BY talk")
    assert [tuple(row.values()) for row in rows] == [("anne", "failed", "system"), ("bruno", "hangup", "caller")]


async def test_a_phone_that_is_heard_is_not_lost(stage: Stage):
    """Asterisk's questions are not answered any more, but the agent talks on."""
    await stage.connect("aide")
    await stage.ready("bruno")
    await unplug(stage.desks["anne"].phone.endpoint)
    await asyncio.sleep(LOST_WITHIN_S)
    assert stage.centre.parts is not None
    extension = stage.desks["anne"].phone.user
    found = await stage.centre.parts.driver.transport.request(operations.endpoints_get("PJSIP", extension))
    assert found.state == "offline"
    await stage.hear(customer={"anne"})
    assert stage.desks["bruno"].rings == []


async def test_a_recording_holds_both_and_leaves_out_what_is_not_to_be_kept(stage: Stage):
    await stage.connect("notee")
    assert stage.talk.recording == "on"
    await asyncio.sleep(2)
    assert await stage.ask(PauseRecording(on=True)) is None
    await asyncio.sleep(2)
    assert await stage.ask(PauseRecording(on=False)) is None
    assert await stage.ask(Hold(on=True)) is None
    await stage.hear(customer=MUSIC)
    await asyncio.sleep(1)
    assert await stage.ask(Hold(on=False)) is None
    await asyncio.sleep(1)
    await stage.over()
    pool = await stage.centre.store.pool()

    async def kept() -> bool:
        return bool(await pool.fetch("SELECT 1 FROM recordings"))

    await until(kept, 10)
    (row,) = await pool.fetch("SELECT * FROM recordings")
    assert (row["agent"], row["queue"], row["kind"]) == ("anne", "notee", "conversation")
    assert stage.centre.parts is not None
    file = stage.centre.parts.keeping.folder / row["path"]
    assert hashlib.sha256(file.read_bytes()).digest() == row["sha256"]
    samples, rate = soundfile.read(file, dtype="int16")
    assert rate == 8000
    assert 3 < len(samples) / rate < 6.5  # of about nine seconds
    for name in ("customer", "anne"):
        assert tone_level(samples, HZ[name]) > -30
