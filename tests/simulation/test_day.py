"""A working day of a hundred agents and three hundred who wait, through the real code in under a minute."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest

from tests.rig.virtualtime import on_virtual_time
from tests.simulation.rules import Watch
from tests.simulation.world import DAY_S, Day, H


async def live(day: Day, *, kills: tuple[float, ...] = ()) -> Watch:
    """Live through a day; at `kills` the controller dies."""
    await day.begin()
    watch = Watch(day)
    for number, account in enumerate(day.accounts):
        day._start(day.shift(account, number))
    day._start(day.arrivals())
    left = sorted(kills)
    while day.clock.monotonic() < DAY_S:
        await asyncio.sleep(20)
        await watch.look()
        if left and day.clock.monotonic() > left[0]:
            left.pop(0)
            await day.kill()
            watch.attend()
            await asyncio.sleep(5)  # by then all states are right again
            await watch.look()
    await asyncio.gather(*day.tasks)
    await day.evening()
    watch.the_record_is_whole()
    watch.agents_take_one_at_a_time()
    await day.distributor.stop()
    return watch


@on_virtual_time
async def test_a_working_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    day = Day(tmp_path)
    watch = await live(day, kills=(1.9 * H, 6 * H))
    took_s = time.process_time() - began
    errors = watch.estimates()
    off = [abs(said - was) for _, said, was in errors]
    with capsys.disabled():
        print(
            f"\n{len(day.customers)} calls, {watch.most_waiting} waiting and {watch.most_talking} talking at most, "
            f"{watch.looks} looks, {took_s:.1f} s of CPU; exits {watch.exits()}; estimates of {len(errors)}: "
            f"median error {statistics.median(off):.0f} s of a mean wait of "
            f"{statistics.mean(was for *_, was in errors):.0f} s"
        )
    assert watch.broken == []
    assert watch.most_waiting >= 300
    assert watch.most_talking >= 90
    assert took_s < 60
