"""A caller asks by keypad to be called back, hangs up, and is called; later says never again. On the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio
import yaml

from controller.callback.model import Outcome, Request, RequestState, Source, When
from controller.postgres.callbacks import PostgresCallbacks
from controller.runtime.settings import Trunk
from controller.softphone.call import Call
from tests.integration.test_callbacks import NUMBER, accepts
from tests.rig import freeports
from tests.rig.agents import Agents, answers, enrolled, write_queues
from tests.rig.asterisk import Rig
from tests.rig.callees import CARRIER, Carrier, write_callbacks
from tests.rig.centre import Centre, running, until

NATIONAL = "0612345678"
NOTICES = {
    f"say/fr/callback-{name}"
    for name in ("number", "confirm", "when", "asap", "open", "open-keys", "cancelled", "never", "type", "kept")
}
FLOW = """
flow: demande
start: rappel
languages: [fr, en]
defaults: {first_digit: 3s, attempts: 2}
prompts: {merci: {fr: {file: au_revoir}, en: {file: au_revoir}}}
steps:
  rappel: {type: callback, queue: support, reason: Vélo, done: fin, refused: fin}
  fin: {type: hangup, prompt: merci}
"""


class Town:
    """A centre that is asked by telephone, and the carrier that sees whom it calls."""

    def __init__(self, centre: Centre, agents: Agents, carrier: Carrier) -> None:
        self.centre, self.agents, self.carrier = centre, agents, carrier
        self.store = PostgresCallbacks(centre.store)
        self.ear = centre.ear_for(lambda media: media in NOTICES)

    async def call(self) -> Call:
        """A customer calls the number where call-backs are asked for."""
        return await self.carrier.call(self.centre.uri("7300"), caller=NATIONAL)

    def heard(self, call: Call) -> list[str]:
        return [each.name.rpartition("/")[2] for each in self.ear.listen(call.heard.samples)]

    async def hears(self, call: Call, notice: str) -> None:
        """Wait until a call has begun to hear a notice."""
        async with asyncio.timeout(30):
            while notice not in self.heard(call):
                await asyncio.sleep(0.1)

    async def only(self) -> Request:
        (request,) = await self.store.find()
        return request

    async def until(self, state: RequestState) -> Request:
        async def reached() -> bool:
            return (await self.only()).state is state

        await until(reached, 40)
        return await self.only()


@pytest_asyncio.fixture
async def town(asterisk_rig: Rig, database: str, folder: Path, audio_cache: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        port = freeports.block()
        stack.callback(freeports.release, port)
        carrier = await stack.enter_async_context(Carrier((CARRIER, port)))
        write_queues(folder, {"support": {}})
        write_callbacks(folder, "support")
        (folder / "demande.yaml").write_text(FLOW, "utf-8")
        path = folder / "centre.yaml"
        written = yaml.safe_load(path.read_text("utf-8"))
        written["numbers"]["7300"] = {"flow": "demande", "language": "fr"}
        path.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        asterisk = await asterisk_rig.boot(trunk=Trunk(networks=(f"{CARRIER}/32",), host=f"{CARRIER}:{port}"))
        centre = await stack.enter_async_context(running(asterisk, database, folder, audio_cache))
        yield Town(centre, await enrolled(centre, ["support"], "anne"), carrier)


async def test_who_asks_by_keypad_is_called_back_and_talks(town: Town) -> None:
    town.carrier.does = accepts()
    async with town.agents.at("anne", answers) as anne:
        call = await town.call()
        await town.hears(call, "callback-number")
        await call.press("1")
        await town.hears(call, "callback-when")
        await call.press("1")
        await town.hears(call, "callback-asap")
        assert not town.carrier.numbers, "called while still on the line"
        request = await town.only()
        assert (request.number, request.when, request.source) == (NUMBER, When.ASAP, Source.SVI)
        assert request.customer.reason == "Vélo"
        assert request.consent is not None
        assert request.consent.text.startswith("Nous vous rappellerons au numéro suivant. zéro six douze")
        assert await call.wait_ended(15)
        customer = await town.carrier.rung(limit_s=25)
        await anne.rung(limit_s=15)
        await asyncio.sleep(1.0)
        await customer.hangup()
        done = await town.until(RequestState.DONE)
    assert (done.outcome, len(town.carrier.numbers)) == (Outcome.TALKED, 1)


async def test_who_calls_again_cancels_and_says_never_again_when_called(town: Town) -> None:
    town.carrier.does = accepts("9")
    first = await town.call()  # nobody is logged in: the request waits
    await first.press("1")
    await first.press("1")
    await town.hears(first, "callback-asap")
    await first.hangup()
    again = await town.call()
    await town.hears(again, "callback-open")
    await again.press("3")
    await town.hears(again, "callback-cancelled")
    await town.until(RequestState.CANCELLED)
    await again.hangup()
    third = await town.call()
    await third.press("1")
    await third.press("1")
    await town.hears(third, "callback-asap")
    await third.hangup()
    async with town.agents.at("anne", answers):
        customer = await town.carrier.rung(limit_s=25)
        await town.hears(customer, "callback-never")
        assert await customer.wait_ended(15)

        async def declined() -> bool:
            return all(each.state is RequestState.CANCELLED for each in await town.store.find())

        await until(declined, 15)
    assert len(town.carrier.numbers) == 1
