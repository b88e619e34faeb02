"""A caller that measures: telephone lines that place the bench's call and stamp packets to the microsecond.

Two delays of each call: from the INVITE to its 200, and from the first end packet of the digit (RFC 4733) to the
first RTP packet of the prompt that answers it. Sending is stamped just before the system call, arrival by the
kernel (`SO_TIMESTAMPNS`), so that this program's own slowness is in neither. The prompt lies in the caller's codec,
so its first packet is known by its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from controller.softphone import message, rtp, sdp
from controller.softphone.message import Message
from tests.rig import freeports

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_EVENT_TYPE = 101
_FRAME = rtp.FRAME_SAMPLES
_ANSWER_LIMIT_S = 5.0
_CALL_LIMIT_S = 8.0
_REPEAT_S = 0.5


@dataclass
class Delays:
    """What a run of the probe saw, in milliseconds; `failed` are calls that missed an answer, a prompt or an end."""

    answer_ms: list[float] = field(default_factory=list)
    prompt_ms: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def calls(self) -> int:
        """How many calls were placed."""
        return len(self.prompt_ms) + self.failed


@dataclass(frozen=True)
class Script:
    """The call: where to, and the prompt to wait for. Times are milliseconds after the answer."""

    number: str
    port: int
    prompt: Path
    """The prompt's file in A-law (`.alaw`)."""
    before_ms: int = 100
    digit_ms: int = 100


async def measure(script: Script, lines: int, duration_s: float) -> Delays:
    """Place calls on `lines` lines, one after the other on each, for `duration_s`; return the delays seen."""
    delays = Delays()
    first_frame = script.prompt.read_bytes()[:_FRAME]
    until = time.monotonic() + duration_s

    async def one_line(number: int) -> None:
        await asyncio.sleep(number * 0.9 / lines)  # spread over a call's length, so that lines do not march in step
        with _Line(script, first_frame) as line:
            while time.monotonic() < until:
                await line.call(delays)

    await asyncio.gather(*(one_line(number) for number in range(lines)))
    return delays


class _Line:
    """One telephone line with a SIP and an RTP socket, one call at a time."""

    def __init__(self, script: Script, first_frame: bytes) -> None:
        self._script = script
        self._first_frame = first_frame
        self._ports = freeports.block(2)
        self._sip = _stamping_socket(self._ports)
        self._rtp = _stamping_socket(self._ports + 1)
        self._peer = ("127.0.0.1", script.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sip.close()
        self._rtp.close()
        freeports.release(self._ports, 2)

    async def call(self, delays: Delays) -> None:
        """Place one call and note its delays."""
        call = _Call(self._sip, self._rtp, self._ports, self._peer, self._script, self._first_frame)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sip, call.read_sip)
        loop.add_reader(self._rtp, call.read_rtp)
        try:
            async with asyncio.timeout(_CALL_LIMIT_S):
                answer_ms, prompt_ms = await call.run()
        except (TimeoutError, OSError, ValueError):
            delays.failed += 1
            with contextlib.suppress(OSError, ValueError):
                call.give_up()
        else:
            delays.answer_ms.append(answer_ms)
            delays.prompt_ms.append(prompt_ms)
        finally:
            loop.remove_reader(self._sip)
            loop.remove_reader(self._rtp)


class _Call:
    def __init__(
        self,
        sip: socket.socket,
        media: socket.socket,
        port: int,
        peer: tuple[str, int],
        script: Script,
        first_frame: bytes,
    ) -> None:
        self._sip, self._media, self._port, self._peer = sip, media, port, peer
        self._script = script
        self._first_frame = first_frame
        loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[tuple[Message, int]] = loop.create_future()
        self._prompt: asyncio.Future[int] = loop.create_future()
        self._bye: asyncio.Future[None] = loop.create_future()
        self._call_id = secrets.token_hex(8)
        self._target = f"sip:{script.number}@127.0.0.1:{script.port}"
        self._to = f"<{self._target}>"
        self._pressed_ns = 0

    async def run(self) -> tuple[float, float]:
        """Return the two delays in milliseconds."""
        invite = self._request("INVITE", 1, self._offer())
        sent_ns = _now_ns()
        self._sip.sendto(invite, self._peer)
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            while not self._answer.done():
                await asyncio.wait([self._answer], timeout=_REPEAT_S)
                if not self._answer.done():
                    self._sip.sendto(invite, self._peer)
        answer, answered_ns = self._answer.result()
        if answer.status >= 300:  # noqa: PLR2004 - a final response that is no answer
            raise ValueError(f"the call was refused: {answer.status}")
        self._to = answer.get("To")
        theirs = sdp.parse(answer.body)
        self._sip.sendto(self._request("ACK", 1), self._peer)
        await asyncio.sleep(self._script.before_ms / 1000)
        await self._press((theirs.host, theirs.port))
        heard_ns = await self._prompt
        await self._bye
        return (answered_ns - sent_ns) / 1e6, (heard_ns - self._pressed_ns) / 1e6

    def give_up(self) -> None:
        """Leave nothing behind in Asterisk."""
        method = "BYE" if self._answer.done() else "CANCEL"
        self._sip.sendto(self._request(method, 2 if method == "BYE" else 1), self._peer)

    async def _press(self, peer: tuple[str, int]) -> None:
        """Send the digit's event packets, 20 ms apart; the time that counts is that of the first end packet."""
        sequence, start, ssrc = secrets.randbelow(0x8000), secrets.randbits(32), secrets.randbits(32)
        for event, marker in rtp.digit_steps("1", self._script.digit_ms):
            packet = rtp.Packet(_EVENT_TYPE, sequence, start, ssrc, event.encode(), marker)
            if event.end and not self._pressed_ns:
                self._pressed_ns = _now_ns()
            self._media.sendto(packet.encode(), peer)
            sequence += 1
            if not event.end:
                await asyncio.sleep(rtp.FRAME_MS / 1000)

    # --- what arrives -------------------------------------------------------------------------------------

    def read_sip(self) -> None:
        """Take SIP messages off the socket."""
        for datagram, at_ns in _received(self._sip):
            try:
                found = message.parse(datagram)
            except message.SipSyntaxError:
                continue
            if found.get("Call-ID") != self._call_id:
                continue  # a late repeat of the line's last call
            if found.is_request:
                self._sip.sendto(_ok(found), self._peer)
                if found.method == "BYE" and not self._bye.done():
                    self._bye.set_result(None)
            elif found.get("CSeq").endswith("INVITE") and found.status >= 200 and not self._answer.done():  # noqa: PLR2004 - final
                self._answer.set_result((found, at_ns))

    def read_rtp(self) -> None:
        """Look for the prompt's first packet among what arrives after the digit."""
        for datagram, at_ns in _received(self._media):
            if self._prompt.done() or not self._pressed_ns:
                continue
            with contextlib.suppress(rtp.RtpError):
                if rtp.parse(datagram).payload == self._first_frame:
                    self._prompt.set_result(at_ns)

    # --- what is sent -------------------------------------------------------------------------------------

    def _request(self, method: str, cseq: int, body: str = "") -> bytes:
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{self._call_id}{cseq}{method[0]};rport",
            f"From: <sip:probe@127.0.0.1:{self._port}>;tag={self._call_id}",
            f"To: {self._to}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:probe@127.0.0.1:{self._port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _offer(self) -> str:
        lines = (
            *("v=0", "o=probe 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"),
            f"m=audio {self._port + 1} RTP/AVP 8 {_EVENT_TYPE}",
            *("a=rtpmap:8 PCMA/8000", f"a=rtpmap:{_EVENT_TYPE} telephone-event/8000", f"a=fmtp:{_EVENT_TYPE} 0-15"),
        )
        return "\r\n".join(lines) + "\r\n"


def _ok(request: Message) -> bytes:
    kept = ("Via", "From", "To", "Call-ID", "CSeq")
    lines = [f"{name}: {value}" for name in kept for value in request.get_all(name)]
    return ("\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0"]) + "\r\n\r\n").encode()


def _stamping_socket(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    made.setblocking(False)
    made.bind(("127.0.0.1", port))
    return made


def _received(source: socket.socket) -> list[tuple[bytes, int]]:
    """Return what waits in `source` with the kernel's time of arrival, in nanoseconds since 1970."""
    found = []
    for _ in range(64):
        try:
            datagram, ancillary, _, _ = source.recvmsg(4096, 64)
        except (BlockingIOError, ConnectionError):
            break
        stamps = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)]
        seconds, nanos = _TIMESPEC.unpack(stamps[0][: _TIMESPEC.size]) if stamps else divmod(_now_ns(), 10**9)
        found.append((datagram, seconds * 10**9 + nanos))
    return found


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
