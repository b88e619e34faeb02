"""A flow rings an extension: every way that can go, and what both sides hear."""

from __future__ import annotations

import asyncio

import pytest

from controller.cdr.entries import Disposition, Party, Role
from controller.softphone.call import CallState
from controller.softphone.media import tone
from controller.softphone.phone import IncomingCall, Phone, answer_after, reject_with, ring_forever
from controller.softphone.sound import has_tone
from tests.rig.centre import Centre

CALLER = "33612345678"


async def registered(centre: Centre, phone: Phone) -> Phone:
    port = centre.asterisk.settings.sip_port
    assert await phone.register(f"sip:127.0.0.1:{port}") == 200
    return phone


async def test_caller_and_extension_hear_each_other(centre: Centre, phone: Phone):
    async with centre.account("1001", on_call=answer_after(0.5, lambda: tone(1300))) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("4000"), source=tone(700))
        await asyncio.sleep(3)
        (talk,) = alice.calls
        assert has_tone(talk.heard.samples[-8000:], 700)
        assert not has_tone(talk.heard.samples[-8000:], 1300)
        assert has_tone(call.heard.samples[-8000:], 1300)
        await talk.hangup()
        assert await call.wait_ended(10)
        assert centre.heard(call)[-1] == "fr/au_revoir"
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.TALKED
    assert [leg.role for leg in record.legs] == [Role.CALLER, Role.EXTENSION]
    leg = record.legs[1]
    assert (leg.number, leg.cause, leg.ended_by) == ("1001", 16, Party.CALLEE)
    assert leg.answered_at is not None
    assert leg.started_at <= leg.answered_at <= leg.ended_at
    assert record.call.callee_cause == 16
    assert await centre.channels() == []


async def test_the_caller_hangs_up_while_talking(centre: Centre, phone: Phone):
    async with centre.account("1001", on_call=answer_after(0.1)) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("4000"))
        await asyncio.sleep(1.5)
        (talk,) = alice.calls
        await call.hangup()
        assert await talk.wait_ended(2)
    record = await centre.record(CALLER)
    assert (record.call.disposition, record.call.ended_by) == (Disposition.TALKED, Party.CALLER)
    assert record.legs[1].ended_at is not None


@pytest.mark.parametrize(
    ("handler", "heard", "cause"),
    [(reject_with(486), "fr/encore", 17), (reject_with(603), "fr/bravo", 21), (ring_forever, "fr/invalide", 0)],
)
async def test_an_extension_that_does_not_answer(centre: Centre, phone: Phone, handler, heard: str, cause: int):
    async with centre.account("1001", on_call=handler) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("4000"))
        assert await call.wait_ended(20)
        assert [name for name in centre.heard(call) if name.startswith("fr/")] == [heard, "fr/au_revoir"]
    record = await centre.record(CALLER)
    assert record.call.disposition is Disposition.COMPLETED
    if cause:
        assert record.legs[1].cause == cause
    assert record.legs[1].answered_at is None


async def test_nobody_is_registered(centre: Centre, phone: Phone):
    call = await phone.call(centre.uri("4000"))
    assert await call.wait_ended(15)
    assert [name for name in centre.heard(call) if name.startswith("fr/")] == ["fr/bravo", "fr/au_revoir"]


async def test_the_caller_leaves_while_it_rings(centre: Centre, phone: Phone):
    rings: list[IncomingCall] = []

    async def keep(incoming: IncomingCall) -> None:
        rings.append(incoming)
        incoming.ring()

    async with centre.account("1001", on_call=keep) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("1000"))
        await call.press("0")
        async with asyncio.timeout(5):
            while not rings:
                await asyncio.sleep(0.02)
        await call.hangup()
        assert await rings[0].call.wait_ended(2)
    record = await centre.record(CALLER)
    assert (record.call.disposition, record.call.ended_by) == (Disposition.ABANDONED, Party.CALLER)
    assert await centre.channels() == []


async def test_a_callee_cannot_send_the_call_elsewhere(centre: Centre, phone: Phone):
    """A 302 and a REFER from an extension never make Asterisk dial what they name."""
    async with centre.account("1001", on_call=answer_after(0.1)) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("4000"))
        await asyncio.sleep(1)
        status = await call.refer("sip:1002@127.0.0.1")
        assert status in {403, 405, 501, 603}
        assert call.state is CallState.ANSWERED
        await call.hangup()


async def test_the_caller_hears_it_ring_and_then_every_word(centre: Centre, phone: Phone):
    """440 Hz is the French ringing tone; the first 20 ms of what the extension says must arrive."""
    async with centre.account("1001", on_call=answer_after(2.0, lambda: tone(1300))) as alice:
        await registered(centre, alice)
        call = await phone.call(centre.uri("4000"))
        await asyncio.sleep(3.0)
        (talk,) = alice.calls
        samples = call.heard.samples
        answered_at = talk.answered_at - call.heard.origin
        ringing = call.heard.between(answered_at - 1.4, answered_at - 0.3)
        assert has_tone(ringing[: 8 * 700], 440) or has_tone(ringing[-8 * 700 :], 440)
        blocks = [samples[start : start + 160] for start in range(0, len(samples) - 160, 160)]
        first = next(index for index, block in enumerate(blocks) if has_tone(block, 1300)) * 0.02
        assert first - answered_at < 0.1
        await call.hangup()
