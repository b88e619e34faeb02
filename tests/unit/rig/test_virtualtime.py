from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from tests.rig.virtualtime import MONDAY_9H, StuckError, VirtualClock, on_virtual_time, run


@on_virtual_time
async def test_hours_pass_in_milliseconds_and_in_order() -> None:
    began, clock, seen = time.monotonic(), VirtualClock(), []

    async def after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(clock.monotonic())

    await asyncio.gather(after(3600.25), after(0.001), after(7.5))
    assert seen == pytest.approx([0.001, 7.5, 3600.25])
    assert clock.now() - MONDAY_9H == timedelta(seconds=3600.25)
    assert time.monotonic() - began < 1


@on_virtual_time
async def test_threads_and_timeouts_work() -> None:
    assert await asyncio.to_thread(sum, [1, 2]) == 3
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 30)


def test_nobody_waits_for_ever() -> None:
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError):
        run(hang())
