"""Two phones on loopback, and a phone against a peer that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from controller.errors import TelephonyError
from controller.softphone import CallState, EndedBy, Phone, parse_script, place_call
from controller.softphone.ear import Ear
from controller.softphone.heard import HeardAudio
from controller.softphone.media import Clip, Echo, MediaError, MediaSession, Pacer, Silence, open_rtp_socket, tone
from controller.softphone.message import Message, SipSyntaxError, parameter, parse
from controller.softphone.phone import answer_after, reject_with, ring_forever
from controller.softphone.rtp import Packet
from controller.softphone.sdp import PCMA, PCMU, TELEPHONE_EVENT, Audio, Direction
from controller.softphone.sound import has_tone
from controller.softphone.transaction import Timers
from tests.rig import freeports
from tests.unit.softphone.sounds import speech

FAST = Timers(t1=0.02, t2=0.08, t4=0.1)


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[Phone]:
    async with Phone(user="caller", timers=FAST) as phone:
        yield phone


@pytest_asyncio.fixture
async def callee() -> AsyncIterator[Phone]:
    async with Phone(user="callee", timers=FAST) as phone:
        yield phone


def uri(phone: Phone, user: str = "1000") -> str:
    return f"sip:{user}@127.0.0.1:{phone.address[1]}"


async def connected(caller: Phone, callee: Phone, **options: Any):
    """Return both ends of a call that is answered."""
    dialled = asyncio.ensure_future(caller.call(uri(callee), **options))
    incoming = await callee.next_call()
    incoming.ring()
    taken = incoming.answer()
    call = await dialled
    assert taken is not None
    assert call.state is CallState.ANSWERED
    return call, taken


async def test_a_call_with_tones_both_ways_and_digits(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee, source=tone(440))
    taken.media.source = tone(880)
    sent = await call.press("15#", duration_ms=60)
    await call.wait_for(0.4)
    await call.hangup()
    assert await taken.wait_ended(2)
    assert [digit.digit for digit in sent] == ["1", "5", "#"]
    assert [digit for _, digit in taken.media.digits_heard] == ["1", "5", "#"]
    assert has_tone(taken.heard.samples[-2000:], 440)
    assert has_tone(call.heard.samples[-2000:], 880)
    assert (call.ended_by, taken.ended_by) == (EndedBy.LOCAL, EndedBy.REMOTE)
    median, _ = call.heard.jitter_ms()
    assert median == pytest.approx(20, abs=2)


async def test_the_far_end_hangs_up(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee)
    await taken.hangup()
    assert await call.wait_ended(2)
    assert call.ended_by is EndedBy.REMOTE
    assert await call.press("1") == []
    await call.hangup()


async def test_echo(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee, source=tone(700))
    taken.media.source = Echo()
    await call.wait_for(0.5)
    assert has_tone(call.heard.samples[-1600:], 700)


async def test_digits_by_info(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee)
    assert len(await call.press("7*", method="info")) == 2
    bodies = [event.detail for event in taken.events if event.name == "info"]
    assert bodies == ["Signal=7\r\nDuration=100\r\n", "Signal=*\r\nDuration=100\r\n"]


@pytest.mark.parametrize(("digits", "method"), [("1x", "rfc4733"), ("1", "smoke signals")])
async def test_what_cannot_be_pressed(caller: Phone, callee: Phone, digits: str, method: str):
    call, _ = await connected(caller, callee)
    with pytest.raises(ValueError, match="use"):
        await call.press(digits, method=method)


async def test_a_press_without_events_says_to_use_info(caller: Phone, callee: Phone):
    call, _ = await connected(caller, callee, codecs=(PCMA,))
    with pytest.raises(MediaError, match="info"):
        await call.press("1")


async def test_a_hang_up_while_digits_wait(caller: Phone, callee: Phone):
    call, _ = await connected(caller, callee)
    pressing = asyncio.ensure_future(call.press("123456789" * 50))
    async with asyncio.timeout(5):
        while not call.digits:
            await asyncio.sleep(0.01)
    await call.hangup()
    assert 0 < len(await asyncio.wait_for(pressing, 1)) < 9 * 50


async def test_busy_declined_and_ringing_for_ever():
    async with Phone(timers=FAST) as caller:
        for status in (486, 603):
            async with Phone(timers=FAST, on_call=reject_with(status)) as callee:
                call = await caller.call(uri(callee))
                assert (call.state, call.status, call.ended_by) == (CallState.ENDED, status, EndedBy.REMOTE)
        async with Phone(timers=FAST, on_call=ring_forever) as callee:
            call = await caller.call(uri(callee), ring_timeout_s=0.3)
            assert (call.status, call.ended_by) == (408, EndedBy.TIMEOUT)
            assert call.ringing_at is not None
            (taken,) = callee.calls or {None}
            assert taken is None or await taken.wait_ended(1)


async def test_cancel_reaches_the_other_side(caller: Phone, callee: Phone):
    call = await caller.dial(uri(callee))
    incoming = await callee.next_call()
    incoming.ring()
    await call.hangup()
    assert await incoming.call.wait_ended(1)
    assert (incoming.call.status, incoming.call.ended_by) == (487, EndedBy.REMOTE)
    assert (call.status, call.ended_by) == (487, EndedBy.LOCAL)
    assert incoming.answer() is None


async def test_answer_after_a_while():
    async with Phone(timers=FAST) as caller, Phone(timers=FAST, on_call=answer_after(0.2)) as callee:
        call = await caller.call(uri(callee))
        assert call.answered_at is not None
        assert call.answered_at - call.started_at == pytest.approx(0.2, abs=0.15)


async def test_a_handler_that_fails_does_not_leave_the_caller_waiting():
    async def nothing(_incoming: object) -> None:
        return

    async with Phone(timers=FAST) as caller, Phone(timers=FAST, on_call=nothing) as callee:
        assert (await caller.call(uri(callee))).status == 480


async def test_hold_and_back(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee)
    assert await call.reinvite(Direction.SENDONLY) == 200
    await call.wait_for(0.1)
    packets = len(call.heard.packets)
    await call.wait_for(0.2)
    assert len(call.heard.packets) == packets
    assert await call.reinvite() == 200
    await call.wait_for(0.2)
    assert len(call.heard.packets) > packets
    assert [event.name for event in taken.events].count("invite") == 2


async def test_requests_inside_a_call(caller: Phone, callee: Phone):
    call, _ = await connected(caller, callee)
    assert (await call.send_request("OPTIONS")).status == 200
    assert (await call.send_request("UPDATE")).status == 200
    assert (await call.send_request("MESSAGE", b"hi", "text/plain")).status == 405
    assert await call.refer("sip:1@127.0.0.1") == 603


async def test_session_timers_are_agreed(caller: Phone, callee: Phone):
    call, _ = await connected(caller, callee, session_expires_s=90)
    assert call.responses[-1].get("Session-Expires") == "90;refresher=uac"
    assert (await call.send_request("UPDATE")).status == 200


async def test_a_session_is_refreshed_or_ends(caller: Phone, callee: Phone):
    call, taken = await connected(caller, callee)
    call.session_timer.start(1, ours=True)
    await call.wait_for(0.7)
    assert ("refreshed", "200") in [(event.name, event.detail) for event in call.events]
    taken.session_timer.start(1, ours=False)
    call.session_timer.stop()
    assert await taken.wait_ended(2)
    assert taken.ended_by is EndedBy.TIMEOUT
    assert await call.wait_ended(1)
    assert call.ended_by is EndedBy.REMOTE


async def test_options_and_unknown_dialogs(caller: Phone, callee: Phone):
    assert await caller.options(uri(callee)) == 200
    call, taken = await connected(caller, callee)
    callee.endpoint.dialogs.clear()
    assert (await call.send_request("INFO")).status == 481
    taken.abandon()


async def test_no_common_codec(callee: Phone):
    async with Phone(timers=FAST, codecs=(PCMU, TELEPHONE_EVENT)) as caller:
        callee.codecs = (PCMA,)
        assert (await caller.call(uri(callee))).status == 488


async def test_nobody_there(caller: Phone):
    call = await caller.call("sip:1@127.0.0.1:9")
    assert (call.ended_by, call.status) == (EndedBy.TIMEOUT, 408)
    with pytest.raises(TelephonyError, match="check the address"):
        await caller.call("sip:1@host.invalid")
    with pytest.raises(SipSyntaxError):
        await caller.call("1000")


async def test_a_taken_address_says_so(callee: Phone):
    with pytest.raises(TelephonyError, match="choose another port"):
        async with Phone(callee.address):
            pass


async def test_rtp_ports_stay_in_their_range_and_run_out():
    low = freeports.block(4)
    first = open_rtp_socket("127.0.0.1", (low, low + 3))
    second = open_rtp_socket("127.0.0.1", (low, low + 3))
    assert {first.getsockname()[1], second.getsockname()[1]} == {low, low + 2}
    with pytest.raises(MediaError, match="widen"):
        open_rtp_socket("127.0.0.1", (low, low + 3))
    freeports.release(low, 4)
    first.close()
    second.close()


async def test_fifty_calls_at_once_leave_nothing_behind(caller: Phone, callee: Phone):
    pairs = await asyncio.gather(*(connected(caller, callee) for _ in range(50)))
    await asyncio.gather(*(call.press("1234", duration_ms=40, gap_ms=40) for call, _ in pairs))
    await asyncio.gather(*(call.hangup() for call, _ in pairs))
    await asyncio.gather(*(taken.wait_ended(2) for _, taken in pairs))
    assert not caller.calls
    assert not callee.calls
    heard = sorted("".join(digit for _, digit in taken.media.digits_heard) for _, taken in pairs)
    assert heard == ["1234"] * 50


async def test_the_pacer_catches_up_but_does_not_flood():
    pacer, ticks = Pacer(), []
    loop = asyncio.get_running_loop()
    pacer.add(pacer, lambda: ticks.append(loop.time()))
    pacer._due = loop.time() - 0.11
    pacer._tick()
    assert len(ticks) == 6
    pacer._due = loop.time() - 5
    pacer._tick()
    assert len(ticks) == 7
    assert pacer.skipped_frames >= 249
    assert [round(sent - due, 1) for due, sent in pacer.late] == [0.1, 5.0]
    pacer.remove(pacer)


async def test_what_is_read_late_was_heard_when_it_arrived():
    sock = open_rtp_socket("127.0.0.1", None)
    heard = HeardAudio(time.monotonic())
    session = MediaSession(sock, Pacer(), heard, Silence())
    session.receive_with((PCMA,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(2):
            sender.sendto(Packet(8, number, number * 160, 1, b"\x2a" * 160).encode(), session.address)
            time.sleep(0.5)  # noqa: ASYNC251 - the loop is to be kept from reading
    await asyncio.sleep(0.05)
    session.close()
    first, second = heard.packets
    assert second.at - first.at == pytest.approx(0.5, abs=0.05)
    assert first.at - heard.origin < 0.1


class Peer(asyncio.DatagramProtocol):
    """The other side as bytes: takes datagrams, answers what a test says."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.arrived = asyncio.Event()
        self.remote: tuple[str, int] = ("", 0)
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.remote = addr
        self.received.append(parse(data))
        self.arrived.set()

    async def wait(self, method: str, count: int = 1) -> Message:
        async with asyncio.timeout(3):
            while True:
                found = [message for message in self.received if message.method == method]
                if len(found) >= count:
                    return found[count - 1]
                self.arrived.clear()
                await self.arrived.wait()

    def answer(self, request: Message, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        response = Message(status=status, reason="x", body=body)
        for name in ("Via", "From", "Call-ID", "CSeq"):
            response.add(name, request.get(name))
        response.add("To", f"{request.get('To').split(';tag')[0]};tag=peer")
        response.headers += list(headers)
        self.transport.sendto(response.encode(), self.remote)


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()


def peer_uri(peer: Peer) -> str:
    return f"sip:1000@127.0.0.1:{peer.transport.get_extra_info('sockname')[1]}"


async def test_an_unanswered_invite_is_repeated_at_growing_intervals(caller: Phone, peer: Peer):
    call = await caller.dial(peer_uri(peer))
    assert await call.wait_ended(3)
    invites = [message for message in peer.received if message.method == "INVITE"]
    assert 5 <= len(invites) <= 8  # at 0, 1, 3, 7, 15, 31, 63 times T1
    assert len({message.branch for message in invites}) == 1


async def test_a_repeated_200_gets_its_ack_again(caller: Phone, peer: Peer):
    call = await caller.dial(peer_uri(peer))
    invite = await peer.wait("INVITE")
    body = Audio("127.0.0.1", 9, (PCMA, TELEPHONE_EVENT)).encode()
    contact = ("Contact", f"<{peer_uri(peer)}>")
    for count in (1, 2):
        peer.answer(invite, 200, contact, body=body)
        ack = await peer.wait("ACK", count)
        assert ack.cseq[0] == invite.cseq[0]
        assert parameter(ack.get("To"), "tag") == "peer"
    assert call.state is CallState.ANSWERED
    call.abandon()


async def test_a_cancel_waits_for_a_sign_of_life(caller: Phone, peer: Peer):
    call = await caller.dial(peer_uri(peer))
    invite = await peer.wait("INVITE")
    hanging_up = asyncio.ensure_future(call.hangup())
    await call.wait_for(0.05)
    assert not any(message.method == "CANCEL" for message in peer.received)
    peer.answer(invite, 100)
    cancel = await peer.wait("CANCEL")
    assert cancel.branch == invite.branch
    peer.answer(cancel, 200)
    peer.answer(invite, 487)
    assert (await peer.wait("ACK")).branch == invite.branch
    await hanging_up
    assert call.ended_by is EndedBy.LOCAL


async def test_a_cancel_that_crosses_the_answer_ends_in_a_bye(caller: Phone, peer: Peer):
    call = await caller.dial(peer_uri(peer))
    invite = await peer.wait("INVITE")
    peer.answer(invite, 180)
    await call.wait_for(0.05)
    hanging_up = asyncio.ensure_future(call.hangup())
    await peer.wait("CANCEL")
    peer.answer(invite, 200, body=Audio("127.0.0.1", 9, (PCMA,)).encode())
    bye = await peer.wait("BYE")
    peer.answer(bye, 200)
    await hanging_up
    assert call.ended_by is EndedBy.LOCAL


async def test_a_challenge_is_answered_once(peer: Peer):
    async with Phone(user="joe", password="pw", timers=FAST) as caller:
        call = await caller.dial(peer_uri(peer))
        challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
        peer.answer(await peer.wait("INVITE"), 401, challenge)
        again = await peer.wait("INVITE", 2)
        assert 'username="joe"' in again.get("Authorization")
        peer.answer(again, 401, challenge)
        assert await call.wait_ended(1)
        assert (call.status, call.ended_by) == (401, EndedBy.REMOTE)


async def test_hostile_datagrams_do_nothing(caller: Phone, callee: Phone, peer: Peer):
    call, taken = await connected(caller, callee)
    rubbish = [
        b"\x00" * 50,
        b"\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z;tag=1\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\n",
        b"ACK sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z;tag=1\r\nCall-ID: 1\r\nCSeq: 1 ACK\r\n\r\n",
        b"CANCEL sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 1\r\nCSeq: 1 CANCEL\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\nnot sdp",
        b"INVITE sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 2\r\nCSeq: 1 INVITE\r\nRequire: x\r\n\r\n",
    ]
    for datagram in rubbish:
        peer.transport.sendto(datagram, caller.address)
        peer.transport.sendto(datagram, call.media.address)
    await call.wait_for(0.1)
    statuses = sorted(message.status for message in peer.received)
    assert {420, 481, 488} <= set(statuses)
    assert caller.endpoint.bad_datagrams == 1
    assert (call.state, taken.state) == (CallState.ANSWERED, CallState.ANSWERED)


async def test_a_scripted_call_tells_its_story():
    prompts = {"menu": speech(1.5, 1), "bye": speech(0.8, 2)}
    seen: list[str] = []

    async def centre(incoming) -> None:
        call = incoming.answer(Clip(prompts["menu"]))
        while not call.media.digits_heard and await call.wait_for(0.02):
            continue
        seen.append(call.media.digits_heard[0][1])
        call.media.source = Clip(prompts["bye"])
        await call.wait_for(1.0)
        await call.hangup()

    async with Phone(timers=FAST) as caller, Phone(timers=FAST, on_call=centre) as callee:
        script = parse_script("hear menu, 2, hear nothing 0.3s")
        report = await place_call(script, uri(callee), phone=caller, ear=Ear(prompts), texts={"bye": "Au revoir"})
    assert seen == ["2"]
    assert [(prompt.name, prompt.complete) for prompt in report.prompts] == [("menu", False), ("bye", True)]
    assert report.ended_by is EndedBy.REMOTE
    assert not report.complete
    assert report.unknown == ()
    kinds = [moment.kind for moment in report.moments]
    assert kinds == ["dialled", "answered", "heard", "pressed", "heard", "missed", "ended"]
    assert report.digits[0].delay_s is not None
    assert report.digits[0].delay_s < 0.2
    story = "\n".join(report.lines())
    assert "bye: Au revoir" in story
    assert "menu (cut after" in story


async def test_a_script_ends_when_nobody_answers(callee: Phone):
    async with Phone(timers=FAST) as caller:
        callee._on_call = reject_with(486)
        report = await place_call(parse_script("1, wait 2"), uri(callee), phone=caller)
    assert (report.status, report.answered_s, report.complete) == (486, None, False)
    assert "refused, status 486" in report.lines()[-1]


async def test_a_call_that_never_ends_is_ended(callee: Phone):
    async with Phone(timers=FAST) as caller:
        callee._on_call = answer_after(0.0)
        report = await place_call(parse_script("quiet 0.2s, wait 30"), uri(callee), phone=caller, max_s=0.5)
    assert (report.ended_by, report.complete) == (EndedBy.LOCAL, False)
