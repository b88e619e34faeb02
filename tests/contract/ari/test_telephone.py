"""The caller's telephone, on the fake and on the real Asterisk."""

from __future__ import annotations

import asyncio
import time

import pytest

from controller.ari.generated import operations as ari
from controller.flow.commands import (
    Collect,
    Collected,
    CollectEnd,
    Dial,
    Dialled,
    DialOutcome,
    DigitRules,
    Failed,
    Hangup,
    HungUp,
    Play,
    Played,
)
from controller.ids import derived_id
from tests.contract.ari.conftest import Place


async def test_answers_and_plays_a_list_as_one(place: Place) -> None:
    phone = (await place.caller(number="+33123")).telephone()
    began = time.monotonic()
    assert await phone.perform(Play(("short", "short", "short"))) == Played()
    assert 0.5 < time.monotonic() - began < 2.0


async def test_says_which_number_was_called(place: Place) -> None:
    assert (await place.caller(number="+33123")).incoming.called_number == "+33123"


async def test_missing_audio_is_a_failure_not_a_silence(place: Place) -> None:
    phone = (await place.caller()).telephone()
    assert isinstance(await phone.perform(Play(("missing",))), Failed)
    assert isinstance(await phone.perform(Play(("unknown",))), Failed)
    assert await phone.perform(Play(("short",))) == Played()


async def test_digit_stops_the_prompt_and_waits_for_the_next_entry(place: Place) -> None:
    phone = (await place.caller(digits="57")).telephone()
    began = time.monotonic()
    assert await phone.perform(Play(("long",))) == Played(interrupted=True)
    assert time.monotonic() - began < 2.0
    assert await phone.perform(Collect(("long",), DigitRules(max=2))) == Collected("57", CollectEnd.COMPLETE)
    # The stopped prompts do not hold up the next one.
    began = time.monotonic()
    assert await phone.perform(Play(("short",))) == Played()
    assert time.monotonic() - began < 1.5


async def test_prompt_without_bargein_plays_to_its_end_and_keeps_the_digit(place: Place) -> None:
    phone = (await place.caller(wait_s=0.1, digits="7")).telephone()
    assert await phone.perform(Play(("short",) * 5, bargein=False)) == Played()
    assert await phone.perform(Collect((), DigitRules(max=1))) == Collected("7", CollectEnd.COMPLETE)


async def test_entry_without_bargein_drops_what_was_pressed_in_the_prompt(place: Place) -> None:
    phone = (await place.caller(wait_s=0.1, digits="7")).telephone()
    rules = DigitRules(max=1, first_digit_s=0.3)
    event = await phone.perform(Collect(("short",) * 5, rules, bargein=False))
    assert event == Collected("", CollectEnd.NO_INPUT)


async def test_end_key(place: Place) -> None:
    phone = (await place.caller(digits="12*3#")).telephone()
    event = await phone.perform(Collect(("long",), DigitRules(max=8, end="#")))
    assert event == Collected("12*3", CollectEnd.TERMINATED)


@pytest.mark.parametrize("command", [Play(("long",)), Collect(("long",), DigitRules()), Collect((), DigitRules())])
async def test_hangup_ends_whatever_runs_and_everything_after(place: Place, command: Play | Collect) -> None:
    phone = (await place.caller(stay_s=0.2, cause=17)).telephone()
    assert await phone.perform(command) == HungUp(17)
    assert await phone.perform(Play(("short",))) == HungUp(17)
    assert len(place.driver.router) == 0


async def test_we_hang_up(place: Place) -> None:
    phone = (await place.caller()).telephone()
    assert await phone.perform(Hangup(17)) == HungUp(17)
    assert len(place.driver.router) == 0


@pytest.mark.parametrize(
    ("extension", "outcome", "cause"),
    [
        ("busy", DialOutcome.BUSY, 17),
        ("refuse", DialOutcome.REFUSED, 21),
        ("rings", DialOutcome.NO_ANSWER, 19),
        ("nowhere", DialOutcome.UNREACHABLE, 20),
        ("unknown", DialOutcome.UNREACHABLE, 1),
    ],
)
async def test_dial_that_reaches_nobody(place: Place, extension: str, outcome: DialOutcome, cause: int) -> None:
    caller = await place.caller()
    phone = caller.telephone()
    assert await phone.perform(Dial(extension, 1, ring_s=0.5)) == Dialled(outcome, cause)
    if extension not in {"nowhere", "unknown"}:
        leg = derived_id(caller.incoming.call_id, "leg", 1)
        by_callee = extension != "rings"
        assert caller.legs.told == [("started", leg, extension), ("ended", leg, cause, by_callee)]
    assert await phone.perform(Play(("short",))) == Played()


async def test_talk_until_the_callee_hangs_up_and_dial_again(place: Place) -> None:
    caller = await place.caller()
    phone = caller.telephone()
    for number in (1, 2):
        event = await phone.perform(Dial("answers-0.5", number))
        assert isinstance(event, Dialled)
        assert (event.outcome, event.cause) == (DialOutcome.TALKED, 16)
        assert event.talk_s == pytest.approx(0.5, abs=0.6)
        assert await phone.perform(Play(("short",))) == Played()
    assert caller.legs.kinds == ["started", "answered", "ended"] * 2
    assert caller.legs.told[2][3] is True


async def test_talk_has_a_limit(place: Place) -> None:
    caller = await place.caller()
    event = await caller.telephone().perform(Dial("answers-30", 1, max_talk_s=0.4))
    assert isinstance(event, Dialled)
    assert event.outcome is DialOutcome.TALKED
    assert event.talk_s == pytest.approx(0.4, abs=0.2)
    assert caller.legs.told[-1][3] is False


@pytest.mark.parametrize("extension", ["rings", "answers-30"])
async def test_caller_who_hangs_up_takes_the_leg_along(place: Place, extension: str) -> None:
    caller = await place.caller(stay_s=0.6, cause=16)
    event = await caller.telephone().perform(Dial(extension, 1))
    assert isinstance(event, HungUp)
    assert event.cause == 16
    assert caller.legs.told[-1][0] == "ended"
    assert caller.legs.told[-1][3] is False
    async with asyncio.timeout(5):  # a Local channel's far half ends by itself, after ours
        while [name for name in await place.channels() if name.startswith(f"Local/{extension}")]:
            await asyncio.sleep(0.02)
        # A bridge that was destroyed is listed until the last thread of a channel that was in it lets go.
        while await place.driver.transport.request(ari.bridges_list()):
            await asyncio.sleep(0.02)
    assert len(place.driver.router) == 0


@pytest.mark.parametrize("after_s", [0.1, 0.6])  # while it rings, while they talk
async def test_successor_adopts_the_dial(place: Place, after_s: float) -> None:
    await place.caller(stay_s=60)
    await place.restart()
    caller = await place.arrival()
    dial = Dial("answers-1.5", 1)
    task = asyncio.create_task(caller.telephone().perform(dial))
    await asyncio.sleep(after_s)
    task.cancel()
    await place.restart()
    successor = await place.arrival()
    assert successor.incoming.call_id == caller.incoming.call_id
    before = [name for name in await place.channels() if name.startswith("Local/answers")]
    event = await successor.telephone(resumed=True).perform(dial)
    assert isinstance(event, Dialled)
    assert event.outcome is DialOutcome.TALKED
    legs = {name.rpartition(";")[0] for name in before}
    assert len(legs) == 1
    assert successor.legs.kinds[-1] == "ended"


async def test_successor_of_a_dial_that_ended_meanwhile_does_not_dial_again(place: Place) -> None:
    caller = await place.caller()
    dial = Dial("answers-0.3", 1)
    task = asyncio.create_task(caller.telephone().perform(dial))
    await asyncio.sleep(0.3)
    task.cancel()
    await place.driver.close()
    await asyncio.sleep(0.8)  # it ends while nobody is there
    place.driver, place.calls = await place.new_driver()
    successor = await place.arrival()
    phone = successor.telephone(resumed=True)
    event = await phone.perform(dial)
    assert isinstance(event, Dialled)
    assert (event.outcome, event.cause) == (DialOutcome.TALKED, 16)
    assert "started" not in successor.legs.kinds
    assert await phone.perform(Play(("short",))) == Played()


async def test_successor_stops_what_still_plays(place: Place) -> None:
    caller = await place.caller()
    task = asyncio.create_task(caller.telephone().perform(Play(("long",))))
    await asyncio.sleep(0.3)
    task.cancel()
    await place.restart()
    phone = (await place.arrival()).telephone(resumed=True)
    began = time.monotonic()
    assert await phone.perform(Play(("short",))) == Played()
    assert time.monotonic() - began < 1.5


async def test_prompt_outlives_a_broken_connection(place: Place) -> None:
    phone = (await place.caller()).telephone()
    task = asyncio.create_task(phone.perform(Play(("short",) * 6)))
    await asyncio.sleep(0.3)
    await place.driver.connection._hang_up(b"test")
    assert await task == Played()
    await place.driver.connection.ready(5)
    assert await phone.perform(Play(("short",))) == Played()


async def test_caller_who_left_while_nobody_was_there(place: Place) -> None:
    caller = await place.caller(stay_s=0.3, cause=17)
    await place.driver.close()
    await asyncio.sleep(1.0)
    place.driver, place.calls = await place.new_driver()
    assert place.calls.gone == {caller.incoming.channel_id: 17}
    assert caller.incoming.channel_id not in place.calls.settled
