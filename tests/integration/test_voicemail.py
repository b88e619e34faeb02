"""Callers leave voice messages with their real voices, and agents dial their codes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import yaml

from controller.cdr.entries import Disposition
from controller.softphone.call import Call
from controller.softphone.media import Clip, tone
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone
from tests.rig.agents import enrolled, write_queues
from tests.rig.centre import Centre

CALLER = "33612345678"
HZ = 700
FLOW = """
flow: messagerie
start: message
languages: [fr]
prompts: {bravo: {fr: {file: bravo}}, rien: {fr: {file: invalide}}}
defaults: {first_digit: 3s}
steps:
  message: {type: voicemail, queue: boite, silence: 2s, max: 20s, next: bravo, none: rien}
  bravo: {type: hangup, prompt: bravo}
  rien: {type: hangup, prompt: rien}
"""
GREETING_S = 1.6
BEEP_S = 0.6


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with a mailbox."""
    write_queues(folder, {"boite": {"message": {"greeting": "acceptez", "keep": "30d"}}})
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["numbers"]["7100"] = {"flow": "messagerie", "language": "fr"}
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")
    (folder / "messagerie.yaml").write_text(FLOW, "utf-8")
    return folder


def says(first_s: float, seconds: float) -> Clip:
    """A voice that is silent for `first_s`, then speaks."""
    time = np.arange(int(8000 * seconds)) / 8000
    voice = (8000 * np.sin(2 * np.pi * HZ * time)).astype(np.int16)
    return Clip(np.concatenate([np.zeros(int(8000 * first_s), np.int16), voice]))


async def kept(centre: Centre) -> list[dict[str, object]]:
    """The messages in the record, oldest first."""
    pool = await centre.store.pool()
    rows = await pool.fetch("SELECT * FROM recordings WHERE kind = 'message' ORDER BY kept_at")
    return [dict(row) for row in rows]


async def one_message(centre: Centre) -> dict[str, object]:
    async with asyncio.timeout(10):
        while not (found := await kept(centre)):
            await asyncio.sleep(0.05)
    (message,) = found
    return message


def heard_tone_from(call: Call, first_s: float) -> bool:
    """Whether the caller's own voice is heard again after `first_s`."""
    samples = call.heard.samples[int(8000 * first_s) :]
    return any(has_tone(samples[start : start + 4000], HZ) for start in range(0, len(samples) - 4000, 1000))


async def test_a_message_is_left_heard_again_and_sent(centre: Centre, phone: Phone) -> None:
    call = await phone.call(centre.uri("7100"), source=says(GREETING_S + BEEP_S, 3.0))
    await asyncio.sleep(GREETING_S + BEEP_S + 3.2)
    await call.press("#")
    await asyncio.sleep(1.0)
    await call.press("2")
    asked_s = call.heard.samples.size / 8000
    await asyncio.sleep(4.0)
    await call.press("1")
    assert await call.wait_ended(10)
    assert heard_tone_from(call, asked_s)
    assert centre.heard(call)[-1] == "fr/bravo"

    message = await one_message(centre)
    assert message["queue"] == "boite"
    assert 2.5 < float(str(message["duration_s"])) < 4.5
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.COMPLETED
    assert [step.step for step in record.steps] == ["message", "bravo"]
    assert record.steps[0].digits == "2 1"


async def test_who_says_nothing_leaves_nothing(centre: Centre, phone: Phone) -> None:
    call = await phone.call(centre.uri("7100"))
    assert await call.wait_ended(25)
    assert centre.heard(call)[-1] == "fr/invalide"
    record = await centre.record(CALLER)
    assert [step.exit for step in record.steps] == ["none", "hangup"]
    assert await kept(centre) == []


async def test_who_hangs_up_while_speaking_has_left_a_message(centre: Centre, phone: Phone) -> None:
    call = await phone.call(centre.uri("7100"), source=tone(HZ))
    await asyncio.sleep(GREETING_S + BEEP_S + 3.0)
    await call.hangup()
    message = await one_message(centre)
    assert 2.0 < float(str(message["duration_s"])) < 5.0
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.COMPLETED
    assert [step.exit for step in record.steps] == ["hung_up"]


async def test_an_agent_logs_in_by_the_code_and_a_stranger_does_not(centre: Centre, phone: Phone) -> None:
    agents = await enrolled(centre, ["boite"], "anne")
    async with agents.at("anne", login=False) as desk:
        await agents.state("anne", "logged_out")
        call = await desk.phone.call(centre.uri("*11"))
        assert await call.wait_ended(10)
        assert centre.heard(call) == ["fr/bravo"]
        await agents.state("anne", "free")
    stranger = await phone.call(centre.uri("*11"))
    assert await stranger.wait_ended(10)
    assert centre.heard(stranger) != ["fr/bravo"]
