"""The time of day jumps: nobody is given up or called by a wrong clock, and nobody twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from controller.acd.model import Refused
from controller.callback.model import RequestState, Source, When
from controller.calls.callback.clockwatch import BELIEVED_AFTER_S, JUMP_S, ClockWatch
from tests.rig.virtualtime import VirtualClock, on_virtual_time
from tests.unit.calls.callback.office import Office

YEAR, HOUR = timedelta(days=365), timedelta(hours=1)


@on_virtual_time
async def test_a_clock_that_goes_with_the_monotonic_one_is_steady() -> None:
    clock = VirtualClock()
    watch = ClockWatch(clock)
    for _ in range(100):
        await asyncio.sleep(60)
        clock.jumped += timedelta(seconds=JUMP_S / 2)  # corrected by little, again and again
        assert watch.steady()


@on_virtual_time
async def test_a_jump_is_doubted_until_the_clock_is_back_or_stays() -> None:
    clock = VirtualClock()
    watch = ClockWatch(clock)
    for jump in (YEAR, -HOUR):
        clock.jumped = jump
        assert not watch.steady()
        await asyncio.sleep(BELIEVED_AFTER_S - 1)
        assert not watch.steady()
        clock.jumped = timedelta()
        assert watch.steady()
    clock.jumped = HOUR
    assert not watch.steady()
    await asyncio.sleep(BELIEVED_AFTER_S - 1)
    clock.jumped = 3 * HOUR  # and again: from here on it has to stay
    assert not watch.steady()
    await asyncio.sleep(BELIEVED_AFTER_S - 1)
    assert not watch.steady()
    await asyncio.sleep(1)
    assert watch.steady()


@on_virtual_time
async def test_a_year_ahead_for_a_minute_gives_nobody_up_and_calls_nobody(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    waiting = await office.ask()
    other = await office.ask(number="+33612345670")
    office.clock.jumped = YEAR
    office.hall.login("anne")
    await asyncio.sleep(60)
    assert not office.exit.dials
    refused = await office.desk.ask(
        office.asked(number="+33612345671", source=Source.AGENT, when=When.NOW, agent="anne")
    )
    assert isinstance(refused, Refused)
    assert "clock" in refused.message
    assert office.request(other).state is RequestState.WAITING
    office.clock.jumped = timedelta()
    attempt = await office.dialled()
    assert office.request(waiting).state is RequestState.DIALLING
    assert attempt in office.exit.dials
    await office.kill()


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_while_a_call_rings_changes_nothing_for_it(tmp_path: Path, jump: timedelta) -> None:
    @on_virtual_time
    async def story() -> None:
        office = await Office(tmp_path).open()
        request = await office.ask()
        office.hall.login("anne")
        attempt = await office.dialled()
        office.exit.ring(attempt)
        office.clock.jumped = jump
        caller = await office.accept(attempt)
        assert office.talk(attempt, caller) == "anne"
        await asyncio.sleep(30)
        office.hang_up(attempt)
        await office.ended(request, RequestState.DONE)
        await asyncio.sleep(7200)
        assert sum(office.exit.dials.values()) == 1
        await office.kill()

    story()


@on_virtual_time
async def test_a_clock_that_was_set_right_is_believed_in_the_end(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.clock.jumped = HOUR / 2
    request = await office.ask()
    office.hall.login("anne")
    await asyncio.sleep(BELIEVED_AFTER_S - 10)
    assert not office.exit.dials
    await office.dialled()
    assert office.request(request).state is RequestState.DIALLING
    await office.kill()
