"""What a day of five thousand requests has brought to light."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from controller.acd.model import AgentState, OfferOutcome, Refused
from controller.callback.model import First, Outcome, RequestState, When
from controller.callback.retry import HELD_BACK_S
from controller.calls.callback.desk import Taken
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.callback.office import PLAN, Agent, Office


@on_virtual_time
async def test_a_line_that_frees_does_not_bring_a_chosen_time_forward(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    office.exit.end(await office.dialled(), 17, "BUSY")
    await office.ended(request, RequestState.SCHEDULED)
    slots = await office.desk.slots("support")
    assert not isinstance(slots, Refused)
    chosen = await office.desk.change(request.request_id, when=When.SLOT, slot_at=slots[0].at)
    assert isinstance(chosen, Taken)
    office.exit.watched[0]()
    await asyncio.sleep(60)
    assert office.request(request).due_at == slots[0].at
    assert office.request(request).state is RequestState.SCHEDULED
    assert slots[0].at > office.clock.now() + timedelta(minutes=20)
    assert office.exit.dials.total() == 1
    await office.kill()


class Speaking(Agent):
    """Hears for a while why there is no customer."""

    async def let_go(self, outcome: Outcome, *, queued: bool) -> None:
        await asyncio.sleep(8)
        await super().let_go(outcome, queued=queued)


@on_virtual_time
async def test_killed_while_the_agent_hears_why_the_successor_hangs_them_up(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(PLAN, first=First.AGENT)
    former = Office(tmp_path, plan)
    former.agent = Speaking
    await former.open()
    former.hall.login("anne")
    request = await former.ask()
    await former.until(lambda: former.agents)
    former.agents[0].ready()
    former.exit.end(await former.dialled(), 20, "CHANUNAVAIL")
    await asyncio.sleep(3)
    await former.kill()
    assert former.agents[0].told is None
    office = await Office(tmp_path, plan).take_over(former).open()
    await office.until(lambda: office.agents and office.agents[0].told is Outcome.UNREACHABLE, 20)
    await office.ended(request, RequestState.SCHEDULED)
    assert office.state("anne") is AgentState.FREE
    assert office.exit.dials.total() == 1
    await office.kill()


@on_virtual_time
async def test_why_nobody_was_called_outlives_the_controller(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    former.tables.away = True
    former.exit.end(attempt, 38, "FULL")
    await asyncio.sleep(1)
    await former.kill()
    former.tables.away = False
    office = await Office(tmp_path).take_over(former).open()
    held_back = await office.ended(request, RequestState.SCHEDULED)
    assert held_back.reason == "as many calls as may be go out already"
    assert (held_back.due_at - office.clock.now()).total_seconds() < HELD_BACK_S[0]
    await office.kill()


@pytest.mark.parametrize("called", [False, True])
@on_virtual_time
async def test_killed_before_the_agent_was_rung_it_costs_the_customer_no_try(tmp_path: Path, called: bool) -> None:
    plan = msgspec.structs.replace(PLAN, first=First.AGENT)
    former = await Office(tmp_path, plan).open()
    former.hall.login("anne")
    request = await former.ask()
    await former.until(lambda: former.agents)
    if called:
        former.agents[0].ready()
        await former.dialled()
    await former.kill()
    former.exit.lines.clear()
    for path in (tmp_path / "attempts").glob("*.json"):
        path.unlink()  # killed between claim and file: Postgres alone knows
    office = await Office(tmp_path, plan).take_over(former).open()
    await office.until(lambda: office.agents, 30)
    office.agents[0].gone(OfferOutcome.FAILED)
    await office.until(lambda: office.outcomes(request)[0] is not None)
    outcome = office.outcomes(request)[0]
    assert outcome is (Outcome.FAILED if called else Outcome.NO_AGENT)
    assert office.request(request).tries == int(called)
    assert office.exit.dials.total() == int(called)
    await office.kill()
