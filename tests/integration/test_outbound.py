"""The gate on the real thing: what is refused reaches no carrier, what is dialled costs what it costs."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from controller.acd.model import Refused
from controller.callback.model import RequestState
from tests.integration.test_callbacks import NUMBER, Build, Town, accepts, build, carrier
from tests.rig.agents import answers
from tests.rig.centre import until

__all__ = ["build", "carrier"]  # the fixtures of the call-backs' own tests


async def rows(town: Town, text: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(town.centre.store.dsn, timeout=5)
    try:
        return await connection.fetch(text)
    finally:
        await connection.close(timeout=5)


async def test_a_call_costs_what_it_lasted(build: Build) -> None:
    town = await build()
    town.carrier.does = accepts()
    async with town.agents.at("anne", answers) as anne:
        request = await town.ask()
        customer = await town.carrier.rung()
        await anne.rung(limit_s=10)
        await asyncio.sleep(1.0)
        reserved = await rows(town, "select reserved, cost from outbound_calls where allowed")
        assert [(each["reserved"] > 0, each["cost"]) for each in reserved] == [(True, None)]
        await customer.hangup()
        await town.until(request, RequestState.DONE)

    async def settled() -> bool:
        return bool(await rows(town, "select from outbound_calls where ended_at is not null"))

    await until(settled, 5.0)
    (cost,) = await rows(town, "select * from outbound_costs")
    assert (cost["number"], cost["source"], cost["queue"], cost["settled"]) == (NUMBER, "web", "support", True)
    assert 1.0 < cost["talk_s"] < 10.0
    (kept,) = await rows(town, "select * from outbound_calls")
    assert 0 < cost["cost"] <= kept["reserved"]
    (spent,) = await rows(town, "select spent, calls from outbound_spent")
    assert (spent["spent"], spent["calls"]) == (pytest.approx(cost["cost"]), 1)


async def test_a_number_that_is_not_called_is_refused_at_once(build: Build) -> None:
    town = await build()
    traps = {
        "+881 612 345 678": "country",
        "+252 61 2345678": "country",
        "0 899 12 34 56": "kind",
        "112": "kind",
        "0612345678&PJSIP/anne": "unreadable",
        "06123456\u0667\u0668": "unreadable",
    }
    for number, code in traps.items():
        refused = await town.desk.ask(town.asked(number=number))
        assert isinstance(refused, Refused)
        assert (refused.code, bool(refused.message), bool(refused.advice)) == (code, True, True)
    kept = await rows(town, "select allowed, code, rule from outbound_calls order by outbound_id")
    assert [(each["allowed"], each["code"], bool(each["rule"])) for each in kept] == [
        (False, code, True) for code in traps.values()
    ]
    assert town.carrier.numbers == []


async def test_who_goes_on_the_list_after_asking_is_not_called(build: Build) -> None:
    town = await build()
    request = await town.ask()  # nobody is there to call
    await rows(
        town,
        f"insert into opt_outs (number_hash, number, at, source) values (sha256('x'), '{NUMBER}', now(), 'test')",
    )
    async with town.agents.at("anne", answers):
        found = await town.until(request, RequestState.REFUSED)
    assert found.reason == "this person does not want to be called"
    assert town.carrier.numbers == []
    assert [each["code"] for each in await rows(town, "select code from outbound_calls")] == ["opted_out"]
