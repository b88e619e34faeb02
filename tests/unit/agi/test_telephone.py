from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from controller.agi.server import AgiCallFacts, AgiServer
from controller.agi.session import AgiSession
from controller.agi.telephone import LIMITS, AgiTelephone, dialled_outcome
from controller.errors import AsteriskUnreachable, ConfigError
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
    Lookup,
    Play,
    Played,
)
from controller.ids import CallId
from tests.unit.agi.asterisk import FakeAsterisk, LegLog, StubAudio, StubClock

CALL = CallId("0190aaaa-0000-8000-8000-000000000000")


class Line:
    """One telephone with Asterisk's end of its connection in the test's hands."""

    def __init__(self, asterisk: FakeAsterisk, telephone: AgiTelephone, clock: StubClock, legs: LegLog) -> None:
        self.asterisk, self.telephone, self.clock, self.legs = asterisk, telephone, clock, legs

    async def perform(self, command: Command, *answers: str) -> Event:
        self.asterisk.commands.clear()
        event, _ = await asyncio.gather(self.telephone.perform(command), self.asterisk.answer(*answers))
        return event

    @property
    def commands(self) -> list[str]:
        return self.asterisk.commands


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    sessions: asyncio.Queue[AgiSession] = asyncio.Queue()
    end = asyncio.Event()

    async def serve(session: AgiSession) -> None:
        sessions.put_nowait(session)
        await end.wait()

    def on_call(facts: AgiCallFacts, session: AgiSession) -> asyncio.Task[None]:
        return asyncio.create_task(serve(session))

    server = AgiServer("127.0.0.1", 0, on_call)
    await server.start()
    asterisk = await FakeAsterisk.connect(server.port)
    clock, legs = StubClock(), LegLog()
    telephone = AgiTelephone(
        await sessions.get(),
        channel_name="PJSIP/trunk-00000001",
        call_id=CALL,
        audio=StubAudio(),
        legs=legs,
        clock=clock,
        endpoint_for={"101": "PJSIP/101", "bad": "PJSIP/1&PJSIP/00900"}.__getitem__,
        answered_hook="rappel-answered",
    )
    yield Line(asterisk, telephone, clock, legs)
    end.set()
    asterisk.writer.close()
    await server.stop()


async def test_answer(line: Line) -> None:
    assert await line.perform(Answer(), "200 result=0") == Answered()


async def test_play_in_order(line: Line) -> None:
    event = await line.perform(
        Play(("fr/menu", "fr/bye"), bargein=False), "200 result=0 endpos=16000", "200 result=0 endpos=8000"
    )
    assert event == Played()
    assert line.commands == ['STREAM FILE "/audio/fr/menu" ""', 'STREAM FILE "/audio/fr/bye" ""']


async def test_a_digit_stops_a_prompt_and_is_kept_for_the_next_entry(line: Line) -> None:
    event = await line.perform(Play(("fr/menu", "fr/bye")), "200 result=50 endpos=100")
    assert event == Played(interrupted=True)
    assert line.commands == ['STREAM FILE "/audio/fr/menu" "0123456789*#ABCD"']
    assert await line.perform(Play(("fr/bye",))) == Played(interrupted=True)
    assert await line.perform(Collect(("fr/menu",), DigitRules())) == Collected("2", CollectEnd.COMPLETE)
    assert line.commands == []


async def test_missing_audio_is_told_from_a_hang_up(line: Line) -> None:
    failed = await line.perform(Play(("fr/menu",)), "200 result=-1 endpos=0", "200 result=1 (0)")
    assert isinstance(failed, Failed)
    assert "fr/menu" in failed.reason
    assert line.commands[1] == 'GET VARIABLE "HANGUPCAUSE"'
    unknown = await line.perform(Play(("fr/none",)))
    assert isinstance(unknown, Failed)
    gone = await line.perform(Play(("fr/menu",)), "200 result=-1 endpos=9", "HANGUP\n200 result=1 (16)")
    assert gone == HungUp(16)
    assert await line.perform(Answer()) == HungUp(16)


async def test_a_dead_channel_is_a_hang_up(line: Line) -> None:
    answers = ("HANGUP\n511 Command Not Permitted on a dead channel or intercept routine", "200 result=1 (127)")
    assert await line.perform(Answer(), *answers) == HungUp(127)


async def test_collect_plays_then_waits_by_the_clocks(line: Line) -> None:
    rules = DigitRules(min=2, max=4, end="#", first_digit_s=5, inter_digit_s=2)
    event = await line.perform(
        Collect(("fr/menu",), rules), "200 result=49 endpos=5", "200 result=50", "200 result=35"
    )
    assert event == Collected("12", CollectEnd.TERMINATED)
    assert line.commands == [
        'STREAM FILE "/audio/fr/menu" "0123456789*ABCD"',  # a leading end key does not cut the prompt off
        "WAIT FOR DIGIT 2000",
        "WAIT FOR DIGIT 2000",
    ]


async def test_no_input_and_too_slow(line: Line) -> None:
    rules = DigitRules(min=1, max=4, first_digit_s=5, inter_digit_s=2)
    event = await line.perform(Collect(("fr/menu",), rules), "200 result=0 endpos=16000", "200 result=0")
    assert event == Collected("", CollectEnd.NO_INPUT)
    assert line.commands[1] == "WAIT FOR DIGIT 5000"
    event = await line.perform(Collect((), rules), "200 result=55", "200 result=0")
    assert event == Collected("7", CollectEnd.INTER_DIGIT)


async def test_the_whole_entry_is_bounded(line: Line) -> None:
    rules = DigitRules(min=1, max=9, first_digit_s=5, inter_digit_s=4, total_s=5)
    event = await line.perform(Collect((), rules), "200 result=49", "200 result=50", "200 result=0")
    assert event == Collected("12", CollectEnd.INTER_DIGIT)
    line.clock.seconds += 3
    waiting = asyncio.create_task(line.telephone.perform(Collect((), rules)))
    await line.asterisk.answer("200 result=49")
    command = await line.asterisk.reader.readline()
    assert command == b"WAIT FOR DIGIT 4000\n"
    line.clock.seconds += 3
    line.asterisk.writer.write(b"200 result=50\n")
    await line.asterisk.answer("200 result=0")
    assert line.commands[-1] == "WAIT FOR DIGIT 2000"
    assert await waiting == Collected("12", CollectEnd.TOTAL)


async def test_without_bargein_the_prompt_is_heard_and_digits_ahead_are_dropped(line: Line) -> None:
    await line.perform(Play(("fr/menu",)), "200 result=57 endpos=1")
    event = await line.perform(
        Collect(("fr/bye",), DigitRules(), bargein=False), "200 result=0 endpos=8000", "200 result=49"
    )
    assert event == Collected("1", CollectEnd.COMPLETE)
    assert line.commands[0] == 'STREAM FILE "/audio/fr/bye" ""'


async def test_a_fax_tone_is_no_digit(line: Line) -> None:
    event = await line.perform(Collect((), DigitRules()), "200 result=102", "200 result=49")
    assert event == Collected("1", CollectEnd.COMPLETE)


async def test_hang_up_while_digits_are_awaited(line: Line) -> None:
    event = await line.perform(Collect((), DigitRules()), "200 result=-1", "HANGUP\n200 result=1 (16)")
    assert event == HungUp(16)


async def test_dial_talked(line: Line) -> None:
    answered = line.clock.now().timestamp()

    async def talk() -> None:
        await line.asterisk.reader.readline()
        line.clock.seconds += 10
        line.asterisk.writer.write(b"200 result=0\n")
        await line.asterisk.answer("200 result=1 (ANSWER)", "200 result=1 (16)", f"200 result=1 ({answered + 4:.3f})")

    event, _ = await asyncio.gather(line.telephone.perform(Dial("101", 1, ring_s=20, max_talk_s=60)), talk())
    assert event == Dialled(DialOutcome.TALKED, 16, 6.0)
    assert line.legs.seen == [
        ("started", "PJSIP/101", "101"),
        ("answered", datetime.fromtimestamp(answered + 4, UTC)),
        ("ended", 16, True),
    ]


async def test_dial_command_and_busy(line: Line) -> None:
    event = await line.perform(
        Dial("101", 1, ring_s=20, max_talk_s=60), "200 result=0", "200 result=1 (BUSY)", "200 result=1 (17)"
    )
    assert event == Dialled(DialOutcome.BUSY, 17)
    dial = 'EXEC Dial "PJSIP/101,20,giL(60000)U(rappel-answered^PJSIP/trunk-00000001)"'
    assert line.commands == [dial, 'GET VARIABLE "DIALSTATUS"', 'GET VARIABLE "HANGUPCAUSE"']


async def test_the_caller_hangs_up_while_it_rings(line: Line) -> None:
    event = await line.perform(
        Dial("101", 1), "200 result=-1", "HANGUP\n200 result=1 (CANCEL)", "200 result=1 (16)", "200 result=1 (16)"
    )
    assert event == HungUp(16)
    assert line.legs.seen[-1] == ("ended", 16, False)


@pytest.mark.parametrize("extension", ["999", "bad"])
async def test_nothing_but_a_plain_endpoint_is_dialled(line: Line, extension: str) -> None:
    event = await line.perform(Dial(extension, 1))
    assert isinstance(event, Failed)
    assert line.legs.seen == []


async def test_dial_without_the_application(line: Line) -> None:
    assert isinstance(await line.perform(Dial("101", 1), "200 result=-2"), Failed)


async def test_hang_up_with_a_cause(line: Line) -> None:
    assert await line.perform(Hangup(17), "200 result=-1") == HungUp(17)
    assert line.commands == ['EXEC Hangup "17"']
    assert await line.asterisk.closed()


async def test_hanging_up_a_caller_who_has_gone(line: Line) -> None:
    event = await line.perform(Hangup(17), "511 Command Not Permitted on a dead channel", "200 result=1 (16)")
    assert event == HungUp(16)


async def test_a_lost_connection_is_no_event(line: Line) -> None:
    line.asterisk.writer.close()
    with pytest.raises(AsteriskUnreachable):
        await line.telephone.perform(Answer())


async def test_a_lookup_is_not_for_the_telephone(line: Line) -> None:
    with pytest.raises(TypeError):
        await line.telephone.perform(Lookup("crm", "GET", "http://crm.example/"))


def test_a_hook_that_is_no_context_name_is_refused() -> None:
    with pytest.raises(ConfigError):
        AgiTelephone(
            None,  # type: ignore[arg-type]
            channel_name="x",
            call_id=CALL,
            audio=StubAudio(),
            legs=LegLog(),
            clock=StubClock(),
            endpoint_for=str,
            answered_hook="a)b(",
        )


@pytest.mark.parametrize(
    ("status", "cause", "outcome"),
    [
        ("ANSWER", 16, DialOutcome.TALKED),
        ("BUSY", 17, DialOutcome.BUSY),
        ("NOANSWER", 20, DialOutcome.NO_ANSWER),
        ("CHANUNAVAIL", 21, DialOutcome.REFUSED),
        ("CHANUNAVAIL", 20, DialOutcome.UNREACHABLE),
        ("CHANUNAVAIL", 3, DialOutcome.UNREACHABLE),
        ("CONGESTION", 34, DialOutcome.FAILED),
        ("", 0, DialOutcome.FAILED),
    ],
)
def test_outcomes(status: str, cause: int, outcome: DialOutcome) -> None:
    assert dialled_outcome(status, cause) is outcome


def test_every_limit_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in LIMITS.values())
