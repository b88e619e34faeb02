"""The example centre as it is shipped, on the real Asterisk: an adviser logs in and is reached."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from controller.calls.enrolment import NewAgent, enrol
from controller.cdr.entries import Disposition
from controller.postgres.agents import PostgresAgents
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone
from tests.rig.agents import Agents, answers
from tests.rig.centre import Centre, until

CALLER = "33612345678"
EXAMPLE = Path(__file__).parents[2] / "ivr_flows"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example centre, open at any time."""
    target = tmp_path / "centre"
    shutil.copytree(EXAMPLE, target)
    path = target / "centre.yaml"
    text = path.read_text("utf-8")
    always = '{hours: {mon-sun: "00:00-24:00"}}'
    calendars = f"calendars:\n  boutique: {always}\n  atelier: {always}\n"
    path.write_text(re.sub(r"calendars:\n.*?(?=^\S)", calendars, text, flags=re.DOTALL | re.MULTILINE), "utf-8")
    return target


def heard(centre: Centre, call: object) -> str:
    """The prompts a call heard, shortened to their first words."""
    return " ".join(re.sub(r"\.[0-9a-f]{10}$", "", name.rpartition("/")[2]) for name in centre.heard(call))


async def test_an_adviser_logs_in_and_a_customer_reaches_them(centre: Centre, phone: Phone) -> None:
    claire = NewAgent(
        agent="claire", name="Claire", extension="2001", queues={"support": 1}, languages=("fr", "en"), skills={}
    )
    accounts = await enrol(PostgresAgents(centre.store), [claire])

    async def configured() -> bool:
        return accounts[0].username in await centre.endpoints()

    await until(configured, 10)
    agents = Agents(centre, list(accounts))
    async with agents.at("claire", answers, login=False) as desk:
        code = await desk.phone.call(centre.uri("*11"))
        assert await code.wait_ended(15)
        assert heard(centre, code) == "vous-etes-connecte-bonne-journee"
        await agents.state("claire", "free")

        call = await phone.call(centre.uri("1000"), source=tone(700))
        await asyncio.sleep(1.0)
        await call.press("0")
        incoming = await desk.rung(limit_s=20.0)
        await agents.state("claire", "talking", 15.0)
        await asyncio.sleep(1.5)
        assert has_tone(call.heard.samples[-4000:], desk.hz)
        assert has_tone(incoming.call.heard.samples[-4000:], 700)
        assert "un-appel-pour-le-support" in heard(centre, incoming.call)
        await incoming.call.hangup()
        assert await call.wait_ended(15)
        told = heard(centre, call)
        assert "ne-quittez-pas-nous-vous-mettons" in told
        assert "pour-ameliorer-notre-service-cet" in told
        assert told.endswith("merci-de-votre-appel-velos-mirab")
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert [step.step for step in record.steps if step.flow == "conseiller"][-2:] == ["conseillers", "fini"]


async def test_without_an_adviser_a_message_is_taken(centre: Centre, phone: Phone) -> None:
    call = await phone.call(centre.uri("1100"), source=tone(700))
    await asyncio.sleep(1.0)
    await call.press("0")
    async with asyncio.timeout(60):
        while "no-adviser-is-available-at-the-m" not in heard(centre, call):
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.5)
        await call.press("7")  # what is offered now, a call-back, is not taken
        await asyncio.sleep(1.0)
        await call.press("7")
        while "please-say-your-name" not in heard(centre, call):
            await asyncio.sleep(0.5)
    await asyncio.sleep(12.0)
    await call.hangup()
    record = await centre.record(CALLER)
    assert [(step.step, step.exit) for step in record.steps if step.flow == "conseiller"][-4:] == [
        ("conseillers_anglais", "no_agents"),
        ("absents", "next"),
        ("rappel", "refused"),
        ("message", "hung_up"),
    ]
    assert [step.detail.get("kept") for step in record.steps if step.step == "message"] == [True]
