"""What a switchboard promises, on the fake and on the real Asterisk."""

from __future__ import annotations

import asyncio
import time

import pytest

from controller.acd.model import Refused
from controller.errors import ChannelGone
from controller.switchboard import (
    Ask,
    Gone,
    Held,
    Listening,
    PartyState,
    PickedUp,
    Pressed,
    RecordingEnded,
    Referred,
    Ringing,
    SoundEnded,
)
from tests.contract.switchboard.conftest import Table
from tests.rig.fakeswitchboard import BUSY, DECLINED, Phone

ANSWERS = Phone(answers_after_s=0.2)
RINGS = Phone()
NO_ANSWER, ELSEWHERE = 19, 26


async def test_a_leg_rings_is_answered_and_both_hear_each_other(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    assert await board.contacts("nobody") == ()
    plan = table.plan(1, (await board.contacts("2001"))[0], bridge=board.bridge_id(1))
    await board.call(plan)
    assert await board.state_of(plan.party) is PartyState.CALLING
    assert (await table.until(Ringing)).party == plan.party
    picked_up = await table.until(PickedUp)
    assert picked_up.party == plan.party
    await board.join(board.bridge_id(1), board.caller)
    assert await board.members(board.bridge_id(1)) == {board.caller, plan.party}
    assert await board.state_of(plan.party) is PartyState.UP
    assert await room.hears(board.caller) == {plan.party}
    assert await room.hears(plan.party) == {board.caller}


@pytest.mark.parametrize(
    ("cause", "phone"), [(BUSY, Phone(refuses_after_s=0.1, cause=BUSY)), (DECLINED, Phone(refuses_after_s=0.1))]
)
async def test_a_refusal_says_how(table: Table, cause: int, phone: Phone) -> None:
    await table.room.phone("2001", phone)
    await table.board.call(table.plan(1, "PJSIP/2001" if cause == 0 else (await table.board.contacts("2001"))[0]))
    gone = await table.until(Gone)
    assert (gone.party, gone.cause, gone.by_far_end) == (table.board.leg_id(1), cause, True)
    assert await table.board.state_of(gone.party) is PartyState.ABSENT


async def test_what_cannot_be_rung_is_gone(table: Table) -> None:
    began = table.board.now()
    await table.board.call(table.plan(1, "PJSIP/nobody"))
    gone = await table.until(Gone)
    assert (gone.party, gone.cause, gone.by_far_end) == (table.board.leg_id(1), 20, True)
    assert table.board.now() - began < 1.0


async def test_nobody_answers(table: Table) -> None:
    await table.room.phone("2001", RINGS)
    await table.board.call(table.plan(1, (await table.board.contacts("2001"))[0], ring_s=1.0))
    began = table.board.now()
    gone = await table.until(Gone)
    assert gone.cause == NO_ANSWER
    assert 0.9 < table.board.now() - began < 3.5


async def test_a_ringing_leg_is_dropped_at_once_and_by_us(table: Table) -> None:
    board = table.board
    await table.room.phone("2001", RINGS)
    await board.call(table.plan(1, (await board.contacts("2001"))[0]))
    await table.until(Ringing)
    began = board.now()
    await board.drop(board.leg_id(1), ELSEWHERE)
    gone = await table.until(Gone)
    assert (gone.party, gone.by_far_end) == (board.leg_id(1), False)
    assert board.now() - began < 1.0
    await board.drop(board.leg_id(1))  # again is no error


async def test_all_devices_ring_and_the_first_to_answer_stays(table: Table) -> None:
    board = table.board
    await table.room.phone("2001", RINGS, ANSWERS)
    devices = await board.contacts("2001")
    assert len(devices) == 2
    for number, device in enumerate(devices, 1):
        await board.call(table.plan(number, device))
    first = await table.until(PickedUp)
    other = next(board.leg_id(number) for number in (1, 2) if board.leg_id(number) != first.party)
    await board.drop(other, ELSEWHERE)
    assert (await table.until(Gone)).party == other
    assert await board.state_of(first.party) is PartyState.UP


async def test_calling_again_rings_nobody_twice(table: Table) -> None:
    await table.room.phone("2001", RINGS)
    plan = table.plan(1, (await table.board.contacts("2001"))[0])
    await table.board.call(plan)
    await table.until(Ringing)
    await table.board.call(plan)
    await table.nothing_within(0.5, Ringing, Gone)


async def test_agent_hangs_up_and_the_caller_hears_what_comes_next(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await room.hang_up(leg)
    gone = await table.until(Gone)
    assert (gone.party, gone.cause, gone.by_far_end) == (leg, 16, True)
    await board.close(board.bridge_id(1))
    await board.close(board.bridge_id(1))
    assert await board.members(board.bridge_id(1)) is None
    sound = await board.play(board.caller, ("tone",))
    assert await room.hears(board.caller) == {"sound"}
    assert (await table.until(SoundEnded)) == SoundEnded(sound)


async def test_caller_hangs_up_and_that_is_said_for_ever(table: Table) -> None:
    board = table.board
    await table.room.hang_up(board.caller)
    gone = await table.until(Gone)
    assert (gone.party, gone.cause, gone.by_far_end) == (board.caller, 16, True)
    assert await board.next() == gone
    assert await board.next(board.now() + 1) == gone
    with pytest.raises(ChannelGone):
        await board.play(board.caller, ("short",))


async def test_caller_leaves_while_the_phone_rings(table: Table) -> None:
    board = table.board
    await table.room.phone("2001", RINGS)
    await board.call(table.plan(1, (await board.contacts("2001"))[0]))
    await table.until(Ringing)
    await table.room.hang_up(board.caller)
    assert (await table.until(Gone)).party == board.caller
    await board.drop(board.leg_id(1))
    assert (await board.next(board.now() + 2)) is not None
    assert await board.state_of(board.leg_id(1)) is PartyState.ABSENT


async def test_music_goes_on_after_a_prompt_and_ends_at_the_conversation(table: Table) -> None:
    board, room = table.board, table.room
    await board.music(board.caller, on=True)
    assert await table.hears_music(board.caller)
    sound = await board.play(board.caller, ("tone",))
    assert await room.hears(board.caller) == {"sound"}
    await board.stop_sound(sound)
    assert await table.until(SoundEnded) == SoundEnded(sound)
    assert await table.hears_music(board.caller)
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    assert await table.hears_music(board.caller)
    began = time.monotonic()
    await board.join(board.bridge_id(1), board.caller)
    assert time.monotonic() - began < 0.5
    assert await room.hears(board.caller) == {leg}


async def test_a_prompt_does_not_hold_up_the_agent(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await board.play(board.caller, ("tone",))
    began = time.monotonic()
    await board.join(board.bridge_id(1), board.caller)
    assert time.monotonic() - began < 0.5
    assert await room.hears(board.caller) == {leg}


async def test_missing_audio_is_said(table: Table) -> None:
    sound = await table.board.play(table.board.caller, ("missing",))
    ended = await table.until(SoundEnded)
    assert ended.sound == sound
    assert ended.failure


async def test_a_whisper_before_the_bridge_is_heard_by_the_agent_alone(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    await board.music(board.caller, on=True)
    await board.call(table.plan(1, (await board.contacts("2001"))[0]))
    leg = (await table.until(PickedUp)).party
    await board.play(leg, ("tone",))
    assert await room.hears(leg) == {"sound"}
    assert await table.hears_music(board.caller)


async def test_keys_of_each_are_told_apart(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await room.press(leg, "1")
    assert await table.until(Pressed) == Pressed(leg, "1")
    await room.press(board.caller, "#")
    assert await table.until(Pressed) == Pressed(board.caller, "#")


async def test_hold_and_transfer_are_asked_for_at_the_phone(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await room.hold(leg, on=True)
    assert await table.until(Held) == Held(leg, on=True)
    await room.hold(leg, on=False)
    assert await table.until(Held) == Held(leg, on=False)
    await room.refer(leg, "2002")
    assert await table.until(Referred) == Referred(leg, "2002")
    for state in ("channel_progress", "channel_answered"):
        await board.refer_progress(leg, state)
    # Nobody was transferred by anyone but us.
    await table.nothing_within(0.5, Gone, Referred)
    assert await board.members(board.bridge_id(1)) == {board.caller, leg}


async def test_a_muted_party_is_not_heard(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await board.mute(leg, on=True)
    assert await room.hears(board.caller) == set()
    await board.mute(leg, on=False)
    assert await room.hears(board.caller) == {leg}


async def test_a_supervisor_listens_whispers_and_barges_in(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    await room.phone("2002", ANSWERS)
    agent = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await board.call(table.plan(2, (await board.contacts("2002"))[0]))
    supervisor = (await table.until(PickedUp)).party
    booth = board.bridge_id(2)
    await board.bridge(booth)

    listening = board.leg_id(3)
    await board.listen(listening, agent, Listening.LISTEN)
    await board.join(booth, listening, supervisor)
    assert await room.hears(supervisor) == {agent, board.caller}
    assert await room.hears(agent) == {board.caller}
    assert await room.hears(board.caller) == {agent}

    await board.drop(listening)
    assert (await table.until(Gone)).party == listening
    whispering = board.leg_id(4)
    await board.listen(whispering, agent, Listening.WHISPER)
    await board.join(booth, whispering)
    assert await room.hears(agent) == {board.caller, supervisor}
    assert await room.hears(board.caller) == {agent}

    await board.drop(whispering)
    await board.join(board.bridge_id(1), supervisor)
    assert await room.hears(board.caller) == {agent, supervisor}
    assert await room.hears(agent) == {board.caller, supervisor}


async def test_a_listener_is_gone_with_whom_it_heard(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    agent = await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    snoop = board.leg_id(2)
    await board.listen(snoop, agent, Listening.LISTEN)
    await board.drop(agent)
    gone = {(await table.until(Gone)).party, (await table.until(Gone)).party}
    assert gone == {agent, snoop}


async def test_hold_with_music_and_back(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    bridge = board.bridge_id(1)
    await board.join(bridge, board.caller)
    await board.part(bridge, board.caller)
    await board.music(board.caller, on=True)
    assert await table.hears_music(board.caller)
    assert await room.hears(leg) == set()
    await board.join(bridge, board.caller)
    assert await room.hears(board.caller) == {leg}
    await board.join(board.bridge_id(1), leg)  # where it is already


async def test_the_caller_hears_ringing(table: Table) -> None:
    board, room = table.board, table.room
    await board.ring(on=True)
    heard = [await room.hears(board.caller) for _ in range(8)]
    assert {"ringing"} in heard  # a second and a half in five
    await board.ring(on=False)
    assert "ringing" not in {name for _ in range(8) for name in await room.hears(board.caller)}


async def test_a_recording_leaves_out_what_is_said_in_a_pause(table: Table) -> None:
    board, room = table.board, table.room
    await room.phone("2001", ANSWERS)
    await table.connect(1, "2001")
    bridge, recording = board.bridge_id(1), board.recording_id(1)
    await board.join(bridge, board.caller)
    await board.record(recording, bridge)
    await table.nothing_within(1.5, RecordingEnded)
    await board.pause_recording(recording, on=True)
    await table.nothing_within(2.0, RecordingEnded)
    await board.pause_recording(recording, on=False)
    await table.nothing_within(1.5, RecordingEnded)
    await board.end_recording(recording)
    ended = await table.until(RecordingEnded)
    assert ended.recording == recording
    assert ended.duration_s == pytest.approx(3.0, abs=1.1)
    assert not ended.failure


async def test_a_recording_ends_with_its_bridge(table: Table) -> None:
    board = table.board
    await table.room.phone("2001", ANSWERS)
    await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    await board.record(board.recording_id(1), board.bridge_id(1))
    await table.nothing_within(1.0, RecordingEnded)
    await board.end_recording(board.recording_id(1))
    await board.close(board.bridge_id(1))
    assert (await table.until(RecordingEnded)).recording == board.recording_id(1)


async def test_what_is_asked_comes_in_order_and_is_answered(table: Table) -> None:
    board = table.board
    first, second = Ask(), Ask()
    assert board.deliver(first)
    assert board.deliver(second)
    assert await board.next(board.now() + 1) is first
    assert await board.next(board.now() + 1) is second
    first.done()
    second.refuse(Refused("no", "not now"))
    assert await first.answer() is None
    assert await second.answer() == Refused("no", "not now")
    assert await board.next(board.now() + 0.05) is None
    await table.room.hang_up(board.caller)
    await table.until(Gone)


async def test_a_successor_takes_up_a_conversation_as_it_is(table: Table) -> None:
    room = table.room
    await room.phone("2001", ANSWERS)
    leg = await table.connect(1, "2001")
    await table.board.join(table.board.bridge_id(1), table.board.caller)
    await room.successor()
    board = table.board
    assert board.leg_id(1) == leg
    assert await board.state_of(leg) is PartyState.UP
    assert await board.state_of(board.leg_id(2)) is PartyState.ABSENT
    assert await board.members(board.bridge_id(1)) == {board.caller, leg}
    assert await room.hears(leg) == {board.caller}
    await table.nothing_within(0.3, Gone, PickedUp)
    await room.hang_up(leg)
    gone = await table.until(Gone)
    assert (gone.party, gone.cause) == (leg, 16)


async def test_a_successor_takes_up_a_ringing_phone(table: Table) -> None:
    room = table.room
    await room.phone("2001", Phone(answers_after_s=2.5))
    plan = table.plan(1, (await table.board.contacts("2001"))[0])
    await table.board.call(plan)
    await table.until(Ringing)
    await room.successor()
    assert await table.board.state_of(plan.party) is PartyState.CALLING
    assert (await table.until(PickedUp)).party == plan.party


async def test_a_successor_stops_what_its_predecessor_played(table: Table) -> None:
    await table.board.play(table.board.caller, ("tone",))
    await table.room.successor()
    board = table.board
    assert await board.state_of(board.caller) is PartyState.UP
    sound = await board.play(board.caller, ("short",))
    began = board.now()
    assert await table.until(SoundEnded) == SoundEnded(sound)
    assert board.now() - began < 2.0
    await asyncio.sleep(0)
