"""Attempts from the answer on: a call in the application, sound both ways, keys, holds, restarts; nothing is left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from controller.ari import driver as driver_module
from controller.ari.generated import operations as ari
from controller.ari.telephone import AriTelephone
from controller.callback.model import AttemptId
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialRinging, DialState
from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    DigitRules,
    Hangup,
    HungUp,
    Play,
    Played,
)
from controller.softphone import Call, CallState, sdp
from controller.softphone import IncomingCall as Ringing
from controller.softphone.media import Clip, Silence, tone
from controller.softphone.message import Message
from controller.softphone.phone import answer_after, ring_forever
from controller.softphone.sound import level_dbfs, sounding, tone_level
from controller.softphone.transaction import ServerTransaction
from tests.contract.outbound.conftest import NUMBER, OURS, PREMIUM, Build, News, Street, until
from tests.contract.switchboard.conftest import SOUND_HZ, Audio, Legs

CALLEE_HZ, OTHER_HZ = 500, 1000
BRIDGE = "b" * 32


def telephone(arrived: IncomingCall, folder: Path, *, resumed: bool = False) -> AriTelephone:
    kit = TelephoneKit(Audio(folder), Legs(), lambda extension: f"PJSIP/{extension}")
    made = arrived.telephone(arrived.call_id, kit, resumed=resumed)
    assert isinstance(made, AriTelephone)
    return made


async def connected(street: Street, hz: int = CALLEE_HZ) -> tuple[AttemptId, News, IncomingCall, Call]:
    """Have a callee answer at once and say a tone."""
    attempt, news = await street.dial(answer_after(0.05, lambda: tone(hz)))
    await news.answered()
    arrived = await street.arrival()
    ringing = street.carrier.rings[-1]
    await ringing.call.wait_answered(2)
    return attempt, news, arrived, ringing.call


# --- before the answer --------------------------------------------------------------------------------------


async def test_an_attempt_is_cancelled_while_it_rings(street: Street) -> None:
    attempt, news = await street.dial(ring_forever)
    await news.ringing()
    await street.originator.cancel(attempt)
    end = await news.ended()
    assert (end.answered, end.already) == (False, False)
    assert await street.carrier.rings[0].call.wait_ended(2)
    assert street.carrier.rings[0].call.status == 487
    await street.empty()
    await street.originator.cancel(attempt)  # it is gone: not an error


async def test_a_callee_who_answers_a_cancelled_call_is_hung_up_and_reaches_nobody(street: Street) -> None:
    answered = asyncio.Event()

    async def too_late(ringing: Ringing) -> None:
        call = ringing.call
        ringing.ring()

        def on_cancel(_invite: ServerTransaction, _cancel: Message) -> None:
            answered.set()
            ringing.answer(tone(CALLEE_HZ))

        dialog = street.carrier.endpoint.dialogs[call.dialog.call_id, call.dialog.local_tag]
        dialog.on_cancel = on_cancel  # type: ignore[method-assign]  # as a carrier whose 200 crosses our CANCEL

    attempt, news = await street.dial(too_late)
    await news.ringing()
    await street.originator.cancel(attempt)
    end = await news.ended()
    assert not end.answered
    async with asyncio.timeout(5):
        await answered.wait()  # its CANCEL may still be under way
    assert await street.carrier.rings[0].call.wait_ended(5)
    assert street.controller.calls.arrived.empty()
    await street.empty()


async def test_a_caller_who_has_answered_is_not_cancelled(street: Street) -> None:
    attempt, _, _, call = await connected(street)
    await street.originator.cancel(attempt)
    await street.replace_controller()
    await street.originator.cancel(attempt)  # nor by a controller that has just come
    assert await call.wait_for(0.3)
    assert call.state is CallState.ANSWERED


# --- the call -----------------------------------------------------------------------------------------------


async def test_it_is_a_call_like_any_other_with_sound_and_keys(street: Street, tmp_path: Path) -> None:
    _, news, arrived, call = await connected(street)
    phone = telephone(arrived, tmp_path)
    assert await phone.perform(Answer()) == Answered()
    await asyncio.sleep(0.2)
    before = len(call.heard.samples)
    assert await phone.perform(Play(("tone",))) == Played()
    samples = call.heard.samples[before:]
    [span] = sounding(samples)
    assert 2.9 < span.duration_s < 3.1
    middle = samples[int(8000 * (span.start_s + 0.5)) : int(8000 * (span.end_s - 0.5))]
    # 8000 of 32768, a sine: -12.2 dB below full scale at its peak, 3 less as RMS.
    assert tone_level(middle, SOUND_HZ) == pytest.approx(-15.3, abs=1)
    assert level_dbfs(middle) == pytest.approx(-15.3, abs=1)
    collecting = asyncio.create_task(phone.perform(Collect((), DigitRules(min=4, max=4))))
    await call.press("19#0")
    assert await collecting == Collected("19#0", CollectEnd.COMPLETE)
    assert isinstance(await phone.perform(Hangup(16)), HungUp)
    assert await call.wait_ended(2)
    end = await news.ended()
    assert end.answered
    await street.empty()


async def test_two_who_were_called_hear_each_other_without_delay(street: Street) -> None:
    first, _, _, one = await connected(street, CALLEE_HZ)
    second, _, _, two = await connected(street, OTHER_HZ)
    request = street.controller.driver.transport.request
    await request(ari.bridges_create_with_id(BRIDGE, type="mixing,dtmf_events"))
    await request(ari.bridges_add_channel(BRIDGE, channel=[first, second]))
    await asyncio.sleep(1.0)
    for call, hz, own in ((one, OTHER_HZ, CALLEE_HZ), (two, CALLEE_HZ, OTHER_HZ)):
        samples = call.heard.samples[-4000:]
        assert tone_level(samples, hz) == pytest.approx(-13, abs=1.5)  # -10 at its peak
        assert tone_level(samples, own) < -40  # no echo
    one.media.source = two.media.source = Silence()
    await asyncio.sleep(0.5)
    began = time.monotonic()
    one.media.source = tone(CALLEE_HZ)
    await asyncio.sleep(0.6)
    since = two.heard.between(began - two.heard.origin)
    [heard] = sounding(since)
    # Two phones, four halves, one bridge, frames of 20 ms.
    assert heard.start_s < 0.15
    assert await one.reinvite(sdp.Direction.SENDONLY) == 200
    assert await one.reinvite(sdp.Direction.SENDRECV) == 200
    assert two.state is CallState.ANSWERED
    await one.hangup()
    await two.hangup()
    await street.empty()


async def test_a_callee_on_hold_is_told_of_and_comes_back(street: Street, tmp_path: Path) -> None:
    _, _, arrived, call = await connected(street)
    phone = telephone(arrived, tmp_path)
    assert await phone.perform(Answer()) == Answered()
    assert await call.reinvite(sdp.Direction.SENDONLY) == 200
    await asyncio.sleep(0.3)
    assert await call.reinvite(sdp.Direction.SENDRECV) == 200
    before = len(call.heard.samples)
    assert await phone.perform(Play(("short",))) == Played()
    assert tone_level(call.heard.samples[before:][-2400:], SOUND_HZ) > -25


async def test_a_callee_may_not_make_us_call_somebody_else(street: Street) -> None:
    _, _, _, call = await connected(street)
    host, port = street.carrier.address
    assert await call.refer(f"sip:{PREMIUM}@{host}:{port}") == 603
    assert await call.refer(f"sip:1001@127.0.0.1:{street.asterisk.settings.sip_port}") == 603
    await asyncio.sleep(0.3)
    assert street.carrier.numbers == [NUMBER]
    assert call.state is CallState.ANSWERED
    assert len(await street.channels()) == 3


async def test_a_callee_without_sound_is_not_held_for_ever(build: Build) -> None:
    street = await build(rtp_timeout_s=1)

    async def mute(ringing: Ringing) -> None:
        ringing.call.media.sending = False
        ringing.answer(Silence())
        ringing.call.media.sending = False

    _, news = await street.dial(mute)
    await news.answered()
    end = await news.ended(5)
    assert end.answered
    await street.empty()


async def test_the_end_of_our_half_ends_the_callee_s(street: Street) -> None:
    attempt, news, _, call = await connected(street)
    assert len(await street.channels()) == 3
    await street.controller.driver.transport.request(ari.channels_hangup(attempt))
    assert await call.wait_ended(2)
    assert (await news.ended()).answered
    await street.empty(2)


# --- machines -----------------------------------------------------------------------------------------------


async def test_a_machine_is_told_from_a_person_when_asked(street: Street) -> None:
    _, news = await street.dial(answer_after(0.1, lambda: tone(300)), detect_voicemail=True)
    answer = await news.answered()
    assert answer.machine
    arrived = await street.arrival()
    assert arrived.caller_number == NUMBER
    await street.carrier.rings[-1].call.hangup()
    await news.ended()
    hello = (np.sin(2 * np.pi * 300 * np.arange(4000) / 8000) * 8000).astype(np.int16)
    _, person = await street.dial(answer_after(0.1, lambda: Clip(hello)), detect_voicemail=True)
    assert not (await person.answered()).machine
    await street.carrier.rings[-1].call.hangup()
    await person.ended()
    await street.empty()


async def test_who_hangs_up_while_it_is_listened_to_leaves_nothing_behind(street: Street) -> None:
    async def brief(ringing: Ringing) -> None:
        ringing.answer(Silence())
        await ringing.call.wait_for(0.5)
        await ringing.call.hangup()

    _, news = await street.dial(brief, detect_voicemail=True)
    assert (await news.ended()).cause == 16
    await street.empty()


# --- another controller -------------------------------------------------------------------------------------


async def test_an_attempt_that_rings_is_taken_up_by_the_next_controller(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_REAP_AFTER_S", 0.1)
    pick_up = asyncio.Event()

    async def patient(ringing: Ringing) -> None:
        ringing.ring()
        await pick_up.wait()
        ringing.answer(Silence())

    attempt, news = await street.dial(patient)
    await news.ringing()
    await street.replace_controller()
    await asyncio.sleep(0.5)  # what nobody has taken up is ended by now
    later = News()
    street.originator.follow(attempt, later)
    assert await street.originator.look(attempt) is DialState.CALLING
    assert later.kinds == [DialRinging]
    await street.originator.dial(street.call(attempt))  # it is there: nothing happens
    pick_up.set()
    await later.answered()
    arrived = await street.arrival()
    assert (arrived.attempt, arrived.caller_number, arrived.called_number) == (attempt, NUMBER, OURS)
    await street.carrier.rings[0].call.hangup()
    assert (await later.ended()).answered
    assert len(street.carrier.invites) == 1


async def test_a_call_is_taken_up_by_the_next_controller_as_the_same_call(
    street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_REAP_AFTER_S", 0.1)
    attempt, _, first, call = await connected(street)
    await street.replace_controller()
    again = await street.arrival()
    assert again.call_id == first.call_id
    assert (again.caller_number, again.called_number) == (NUMBER, OURS)
    later = News()
    street.originator.follow(attempt, later)
    assert await street.originator.look(attempt) is DialState.UP
    assert await telephone(again, tmp_path, resumed=True).perform(Play(("short",))) == Played()
    await call.hangup()
    end = await later.ended()
    assert (end.cause, end.answered) == (16, True)
    await street.empty()


async def test_an_answer_while_there_was_no_controller_is_a_call_for_the_next_one(street: Street) -> None:
    pick_up = asyncio.Event()

    async def patient(ringing: Ringing) -> None:
        ringing.ring()
        await pick_up.wait()
        ringing.answer(Silence())

    attempt, news = await street.dial(patient)
    await news.ringing()
    await street.controller.stop()
    pick_up.set()
    assert await street.carrier.rings[0].call.wait_answered(2)
    await street.controller.start()
    later = News()
    street.originator.follow(attempt, later)
    arrived = await street.arrival()
    assert arrived.attempt == attempt
    assert street.controller.calls.arrived.empty()


async def test_an_end_while_there_was_no_controller_is_seen(street: Street) -> None:
    attempt, news = await street.dial(ring_forever, ring_s=1.0)
    await news.ringing()
    await street.controller.stop()
    assert await street.carrier.rings[0].call.wait_ended(3)
    await street.controller.start()
    later = News()
    street.originator.follow(attempt, later)
    assert await street.originator.look(attempt) is DialState.ABSENT
    assert await street.originator.was_dialled(attempt)
    assert later.kinds == [DialEnded]  # Asterisk kept its events for us
    assert (later.told[0].cause, later.told[0].status) == (19, "NOANSWER")  # type: ignore[union-attr]
    _, again = await street.dial(attempt=attempt)
    assert (await again.ended()).already


async def test_the_news_of_an_answer_come_before_its_call_and_once(street: Street) -> None:
    _, news, _, call = await connected(street)
    await call.hangup()
    await news.ended()
    assert news.kinds == [DialRinging, DialAnswered, DialEnded]


async def test_dialling_does_not_wait_for_a_prompt(street: Street, tmp_path: Path) -> None:
    """The request takes the WebSocket that carries everybody's digits: it must return at once."""
    _, _, arrived, _ = await connected(street)
    phone = telephone(arrived, tmp_path)
    playing = asyncio.create_task(phone.perform(Play(("tone",))))
    await asyncio.sleep(0.3)
    took = []
    street.carrier.does = ring_forever
    for _ in range(20):
        call = street.call(ring_s=1.0)
        began = time.monotonic()
        await street.originator.dial(call)
        took.append(time.monotonic() - began)
    assert max(took) < 0.1
    await playing
    await until(lambda: _count(street, 3))


async def _count(street: Street, number: int) -> bool:
    return len(await street.channels()) == number
