"""What only the real Asterisk can show: what phones are sent, what is on disk, what a broken connection hides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.ari.generated import operations as ari
from controller.ari.recordings import AriRecordings
from controller.cdr.entries import Role
from controller.errors import ChannelGone
from controller.flow.commands import HungUp, Play, Played, Record, Recorded
from controller.ids import CallId, message_id
from controller.softphone.media import Silence
from controller.switchboard import Gone, Listening, PartyState, PickedUp, RecordingEnded, Ringing
from tests.contract.switchboard.conftest import LIMIT_S, Audio, RealRoom, Table
from tests.rig.fakeswitchboard import Phone

ANSWERS, RINGS = Phone(answers_after_s=0.2), Phone()
NAME = 'Zoé Ünal ☎ 電話 🙂 ${SHELL(id)} a,b;c|d^e "f" \\g 7%C3%A9'
WAV_HEADER, BYTES_PER_S = 44, 16_000


async def test_the_phone_is_shown_who_calls_and_the_record_who_was_called(real: RealRoom) -> None:
    await real.phone("2001", RINGS)
    table = Table(real)
    plan = table.plan(1, (await real.board.contacts("2001"))[0])
    plan.headers["X-Rappel-Queue"] = "après\r\nX-Evil: 1"
    plan.headers.update({"X-Rappel-Name": NAME, "X-Rappel-Reason": "電" * 200, "X-Rappel-Reference": "🙂" * 200})
    await real.board.call(plan)
    await table.until(Ringing)
    invite = real.invites[0].invite
    assert '"Zoé" <sip:0611223344@' in invite.get("From")
    assert invite.get("X-Rappel-Queue") == "après  X-Evil: 1"
    assert invite.get("X-Rappel-Name") == NAME
    assert (invite.get("X-Rappel-Reason"), invite.get("X-Rappel-Reference")) == ("電" * 200, "🙂" * 200)
    assert not invite.get("X-Evil")
    await real.board.drop(plan.party, 26)
    await table.until(Gone)
    assert await real.invites[0].call.wait_ended(LIMIT_S)  # its CANCEL may be under way
    assert real.invites[0].call.cause == 26
    assert real.legs.told == [("started", plan.party, "2001", Role.AGENT), ("ended", plan.party, 26, False)]


async def test_a_phone_that_is_not_registered_cannot_be_rung(real: RealRoom) -> None:
    await real.phone("2001", ANSWERS)
    await real.phone("2002")
    table = Table(real)
    async with asyncio.timeout(5):
        while await real.board.contacts("2001") == ():
            await asyncio.sleep(0.05)
    assert await real.board.contacts("2002") == ()
    await real.board.call(table.plan(1, "PJSIP/2002"))
    gone = await table.until(Gone)
    assert gone.cause == 20
    assert real.legs.told == []


async def test_the_phones_of_an_agent_are_known_without_a_caller_and_none_is_rung(
    real: RealRoom, tmp_path: Path
) -> None:
    await real.phone("2001", RINGS, RINGS)
    await real.phone("2002")
    async with asyncio.timeout(5):
        while len(known := await real.board.contacts("2001")) < 2:
            await asyncio.sleep(0.05)
    driver = real.controller.driver
    board = driver.board(CallId("01890000-0000-8000-8000-00000000000a"), Audio(tmp_path))
    driver.contacts.changed("2001")
    assert await board.contacts("2001") == known
    assert await board.contacts("2002") == ()
    assert await board.contacts("2009") == (), "there is no such endpoint"
    board.let_go()
    assert real.invites == []
    async with asyncio.timeout(5):
        while "1 active channel" not in await real.controller.asterisk.cli("core show channels count"):
            await asyncio.sleep(0.05)


async def test_what_happened_while_the_connection_was_broken_is_told(real: RealRoom) -> None:
    await real.phone("2001", Phone(answers_after_s=1.0))
    table = Table(real)
    plan = table.plan(1, (await real.board.contacts("2001"))[0])
    await real.board.call(plan)
    await table.until(Ringing)
    door, connection = real.controller.door, real.controller.driver.connection
    door.connection = None  # Asterisk dials again at once, and is turned away
    await connection._hang_up(b"broken by the test")
    await asyncio.sleep(1.5)
    door.connection = connection
    assert (await table.until(PickedUp)).party == plan.party
    assert await real.board.state_of(plan.party) is PartyState.UP


async def test_who_left_while_the_connection_was_broken_is_gone(real: RealRoom) -> None:
    await real.phone("2001", ANSWERS)
    table = Table(real)
    leg = await table.connect(1, "2001")
    await real.board.join(real.board.bridge_id(1), real.board.caller)
    door, connection = real.controller.door, real.controller.driver.connection
    door.connection = None
    await connection._hang_up(b"broken by the test")
    await real.hang_up(leg)
    await asyncio.sleep(0.5)
    door.connection = connection
    assert (await table.until(Gone)).party == leg
    assert ("ended", leg) in [told[:2] for told in real.legs.told]


async def test_a_snoop_is_in_no_record(real: RealRoom) -> None:
    await real.phone("2001", ANSWERS)
    table = Table(real)
    leg = await table.connect(1, "2001")
    await real.board.listen(real.board.leg_id(2), leg, Listening.LISTEN)
    await real.successor()
    assert await real.board.state_of(real.board.leg_id(2)) is PartyState.UP
    await real.board.drop(real.board.leg_id(2))
    assert (await table.until(Gone)).party == real.board.leg_id(2)
    assert {told[1] for told in real.legs.told} == {leg}


async def test_a_recording_is_fetched_and_forgotten(real: RealRoom) -> None:
    await real.phone("2001", ANSWERS)
    table, board = Table(real), real.board
    await table.connect(1, "2001")
    await board.join(board.bridge_id(1), board.caller)
    recording = board.recording_id(1)
    await board.record(recording, board.bridge_id(1))
    await board.record(recording, board.bridge_id(1))  # again: it goes on
    await table.nothing_within(1.0, RecordingEnded)
    await board.pause_recording(recording, on=True)
    await table.nothing_within(1.0, RecordingEnded)
    await board.pause_recording(recording, on=False)
    await table.nothing_within(1.0, RecordingEnded)
    await board.end_recording(recording)
    await table.until(RecordingEnded)
    stored = AriRecordings(real.controller.http)
    wav = await stored.fetch(recording)
    assert wav[:4] == b"RIFF"
    assert (len(wav) - WAV_HEADER) / BYTES_PER_S == pytest.approx(2.0, abs=0.5)
    await stored.forget(recording)
    await stored.forget(recording)
    with pytest.raises(ChannelGone):
        await stored.fetch(recording)


async def test_a_message_ends_with_silence_and_is_played_back(real: RealRoom) -> None:
    recording = asyncio.create_task(real.telephone.perform(Record(("short",), 1, silence_s=2.0)))
    await asyncio.sleep(3.0)
    real.caller_call.media.source = Silence()
    recorded = await recording
    assert isinstance(recorded, Recorded)
    assert 1.0 < recorded.duration_s < 4.5  # the silence is left out
    assert await real.telephone.perform(Play(("recording/1",))) == Played()


async def test_a_message_ends_with_the_key_and_an_empty_one_is_known_as_such(real: RealRoom) -> None:
    real.caller_call.media.source = Silence()
    recording = asyncio.create_task(real.telephone.perform(Record((), 1, silence_s=3.0)))
    await asyncio.sleep(1.0)
    await real.caller_call.press("#")
    recorded = await asyncio.wait_for(recording, 2)
    assert isinstance(recorded, Recorded)
    recording = asyncio.create_task(real.telephone.perform(Record((), 2, silence_s=1.0)))
    recorded = await recording
    assert isinstance(recorded, Recorded)
    assert recorded.duration_s < 1.0


async def test_what_was_said_before_a_hang_up_is_kept(real: RealRoom) -> None:
    call_id = real.call_id
    recording = asyncio.create_task(real.telephone.perform(Record((), 1)))
    await asyncio.sleep(2.5)
    await real.caller_call.hangup()
    ended = await recording
    assert isinstance(ended, HungUp)
    assert 1.0 < ended.recorded_s < 3.0
    wav = await AriRecordings(real.controller.http).fetch(message_id(call_id, 1))
    assert (len(wav) - WAV_HEADER) / BYTES_PER_S == pytest.approx(ended.recorded_s, abs=0.1)


async def test_a_message_goes_on_with_the_next_controller(real: RealRoom) -> None:
    command = Record((), 1, silence_s=2.0)
    recording = asyncio.create_task(real.telephone.perform(command))
    await asyncio.sleep(2.0)
    recording.cancel()
    await real.successor()
    recording = asyncio.create_task(real.telephone.perform(command))
    await asyncio.sleep(1.0)
    await real.caller_call.press("#")
    recorded = await recording
    assert isinstance(recorded, Recorded)
    assert recorded.duration_s > 2.0


async def test_a_caller_s_phone_cannot_transfer(real: RealRoom) -> None:
    await real.phone("2001", ANSWERS)
    table = Table(real)
    await table.connect(1, "2001")
    await real.board.join(real.board.bridge_id(1), real.board.caller)
    assert await real.caller_call.refer(f"sip:2001@{real.sip}") == 603
    channels = await real.controller.driver.transport.request(ari.channels_list())
    assert len(channels) == 2
