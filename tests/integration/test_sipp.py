"""SIPp, which is not ours, calls the whole centre: every call goes as its scenario says, and nothing stays behind."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from controller.cdr.entries import Disposition
from controller.postgres import queries
from controller.postgres.queries import CallRecord
from tests.integration.sipp.runner import SippResult, run_sipp
from tests.rig.centre import Centre, Process, ready, until
from tests.rig.sipp import Sipp

CALLS = 50
CALLER = "0612345678"


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def call(centre: Centre, sipp: Sipp, scenario: str, folder: Path, **more: object) -> SippResult:
    port = centre.asterisk.settings.sip_port
    result = await run_sipp(sipp, scenario, port, folder=fresh(folder), caller=CALLER, **more)  # type: ignore[arg-type]
    assert result.ok, result.errors + result.output
    return result


async def records(centre: Centre, count: int) -> list[CallRecord]:
    """All records, once `count` calls have ended."""
    pool = await centre.store.pool()

    async def ended() -> bool:
        return sum(row.ended_at is not None for row in await queries.recent_calls(pool, 500)) >= count

    await until(ended, 15)
    found = [await queries.call_record(pool, row.call_id) for row in await queries.recent_calls(pool, 500)]
    return [record for record in found if record is not None]


async def nothing_is_left(centre: Centre) -> None:
    """No channel, bridge, running call, inbox or saved state."""

    async def no_channels() -> bool:
        return await centre.channels() == []

    await until(no_channels)
    bridges = await centre.asterisk.cli("bridge show all")
    assert len(bridges.strip().splitlines()) <= 1, bridges  # the heading
    if centre.parts is not None:
        assert centre.parts.supervisor.running == []
        assert len(centre.parts.driver.router) == 0
        assert centre.parts.agi.running == 0
        assert centre.parts.journal.dropped == 0
    pool = await centre.store.pool()
    assert await pool.fetchval("select count(*) from live_calls") == 0


def open_files() -> Counter[str]:
    """What this process, in which the controller runs, has open: kinds and how many of each."""
    kinds: Counter[str] = Counter()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue  # the listing's own
        kinds[target.partition(":[")[0]] += 1
    return kinds


@pytest.mark.alone
async def test_fifty_calls_at_once_and_nothing_stays_behind(centre: Centre, sipp: Sipp, tmp_path: Path):
    await call(centre, sipp, "keys", tmp_path / "warm", number="2000", calls=CALLS, rate=CALLS, keys="1")
    await records(centre, CALLS)
    before = open_files()
    for round_ in (1, 2):
        result = await call(
            centre, sipp, "keys", tmp_path / f"round{round_}", number="2000", calls=CALLS, rate=CALLS, keys="1"
        )
        assert (result.calls, result.succeeded, result.unexpected) == (CALLS, CALLS, 0)
    everything = await records(centre, 3 * CALLS)
    assert len(everything) == 3 * CALLS
    for record in everything:
        assert record.call.disposition is Disposition.COMPLETED
        assert [(step.step, step.digits) for step in record.steps] == [("menu", "1"), ("bravo", ""), ("fin", "")]
        assert [(leg.cause, leg.number) for leg in record.legs] == [(16, CALLER)]
        assert record.call.answered_at is not None
    await nothing_is_left(centre)

    async def files_closed() -> bool:
        return open_files() <= before

    await until(files_closed)


@pytest.mark.alone
async def test_fifty_calls_at_once_over_fastagi(centre: Centre, sipp: Sipp, tmp_path: Path):
    before = open_files()
    await call(centre, sipp, "keys", tmp_path / "agi", number="agi2000", calls=CALLS, rate=CALLS, keys="1")
    everything = await records(centre, CALLS)
    assert {record.call.driver for record in everything} == {"agi"}
    assert {record.call.disposition for record in everything} == {Disposition.COMPLETED}
    assert {tuple(step.step for step in record.steps) for record in everything} == {("menu", "bravo", "fin")}
    await nothing_is_left(centre)

    async def files_closed() -> bool:
        left = open_files()
        return left["socket"] <= before["socket"] + 4  # the pool of database connections grows to its size

    await until(files_closed)


@pytest.mark.parametrize("number", ["2000", "agi2000"])
async def test_a_key_by_info(centre: Centre, sipp: Sipp, tmp_path: Path, number: str):
    await call(centre, sipp, "info", tmp_path / "info", number=number, keys="1")
    (record,) = await records(centre, 1)
    assert [(step.step, step.digits) for step in record.steps] == [("menu", "1"), ("bravo", ""), ("fin", "")]
    await nothing_is_left(centre)


@pytest.mark.parametrize(("number", "before_ms"), [("1000", 0), ("1000", 400), ("3000", 20), ("agi1000", 0)])
async def test_early_hang_ups(centre: Centre, sipp: Sipp, tmp_path: Path, number: str, before_ms: int):
    await call(centre, sipp, "hangup", tmp_path / "early", number=number, calls=20, rate=50, before_ms=before_ms)
    everything = await records(centre, 20)
    assert {record.call.disposition for record in everything} == {Disposition.ABANDONED}
    assert {record.call.caller_cause for record in everything} == {16}
    assert all(record.legs[0].ended_at is not None for record in everything)
    await nothing_is_left(centre)


async def test_a_caller_who_gives_up_while_no_controller_answers(
    process: tuple[Centre, Process], sipp: Sipp, tmp_path: Path
):
    """CANCEL in the ringing of the gap: gone for the next controller, and nothing waits for him."""
    centre, controller = process
    controller.kill(signal.SIGKILL)
    await controller.ended()
    await call(centre, sipp, "cancel", tmp_path / "cancel", number="2000", calls=5, before_ms=200)
    await controller.start()
    await ready(centre)
    await call(centre, sipp, "keys", tmp_path / "after", number="2000", keys="1")
    record = (await records(centre, 1))[0]
    assert record.call.disposition is Disposition.COMPLETED
    await nothing_is_left(centre)
