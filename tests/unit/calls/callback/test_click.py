"""An agent calls a customer: that agent, now, or nobody, whatever happens between Postgres and the dial."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.acd.model import AgentId, AgentState, Refused
from controller.callback.model import Request, RequestState, Source, When
from controller.calls.callback.desk import Taken
from controller.calls.callback.store import NOT_BEGUN, Added
from controller.calls.callback.terms import CLICK_S
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.callback.office import Office

CLICK: dict[str, Any] = {"source": Source.AGENT, "when": When.NOW, "agent": AgentId("anne")}


class Written:
    """Holds back what Postgres answers to a new request: it is written, and its asker does not know yet."""

    def __init__(self, office: Office) -> None:
        self.there = asyncio.Event()
        self.told = asyncio.Event()
        self._add = office.store.add
        office.store.add = self.add  # type: ignore[method-assign]

    async def add(self, request: Request, **more: Any) -> Added:
        added = await self._add(request, **more)
        self.there.set()
        await self.told.wait()
        return added


@on_virtual_time
async def test_nobody_else_is_matched_before_it_is_begun(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    written = Written(office)
    office.hall.login("bruno")
    office.hall.login("anne")
    asking = asyncio.create_task(office.desk.ask(office.asked(**CLICK)))
    await written.there.wait()
    looked = office.store.asked["due"]
    office.dialler.lineup.poke()
    await office.until(lambda: office.store.asked["due"] >= looked + 3)
    assert (len(office.dialler.lineup), office.agents) == (0, [])
    assert [office.state(agent) for agent in ("anne", "bruno")] == [AgentState.FREE] * 2
    written.told.set()
    assert isinstance(await asking, Taken)
    await office.until(lambda: office.agents, 1)
    assert [agent.flight.attempt.agent for agent in office.agents] == ["anne"]
    await office.kill()


@on_virtual_time
async def test_killed_before_it_is_begun_nobody_is_called_out_of_the_blue(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    written = Written(former)
    former.hall.login("anne", "bruno")
    asking = asyncio.create_task(former.desk.ask(former.asked(**CLICK)))
    await written.there.wait()
    await former.kill()
    asking.cancel()
    office = await Office(tmp_path).take_over(former).open()
    office.hall.login("anne", "bruno")
    (request,) = office.tables.requests.values()
    over = await office.ended(request, RequestState.EXPIRED)
    assert over.reason == NOT_BEGUN
    assert over.ended_at is not None
    assert (over.ended_at - request.created_at).total_seconds() < CLICK_S + 6
    await asyncio.sleep(3600)
    assert not office.exit.dials
    assert office.agents == []
    await office.kill()


@on_virtual_time
async def test_a_controller_that_is_long_away_comes_back_and_calls_nobody(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    written = Written(former)
    former.hall.login("anne")
    asking = asyncio.create_task(former.desk.ask(former.asked(**CLICK)))
    await written.there.wait()
    await former.kill()
    asking.cancel()
    await asyncio.sleep(3600)
    office = await Office(tmp_path).take_over(former).open()
    office.hall.login("anne")
    (request,) = office.tables.requests.values()
    assert (await office.ended(request, RequestState.EXPIRED)).reason == NOT_BEGUN
    assert not office.exit.dials
    assert office.agents == []
    await office.kill()


@on_virtual_time
async def test_who_asks_again_after_the_controller_was_killed_is_served_once(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    written = Written(former)
    former.hall.login("anne")
    asking = asyncio.create_task(former.desk.ask(former.asked(**CLICK)))
    await written.there.wait()
    await former.kill()
    asking.cancel()
    written.told.set()
    office = await Office(tmp_path).take_over(former).open()
    office.hall.login("anne")
    for _ in range(2):
        again = await office.desk.ask(office.asked(**CLICK))
        assert isinstance(again, Taken)
        assert again.again
    await office.until(lambda: office.agents, 3)
    office.agents[0].ready()
    await office.dialled()
    await asyncio.sleep(60)
    assert (len(office.agents), office.exit.dials.total()) == (1, 1)
    await office.kill()


@on_virtual_time
async def test_who_asks_twice_at_once_is_served_once(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    written = Written(office)
    asking = [asyncio.create_task(office.desk.ask(office.asked(**CLICK))) for _ in range(2)]
    await written.there.wait()
    await asyncio.sleep(0.5)
    written.told.set()
    taken = await asyncio.gather(*asking)
    assert sorted(each.again for each in taken if isinstance(each, Taken)) == [False, True]
    await office.until(lambda: office.agents, 1)
    await asyncio.sleep(5)
    assert len(office.agents) == 1
    await office.kill()


@pytest.mark.parametrize("promised", [False, True])
@on_virtual_time
async def test_only_what_is_to_be_now_has_no_place_in_the_line(tmp_path: Path, promised: bool) -> None:
    """An agent who promises a call-back puts it in the line, where it is theirs first."""
    office = await Office(tmp_path).open()
    asked = office.asked(**CLICK | ({"when": When.ASAP} if promised else {}))
    taken = await office.desk.ask(asked)
    assert isinstance(taken, Taken) == promised
    if isinstance(taken, Refused):
        assert taken.code == "not_logged_in"
        await asyncio.sleep(2)
    assert len(office.dialler.lineup) == int(promised)
    await office.kill()
