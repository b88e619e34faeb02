"""The same centre over FastAGI: `agi1000` runs the flow of 1000 through the same interpreter as ARI does."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from controller.cdr.entries import Disposition, Party, Role
from controller.postgres import queries
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone, answer_after, reject_with
from controller.softphone.sound import has_tone
from tests.rig.centre import Centre, Process, ready, until

CALLER = "33612345678"


def steps(record) -> list[str]:
    return [step.step for step in record.steps]


@pytest.mark.parametrize("method", ["rfc4733", "info"])
async def test_a_caller_walks_down_the_menu_and_the_record_says_so(centre: Centre, phone: Phone, method: str):
    call = await phone.call(centre.uri("agi1000"))
    await call.wait_for(1.4)  # the welcome is over, the menu has begun
    await call.press("1", method=method)
    await call.wait_for(0.5)
    await call.press("1", method=method)
    assert await call.wait_ended(10)

    heard = centre.ear.listen(call.heard.samples)
    assert [each.name for each in heard] == ["fr/bienvenue", "fr/menu", "fr/sous_menu", "fr/bravo", "fr/au_revoir"]
    assert [each.complete for each in heard] == [True, False, False, True, True]

    record = await centre.record(CALLER)
    assert steps(record) == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]
    assert [step.digits for step in record.steps] == ["", "1", "1", "", ""]
    assert (record.call.driver, record.call.called_number, record.call.flow) == ("agi", "1000", "accueil")
    assert (record.call.disposition, record.call.ended_by) == (Disposition.COMPLETED, Party.FLOW)
    assert [(leg.role, leg.cause) for leg in record.legs] == [(Role.CALLER, 16)]
    assert record.call.answered_at is not None
    assert await centre.channels() == []
    assert centre.parts is not None
    assert centre.parts.supervisor.running == []


async def test_a_key_stops_the_prompt_at_once(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("agi2000"))
    await call.wait_for(0.5)
    sent = await call.press("1")
    let_go_at = sent[0].ended_at - call.heard.origin
    assert await call.wait_ended(10)
    menu, bravo = centre.ear.listen(call.heard.samples)
    assert (menu.name, bravo.name, bravo.complete) == ("fr/menu", "fr/bravo", True)
    assert menu.end_s < 1.2
    assert bravo.start_s - let_go_at < 0.25


async def test_a_prompt_without_bargein_is_heard_to_its_end(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("agi5000"))
    await call.wait_for(0.5)
    await call.press("1")  # lost on FastAGI: `controller.agi.telephone.LIMITS`
    await call.wait_for(2.5)
    await call.press("1")
    assert await call.wait_ended(12)
    longue = centre.ear.listen(call.heard.samples)[0]
    assert (longue.name, longue.complete) == ("fr/longue", True)


async def test_a_caller_who_presses_nothing_is_asked_again_and_let_go(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("agi1000"))
    assert await call.wait_ended(30)
    menus = ["fr/menu", "fr/encore", "fr/menu", "fr/encore", "fr/menu"]
    assert centre.heard(call) == ["fr/bienvenue", *menus, "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert record.steps[1].exit == "no_input"
    assert record.call.disposition is Disposition.COMPLETED


@pytest.mark.parametrize(
    ("number", "after_s", "keys", "step"),
    [
        ("agi1000", 0.3, "", "bienvenue"),
        ("agi1000", 1.5, "", "menu"),
        ("agi1000", 1.3, "1", "sous_menu"),
        ("agi1000", 1.3, "2", "bravo"),
        ("agi3000", 0.3, "4711#", "code"),
        ("agi5000", 0.5, "", "annonce"),
    ],
)
async def test_a_caller_may_hang_up_anywhere(
    centre: Centre, phone: Phone, number: str, after_s: float, keys: str, step: str
):
    call = await phone.call(centre.uri(number))
    await call.wait_for(after_s)
    if keys:
        await call.press(keys)
        await call.wait_for(0.15)
    await call.hangup()
    record = await centre.record(CALLER)
    assert record.steps[-1].step == step
    assert record.steps[-1].exit == "hung_up"
    assert (record.call.disposition, record.call.ended_by) == (Disposition.ABANDONED, Party.CALLER)
    assert record.call.caller_cause == 16
    assert centre.parts is not None
    assert centre.parts.supervisor.running == []


async def test_caller_and_extension_hear_each_other(centre: Centre, phone: Phone):
    async with centre.account("1001", on_call=answer_after(0.8, lambda: tone(1300))) as alice:
        assert await alice.register(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}") == 200
        call = await phone.call(centre.uri("agi4000"), source=tone(700))

        async def talking() -> bool:
            return any(talk.heard.duration_s > 0.1 for talk in alice.calls)

        await until(talking)
        (talk,) = alice.calls
        began = time.monotonic()
        await talk.wait_for(2.0)
        assert has_tone(talk.heard.samples[-4000:], 700)
        assert has_tone(call.heard.samples[-4000:], 1300)
        await talk.hangup()
        talked_s = time.monotonic() - began
        assert await call.wait_ended(10)
        assert centre.heard(call)[-1] == "fr/au_revoir"
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    leg = record.legs[1]
    assert (leg.role, leg.number, leg.cause, leg.ended_by) == (Role.EXTENSION, "1001", 16, Party.CALLEE)
    assert leg.started_at is not None
    assert leg.answered_at is not None
    assert leg.ended_at is not None
    assert abs((leg.ended_at - leg.answered_at).total_seconds() - talked_s) < 0.5
    assert (leg.answered_at - leg.started_at).total_seconds() > 0.7  # it rang that long
    assert await centre.channels() == []


async def test_the_caller_hangs_up_while_talking(centre: Centre, phone: Phone):
    async with centre.account("1001", on_call=answer_after(0.1)) as alice:
        assert await alice.register(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}") == 200
        call = await phone.call(centre.uri("agi4000"))

        async def talking() -> bool:
            return any(talk.heard.duration_s > 0.5 for talk in alice.calls)

        await until(talking)
        (talk,) = alice.calls
        await call.hangup()
        assert await talk.wait_ended(3)
    record = await centre.record(CALLER)
    assert (record.call.disposition, record.call.ended_by) == (Disposition.TALKED, Party.CALLER)
    leg = record.legs[1]
    assert leg.answered_at is not None
    assert leg.ended_at is not None


async def test_a_busy_extension_is_said_to_be_busy(centre: Centre, phone: Phone):
    async with centre.account("1001", on_call=reject_with(486)) as alice:
        assert await alice.register(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}") == 200
        call = await phone.call(centre.uri("agi4000"))
        assert await call.wait_ended(15)
        assert [name for name in centre.heard(call) if name.startswith("fr/")] == ["fr/encore", "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert record.legs[1].cause == 17
    assert record.call.disposition is Disposition.COMPLETED


async def test_the_caller_leaves_while_it_rings(centre: Centre, phone: Phone):
    rings: list[IncomingCall] = []

    async def keep(incoming: IncomingCall) -> None:
        rings.append(incoming)
        incoming.ring()

    async with centre.account("1001", on_call=keep) as alice:
        assert await alice.register(f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}") == 200
        call = await phone.call(centre.uri("agi4000"))

        async def ringing() -> bool:
            return bool(rings)

        await until(ringing)
        await call.hangup()
        assert await rings[0].call.wait_ended(3)
    record = await centre.record(CALLER)
    assert (record.call.disposition, record.call.ended_by) == (Disposition.ABANDONED, Party.CALLER)


async def test_an_unknown_number_is_said_to_be_unknown(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("agi0999999999"))
    assert await call.wait_ended(15)
    ear = centre.ear_for(lambda media: media in {"say/fr/unknown-number", "say/fr/excuse", "say/fr/overload"})
    assert [each.name for each in ear.listen(call.heard.samples)] == ["say/fr/unknown-number"]
    record = await centre.record(CALLER)
    assert (record.call.disposition, record.call.driver) == (Disposition.FAILED, "agi")
    assert "centre.yaml" in record.call.reason


async def test_a_flow_that_the_dialplan_names(centre: Centre, phone: Phone):
    """`agi://host/<flow>` runs that flow; one that does not exist is excused."""
    port = centre.config.web.agi_port
    for number, flow in (("7001", "simple"), ("7002", "nowhere")):
        answer = await centre.asterisk.cli(
            f"dialplan add extension {number},1,AGI,agi://127.0.0.1:{port}/{flow} into from-trunk"
        )
        assert "added" in answer
    named = await phone.call(centre.uri("7001"))
    await named.wait_for(0.4)
    await named.press("1")
    assert await named.wait_ended(10)
    assert centre.heard(named) == ["fr/menu", "fr/bravo"]
    assert (await centre.record(CALLER)).call.flow == "simple"

    missing = await phone.call(centre.uri("7002"), caller="33600000001")
    assert await missing.wait_ended(15)
    ear = centre.ear_for(lambda media: media in {"say/fr/unknown-number", "say/fr/excuse", "say/fr/overload"})
    assert [each.name for each in ear.listen(missing.heard.samples)] == ["say/fr/excuse"]
    record = await centre.record("33600000001")
    assert record.call.disposition is Disposition.FAILED
    assert "nowhere does not exist" in record.call.reason


async def test_a_killed_controller_asks_the_menu_again(process: tuple[Centre, Process], phone: Phone):
    centre, controller = process
    call = await phone.call(centre.uri("agi1000"))
    await call.wait_for(1.2)
    await call.press("1")
    await call.wait_for(0.4)  # in the submenu's prompt
    controller.kill(signal.SIGKILL)
    await controller.ended()
    killed_at = time.monotonic() - call.heard.origin
    first = await centre.record(CALLER, ended=False)
    await controller.start()
    await ready(centre)
    await asyncio.sleep(1.0)
    await call.press("1")
    assert await call.wait_ended(15)
    heard = centre.ear.listen(call.heard.samples)
    assert [each.name for each in heard][-4:] == ["fr/sous_menu", "fr/sous_menu", "fr/bravo", "fr/au_revoir"]
    assert heard[-3].start_s > killed_at
    record = await centre.record(CALLER)
    assert record.call.call_id == first.call.call_id
    assert steps(record) == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]
    assert (record.call.disposition, record.call.driver) == (Disposition.COMPLETED, "agi")
    pool = await centre.store.pool()
    assert len(await queries.recent_calls(pool, 10)) == 1
    assert await centre.channels() == []


async def test_a_controller_that_stops_hands_the_call_over(process: tuple[Centre, Process], phone: Phone):
    centre, controller = process
    call = await phone.call(centre.uri("agi1000"))
    await call.wait_for(1.3)
    controller.kill(signal.SIGTERM)
    assert await controller.ended() == 0
    await controller.start()
    await ready(centre)
    await asyncio.sleep(0.8)
    await call.press("2")
    assert await call.wait_ended(15)
    assert centre.heard(call)[-2:] == ["fr/bravo", "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert steps(record) == ["bienvenue", "menu", "bravo", "au_revoir"]
    assert record.call.disposition is Disposition.COMPLETED
