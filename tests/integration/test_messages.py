"""Agents listen to the messages of their queues from their own phones, on the real Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from controller.acd.model import AgentId
from controller.app import LISTENING
from controller.calls.enrolment import SipAccount
from controller.postgres.history import PostgresHistory
from controller.softphone.call import Call
from controller.softphone.media import Clip
from controller.softphone.message import Message
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone
from tests.rig.agents import Agents, enrolled, write_queues
from tests.rig.centre import Centre, Process, ready, until

FIRST_HZ, SECOND_HZ = 700, 1100
LEAVE = """
flow: messagerie
start: message
languages: [fr]
prompts: {bravo: {fr: {file: bravo}}}
steps:
  message: {type: voicemail, queue: boite, silence: 1s, review: false, next: bravo, none: bravo}
  bravo: {type: hangup, prompt: bravo}
"""
LISTEN = """
flow: ecoute
start: messages
languages: [fr]
human_exit: {none: for agents}
prompts: {fin: {fr: {file: bravo}}, rien: {fr: {file: encore}}, non: {fr: {file: invalide}}}
steps:
  messages: {type: messages, save: motif, done: fin, none: rien, refused: non}
  fin: {type: hangup, prompt: fin}
  rien: {type: hangup, prompt: rien}
  non: {type: hangup, prompt: non}
"""
BEFORE_THE_VOICE_S = 2.3  # the greeting and the tone


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two mailboxes, a number to leave messages, and the code to hear them."""
    message: dict[str, object] = {"message": {"greeting": "acceptez", "name": "murmure", "keep": "30d"}}
    write_queues(folder, {"boite": message, "autre": {}})
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["numbers"]["7100"] = {"flow": "messagerie", "language": "fr"}
    centre["numbers"]["*16"] = {"flow": "ecoute", "language": "fr"}
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")
    (folder / "messagerie.yaml").write_text(LEAVE, "utf-8")
    (folder / "ecoute.yaml").write_text(LISTEN, "utf-8")
    return folder


def voice(hz: int, seconds: float) -> Clip:
    """A caller who waits for the tone, then speaks."""
    time = np.arange(int(8000 * seconds)) / 8000
    said = (8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)
    return Clip(np.concatenate([np.zeros(int(8000 * BEFORE_THE_VOICE_S), np.int16), said]))


async def leave(centre: Centre, phone: Phone, hz: int, count: int, seconds: float = 3.0) -> None:
    """Leave the message number `count`."""
    call = await phone.call(centre.uri("7100"), source=voice(hz, seconds))
    assert await call.wait_ended(20)
    history = PostgresHistory(centre.store)

    async def there() -> bool:
        return len(await history.messages("boite")) == count

    await until(there)


class Listening:
    """An agent's call to the code."""

    def __init__(self, centre: Centre, call: Call) -> None:
        self.call = call
        self._ear = centre.ear_for(lambda media: media.startswith("say/fr/mailbox-") or not media.startswith("say/"))
        self._from = 0

    async def hears(self, hz: int, limit_s: float = 20.0) -> None:
        """Wait for a voice; what was heard before counts no more."""
        await self._wait(lambda: _sounds(self.call.heard.samples[self._from :], hz), limit_s)

    async def hears_for(self, hz: int, seconds: float, limit_s: float = 30.0) -> None:
        """Wait until a voice was heard for so long, all in all."""

        def heard_s() -> float:
            samples = self.call.heard.samples
            return (
                sum(has_tone(samples[start : start + 2000], hz) for start in range(0, len(samples) - 2000, 2000)) / 4
            )

        await self._wait(lambda: heard_s() >= seconds, limit_s)

    async def press(self, key: str) -> None:
        """Press a key; what is heard counts from here."""
        self.forget()
        await self.call.press(key)

    def forget(self) -> None:
        """Count only what is heard from here."""
        self._from = len(self.call.heard.samples)

    def heard(self) -> list[str]:
        """What was said, in order: notices by their names."""
        return [each.name.removeprefix("say/fr/") for each in self._ear.listen(self.call.heard.samples)]

    async def _wait(self, condition: Callable[[], bool], limit_s: float) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.1)


def _sounds(samples: np.ndarray, hz: int) -> bool:
    return any(has_tone(samples[start : start + 4000], hz) for start in range(0, len(samples) - 4000, 1000))


class DeskPhone(Phone):
    """An agent's phone, with a lamp."""

    def __init__(self, account: SipAccount) -> None:
        super().__init__(user=account.username, password=account.password)
        self.lamp = ""

    def _on_request(self, request: Message, *rest: Any) -> None:
        if request.method == "NOTIFY":
            self.lamp = request.body.decode()
        super()._on_request(request, *rest)

    async def shows(self, new: int, old: int) -> None:
        """Wait until the lamp tells of so many messages."""

        async def shown() -> bool:
            return f"Voice-Message: {new}/{old}" in self.lamp

        await until(shown, 10)


@asynccontextmanager
async def desk_of(centre: Centre, agents: Agents, agent: str) -> AsyncIterator[DeskPhone]:
    async with DeskPhone(agents.accounts[AgentId(agent)]) as phone:
        assert await phone.register(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}") == 200
        yield phone


def laid_out(centre: Centre) -> list[Path]:
    return list((Path(centre.config.node.cache_dir) / LISTENING).glob("*.wav"))


async def hear_erase_and_keep(centre: Centre, desk: DeskPhone, listening: Listening, first: str) -> None:
    """Hear the first message twice and erase it, hear the second one and keep it as new."""
    history = PostgresHistory(centre.store)
    await listening.hears(FIRST_HZ)
    assert [(each.by, each.how) for each in await history.accesses(first)] == [("agent:anne", "listened")]
    await desk.shows(1, 1)
    (copy,) = laid_out(centre)
    assert copy.parent.stat().st_mode & 0o777 == 0o711
    await listening.press("1")
    await listening.hears(FIRST_HZ)
    await listening.press("3")
    await asyncio.sleep(1.0)
    await listening.press("3")
    await listening.hears(SECOND_HZ)
    await listening.press("4")
    assert await listening.call.wait_ended(20)


async def test_an_agent_hears_erases_and_keeps_messages(centre: Centre, phone: Phone) -> None:
    agents = await enrolled(centre, ["boite"], "anne")
    await leave(centre, phone, FIRST_HZ, 1)
    await leave(centre, phone, SECOND_HZ, 2)
    history = PostgresHistory(centre.store)
    second, first = [each.recording_id for each in await history.messages("boite")]
    async with desk_of(centre, agents, "anne") as desk:
        await desk.shows(2, 0)
        listening = Listening(centre, await desk.call(centre.uri("*16")))
        await hear_erase_and_keep(centre, desk, listening, first)
        await desk.shows(1, 0)

    assert listening.heard() == [
        "mailbox-new-2",
        "mailbox-item-new",
        "fr/sous_menu",
        "mailbox-caller",
        "mailbox-erase",
        "mailbox-erased",
        "mailbox-item-new",
        "fr/sous_menu",
        "mailbox-caller",
        "mailbox-kept",
        "mailbox-end",
        "fr/bravo",
    ]
    assert [each.how for each in await history.accesses(first)] == ["listened", "listened"]
    assert [each.how for each in await history.accesses(second)] == ["listened"]
    erased, kept = await history.recording(first), await history.recording(second)
    assert erased is not None
    assert kept is not None
    assert centre.parts is not None
    assert (erased.erased_by, centre.parts.keeping.file(erased.path)) == ("agent:anne", None)
    assert (kept.heard_at, kept.erased_at) == (None, None)
    assert laid_out(centre) == []
    record = await centre.record("2001")
    (step, _) = record.steps
    assert (step.exit, step.digits) == ("done", "1 3 3 4")
    assert step.detail == {"messages": 2, "new": 2, "heard": 3, "erased": 1}


async def test_who_hangs_up_or_goes_on_before_the_message_leaves_it_new(centre: Centre, phone: Phone) -> None:
    agents = await enrolled(centre, ["boite"], "anne")
    await leave(centre, phone, FIRST_HZ, 1)
    async with desk_of(centre, agents, "anne") as desk:
        call = await desk.call(centre.uri("*16"))
        await asyncio.sleep(2.0)
        await call.hangup()
        call = await desk.call(centre.uri("*16"))
        await asyncio.sleep(1.0)
        await call.press("2")
        assert await call.wait_ended(20)
    assert not _sounds(call.heard.samples, FIRST_HZ)
    history = PostgresHistory(centre.store)
    (message,) = await history.messages("boite")
    assert (message.heard_at, await history.accesses(message.recording_id)) == (None, [])


async def test_no_messages_another_queue_and_a_stranger(centre: Centre, phone: Phone) -> None:
    agents = await enrolled(centre, ["autre"], "anne")
    await leave(centre, phone, FIRST_HZ, 1)
    async with desk_of(centre, agents, "anne") as desk:
        call = await desk.call(centre.uri("*16"))
        assert await call.wait_ended(10)
    assert centre.heard(call) == ["fr/encore"]
    stranger = await phone.call(centre.uri("*16"))
    assert await stranger.wait_ended(10)
    assert "fr/encore" not in centre.heard(stranger)  # told apart: not an agent
    assert not _sounds(stranger.heard.samples, FIRST_HZ)
    assert (await PostgresHistory(centre.store).messages("boite"))[0].heard_at is None


async def test_a_killed_controller_s_successor_plays_the_message_again(
    process: tuple[Centre, Process], phone: Phone
) -> None:
    centre, controller = process
    agents = await enrolled(centre, ["boite"], "anne")
    await leave(centre, phone, FIRST_HZ, 1, seconds=8.0)
    async with desk_of(centre, agents, "anne") as desk:
        listening = Listening(centre, await desk.call(centre.uri("*16")))
        await listening.hears(FIRST_HZ)
        controller.kill()
        await controller.ended()
        await controller.start()
        await ready(centre)
        # All of it again, and some that was heard before: a quick successor is there within a second.
        await listening.hears_for(FIRST_HZ, 8.5)
        await listening.press("*")
        assert await listening.call.wait_ended(20)
    assert listening.heard()[-1] == "fr/bravo"
    assert laid_out(centre) == []
    history = PostgresHistory(centre.store)
    (message,) = await history.messages("boite")
    assert [each.how for each in await history.accesses(message.recording_id)] == ["listened"]
