"""A customer whose line is busy, on the real thing: called when it frees if that is seen, else soon tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from controller.ari.lines import LOOK_S
from controller.callback.model import Outcome, RequestState
from controller.callback.retry import BUSY_APART_S
from controller.runtime.settings import Trunk
from controller.softphone import IncomingCall
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from tests.integration.test_callbacks import HZ, Build, Town, accepts, build, carrier, hears
from tests.rig.agents import answers, enrolled, write_queues
from tests.rig.asterisk import Rig
from tests.rig.callees import Carrier, write_callbacks
from tests.rig.centre import running, until

__all__ = ["build", "carrier"]  # the fixtures of the call-backs' own tests

FRIEND, CUSTOMER = "1001", "1002"
MUCH_LATER = {"retry": {"busy": ["10m"]}}
"""So that nothing but the line that frees can be why the customer is called again."""


@dataclass
class Street:
    """A town in which the customer's telephone is one of our own endpoints, and so is a friend's."""

    town: Town
    customer: Carrier
    friend: Phone

    async def busy_while_due(self, request_id: str) -> None:
        """Wait until the customer was called and was busy."""

        async def was_busy() -> bool:
            ended = [each.outcome for each in await self.town.store.attempts(request_id)]  # type: ignore[arg-type]
            return ended == [Outcome.BUSY]

        await until(was_busy, 10)


@pytest_asyncio.fixture
async def street(asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path) -> AsyncIterator[Street]:
    write_queues(folder, {"support": {}})
    write_callbacks(folder, "support", **MUCH_LATER)
    asterisk = await asterisk_rig.boot(trunk=Trunk(softphone=CUSTOMER))
    registrar = f"sip:127.0.0.1:{asterisk.settings.sip_port}"
    async with AsyncExitStack() as stack:
        customer = Carrier(("127.0.0.1", 0), CUSTOMER, asterisk.secrets.softphones[CUSTOMER])
        await stack.enter_async_context(customer)
        centre = await stack.enter_async_context(running(asterisk, database, folder, audio_cache))
        friend = await stack.enter_async_context(centre.account(FRIEND, on_call=_picks_up))
        for phone in (customer, friend):
            assert await phone.register(registrar) == 200
        yield Street(Town(centre, await enrolled(centre, ["support"], "anne"), customer), customer, friend)


async def _picks_up(incoming: IncomingCall) -> None:
    incoming.answer(tone(500))


async def _is_busy(incoming: IncomingCall) -> None:
    incoming.reject(486)


async def test_a_customer_is_called_as_soon_as_their_talk_with_somebody_else_is_over(street: Street) -> None:
    town, customer = street.town, street.customer
    customer.does = _is_busy
    async with town.agents.at("anne", answers, hz=HZ["anne"]) as anne:
        talk = await customer.call(town.centre.uri(FRIEND))
        assert await talk.wait_answered(5)
        request = await town.ask()
        await street.busy_while_due(request.request_id)
        await town.agents.state("anne", "free")
        # They talk on for longer than a line that was busy is left alone, and nobody disturbs them.
        await asyncio.sleep(BUSY_APART_S[0] + LOOK_S + 1.0)
        assert len(customer.invites) == 1
        customer.does = accepts()
        await talk.hangup()
        freed_at = time.monotonic()
        call = await customer.rung(2, limit_s=5)
        assert time.monotonic() - freed_at < 3.0, "the line was free, and nobody called"
        agent = await anne.rung(limit_s=10)
        await asyncio.gather(hears(call, "anne"), hears(agent.call, "customer"))
        await call.hangup()
        done = await town.until(request, RequestState.DONE)
        await asyncio.sleep(2.0)
    assert [each.outcome for each in await town.attempts(request)] == [Outcome.BUSY, Outcome.TALKED]
    assert (done.tries, len(customer.invites)) == (2, 2)


async def test_a_line_that_frees_at_once_is_left_alone_for_a_moment_all_the_same(street: Street) -> None:
    town, customer = street.town, street.customer
    customer.does = _is_busy
    async with town.agents.at("anne", answers, hz=HZ["anne"]):
        talk = await customer.call(town.centre.uri(FRIEND))
        assert await talk.wait_answered(5)
        request = await town.ask()
        await street.busy_while_due(request.request_id)
        busy_at = time.monotonic()
        await asyncio.sleep(2.0)
        customer.does = accepts()
        await talk.hangup()
        call = await customer.rung(2, limit_s=10)
        assert BUSY_APART_S[0] - 1.0 < time.monotonic() - busy_at < BUSY_APART_S[0] + 3.0
        await hears(call, "anne")
        await call.hangup()
        await town.until(request, RequestState.DONE)
    assert len(customer.invites) == 2


async def test_nobody_tells_of_other_peoples_lines_and_they_are_tried_again_within_bounds(build: Build) -> None:
    town = await build({"retry": {"busy": ["5s", "6s"]}, "busy_tries": 3, "tries": 1})
    at: list[float] = []

    async def is_busy(incoming: IncomingCall) -> None:
        at.append(time.monotonic())
        incoming.reject(486)

    town.carrier.does = is_busy
    async with town.agents.at("anne", answers):
        request = await town.ask()
        failed = await town.until(request, RequestState.FAILED, limit_s=25)
        await town.agents.state("anne", "free")
        await asyncio.sleep(7.0)  # longer than any delay: there is no further try
    assert [each.outcome for each in await town.attempts(request)] == [Outcome.BUSY] * 3
    assert (failed.tries, failed.reason, len(town.carrier.invites)) == (3, "the line was busy", 3)
    first_s, second_s = at[1] - at[0], at[2] - at[1]
    assert 5.0 <= first_s < 8.0, first_s
    assert 6.0 <= second_s < 9.0, second_s
