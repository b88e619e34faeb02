"""The softphone against a real Asterisk: what it says is understood there, what it hears is what was played."""

from __future__ import annotations

import asyncio

import pytest

from controller.softphone import CallState, EndedBy, Phone, parse_script, place_call
from controller.softphone.media import tone
from controller.softphone.phone import answer_after, reject_with, ring_forever
from controller.softphone.sdp import PCMU, TELEPHONE_EVENT
from controller.softphone.sound import gaps, has_tone
from tests.contract.softphone.exchange import REAL, SECRET, Exchange, a_phone, ear, real_ear

EVERY_DIGIT = "0123456789*ABCD#"


async def test_prompts_are_heard_whole_and_in_order(exchange: Exchange, phone: Phone):
    call = await phone.call(exchange.number("x100"))
    assert await call.wait_ended(10)
    heard = ear().listen(call.heard.samples)
    assert [(prompt.name, prompt.complete) for prompt in heard] == [("menu", True), ("thanks", True)]
    assert heard[1].start_s == pytest.approx(heard[0].start_s + 3.0, abs=0.03)
    assert (call.ended_by, call.cause) == (EndedBy.REMOTE, 16)
    assert call.heard.jitter_ms()[0] == pytest.approx(20, abs=2)
    assert gaps(call.heard.between(heard[0].start_s + 0.1, heard[1].end_s - 0.1), at_least_s=0.15) == []


@pytest.mark.parametrize("method", ["rfc4733", "info"])
@pytest.mark.parametrize("codecs", [None, (PCMU, TELEPHONE_EVENT)], ids=["alaw", "ulaw"])
async def test_every_digit_arrives_exactly_once(exchange: Exchange, phone: Phone, method: str, codecs):
    caller = f"{method[0]}{'u' if codecs else 'a'}"
    call = await phone.call(exchange.number("x101"), caller=caller, codecs=codecs)
    await call.wait_for(0.3)
    await call.press(EVERY_DIGIT, method=method)
    assert await call.wait_ended(10)
    assert await exchange.digits(caller) == EVERY_DIGIT[:-1]  # '#' ends the entry
    heard = ear().listen(call.heard.samples)
    assert [(prompt.name, prompt.complete) for prompt in heard] == [("menu", False), ("thanks", True)]


async def test_the_same_digit_ten_times_and_quickly(exchange: Exchange, phone: Phone):
    call = await phone.call(exchange.number("x101"), caller="quick")
    await call.press("5555555555#", duration_ms=40, gap_ms=40)
    assert await call.wait_ended(10)
    assert await exchange.digits("quick") == "5" * 10


async def test_a_digit_cuts_the_prompt_and_the_delay_is_measured(exchange: Exchange, phone: Phone):
    script = parse_script("hear menu, wait 500ms, 1#")
    report = await place_call(script, exchange.number("x101"), phone=phone, ear=ear())
    menu, thanks = report.prompts
    assert (menu.name, menu.complete, thanks.name, thanks.complete) == ("menu", False, "thanks", True)
    first, last = report.digits
    assert menu.end_s == pytest.approx(first.at_s + 0.1, abs=0.15)
    assert last.delay_s is not None
    assert 0 <= last.delay_s < 0.2
    assert report.complete


async def test_sound_both_ways(exchange: Exchange, phone: Phone):
    call = await phone.call(exchange.number("x102"), source=tone(440))
    await call.wait_for(0.6)
    await call.hangup()
    assert has_tone(call.heard.samples[-2400:], 440)
    call = await phone.call(exchange.number("x103"))
    await call.wait_ended(5)
    assert has_tone(call.heard.samples[1600:6400], 440)


async def test_busy_unknown_unanswered_and_cancelled(exchange: Exchange, phone: Phone):
    busy = await phone.call(exchange.number("x104"))
    assert (busy.status, busy.cause, busy.ended_by) == (486, 17, EndedBy.REMOTE)
    unknown = await phone.call(exchange.number("Unknown-1"))
    assert (unknown.status, unknown.ended_by) == (404, EndedBy.REMOTE)
    unanswered = await phone.call(exchange.number("x105"), ring_timeout_s=0.5)
    assert (unanswered.status, unanswered.ended_by) == (408, EndedBy.TIMEOUT)
    cancelled = await phone.dial(exchange.number("x105"))
    await cancelled.wait_for(0.3)
    await cancelled.hangup()
    assert (cancelled.status, cancelled.ended_by) == (487, EndedBy.LOCAL)
    at_once = await phone.dial(exchange.number("x105"))
    await at_once.hangup()
    assert at_once.ended_by is EndedBy.LOCAL
    await _no_channels(exchange)


async def test_hold_session_timer_and_transfer(exchange: Exchange, phone: Phone):
    call = await phone.call(exchange.number("x102"), source=tone(440), session_expires_s=90)
    assert call.responses[-1].get("Session-Expires").startswith("90")
    assert await call.reinvite("sendonly") == 200
    assert await call.reinvite("sendrecv") == 200
    assert (await call.send_request("UPDATE")).status == 200
    assert await call.refer(exchange.number("x100")) == 603  # the trunk's callers may not transfer
    await call.wait_for(0.3)
    assert has_tone(call.heard.samples[-800:], 440)
    await call.hangup()
    await _no_channels(exchange)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_an_extension_registers_and_takes_calls(exchange: Exchange, phone: Phone, algorithm: str):
    await exchange.account(algorithm)
    account = {"user": "exchange", "password": SECRET}
    async with a_phone(**account, on_call=answer_after(0.2, lambda: tone(880))) as extension:
        assert await extension.register(exchange.registrar) == 200
        call = await phone.call(exchange.number("x200"), source=tone(600))
        assert call.state is CallState.ANSWERED
        (taken,) = extension.calls
        await call.press("42")
        await call.wait_for(0.5)
        assert [digit for _, digit in taken.media.digits_heard] == ["4", "2"]
        assert has_tone(call.heard.samples[-1600:], 880)
        assert has_tone(taken.heard.samples[-1600:], 600)
        await taken.hangup()
        assert await call.wait_ended(2)
        assert call.cause == 16
        outgoing = await extension.call(exchange.number("1001"))  # a challenge to the INVITE itself
        assert outgoing.status not in {401, 403}
        assert await extension.unregister(exchange.registrar) == 200
        assert (await phone.call(exchange.number("x200"))).state is CallState.ENDED


async def test_a_wrong_password_is_refused(exchange: Exchange):
    await exchange.account("MD5")
    async with a_phone(user="exchange", password="wrong") as extension:
        assert await extension.register(exchange.registrar) == 401


async def test_an_extension_that_is_busy_declines_or_never_answers(exchange: Exchange, phone: Phone):
    await exchange.account("MD5")
    for handler, status in ((reject_with(486), 486), (reject_with(603), 603)):
        async with a_phone(user="exchange", password=SECRET, on_call=handler) as extension:
            assert await extension.register(exchange.registrar) == 200
            call = await phone.call(exchange.number("x200"))
            assert call.ended_by is EndedBy.REMOTE
            assert call.status in {status, 403, 480}  # Asterisk turns a decline into cause 21
    async with a_phone(user="exchange", password=SECRET, on_call=ring_forever) as extension:
        assert await extension.register(exchange.registrar) == 200
        call = await phone.call(exchange.number("x200"), ring_timeout_s=0.5)
        assert call.ringing_at is not None
        assert call.status == 408


async def test_fifty_calls_at_once(exchange: Exchange, phone: Phone):
    calls = await asyncio.gather(*(phone.call(exchange.number("x101"), caller=f"m{index:02}") for index in range(50)))
    await asyncio.gather(*(call.press(f"{index:02}#") for index, call in enumerate(calls)))
    assert all(await asyncio.gather(*(call.wait_ended(15) for call in calls)))
    assert [await exchange.digits(f"m{index:02}") for index in range(0, 50, 7)] == [
        f"{index:02}" for index in range(0, 50, 7)
    ]
    assert all(call.ended_by is EndedBy.REMOTE for call in calls)
    listener = ear()
    for call in calls[::10]:
        assert listener.listen(call.heard.samples)[-1].name == "thanks"


@pytest.mark.alone  # what is heard is measured in real time, right after forty conversions
async def test_real_recordings_through_a_codec_are_recognised(exchange: Exchange, phone: Phone, tmp_path):
    source = exchange.server.install.data / "sounds" / "en"
    for path in [*sorted(source.glob("*.g722"))[:30], *(source / f"{name}.g722" for name in REAL)]:
        await exchange.server.cli(f"file convert {path} {tmp_path / path.stem}.sln")
    call = await phone.call(exchange.number("x106"))
    assert await call.wait_ended(60)
    heard = real_ear(tmp_path).listen(call.heard.samples)
    assert [prompt.name for prompt in heard] == [name.rpartition("/")[2] for name in REAL]
    assert all(prompt.complete for prompt in heard)


async def _no_channels(exchange: Exchange) -> None:
    async with asyncio.timeout(5):
        while "0 active channels" not in await exchange.server.cli("core show channels count"):
            await asyncio.sleep(0.1)
