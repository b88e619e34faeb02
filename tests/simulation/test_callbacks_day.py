"""A day of 5,000 call-backs among live callers, through the real service, dialler and floor, in under a minute.

Postgres is away twice, the controller is killed twice, and once another one has the right to dial.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from controller.callback.model import RequestState
from tests.rig.virtualtime import on_virtual_time
from tests.simulation.callbackpeople import CallbackDay
from tests.simulation.callbackrules import CallbackWatch
from tests.simulation.world import DAY_S, H, Habits

KILLS = (1.9 * H, 6 * H)
AWAY = (3 * H, 7.2 * H)
PARTED = 4.6 * H
HABITS = Habits(agents=66, talk_s=180.0, patience_s=900.0, load=(0.2, 0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.15, 0.1))
"""Live callers, as a share of what the agents can take; call-backs come by the same hours."""


@pytest.fixture
def _quiet() -> Iterator[None]:
    """A day's log would be long."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


async def live(day: CallbackDay) -> CallbackWatch:
    """Live through the day, with its faults."""
    await day.begin()
    watch = CallbackWatch(day)
    for number, account in enumerate(day.accounts):
        day._start(day.shift(account, number))
    day._start(day.arrivals())
    day._start(day.wishing())
    kills = list(KILLS)
    for at in AWAY:
        day.streets.later(at, lambda: day._start(day.postgres_away(60)))
    day.streets.later(PARTED, lambda: day._start(day.parting(240)))
    while day.clock.monotonic() < DAY_S:
        await asyncio.sleep(30)
        await watch.look()
        if kills and day.clock.monotonic() > kills[0]:
            kills.pop(0)
            await day.kill()
            watch.attend()
            await asyncio.sleep(5)
            await watch.look()
    await asyncio.gather(*day.tasks)
    await day.call_it_a_day()
    watch.the_record_is_whole()
    watch.agents_take_one_at_a_time()
    watch.nobody_is_lost()
    await day.end()
    return watch


@pytest.mark.usefixtures("_quiet")
@on_virtual_time
async def test_a_day_of_call_backs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    day = CallbackDay(tmp_path, HABITS)
    watch = await live(day)
    took_s = time.process_time() - began
    states, (slots, missed), late = day.states(), watch.slots(), watch.lateness()
    outcomes = Counter(each.outcome for each in day.tables.attempts.values())
    in_time = sum(each <= 0 for each in late) / len(late)
    with capsys.disabled():
        print(
            f"\n{len(day.taken)} requests, {len(day.customers) - len(day.outgoing)} callers, {watch.dials} dials, "
            f"{watch.most_dials} at once at most; {watch.most_waiting_callbacks} call-backs and {watch.most_waiting} "
            f"places at most in line, {watch.most_talking} talking; {took_s:.1f} s of CPU\n"
            f"states { ({each.value: n for each, n in states.items()}) }\n"
            f"outcomes { ({each.value if each else None: n for each, n in outcomes.items()}) }\n"
            f"told {dict(sorted(day.answers.items()))}\n"
            f"slots {slots}, missed {len(missed)}; promises {len(late)}, {in_time:.0%} in time, late by "
            f"{late[len(late) // 2]:.0f} s at the median, {late[len(late) * 9 // 10]:.0f} s for one in ten"
        )
    assert watch.broken == []
    assert len(day.taken) >= day.wishes.requests
    assert states[RequestState.DONE] >= 0.7 * day.wishes.requests
    assert len(missed) <= 0.02 * slots
