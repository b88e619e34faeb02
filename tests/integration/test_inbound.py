"""A caller walks through the SVI: real SIP, real RTP, real digits; what was heard and recorded is asserted."""

from __future__ import annotations

import asyncio
import time

import pytest

from controller.cdr.entries import Disposition, Party
from controller.softphone.call import CallState
from controller.softphone.call import EndedBy as PhoneEnd
from controller.softphone.phone import Phone
from tests.rig.centre import Centre, running

CALLER = "33612345678"


def steps(record) -> list[str]:
    return [step.step for step in record.steps]


@pytest.mark.parametrize("method", ["rfc4733", "info"])
async def test_a_caller_walks_down_the_menu_and_the_record_says_so(centre: Centre, phone: Phone, method: str):
    call = await phone.call(centre.uri("1000"))
    assert call.state is CallState.ANSWERED
    await asyncio.sleep(1.4)  # the welcome is over, the menu has begun
    await call.press("1", method=method)
    await asyncio.sleep(0.5)
    await call.press("1", method=method)
    assert await call.wait_ended(10)

    heard = centre.ear.listen(call.heard.samples)
    assert [each.name for each in heard] == ["fr/bienvenue", "fr/menu", "fr/sous_menu", "fr/bravo", "fr/au_revoir"]
    assert [each.complete for each in heard] == [True, False, False, True, True]
    assert call.ended_by is PhoneEnd.REMOTE

    record = await centre.record(CALLER)
    assert steps(record) == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]
    assert [step.digits for step in record.steps] == ["", "1", "1", "", ""]
    assert (record.call.disposition, record.call.ended_by) == (Disposition.COMPLETED, Party.FLOW)
    assert record.call.caller_cause == 16
    assert record.call.called_number == "1000"
    assert [leg.cause for leg in record.legs] == [16]
    assert await centre.channels() == []


async def test_a_key_stops_the_prompt_at_once(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("2000"))
    await asyncio.sleep(0.5)
    sent = await call.press("1")
    let_go_at = sent[0].ended_at - call.heard.origin
    assert await call.wait_ended(10)
    menu, bravo = centre.ear.listen(call.heard.samples)
    assert (menu.name, bravo.name, bravo.complete) == ("fr/menu", "fr/bravo", True)
    # A digit counts when its key is let go; what follows is Asterisk's and our own time.
    assert bravo.start_s - let_go_at < 0.25
    assert menu.end_s <= bravo.start_s + 0.02


async def test_keys_typed_ahead_answer_menus_that_were_not_asked_yet(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(0.3)
    await call.press("11")
    assert await call.wait_ended(10)
    heard = [each.name for each in centre.ear.listen(call.heard.samples) if each.fraction > 0.5]
    assert heard == ["fr/bravo", "fr/au_revoir"]
    assert steps(await centre.record(CALLER)) == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]


async def test_a_prompt_without_bargein_is_heard_to_its_end(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("5000"))
    await asyncio.sleep(0.5)
    await call.press("1")
    assert await call.wait_ended(12)
    longue = centre.ear.listen(call.heard.samples)[0]
    assert (longue.name, longue.complete) == ("fr/longue", True)


async def test_a_caller_who_presses_nothing_is_asked_again_and_let_go(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("1000"))
    assert await call.wait_ended(30)
    heard = centre.heard(call)
    menus = ["fr/menu", "fr/encore", "fr/menu", "fr/encore", "fr/menu"]
    assert heard == ["fr/bienvenue", *menus, "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert record.steps[1].exit == "no_input"
    assert record.call.disposition is Disposition.COMPLETED


async def test_a_wrong_key_is_said_to_be_wrong(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    await call.press("7")
    await asyncio.sleep(1.2)
    await call.press("2")
    assert await call.wait_ended(10)
    heard = centre.heard(call)
    assert heard[:3] == ["fr/bienvenue", "fr/menu", "fr/invalide"]
    assert heard[-2:] == ["fr/bravo", "fr/au_revoir"]


async def test_the_language_changes_what_is_heard(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("1000"))
    await asyncio.sleep(1.2)
    await call.press("9")
    await asyncio.sleep(0.4)
    await call.press("2")
    assert await call.wait_ended(10)
    assert centre.heard(call)[2:] == ["en/menu", "en/bravo", "en/au_revoir"]
    assert (await centre.record(CALLER)).call.language == "en"


@pytest.mark.parametrize(
    ("number", "after_s", "keys", "step"),
    [
        ("1000", 0.3, "", "bienvenue"),
        ("1000", 1.5, "", "menu"),
        ("1000", 1.3, "1", "sous_menu"),
        ("1000", 1.3, "2", "bravo"),
        ("3000", 0.3, "4711#", "code"),
        ("2000", 0.2, "2", "fin"),
    ],
)
async def test_a_caller_may_hang_up_anywhere(
    centre: Centre, phone: Phone, number: str, after_s: float, keys: str, step: str
):
    call = await phone.call(centre.uri(number))
    await asyncio.sleep(after_s)
    if keys:
        await call.press(keys)
        await asyncio.sleep(0.15)
    await call.hangup()
    record = await centre.record(CALLER)
    assert record.steps[-1].step == step
    if step != "fin":  # there the flow hangs up itself at the same moment
        assert (record.call.disposition, record.call.ended_by) == (Disposition.ABANDONED, Party.CALLER)
        assert record.call.caller_cause == 16
    assert centre.parts is not None
    assert centre.parts.supervisor.running == []
    assert len(centre.parts.driver.router) == 0


async def test_an_unknown_number_is_said_to_be_unknown(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("0999999999"))
    assert await call.wait_ended(15)
    ear = centre.ear_for(lambda media: media in {"say/fr/unknown-number", "say/fr/excuse", "say/fr/overload"})
    assert [each.name for each in ear.listen(call.heard.samples)] == ["say/fr/unknown-number"]
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.FAILED
    assert "0999999999" in record.call.called_number
    assert "centre.yaml" in record.call.reason


async def test_a_hundred_keys_disturb_nobody(centre: Centre, phone: Phone):
    async with Phone(user="33699999999") as flooder:
        bad = await flooder.call(centre.uri("1000"))
        typing = asyncio.create_task(bad.press("5" * 120, duration_ms=40, gap_ms=20))
        good = await phone.call(centre.uri("2000"))
        await asyncio.sleep(0.4)
        await good.press("1")
        assert await good.wait_ended(10)
        assert centre.heard(good) == ["fr/menu", "fr/bravo"]
        await typing
        assert await bad.wait_ended(20)
    record = await centre.record("33699999999")
    assert record.call.ended_at is not None


async def test_hostile_names_are_data(centre: Centre):
    name = "${jndi:x} '; drop table calls; -- <b>"
    async with Phone(user="33611111111", display_name=name) as phone:
        call = await phone.call(centre.uri("2000"))
        await call.press("2")
        assert await call.wait_ended(10)
    record = await centre.record("33611111111")
    assert "drop table" in record.call.caller_name


async def test_rtp_that_never_comes_is_a_caller_who_presses_nothing(centre: Centre):
    async with Phone(user="33622222222") as phone:
        call = await phone.call(centre.uri("1000"))
        call.media.close()
        assert await call.wait_ended(30)
    record = await centre.record("33622222222")
    assert record.steps[1].exit == "no_input"


@pytest.mark.alone
async def test_fifty_calls_at_once(centre: Centre):
    async def one(phone: Phone, number: int) -> list[str]:
        call = await phone.call(centre.uri("1000"), caller=f"336000000{number:02}")
        await call.wait_for(1.2 + number % 5 * 0.05)
        await call.press("1")
        await call.wait_for(0.6)
        await call.press("1")
        assert await call.wait_ended(20)
        return centre.heard(call)

    began = time.monotonic()
    async with Phone() as phone:
        everybody = await asyncio.gather(*(one(phone, number) for number in range(50)))
    assert time.monotonic() - began < 60
    expected = ["fr/bienvenue", "fr/menu", "fr/sous_menu", "fr/bravo", "fr/au_revoir"]
    assert [heard for heard in everybody if heard != expected] == []
    for number in (0, 25, 49):
        record = await centre.record(f"336000000{number:02}")
        assert steps(record) == ["bienvenue", "menu", "sous_menu", "bravo", "au_revoir"]
    assert await centre.channels() == []


async def test_more_calls_than_the_limit_hear_why(asterisk, database, folder, audio_cache, phone: Phone):
    async with running(asterisk, database, folder, audio_cache, max_calls=1) as centre:
        first = await phone.call(centre.uri("1000"))
        async with Phone(user="33633333333") as other:
            second = await other.call(centre.uri("1000"))
            assert await second.wait_ended(15)
            ear = centre.ear_for(lambda media: media.startswith("say/fr/") and "-" not in media)
            assert [each.name for each in ear.listen(second.heard.samples)] == ["say/fr/overload"]
            record = await centre.record("33633333333")
            assert record.call.caller_cause == 42
        assert first.state is CallState.ANSWERED
        await first.hangup()


async def test_a_hang_up_between_any_two_requests_leaves_nothing_behind(centre: Centre):
    """Sixty calls, each cut at another moment of the same walk, close together where much happens at once."""
    moments = (
        [0.005 * n for n in range(20)] + [1.0 + 0.01 * n for n in range(20)] + [1.5 + 0.02 * n for n in range(20)]
    )

    async def one(phone: Phone, number: int, moment: float) -> None:
        call = await phone.dial(centre.uri("1000"), caller=f"33601{number:06}")
        cut = asyncio.create_task(_cut(call, moment))
        if await call.wait_answered(10):
            await call.wait_for(0.95)
            await call.press("10")
        await cut
        assert await call.wait_ended(10)

    async def _cut(call, moment: float) -> None:
        await asyncio.sleep(moment)
        await call.hangup()

    async with Phone() as phone:
        await asyncio.gather(*(one(phone, number, moment) for number, moment in enumerate(moments)))
    assert centre.parts is not None
    parts = centre.parts
    async with asyncio.timeout(10):
        while parts.supervisor.running or await centre.channels():
            await asyncio.sleep(0.05)
    assert len(parts.driver.router) == 0
    counters = parts.supervisor.counters
    assert counters.crashed == 0
    assert counters.ended.get("failed", 0) == 0
    assert sum(counters.ended.values()) == counters.started
    bridges = (await centre.asterisk.cli("bridge show all")).strip().splitlines()
    assert len(bridges) <= 1, bridges  # the heading
