"""The FastAGI telephone on a real Asterisk, with real SIP callers and RFC 4733 digits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from controller.agi.telephone import AgiTelephone
from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    DigitRules,
    Event,
    Failed,
    Hangup,
    HungUp,
    Play,
    Played,
)
from controller.runtime.asterisk import AsteriskServer
from controller.softphone.call import CallState, EndedBy
from controller.softphone.phone import OnCall, Phone, answer_after, reject_with, ring_forever
from tests.contract.agi.conftest import NUMBER, AgiRig

HOOK = """
[answered]
exten => s,1,Set(SHARED(RAPPEL_ANSWERED,${ARG1})=${STRFTIME(,UTC,%s.%3q)})
 same => n,Return()
"""


def then_hang_up(*commands: Command, cause: int = 16) -> Callable[[AgiTelephone], Awaitable[Event | None]]:
    """Perform `commands` after answering, hang up, and return what the last of them reported."""

    async def behave(telephone: AgiTelephone) -> Event | None:
        event = await telephone.perform(Answer())
        for command in commands:
            event = await telephone.perform(command)
        await telephone.perform(Hangup(cause))
        return event

    return behave


async def test_a_call_from_ring_to_hang_up(agi: AgiRig, caller: Phone) -> None:
    agi.behave = then_hang_up(Play(("fr/100",)), Collect(("fr/200",), DigitRules()), Play(("fr/50",)), cause=17)
    call = await caller.call(agi.target)
    assert call.state is CallState.ANSWERED
    await call.wait_for(1.3)
    await call.press("5")
    assert await agi.result() == Played()
    assert await call.wait_ended(5)
    assert (call.ended_by, call.cause) == (EndedBy.REMOTE, 17)
    facts = agi.facts[0]
    assert (facts.flow, facts.arguments) == ("flow", (NUMBER, "trunk"))
    assert (facts.caller_number, facts.caller_name) == ("0612345678", "Zo\u00e9 Lef\u00e8vre")
    assert abs((datetime.now(UTC) - facts.created_at).total_seconds()) < 10
    assert await agi.no_channels()
    assert agi.server.counters.served == 1
    assert agi.server.running == 0


async def test_a_digit_stops_the_prompt(agi: AgiRig, caller: Phone) -> None:
    agi.behave = then_hang_up(Collect(("fr/900",), DigitRules()))
    call = await caller.call(agi.target)
    await call.wait_for(0.3)
    sent = await call.press("7")
    assert await agi.result() == Collected("7", CollectEnd.COMPLETE)
    assert time.monotonic() - sent[0].ended_at < 1


@pytest.mark.parametrize("method", ["rfc4733", "info"])
async def test_digits_typed_ahead_and_fast_are_all_there(agi: AgiRig, caller: Phone, method: str) -> None:
    rules = DigitRules(min=1, max=12, end="#")
    agi.behave = then_hang_up(Play(("fr/900",)), Play(("fr/900",)), Collect(("fr/900",), rules))
    call = await caller.call(agi.target)
    await call.wait_for(0.2)
    await call.press("1234567890*#", method=method, duration_ms=60, gap_ms=50)
    assert await agi.result() == Collected("1234567890*", CollectEnd.TERMINATED)


async def test_silence_and_slowness(agi: AgiRig, caller: Phone) -> None:
    events: list[Event] = []
    rules = DigitRules(min=1, max=4, first_digit_s=0.5, inter_digit_s=0.4)

    async def behave(telephone: AgiTelephone) -> Event | None:
        await telephone.perform(Answer())
        events.append(await telephone.perform(Collect(("fr/50",), rules)))
        return await telephone.perform(Collect((), DigitRules(min=1, max=4, first_digit_s=5, inter_digit_s=0.4)))

    agi.behave = behave
    call = await caller.call(agi.target)
    await call.wait_for(1.4)
    await call.press("3")
    assert await agi.result() == Collected("3", CollectEnd.INTER_DIGIT)
    assert events == [Collected("", CollectEnd.NO_INPUT)]


async def test_missing_audio_is_a_failure_and_the_call_goes_on(agi: AgiRig, caller: Phone) -> None:
    agi.behave = then_hang_up(Play(("fr/missing",)))
    await caller.call(agi.target)
    event = await agi.result()
    assert isinstance(event, Failed)
    assert "missing" in event.reason


@pytest.mark.parametrize(
    "command",
    [
        Play(("fr/900",)),
        Play(("fr/900",), bargein=False),
        Collect(("fr/900",), DigitRules()),
        Collect((), DigitRules(first_digit_s=20)),
        Dial("1001", 1),
    ],
    ids=["play", "play-through", "collect-prompt", "collect-wait", "dial"],
)
async def test_the_caller_hangs_up_in_it(agi: AgiRig, caller: Phone, command: Command) -> None:
    async def behave(telephone: AgiTelephone) -> Event | None:
        await telephone.perform(Answer())
        event = await telephone.perform(command)
        assert await telephone.perform(Play(("fr/100",))) == event
        assert await telephone.perform(Hangup()) == event
        return event

    agi.behave = behave
    secret = agi.asterisk.secrets.softphones["1001"]
    async with Phone(user="1001", password=secret, on_call=ring_forever) as agent:
        await agent.register(agi.server_uri)
        call = await caller.call(agi.target)
        await call.wait_for(0.4)
        await call.hangup()
        began = time.monotonic()
        assert isinstance(await agi.result(), HungUp)
        assert time.monotonic() - began < 1
        assert await agi.no_channels()


async def test_the_caller_hangs_up_between_commands(agi: AgiRig, caller: Phone) -> None:
    answered, gone = asyncio.Event(), asyncio.Event()

    async def behave(telephone: AgiTelephone) -> Event | None:
        assert await telephone.perform(Answer()) == Answered()
        answered.set()
        await gone.wait()
        return await telephone.perform(Collect(("fr/100",), DigitRules()))

    agi.behave = behave
    call = await caller.call(agi.target)
    await asyncio.wait_for(answered.wait(), 5)
    await call.hangup()
    gone.set()
    assert isinstance(await agi.result(), HungUp)


async def test_a_caller_who_leaves_before_the_answer(agi: AgiRig, caller: Phone) -> None:
    began = asyncio.Event()
    gone = asyncio.Event()

    async def behave(telephone: AgiTelephone) -> Event | None:
        began.set()
        await gone.wait()
        return await telephone.perform(Answer())

    agi.behave = behave
    call = await caller.dial(agi.target)
    await asyncio.wait_for(began.wait(), 5)
    await call.hangup()
    gone.set()
    assert isinstance(await agi.result(), HungUp)
    assert await agi.no_channels()


@pytest.mark.parametrize(
    ("handler", "outcome", "cause"),
    [
        (reject_with(486), DialOutcome.BUSY, 17),
        (reject_with(603), DialOutcome.REFUSED, 21),
        (reject_with(480), DialOutcome.NO_ANSWER, 19),
        (ring_forever, DialOutcome.NO_ANSWER, None),
    ],
    ids=["busy", "declined", "unavailable", "rings"],
)
async def test_dials_that_nobody_takes(
    agi: AgiRig, caller: Phone, handler: OnCall, outcome: DialOutcome, cause: int | None
) -> None:
    agi.behave = then_hang_up(Dial("1001", 1, ring_s=1))
    async with Phone(user="1001", password=agi.asterisk.secrets.softphones["1001"], on_call=handler) as agent:
        await agent.register(agi.server_uri)
        await caller.call(agi.target)
        event = await agi.result()
    assert isinstance(event, Dialled)
    assert event.outcome is outcome
    assert cause is None or event.cause == cause
    assert agi.legs.answered == []
    assert len(agi.legs.ended) == 1


async def test_an_unregistered_extension_is_unreachable(agi: AgiRig, caller: Phone) -> None:
    agi.behave = then_hang_up(Dial("1002", 1, ring_s=1))
    await caller.call(agi.target)
    event = await agi.result()
    assert isinstance(event, Dialled)
    assert event.outcome is DialOutcome.UNREACHABLE


async def test_a_conversation_ends_with_the_agent_or_at_the_limit(agi: AgiRig, caller: Phone) -> None:
    events: list[Event] = []

    async def behave(telephone: AgiTelephone) -> Event | None:
        await telephone.perform(Answer())
        events.append(await telephone.perform(Dial("1001", 1, ring_s=5, max_talk_s=1.0)))
        events.append(await telephone.perform(Dial("1001", 2, ring_s=5, max_talk_s=1.0)))
        return await telephone.perform(Play(("fr/50",)))

    agi.behave = behave
    async with Phone(
        user="1001", password=agi.asterisk.secrets.softphones["1001"], on_call=answer_after(0.2)
    ) as agent:
        await agent.register(agi.server_uri)
        call = await caller.call(agi.target)
        await call.wait_for(0.8)
        for talk in list(agent.calls):
            await talk.hangup()
        assert await agi.result() == Played()
    assert [e.outcome for e in events if isinstance(e, Dialled)] == [DialOutcome.TALKED, DialOutcome.TALKED]
    limited = events[1]
    assert isinstance(limited, Dialled)
    assert 0.9 < limited.talk_s < 2


async def test_a_controller_that_dies_leaves_the_caller_to_the_dialplan(agi: AgiRig, caller: Phone) -> None:
    address = f"agi://127.0.0.1:{agi.server.port}/flow"
    for priority in (1, 2):
        await agi.asterisk.cli(f"dialplan add extension agi2,{priority},AGI,{address} into from-trunk")
    waiting = asyncio.Event()

    async def crash(telephone: AgiTelephone) -> Event | None:
        await telephone.perform(Answer())
        waiting.set()
        raise RuntimeError("a bug")

    agi.behave = crash
    call = await caller.dial(agi.target.replace(f"agi{NUMBER}", "agi2"))
    await asyncio.wait_for(waiting.wait(), 5)
    agi.behave = then_hang_up(Play(("fr/50",)))
    with pytest.raises(RuntimeError):
        await agi.result()
    assert await agi.result() == Played()
    assert await call.wait_ended(5)
    first, second = agi.facts
    assert (first.channel_id, first.created_at) == (second.channel_id, second.created_at)


async def test_a_caller_who_leaves_a_conversation(agi: AgiRig, caller: Phone) -> None:
    agi.behave = then_hang_up(Dial("1001", 1))
    async with Phone(user="1001", password=agi.asterisk.secrets.softphones["1001"], on_call=answer_after(0)) as agent:
        await agent.register(agi.server_uri)
        call = await caller.call(agi.target)
        await call.wait_for(1.0)
        await call.hangup()
        event = await agi.result()
    assert isinstance(event, HungUp)
    assert event.talk_s > 0.5
    assert agi.legs.ended[0][2] is False


async def test_when_the_agent_answered_comes_from_the_hook(agi: AgiRig, caller: Phone) -> None:
    with (agi.asterisk.paths.etc / "extensions.conf").open("a", encoding="utf-8") as dialplan:
        dialplan.write(HOOK)
    await agi.asterisk.cli("dialplan reload")
    agi.answered_hook = "answered"
    agi.behave = then_hang_up(Dial("1001", 1, max_talk_s=1))
    async with Phone(user="1001", password=agi.asterisk.secrets.softphones["1001"], on_call=answer_after(1)) as agent:
        await agent.register(agi.server_uri)
        await caller.call(agi.target)
        event = await agi.result()
    assert isinstance(event, Dialled)
    assert 0.9 < event.talk_s < 1.3
    assert agi.legs.started[0][1] < agi.legs.answered[0]


async def test_twenty_calls_at_once(agi: AgiRig, asterisk: AsteriskServer) -> None:
    agi.behave = then_hang_up(Collect(("fr/300",), DigitRules(min=3, max=3)))
    async with Phone(user="0612345678") as phone:

        async def one(digits: str) -> None:
            call = await phone.call(agi.target)
            await call.wait_for(0.3)
            await call.press(digits, duration_ms=80, gap_ms=60)
            assert await call.wait_ended(10)

        wanted = [f"{n:03d}" for n in range(20)]
        await asyncio.gather(*(one(digits) for digits in wanted))
        got = [await agi.result() for _ in wanted]
    assert sorted(e.digits for e in got if isinstance(e, Collected)) == wanted
    assert await agi.no_channels()
