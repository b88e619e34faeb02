"""The loop between a flow and a telephone: what is recorded, when, and what is never written down."""

from __future__ import annotations

import msgspec
import pytest
from structlog.testing import capture_logs

from controller.calls.call import Call
from controller.cdr.entries import (
    CallAnswered,
    CallEnded,
    CallStarted,
    Disposition,
    LegAnswered,
    LegEnded,
    LegStarted,
    Party,
    StateSaved,
    StepTaken,
)
from controller.flow.commands import (
    Answer,
    Collect,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Event,
    Failed,
    Hangup,
    HungUp,
    LookupFailed,
    Play,
)
from controller.flow.runstate import State
from tests.unit.calls.world import AT, NODE, World, patient, pressing

PIN = "7391"


def pending(state: StateSaved) -> Command:
    return msgspec.json.decode(state.state, type=State).pending


async def test_the_record_is_written_in_the_order_things_happen(world: World):
    await world.begin(world.call(answering=pressing("2")))
    assert [type(each) for each in world.recorder.log] == [
        CallStarted,
        LegStarted,
        StateSaved,
        Answer,
        CallAnswered,
        LegAnswered,
        StateSaved,
        Play,
        StepTaken,  # salut
        StateSaved,
        Collect,
        StepTaken,  # menu
        StateSaved,
        Dial,
        StepTaken,  # poste
        StateSaved,
        Play,
        StepTaken,  # adieu
        StateSaved,
        Hangup,
        LegEnded,
        CallEnded,
    ]


async def test_the_state_saved_before_a_command_has_it_pending(world: World):
    await world.begin(world.call(answering=pressing("1")))
    log = world.recorder.log
    for place, each in enumerate(log):
        if isinstance(each, Command):
            states = [entry for entry in log[:place] if isinstance(entry, StateSaved)]
            assert pending(states[-1]) == each
    first = world.recorder.of(StateSaved)[0]
    assert (first.node, first.driver, first.channel_id, first.at) == (NODE, "ari", "1700.1", AT)
    assert first.release == world.releases.current_hash


async def test_a_look_up_is_saved_and_made_without_the_telephone(world: World):
    await world.begin(world.call(answering=pressing("1")))
    (request,) = world.lookups.requests
    assert request.url == "https://crm.example/x"
    assert [type(pending(state)).__name__ for state in world.recorder.of(StateSaved)].count("Lookup") == 1
    assert not any(type(command).__name__ == "Lookup" for command in world.telephones[0].commands)


async def test_no_secret_is_in_what_is_written_down(world: World):
    record = await world.begin(world.call("200", answering=pressing(PIN)))
    assert world.lookups.requests[0].body == {"pin": PIN}
    assert [step.exit for step in record.steps] == ["next", "next", "next", "hangup"]
    assert record.steps[0].digits
    for entry in world.recorder.entries:
        assert PIN.encode() not in msgspec.json.encode(entry)


async def test_times_and_digits_of_steps_are_those_of_the_call(world: World):
    record = await world.begin(world.call(answering=pressing("9", "2")))
    assert [(step.seq, step.step, step.digits) for step in record.steps] == [
        (1, "salut", ""),
        (2, "menu", "9 2"),
        (3, "poste", ""),
        (4, "adieu", ""),
    ]
    assert [(step.left_at - step.entered_at).total_seconds() for step in record.steps] == [2, 2, 1, 1]
    assert all(a.left_at == b.entered_at for a, b in zip(record.steps, record.steps[1:], strict=False))


@pytest.mark.parametrize("when", [Answer, Play, Collect, Dial])
async def test_a_caller_who_leaves_ends_the_record_where_he_was(world: World, when: type[Command]):
    choose = pressing("2")

    def leave(command: Command) -> Event:
        return HungUp(cause=31) if isinstance(command, when) else choose(command)  # type: ignore[return-value]

    record = await world.begin(world.call(answering=leave))
    assert record.end is not None
    assert (record.end.disposition, record.end.ended_by) == (Disposition.ABANDONED, Party.CALLER)
    assert (record.end.cause, record.legs[0].cause) == (31, 31)
    assert record.steps[-1].exit == "hung_up"
    assert not world.recorder.of(Hangup)
    assert (record.answered_at is None) == (when is Answer)


async def test_the_caller_leaves_after_a_conversation(world: World):
    choose = pressing("2")

    def leave(command: Command) -> Event:
        return HungUp(16, talk_s=12.5) if isinstance(command, Dial) else choose(command)  # type: ignore[return-value]

    record = await world.begin(world.call(answering=leave))
    assert record.end is not None
    assert record.end.disposition is Disposition.TALKED
    assert record.state is None


async def test_a_fault_is_logged_and_the_caller_hears_an_apology(world: World):
    def fail(command: Command) -> Event:
        dial = isinstance(command, Dial)
        return Failed("no such file") if dial else pressing("2")(command)  # type: ignore[return-value]

    with capture_logs() as logs:
        record = await world.begin(world.call(answering=fail))
    (fault,) = [line for line in logs if line["event"] == "flow.fault"]
    assert (fault["flow"], fault["step"], fault["log_level"]) == ("accueil", "poste", "error")
    assert "no such file" in fault["reason"]
    plays = [command.media for command in world.recorder.of(Play)]
    assert plays[-1] == ("say/en/excuse",)
    assert record.end is not None
    assert (record.end.disposition, record.end.ended_by) == (Disposition.FAILED, Party.SYSTEM)
    assert "no such file" in record.end.reason


async def test_a_service_that_fails_is_an_exit_of_its_step(world: World):
    world.lookups.answer = LookupFailed("timeout", "no answer within 5 s")
    record = await world.begin(world.call(answering=pressing("1")))
    fiche = next(step for step in record.steps if step.step == "fiche")
    assert fiche.exit == "failed"
    assert fiche.detail["failure"]


async def test_a_conversation_counts_as_talked(world: World):
    choose = pressing("2")

    def talk(command: Command) -> Event:
        dialled = Dialled(DialOutcome.TALKED, 16, 30.0)
        return dialled if isinstance(command, Dial) else choose(command)  # type: ignore[return-value]

    record = await world.begin(world.call(answering=talk))
    assert record.end is not None
    assert record.end.disposition is Disposition.TALKED


@pytest.mark.parametrize("number", range(1, 7))
async def test_a_successor_repeats_the_command_that_was_pending(world: World, tmp_path, number: int):
    """Cut the call before its n-th command: the second controller performs that one again, and the record is one."""
    whole = await world.begin(world.call(answering=pressing("2")))
    cut = world.states(whole.call_id)[number - 1]
    second = World(tmp_path)
    left = pressing("2") if number <= 3 else patient
    await Call(second.call(answering=left), second.around).resume(cut)
    telephone = second.telephones[0]
    assert telephone.resumed
    assert telephone.commands[0] == pending(cut)
    before = world.recorder.log[: world.recorder.log.index(cut) + 1]
    second.recorder.log[:0] = before
    record = second.recorder.call(whole.call_id)
    assert [(step.seq, step.step, step.exit) for step in record.steps] == [
        (step.seq, step.step, step.exit) for step in whole.steps
    ]
    assert record.end is not None
    assert record.end.disposition is Disposition.COMPLETED
    assert [leg.cause for leg in record.legs] == [16]
