"""Callers wait for agents with real phones: every way a connection can go, and what each of them hears."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.cdr.entries import Disposition, Role
from controller.softphone.call import Call, CallState
from controller.softphone.media import tone
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone, level_dbfs
from tests.rig.agents import Agents, OnRing, answers, enrolled, rejects, write_queues
from tests.rig.centre import Centre, Process, ready
from tests.rig.listening import silences

CALLER = "33612345678"
CALLER_HZ = 700
QUEUES = {
    "directe": {"ring": "5s"},
    "longue": {"ring": "30s"},
    "murmure": {"whisper": "murmure", "ring": "5s"},
    "accepte": {"accept": {"key": 1, "prompt": "acceptez"}, "ring": "5s"},
    "tous": {"strategy": "ring_all", "ring": "5s"},
    "sonne": {"caller_hears": "ringing", "ring": "5s"},
    "annonce": {"record": {"announcement": "annonce"}, "ring": "5s"},
    "courte": {"flow": {"wait": "5s"}},
    "reconfort": {"comfort": {"every": "10s", "prompts": ["annonce"]}},
    "touches": {"flow": {"leave_message": "{key: 6, go: tard}", "offer_callback": "{key: 5, go: plein, after: 0s}"}},
}
NUMBERS = {name: str(7001 + place) for place, name in enumerate(QUEUES)}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with queues."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


@pytest_asyncio.fixture
async def agents(centre: Centre) -> AsyncIterator[Agents]:
    """Three agents who serve all queues."""
    return await enrolled(centre, list(QUEUES), "anne", "bruno", "chloe")


async def dial(centre: Centre, phone: Phone, queue: str) -> Call:
    return await phone.call(centre.uri(NUMBERS[queue]), source=tone(CALLER_HZ))


def said(call: Call, hz: int, seconds: float = 0.6) -> bool:
    """Tell whether the last that `call` heard is a tone of `hz`."""
    return has_tone(call.heard.samples[-int(8000 * seconds) :], hz)


async def hears(call: Call, hz: int, limit_s: float = 3.0) -> bool:
    """Wait until the tone is heard for half a second."""
    try:
        async with asyncio.timeout(limit_s):
            while not said(call, hz, 0.5):
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


def onset(call: Call, hz: int) -> float:
    """Return when the tone begins in what `call` heard, in seconds, to 20 ms."""
    samples = call.heard.samples
    frames = [start for start in range(0, len(samples) - 320, 80) if has_tone(samples[start : start + 320], hz)]
    assert frames, f"{hz} Hz was never heard"
    return frames[0] / 8000


async def outcomes(centre: Centre, limit_s: float = 5.0) -> list[str]:
    """Return how the offers ended, in order, once all of them have."""
    pool = await centre.store.pool()
    found: list[str | None] = [None]
    async with asyncio.timeout(limit_s):
        while not found or None in found:
            await asyncio.sleep(0.05)
            rows = await pool.fetch("SELECT outcome FROM offers ORDER BY made_at, offer")
            found = [row["outcome"] for row in rows]
    return [outcome for outcome in found if outcome]


async def test_caller_and_agent_hear_each_other(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "directe")
        incoming = await anne.rung()
        await asyncio.sleep(1)
        assert level_dbfs(call.heard.samples[-4000:]) > -50  # music
        assert not said(call, anne.hz)
        talk = incoming.answer(anne.source)
        assert talk is not None
        assert await hears(call, anne.hz)
        assert await hears(talk, CALLER_HZ)
        assert incoming.caller == CALLER
        await talk.hangup()
        assert await call.wait_ended(10)
    assert [name for name in centre.heard(call) if name.startswith("fr/")] == ["fr/bravo", "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert [leg.role for leg in record.legs] == [Role.CALLER, Role.AGENT]
    assert await outcomes(centre) == ["connected"]
    assert await centre.channels() == []


# --- answered -------------------------------------------------------------------------------------------------


async def test_the_caller_hangs_up_in_the_conversation(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, "directe")
        talk = (await anne.rung()).call
        assert await hears(call, anne.hz)
        await call.hangup()
        assert await talk.wait_ended(1)
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert await outcomes(centre) == ["connected"]


async def test_nothing_of_the_first_words_is_clipped(centre: Centre, agents: Agents, phone: Phone):
    """The agent speaks from the answer on: what the caller hears begins within a packet of it."""
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "directe")
        incoming = await anne.rung()
        await asyncio.sleep(1)
        talk = incoming.answer(anne.source)
        assert talk is not None
        await asyncio.sleep(1.5)
        assert talk.answered_at is not None
        delay_s = onset(call, anne.hz) + call.heard.origin - talk.answered_at
        assert delay_s < 0.1
        agent_hears_s = onset(talk, CALLER_HZ) + talk.heard.origin - talk.answered_at
        assert agent_hears_s < 0.1
        await call.hangup()


async def test_an_agent_hears_the_queue_alone_and_then_the_caller(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, "murmure")
        talk = (await anne.rung()).call
        assert await hears(talk, CALLER_HZ)
        assert await hears(call, anne.hz)
        assert centre.heard(talk)[:1] == ["fr/sous_menu"]
        assert "fr/sous_menu" not in centre.heard(call)
        await call.hangup()
        assert await talk.wait_ended(1)


async def test_the_accept_key_connects(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, "accepte")
        talk = (await anne.rung()).call
        await asyncio.sleep(0.8)
        assert not said(talk, CALLER_HZ)
        await talk.press("1")
        assert await hears(talk, CALLER_HZ)
        assert await hears(call, anne.hz)
        await call.hangup()
    assert await outcomes(centre) == ["connected"]


async def test_the_caller_hears_ringing_where_the_queue_says_so(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "sonne")
        incoming = await anne.rung()
        await asyncio.sleep(2.2)
        assert has_tone(call.heard.between(call.heard.duration_s - 2, call.heard.duration_s - 0.5)[:8000], 440)
        incoming.answer(anne.source)
        assert await hears(call, anne.hz)
        await call.hangup()


async def test_who_is_recorded_has_heard_so_before_the_agent_talks(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, "annonce")
        await anne.rung()
        assert await hears(call, anne.hz, 5)
        heard = centre.ear.listen(call.heard.samples)
        assert [each.name for each in heard] == ["fr/longue"]
        assert onset(call, anne.hz) > heard[0].start_s + 2.4
        await call.hangup()


# --- not answered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_ring", "outcome"), [(rejects(486), "busy"), (rejects(603), "declined"), (rejects(480), "no_answer")]
)
async def test_a_refused_offer_goes_to_the_next_agent(
    centre: Centre, agents: Agents, phone: Phone, on_ring: OnRing, outcome: str
):
    async with agents.at("anne", on_ring) as anne:
        call = await dial(centre, phone, "directe")
        await anne.rung()
        await asyncio.sleep(2)
        assert level_dbfs(call.heard.samples[-4000:]) > -60  # music still, which begins softly
        async with agents.at("bruno", answers, hz=1900) as bruno:
            await bruno.rung()
            assert await hears(call, 1900)
            await call.hangup()
    assert await outcomes(centre) == [outcome, "connected"]


async def test_an_agent_who_does_not_answer_is_paused_and_the_caller_waits_on(
    centre: Centre, agents: Agents, phone: Phone
):
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "directe")
        await anne.rung()
        assert await anne.stopped_ringing(6.5)
        assert 4.5 < time.monotonic() - anne.rang_at[0] < 6
        await agents.state("anne", "paused", limit_s=1)
        await agents.state("anne", "free", limit_s=7)
        assert call.state is CallState.ANSWERED
        await call.hangup()
    assert await outcomes(centre) == ["no_answer"]
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.ABANDONED


async def test_an_agent_without_a_registered_phone_is_not_offered_anything(
    centre: Centre, agents: Agents, phone: Phone
):
    async with agents.at("anne") as anne:
        await anne.phone.unregister(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}")
        await agents.state("anne", "unreachable", limit_s=5)
        call = await dial(centre, phone, "directe")
        await asyncio.sleep(1)
        assert anne.rings == []
        await anne.register()
        await anne.rung()
        await call.hangup()


async def test_the_caller_leaves_while_the_phone_rings(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "directe")
        await anne.rung()
        await asyncio.sleep(0.5)
        await call.hangup()
        assert await anne.stopped_ringing(1)
        await agents.state("anne", "free", limit_s=1)
    assert await outcomes(centre) == ["customer_left"]
    assert await centre.channels() == []


async def test_both_hang_up_at_once(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne:
        call = await dial(centre, phone, "directe")
        incoming = await anne.rung()
        talk = incoming.answer(anne.source)
        assert talk is not None
        await asyncio.gather(call.hangup(), talk.hangup())
        record = await centre.record(CALLER)
        await agents.state("anne", "free", limit_s=5)
    assert record.call.ended_at is not None
    assert (await outcomes(centre))[0] in {"connected", "customer_left", "declined"}
    assert await centre.channels() == []


async def test_who_does_not_press_the_accept_key_is_let_go(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne", answers) as anne:
        call = await dial(centre, phone, "accepte")
        talk = (await anne.rung()).call
        assert await talk.wait_ended(15)
        assert call.state is CallState.ANSWERED
        assert not said(call, anne.hz, 3)
        await call.hangup()
    assert await outcomes(centre) == ["not_accepted"]


# --- several phones -------------------------------------------------------------------------------------------


async def test_ring_all_the_first_to_answer_talks(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne, agents.at("bruno", hz=1900) as bruno, agents.at("chloe") as chloe:
        call = await dial(centre, phone, "tous")
        for desk in (anne, bruno, chloe):
            await desk.rung()
        await asyncio.sleep(0.3)
        (bruno.rings[0]).answer(bruno.source)
        answered_at = time.monotonic()
        assert await anne.stopped_ringing(1)
        assert await chloe.stopped_ringing(1)
        assert time.monotonic() - answered_at < 1
        assert await hears(call, 1900)
        await call.hangup()
    assert sorted(await outcomes(centre)) == ["connected", "elsewhere", "elsewhere"]


async def test_two_answer_at_once_and_one_of_them_talks(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as anne, agents.at("bruno", hz=1900) as bruno:
        call = await dial(centre, phone, "tous")
        for desk in (anne, bruno):
            await desk.rung()
        talks = [desk.rings[0].answer(desk.source) for desk in (anne, bruno)]
        await asyncio.sleep(1.5)
        alive = [talk for talk in talks if talk is not None and talk.state is CallState.ANSWERED]
        assert len(alive) == 1
        assert said(call, 1300) != said(call, 1900)
        await call.hangup()
    assert sorted(await outcomes(centre)) == ["connected", "elsewhere"]


async def test_an_agents_other_phone_stops_ringing(centre: Centre, agents: Agents, phone: Phone):
    async with agents.at("anne") as desk, agents.at("anne", login=False) as other:
        call = await dial(centre, phone, "directe")
        await asyncio.gather(desk.rung(), other.rung())
        other.rings[0].answer(other.source)
        assert await desk.stopped_ringing(1)
        assert await hears(call, 1300)
        await call.hangup()
    assert await outcomes(centre) == ["connected"]


async def test_a_phone_rings_once_for_a_call_when_asterisk_names_its_contact_twice(
    centre: Centre, agents: Agents, phone: Phone
):
    """So it does from some seconds after the account was put on, whose qualification is set slower then."""
    async with agents.at("anne") as anne:
        await asyncio.sleep(7)
        call = await dial(centre, phone, "directe")
        await anne.rung()
        await asyncio.sleep(0.5)
        assert len(anne.rings) == 1
        await call.hangup()


# --- waiting --------------------------------------------------------------------------------------------------


async def test_a_short_wait_ends_in_its_exit(centre: Centre, agents: Agents, phone: Phone):
    call = await dial(centre, phone, "courte")
    assert await call.wait_ended(15)
    assert [name for name in centre.heard(call) if name.startswith("fr/")][-2:] == ["fr/encore", "fr/au_revoir"]
    assert 5 < call.duration_s < 9


@pytest.mark.parametrize(("key", "prompt"), [("5", "fr/invalide"), ("6", "fr/encore")])
async def test_the_keys_of_the_queue(centre: Centre, agents: Agents, phone: Phone, key: str, prompt: str):
    call = await dial(centre, phone, "touches")
    await asyncio.sleep(1.5)
    await call.press(key)
    assert await call.wait_ended(10)
    assert [name for name in centre.heard(call) if name in {"fr/invalide", "fr/encore"}] == [prompt]


async def test_comfort_interrupts_the_music_and_an_agent_interrupts_the_comfort(
    centre: Centre, agents: Agents, phone: Phone
):
    call = await dial(centre, phone, "reconfort")
    await asyncio.sleep(10.8)  # in the middle of it
    async with agents.at("anne", answers) as anne:
        await anne.rung()
        assert await hears(call, anne.hz)
        await call.hangup()
    (comfort,) = centre.ear.listen(call.heard.samples)
    assert comfort.name == "fr/longue"
    assert onset(call, anne.hz) < comfort.start_s + 2.4


async def test_callers_are_served_in_their_order(centre: Centre, agents: Agents):
    async with Phone(user="33600000001") as one, Phone(user="33600000002") as two:
        first = await dial(centre, one, "directe")
        await asyncio.sleep(0.3)
        second = await dial(centre, two, "directe")
        await asyncio.sleep(0.3)
        async with agents.at("anne", answers) as anne:
            assert (await anne.rung()).caller == "33600000001"
            await asyncio.sleep(0.5)
            await first.hangup()
            assert (await anne.rung(2)).caller == "33600000002"
            assert await hears(second, anne.hz)
            await second.hangup()


# --- the controller is killed ---------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def team(process: tuple[Centre, Process]) -> AsyncIterator[tuple[Agents, Process]]:
    """The agents of a controller that is a process of its own."""
    centre, controller = process
    yield await enrolled(centre, list(QUEUES), "anne", "bruno"), controller


async def killed(team: tuple[Agents, Process]) -> None:
    """Kill the controller and have another one ready."""
    agents, controller = team
    controller.kill(signal.SIGKILL)
    await controller.ended()
    await controller.start()
    await ready(agents.centre)


async def test_killed_while_callers_wait_they_keep_their_order(team: tuple[Agents, Process]):
    agents, _ = team
    async with Phone(user="33600000001") as one, Phone(user="33600000002") as two:
        first = await dial(agents.centre, one, "directe")
        await asyncio.sleep(0.5)
        second = await dial(agents.centre, two, "directe")
        await asyncio.sleep(1)
        await killed(team)
        await asyncio.sleep(1)
        for call in (first, second):
            assert call.state is CallState.ANSWERED
            assert level_dbfs(call.heard.samples[-4000:]) > -60
        async with agents.at("anne", answers) as anne:
            assert (await anne.rung()).caller == "33600000001"
            assert await hears(first, anne.hz)
            await first.hangup()
            assert (await anne.rung(2)).caller == "33600000002"
            assert await hears(second, anne.hz)
            await second.hangup()
    record = await agents.centre.record("33600000001")
    assert record.call.disposition is Disposition.TALKED


async def test_killed_while_a_phone_rings_it_is_answered_and_they_talk(team: tuple[Agents, Process], phone: Phone):
    agents, _ = team
    async with agents.at("anne") as anne:
        call = await dial(agents.centre, phone, "longue")
        incoming = await anne.rung()
        await asyncio.sleep(0.5)
        await killed(team)
        await asyncio.sleep(0.5)
        assert len(anne.rings) == 1
        talk = incoming.answer(anne.source)
        assert talk is not None
        assert await hears(call, anne.hz)
        assert await hears(talk, CALLER_HZ)
        await talk.hangup()
        assert await call.wait_ended(10)
    assert [name for name in agents.centre.heard(call) if name.startswith("fr/")] == ["fr/bravo", "fr/au_revoir"]
    assert await outcomes(agents.centre) == ["connected"]


async def test_killed_while_a_phone_rings_and_answered_before_the_next_is_there(
    team: tuple[Agents, Process], phone: Phone
):
    agents, controller = team
    async with agents.at("anne") as anne:
        call = await dial(agents.centre, phone, "longue")
        incoming = await anne.rung()
        controller.kill(signal.SIGKILL)
        await controller.ended()
        talk = incoming.answer(anne.source)
        assert talk is not None
        await controller.start()
        await ready(agents.centre)
        assert await hears(call, anne.hz, 5)
        assert await hears(talk, CALLER_HZ)
        assert len(anne.rings) == 1
        await call.hangup()
        assert await talk.wait_ended(1)


async def test_killed_in_a_conversation_it_is_not_touched_and_both_can_end_it(
    team: tuple[Agents, Process], phone: Phone
):
    agents, _ = team
    async with agents.at("anne", answers) as anne:
        call = await dial(agents.centre, phone, "directe")
        talk = (await anne.rung()).call
        assert await hears(call, anne.hz)
        await asyncio.sleep(1)
        since = time.monotonic()
        await killed(team)
        await asyncio.sleep(2)
        assert has_tone(call.heard.between(since - call.heard.origin), anne.hz)
        assert silences(call, since, anne.phone.pacer, at_least_s=0.1) == []
        assert len(anne.rings) == 1
        await talk.hangup()
        assert await call.wait_ended(10)
    record = await agents.centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert await agents.centre.channels() == []


async def test_the_caller_leaves_while_no_controller_is_there_and_a_phone_rings(
    team: tuple[Agents, Process], phone: Phone
):
    agents, controller = team
    async with agents.at("anne") as anne:
        call = await dial(agents.centre, phone, "longue")
        await anne.rung()
        controller.kill(signal.SIGKILL)
        await controller.ended()
        await call.hangup()
        await controller.start()
        await ready(agents.centre)
        assert await anne.stopped_ringing(7)
        async with Phone(user="33600000009") as other:
            again = await dial(agents.centre, other, "directe")
            await anne.rung(2)  # free again: nobody is held by a call that is over
            await again.hangup()
    record = await agents.centre.record(CALLER)
    assert record.call.disposition is Disposition.ABANDONED
