"""One task per call: served once, taken up after a restart, closed when the caller left meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from controller.cdr.entries import CallEnded, CallStarted, Disposition, LegEnded, Party, StateDropped, StateSaved
from controller.flow.commands import Collect, Command, Event, Hangup, Play
from controller.ids import CallId
from tests.unit.calls.world import AT, Gate, World, patient, pressing


async def saved_state(world: World, channel: str = "1700.1") -> StateSaved:
    """The state of a call that stands in the menu, as an earlier controller left it."""
    incoming = world.call(channel=channel)
    await world.begin(incoming)
    state = next(each for each in world.states(incoming.call_id) if b"Collect" in each.state)
    world.recorder.log.clear()
    world.telephones.clear()
    return state


def changed(saved: StateSaved, **fields: object) -> StateSaved:
    return msgspec.structs.replace(saved, **fields)


async def test_a_channel_that_is_seen_twice_is_served_once(world: World):
    gate = Gate()
    incoming = world.call(answering=gate)  # type: ignore[arg-type]
    first = world.supervisor.incoming(incoming)
    await gate.reached.wait()
    assert world.supervisor.incoming(incoming) is first
    assert [call.incoming for call in world.supervisor.running] == [incoming]
    gate.opened.set()
    assert first is not None
    await first
    assert len(world.recorder.of(CallStarted)) == len(world.recorder.of(CallEnded)) == 1
    assert world.supervisor.running == []
    assert world.supervisor.counters.started == 1
    assert world.supervisor.counters.ended == {"completed": 1}


async def test_every_line_of_a_call_s_log_carries_its_id(world: World):
    incoming = world.call()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await world.supervisor.incoming(incoming)  # type: ignore[misc]
    assert {line.get("call_id") for line in logs} == {incoming.call_id}
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_call_that_an_earlier_controller_left_is_taken_up(world: World):
    state = await saved_state(world)
    world.supervisor.expect([state])
    incoming = world.call(answering=pressing("2"))
    assert world.supervisor.expects(incoming.call_id)
    await world.supervisor.incoming(incoming)  # type: ignore[misc]
    assert not world.supervisor.expects(incoming.call_id)
    assert world.telephones[0].resumed
    assert isinstance(world.telephones[0].commands[0], Collect)
    assert not world.recorder.of(CallStarted)
    counters = world.supervisor.counters
    assert (counters.started, counters.resumed, counters.ended) == (0, 1, {"completed": 1})


@pytest.mark.parametrize("broken", [{"state": b"{}"}, {"release": "f" * 16}])
async def test_a_state_that_cannot_be_read_begins_the_call_again(world: World, broken: dict[str, object]):
    world.supervisor.expect([changed(await saved_state(world), **broken)])
    with capture_logs() as logs:
        await world.supervisor.incoming(world.call())  # type: ignore[misc]
    assert any(line["event"] == "call.state_unreadable" for line in logs)
    assert len(world.recorder.of(CallStarted)) == 1
    assert world.supervisor.counters.ended == {"completed": 1}


async def test_a_version_that_breaks_while_it_is_revived_begins_the_call_again(world: World, monkeypatch):
    """Not only what is foreseen: a caller never waits in silence for a bug."""
    state = changed(await saved_state(world), release="f" * 16)

    def revive(_: str) -> None:
        raise OSError("the disk")

    monkeypatch.setattr(world.releases, "_revive", revive)
    world.supervisor.expect([state])
    await world.supervisor.incoming(world.call())  # type: ignore[misc]
    assert len(world.recorder.of(CallEnded)) == 1
    assert world.supervisor.counters.crashed == 0


async def test_the_record_of_a_caller_who_left_meanwhile_is_closed(world: World):
    state = await saved_state(world)
    world.supervisor.expect([state])
    seen_at = AT + timedelta(seconds=7)
    world.supervisor.channel_gone(state.channel_id, 31, "Normal", seen_at)
    world.supervisor.settle([])
    (leg,), (end,), (dropped,) = (world.recorder.of(kind) for kind in (LegEnded, CallEnded, StateDropped))
    assert (leg.cause, leg.cause_text, leg.at) == (31, "Normal", seen_at)
    assert (end.disposition, end.ended_by, end.cause) == (Disposition.ABANDONED, Party.CALLER, 31)
    assert end.at == seen_at
    assert dropped.call_id == state.call_id
    assert world.supervisor.counters.ended_while_away == 1
    world.supervisor.settle([])
    assert len(world.recorder.of(CallEnded)) == 1


async def test_an_end_that_nobody_saw_is_lost(world: World):
    state = await saved_state(world)
    world.supervisor.expect([state])
    world.supervisor.settle(["1800.9"])
    (end,) = world.recorder.of(CallEnded)
    assert (end.disposition, end.ended_by, end.cause) == (Disposition.LOST, Party.SYSTEM, 0)
    assert end.at == world.clock.now()


async def test_only_this_node_s_calls_without_a_channel_are_closed(world: World):
    here = await saved_state(world)
    other_id = CallId("0" * 8 + here.call_id[8:])
    elsewhere = changed(here, call_id=other_id, channel_id="1700.2", node="elsewhere")
    live_id = CallId("1" * 8 + here.call_id[8:])
    live = changed(here, call_id=live_id, channel_id="1700.3")
    world.supervisor.expect([here, elsewhere, live])
    world.supervisor.settle({"1700.3"})
    assert [each.call_id for each in world.recorder.of(CallEnded)] == [here.call_id]
    assert world.supervisor.expects(other_id)
    assert world.supervisor.expects(live_id)


async def test_ends_of_channels_are_remembered_however_many_there_were(world: World):
    """What counts is the end that was seen last, not the first few thousand."""
    state = await saved_state(world)
    world.supervisor.expect([state])
    for number in range(5000):
        world.supervisor.channel_gone(f"1600.{number}", 16, "", AT)
    world.supervisor.channel_gone(state.channel_id, 16, "", AT)
    world.supervisor.settle([])
    assert world.recorder.of(CallEnded)[0].disposition is Disposition.ABANDONED
    assert len(world.supervisor._gone) == 0


async def test_stopping_leaves_the_calls_to_the_next_controller(world: World):
    gate = Gate()
    task = world.supervisor.incoming(world.call(answering=gate))  # type: ignore[arg-type]
    await gate.reached.wait()
    before = list(world.recorder.log)
    await world.supervisor.stop(1.0)
    assert task is not None
    assert task.cancelled()
    assert world.recorder.log == before
    assert not world.recorder.of(Hangup)
    assert world.supervisor.running == []
    assert world.supervisor.incoming(world.call(channel="1700.2")) is None


async def test_stopping_waits_no_longer_than_it_was_told(world: World):
    busy, done = asyncio.Event(), asyncio.Event()

    async def deaf(command: Command) -> Event:
        busy.set()
        try:
            await done.wait()
        except asyncio.CancelledError:
            await done.wait()
        return patient(command)  # type: ignore[return-value]

    task = world.supervisor.incoming(world.call(answering=deaf))  # type: ignore[arg-type]
    await busy.wait()
    await asyncio.wait_for(world.supervisor.stop(0.01), 1)
    assert task is not None
    assert not task.done()
    done.set()
    await task


async def test_a_crash_of_one_call_leaves_the_others(world: World, monkeypatch):
    gate = Gate()
    good = world.supervisor.incoming(world.call(answering=gate))  # type: ignore[arg-type]
    await gate.reached.wait()
    record_end = world.recorder.record

    bad = world.call(channel="1700.2")

    def record(*entries: object) -> None:
        if any(getattr(each, "call_id", "") == bad.call_id for each in entries):
            raise MemoryError
        record_end(*entries)  # type: ignore[arg-type]

    monkeypatch.setattr(world.recorder, "record", record)
    with capture_logs() as logs:
        await world.supervisor.incoming(bad)  # type: ignore[misc]
    errors = [line["event"] for line in logs if line["log_level"] == "error"]
    assert errors == ["call.flow_crashed", "call.crashed"]
    assert world.supervisor.counters.crashed == 1
    gate.opened.set()
    assert good is not None
    await good
    assert world.supervisor.counters.ended == {"completed": 1}


async def test_more_calls_than_the_limit_are_refused_and_taken_up_ones_are_not(tmp_path):
    world = World(tmp_path, max_calls=1)
    state = await saved_state(world, channel="1700.3")
    gate = Gate()
    first = world.supervisor.incoming(world.call(answering=gate))  # type: ignore[arg-type]
    await gate.reached.wait()
    second = world.call(channel="1700.2")
    await world.supervisor.incoming(second)  # type: ignore[misc]
    record = world.recorder.call(second.call_id)
    assert record.end is not None
    assert (record.end.cause, record.end.disposition) == (42, Disposition.FAILED)
    assert any(command.media == ("say/en/overload",) for command in world.recorder.of(Play))
    world.supervisor.expect([state])
    await world.supervisor.incoming(world.call(channel="1700.3", answering=pressing("2")))  # type: ignore[misc]
    counters = world.supervisor.counters
    assert (counters.refused, counters.resumed) == (1, 1)
    assert counters.ended == {"failed": 1, "completed": 1}
    gate.opened.set()
    assert first is not None
    await first
