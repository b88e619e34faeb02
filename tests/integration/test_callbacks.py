"""Call-backs on the real thing: a centre, agents at their phones, and a carrier that sees every dial."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from controller.acd.model import Refused
from controller.callback.model import (
    Attempt,
    AttemptState,
    Consent,
    Customer,
    First,
    Outcome,
    Request,
    RequestId,
    RequestState,
    Source,
    When,
)
from controller.calls.callback.desk import Asked, CallbackDesk
from controller.numbering.model import Number
from controller.outbound.model import Purpose
from controller.postgres import queries
from controller.postgres.callbacks import PostgresCallbacks
from controller.runtime.settings import Trunk
from controller.softphone import IncomingCall
from controller.softphone.call import Call
from controller.softphone.media import tone
from controller.softphone.sound import tone_level
from tests.rig import freeports
from tests.rig.agents import Agents, answers, enrolled, rings, write_queues
from tests.rig.asterisk import Rig
from tests.rig.callees import CARRIER, Carrier, write_callbacks
from tests.rig.centre import Centre, Process, config_for, ready, running, until

NUMBER = "+33612345678"
HZ = {"customer": 700, "anne": 1300}
_WINDOW = 4000
_LOUD = -25.0


@dataclass
class Town:
    """A centre that can dial out, its agents, and the carrier."""

    centre: Centre
    agents: Agents
    carrier: Carrier

    @property
    def desk(self) -> CallbackDesk:
        assert self.centre.parts is not None
        return self.centre.parts.callbacks.service

    @property
    def store(self) -> PostgresCallbacks:
        return PostgresCallbacks(self.centre.store)

    def asked(self, **changes: Any) -> Asked:
        chosen: dict[str, Any] = {
            "queue": "support",
            "number": NUMBER,
            "when": When.ASAP,
            "source": Source.WEB,
            "language": "fr",
            "customer": Customer(name="Claire Dubois", reason="Mon vélo"),
            "consent": Consent("Appelez-moi.", "1", datetime.now(UTC), "192.0.2.7"),
        }
        return Asked(**(chosen | changes))

    async def ask(self, **changes: Any) -> Request:
        taken = await self.desk.ask(self.asked(**changes))
        assert not isinstance(taken, Refused), taken
        return taken.request

    async def attempts(self, request: Request) -> list[Attempt]:
        return list(await self.store.attempts(request.request_id))

    async def until(self, request: Request, *states: RequestState, limit_s: float = 15.0) -> Request:
        """Wait until a request is in one of `states`; return it."""
        found = request

        async def reached() -> bool:
            nonlocal found
            found = await self.store.get(request.request_id) or found
            return found.state in states

        try:
            await until(reached, limit_s)
        except TimeoutError:
            pytest.fail(f"{found.state} instead of {states}: {found} {await self.attempts(request)}")
        return found

    async def came_to(self, request: Request, state: AttemptState, limit_s: float = 10.0) -> Attempt:
        """Wait until the last attempt is at least so far."""
        order = list(AttemptState)

        async def reached() -> bool:
            attempts = await self.attempts(request)
            return bool(attempts) and order.index(attempts[-1].state) >= order.index(state)

        await until(reached, limit_s)
        return (await self.attempts(request))[-1]

    async def ledgers_agree(self, request: Request) -> None:
        """Both ledgers have all attempts whole, the calls of those that talked, and do not disagree."""
        pool = await self.centre.store.pool()
        attempts = await self.attempts(request)
        halves = [f"{each.attempt_id}{half}" for each in attempts for half in ("", ";2")]
        talked = sum(each.outcome is Outcome.TALKED for each in attempts)

        async def written() -> bool:
            there = "select count(distinct uniqueid) from asterisk_cdr where uniqueid = any($1)"
            ended = "select count(*) from calls where ended_at is not null"
            return (await pool.fetchval(there, halves), await pool.fetchval(ended)) == (len(halves), talked)

        await until(written)
        begin, end = request.created_at - timedelta(seconds=1), datetime.now(UTC) + timedelta(seconds=1)
        assert list(await queries.disagreements(pool, begin, end)) == []


Build = Callable[..., Awaitable[Town]]


@pytest_asyncio.fixture
async def carrier() -> AsyncIterator[Carrier]:
    port = freeports.block()
    async with Carrier((CARRIER, port)) as carrier:
        yield carrier
    freeports.release(port)


@pytest_asyncio.fixture
async def build(
    asterisk_rig: Rig, carrier: Carrier, database: str, folder: Path, audio_cache: Path
) -> AsyncIterator[Build]:
    """Builds a town; `callback` and `queue` describe its one queue."""
    async with AsyncExitStack() as stack:

        async def town(callback: dict[str, object] | None = None, **queue: object) -> Town:
            write_queues(folder, {"support": dict(queue)})
            write_callbacks(folder, "support", **(callback or {}))
            trunk = Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{carrier.address[1]}")
            asterisk = await asterisk_rig.boot(trunk=trunk)
            centre = await stack.enter_async_context(running(asterisk, database, folder, audio_cache))
            return Town(centre, await enrolled(centre, ["support"], "anne", "bruno"), carrier)

        yield town


def accepts(key: str = "1", after_s: float = 0.5) -> Callable[[IncomingCall], Awaitable[None]]:
    """A customer who answers, and presses a key."""

    async def handle(incoming: IncomingCall) -> None:
        incoming.ring()
        await asyncio.sleep(0.1)
        call = incoming.answer(tone(HZ["customer"]))
        assert call is not None
        await asyncio.sleep(after_s)
        if key:
            await call.press(key)

    return handle


async def hears(call: Call, who: str, limit_s: float = 8.0) -> None:
    """Wait until a call hears somebody's tone."""
    until_s = time.monotonic() + limit_s
    while True:
        audio = call.heard
        samples = audio.between(time.monotonic() - audio.origin - _WINDOW / 8000 - 0.05)[:_WINDOW]
        samples = np.concatenate([samples, np.zeros(_WINDOW - len(samples), np.int16)])
        level = tone_level(samples, HZ[who])
        if level > _LOUD:
            return
        heard = {name: round(tone_level(samples, hz)) for name, hz in HZ.items()}
        assert time.monotonic() < until_s, f"{who} is not heard: {heard} {call.state} {len(samples)}"
        await asyncio.sleep(0.05)


async def test_a_customer_is_called_and_talks(build: Build) -> None:
    town = await build()
    town.carrier.does = accepts()
    async with town.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await town.ask()
        customer = await town.carrier.rung()
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        assert agent.caller == NUMBER
        assert (await town.came_to(request, AttemptState.CONNECTED)).agent == "anne"
        await customer.hangup()
        done = await town.until(request, RequestState.DONE)
    assert (done.outcome, done.tries) == (Outcome.TALKED, 1)
    assert len(town.carrier.numbers) == 1
    await town.ledgers_agree(request)


async def test_the_agent_comes_first_and_waits_for_the_customer(build: Build) -> None:
    town = await build({"first": "agent"})
    town.carrier.does = accepts(after_s=1.5)
    async with town.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await town.ask()
        agent = await anne.rung()
        assert agent.invite.get("X-Rappel-Request") == request.request_id
        customer = await town.carrier.rung()
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        assert len(anne.rings) == 1, "the phone that waited rang again"
        assert (await town.came_to(request, AttemptState.CONNECTED)).agent == "anne"
        await agent.call.hangup()
        done = await town.until(request, RequestState.DONE)
        assert await customer.wait_ended(10)
    assert (done.outcome, done.tries, done.first) == (Outcome.TALKED, 1, First.AGENT)
    assert len(town.carrier.numbers) == 1
    await town.ledgers_agree(request)


async def test_an_agent_who_comes_first_hangs_up_and_the_customer_is_not_rung_on(build: Build) -> None:
    town = await build({"first": "agent", "retry": {"failed": ["1h"]}})
    async with town.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await town.ask()
        agent = await anne.rung()
        customer = await town.carrier.rung()
        await agent.call.hangup()
        assert await customer.wait_ended(3)
        found = await town.until(request, RequestState.SCHEDULED)
        await town.agents.state("anne", "free")
    assert found.outcome is Outcome.FAILED


async def test_a_busy_line_is_called_again_as_soon_as_it_may_be_free(build: Build) -> None:
    town = await build({"retry": {"busy": ["5s"]}})

    async def is_busy(incoming: IncomingCall) -> None:
        town.carrier.does = accepts()
        incoming.reject(486)

    town.carrier.does = is_busy
    async with town.agents.at("anne", answers, hz=HZ["anne"]):
        request = await town.ask()
        customer = await town.carrier.rung(2, limit_s=15)
        await hears(customer, "anne")
        await customer.hangup()
        done = await town.until(request, RequestState.DONE)
    assert [each.outcome for each in await town.attempts(request)] == [Outcome.BUSY, Outcome.TALKED]
    assert done.tries == 2
    await town.ledgers_agree(request)


async def test_who_presses_no_key_is_a_machine_and_no_agent_is_rung(build: Build) -> None:
    town = await build({"retry": {"voicemail": ["1h"]}})
    town.carrier.does = accepts(key="")
    async with town.agents.at("anne", answers) as anne:
        request = await town.ask()
        found = await town.until(request, RequestState.SCHEDULED, limit_s=25)
        assert anne.rings == []
        await town.agents.state("anne", "free")
    assert (found.outcome, found.tries) == (Outcome.VOICEMAIL, 1)


@pytest.mark.parametrize("key", ["3", "9"])
async def test_the_customer_wants_no_call_any_more(build: Build, key: str) -> None:
    town = await build()
    town.carrier.does = accepts(key)
    async with town.agents.at("anne", answers) as anne:
        request = await town.ask()
        found = await town.until(request, RequestState.CANCELLED, limit_s=20)
        assert anne.rings == []
    assert found.outcome is Outcome.DECLINED
    refused = await town.desk.ask(town.asked(purpose=Purpose.SERVICE))
    assert isinstance(refused, Refused) == (key == "9")


async def test_a_request_is_cancelled_while_the_telephone_rings(build: Build) -> None:
    town = await build()
    async with town.agents.at("anne", answers) as anne:
        request = await town.ask()
        customer = await town.carrier.rung()
        done = await town.desk.cancel(request.request_id, "no need any more")
        assert not isinstance(done, Refused), done
        assert done.state is RequestState.CANCELLED
        assert await customer.wait_ended(3)
        assert anne.rings == []
        await town.agents.state("anne", "free")
    assert [each.outcome for each in await town.attempts(request)] == [Outcome.CANCELLED]


async def test_nobody_answers_and_it_is_tried_again(build: Build) -> None:
    town = await build({"ring": "5s", "retry": {"no_answer": ["5s"]}, "tries": 2})
    async with town.agents.at("anne", rings):
        request = await town.ask()
        await town.carrier.rung(2, limit_s=30)
        failed = await town.until(request, RequestState.FAILED, limit_s=15)
    assert [each.outcome for each in await town.attempts(request)] == [Outcome.NO_ANSWER, Outcome.NO_ANSWER]
    assert failed.tries == 2
    assert len(town.carrier.numbers) == 2


# --- the controller is killed ---------------------------------------------------------------------------------------


@dataclass
class Village:
    """As a town, with the controller in a process of its own."""

    centre: Centre
    agents: Agents
    carrier: Carrier
    process: Process

    async def ask(self, first: First = First.CUSTOMER) -> Request:
        """Write a request down as another controller would."""
        now = datetime.now(UTC)
        request = Request(
            request_id=RequestId(uuid.uuid4().hex),
            queue="support",
            number=Number(NUMBER),
            when=When.ASAP,
            source=Source.API,
            purpose=Purpose.REQUESTED,
            language="fr",
            zone="Europe/Paris",
            created_at=now,
            entered_at=now,
            due_at=now,
            expires_at=now + timedelta(hours=1),
            first=first,
            consent=Consent("Appelez-moi.", "1", now),
        )
        return (await PostgresCallbacks(self.centre.store).add(request)).request

    async def die_and_rise(self) -> None:
        """Kill the controller, and start the next one."""
        self.process.kill()
        await self.process.ended()
        await self.process.start()


@pytest_asyncio.fixture
async def village(
    asterisk_rig: Rig, carrier: Carrier, database: str, folder: Path, audio_cache: Path, tmp_path: Path
) -> AsyncIterator[Village]:
    write_queues(folder, {"support": {}})
    write_callbacks(folder, "support", retry={"lost": ["1h"], "left": ["1h"], "voicemail": ["1h"]})
    trunk = Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{carrier.address[1]}")
    asterisk = await asterisk_rig.boot(trunk=trunk)
    centre = Centre(config_for(asterisk, database, folder, audio_cache), asterisk, None)
    process = Process(centre.config, tmp_path / "controller.log")
    try:
        await process.start()
        await ready(centre)
        yield Village(centre, await enrolled(centre, ["support"], "anne"), carrier, process)
        process.kill()
        await process.ended()
        await centre.store.close()
    finally:
        process.show_log()


async def ended_well(village: Village, request: Request) -> None:
    """See that the request is done, and that the customer was called once."""
    store = PostgresCallbacks(village.centre.store)

    async def done() -> bool:
        found = await store.get(request.request_id)
        return found is not None and found.state is RequestState.DONE

    try:
        await until(done, 20)
    except TimeoutError:
        pytest.fail(f"{await store.get(request.request_id)} {await store.attempts(request.request_id)}")
    (attempt,) = await store.attempts(request.request_id)
    assert attempt.outcome is Outcome.TALKED
    assert len(village.carrier.numbers) == 1


async def test_killed_while_the_agent_who_comes_first_waits(village: Village) -> None:
    async with village.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await village.ask(First.AGENT)
        agent = await anne.rung(limit_s=10)
        customer = await village.carrier.rung()
        await village.die_and_rise()
        await ready(village.centre)
        village.carrier.rings[0].answer(tone(HZ["customer"]))
        await asyncio.sleep(1.0)
        await customer.press("1")
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        assert len(anne.rings) == 1, "the phone that waited rang again"
        await customer.hangup()
        await ended_well(village, request)


async def test_killed_while_the_customers_telephone_rings(village: Village) -> None:
    async with village.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await village.ask()
        customer = await village.carrier.rung()
        await village.die_and_rise()
        await asyncio.sleep(1.0)
        village.carrier.rings[0].answer(tone(HZ["customer"]))
        await ready(village.centre)
        await asyncio.sleep(1.0)
        await customer.press("1")
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        await customer.hangup()
        await ended_well(village, request)


async def test_killed_while_the_customer_listens_to_the_menu(village: Village) -> None:
    village.carrier.does = accepts(key="")
    async with village.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await village.ask()
        customer = await village.carrier.rung()
        assert await customer.wait_answered(5)
        await asyncio.sleep(0.5)
        await village.die_and_rise()
        await ready(village.centre)
        await asyncio.sleep(0.5)
        await customer.press("1")
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        await customer.hangup()
        await ended_well(village, request)


async def test_killed_while_they_talk(village: Village) -> None:
    village.carrier.does = accepts()
    async with village.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await village.ask()
        customer = await village.carrier.rung()
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        await village.die_and_rise()
        await ready(village.centre)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        await customer.hangup()
        await ended_well(village, request)


async def test_killed_while_they_talk_and_they_part_before_the_next_controller_comes(village: Village) -> None:
    village.carrier.does = accepts()
    async with village.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        request = await village.ask()
        customer = await village.carrier.rung()
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
        village.process.kill()
        await village.process.ended()
        await customer.hangup()
        await asyncio.sleep(0.5)
        await village.process.start()
        await ready(village.centre)
        await ended_well(village, request)


async def test_another_controller_calls_when_the_one_that_had_the_right_is_gone(
    village: Village, asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path, tmp_path: Path
) -> None:
    trunk = Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{village.carrier.address[1]}")
    asterisk = await asterisk_rig.boot(trunk=trunk)
    config = config_for(asterisk, database, folder, audio_cache)
    config.node.name = "second"
    second = Centre(config, asterisk, None)
    process = Process(config, tmp_path / "second.log")
    try:
        await process.start()
        await ready(second)
        there = Agents(second, list(village.agents.accounts.values()))
        await until(there.known, 10)
        # Anne sits at the second house alone: the first controller has nobody to call with, and keeps the right.
        async with there.at("anne", answers, hz=HZ["anne"]) as anne:
            request = await village.ask()
            await asyncio.sleep(3.0)
            assert village.carrier.numbers == [], "only the one that has the right dials"
            village.process.kill()
            await village.process.ended()
            village.carrier.does = accepts()
            customer = await village.carrier.rung(limit_s=25)
            agent = await anne.rung(limit_s=10)
            await asyncio.gather(hears(customer, "anne"), hears(agent.call, "customer"))
            await customer.hangup()
            await ended_well(village, request)
    finally:
        process.kill()
        await process.ended()
        await second.store.close()
        process.show_log()
