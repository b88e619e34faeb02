"""The people who are called back, and an independent witness of every call to them.

One UDP socket that speaks just enough SIP (RFC 3261) and RTP to be a carrier's far end: no line of it is shared with
Rappel or with its softphone, so that what it saw cannot be wrong in the same way. It writes down every INVITE, and
whether an agent's voice (a tone) was heard in the call.
"""

from __future__ import annotations

import asyncio
import random
import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import numpy as np

AGENT_HZ = 1300.0
"""The agents' voice."""
_T1 = 0.5
_RATE = 8000
_EVENT = 101
_FRAME_S = 0.02
_RING_S = 0.2
_KEY_AFTER_S = (0.6, 2.5, 5.0, 9.0, 15.0)
"""When those who accept press 1 after they have answered: again until somebody talks with them."""
_PATIENCE_S = 90.0
_LISTEN = 20
_LOOK_EVERY = 5
_SILENCE = bytes([0xD5]) * 160
_LOUD = 1e5


def _linear(code: int) -> int:
    """A-law to 16 bits (G.711)."""
    code ^= 0x55
    segment, step = (code >> 4) & 7, (code & 15) << 4
    size = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return size if code & 0x80 else -size


_LINEAR = np.array([_linear(code) for code in range(256)], dtype=np.float64)


class Mood(StrEnum):
    """What a person does when the telephone rings."""

    ACCEPTS = "accepts"
    BUSY = "busy"
    ABSENT = "absent"  # 480 after some ringing
    REFUSES = "refuses"
    MACHINE = "machine"  # answers, presses nothing
    LEAVES = "leaves"  # answers, presses the key, and hangs up soon after


@dataclass
class Seen:
    """One INVITE that came, and what became of it. Times are monotonic seconds."""

    number: str
    dialog: str
    mood: Mood
    came: float
    answered: float = 0.0
    heard: float = 0.0
    """When an agent's voice was heard first; 0: never."""
    ended: float = 0.0
    how: str = ""
    peer: tuple[str, int] = field(default=("", 0), repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    tag: str = field(default="", repr=False)
    media: Media | None = field(default=None, repr=False)
    sdp: str = field(default="", repr=False)
    last: bytes = field(default=b"", repr=False)
    """What was answered last, for those who ask again."""
    acknowledged: bool = False
    sent: int = 0
    remote: str = field(default="", repr=False)


Moods = Callable[[str, int], Mood]
"""From a number and how often it was called before."""
Talks = Callable[[str], float]
"""From a number to how long they talk, seconds, before they hang up."""


class Witness(asyncio.DatagramProtocol):
    """See the module. `seen` are all calls in the order in which they came."""

    def __init__(self, moods: Moods, talks: Talks = lambda _: _PATIENCE_S) -> None:
        self._moods = moods
        self._talks = talks
        self.seen: list[Seen] = []
        self._dialogs: dict[str, Seen] = {}
        self._times: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0
        self.oddities: list[str] = []

    async def open(self, port: int = 0) -> None:
        """Listen on loopback."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self.port = self._transport.get_extra_info("sockname")[1]

    def cut(self, seen: Seen) -> None:
        """Take note that the far end of `seen` has died without a word."""
        self._over(seen, "cut")

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for seen in self.seen:
            self._over(seen, "witness closed")
        if self._transport is not None:
            self._transport.close()

    # --- SIP ------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take one message."""
        text = data.decode("utf-8", "replace")
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        if not start or start.startswith("SIP/2.0"):
            return  # an answer to our BYE
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers and key == "via" else value.strip()
        method = start.split(" ", 1)[0]
        handler = getattr(self, f"_{method.lower()}", None)
        if handler is None:
            self._answer(headers, addr, "405 Method Not Allowed")
        else:
            handler(start, headers, body, addr)

    def _options(self, _: str, headers: dict[str, str], __: str, addr: tuple[str, int]) -> None:
        self._answer(headers, addr, "200 OK")

    def _invite(self, start: str, headers: dict[str, str], body: str, addr: tuple[str, int]) -> None:
        dialog = headers["call-id"]
        known = self._dialogs.get(dialog)
        if known is not None:
            if headers["cseq"] != known.headers["cseq"]:
                self._send(self._message(headers, "200 OK", known.tag, known.sdp), addr)
            elif known.last:
                self._send(known.last, addr)
            return
        number = re.sub(r"^INVITE sips?:([^@;>]*).*", r"\1", start)
        before = self._times.get(number, 0)
        self._times[number] = before + 1
        seen = Seen(number, dialog, self._moods(number, before), time.monotonic(), peer=addr, headers=headers)
        seen.tag = f"w{len(self.seen)}"
        contact = re.search(r"<([^>]+)>", headers.get("contact", ""))
        seen.remote = contact.group(1) if contact else f"sip:{addr[0]}:{addr[1]}"
        self.seen.append(seen)
        self._dialogs[dialog] = seen
        self._start(self._live(seen, body))

    def _ack(self, _: str, headers: dict[str, str], __: str, ___: tuple[str, int]) -> None:
        seen = self._dialogs.get(headers["call-id"])
        if seen is not None:
            seen.acknowledged = True

    def _cancel(self, _: str, headers: dict[str, str], __: str, addr: tuple[str, int]) -> None:
        self._answer(headers, addr, "200 OK")
        seen = self._dialogs.get(headers["call-id"])
        if seen is not None and not seen.answered and not seen.ended:
            self._final(seen, "487 Request Terminated", "cancelled")

    def _bye(self, _: str, headers: dict[str, str], __: str, addr: tuple[str, int]) -> None:
        self._answer(headers, addr, "200 OK")
        seen = self._dialogs.get(headers["call-id"])
        if seen is not None:
            self._over(seen, "bye from us")

    # --- a call ---------------------------------------------------------------------------------------------

    async def _live(self, seen: Seen, offer: str) -> None:
        self._reply(seen, "100 Trying")
        if seen.mood is Mood.BUSY:
            self._final(seen, "486 Busy Here", "busy")
            return
        self._reply(seen, "180 Ringing")
        await asyncio.sleep(_RING_S)
        if seen.ended:
            return
        match seen.mood:
            case Mood.ABSENT:
                self._final(seen, "480 Temporarily Unavailable", "absent")
            case Mood.REFUSES:
                self._final(seen, "603 Decline", "refused")
            case _:
                await self._answered(seen, offer)

    async def _answered(self, seen: Seen, offer: str) -> None:
        loop = asyncio.get_running_loop()
        _, media = await loop.create_datagram_endpoint(lambda: Media(offer), local_addr=("127.0.0.1", 0))
        if seen.ended:
            media.close()
            return
        seen.media, seen.answered = media, time.monotonic()
        sdp = (
            "v=0\r\no=w 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {media.port} RTP/AVP 8 {_EVENT}\r\na=rtpmap:8 PCMA/8000\r\n"
            f"a=rtpmap:{_EVENT} telephone-event/8000\r\na=fmtp:{_EVENT} 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        )
        seen.sdp = sdp
        self._reply(seen, "200 OK", sdp)
        self._start(self._until_acknowledged(seen))
        keys = [] if seen.mood is Mood.MACHINE else list(_KEY_AFTER_S)
        patience_s = {Mood.MACHINE: 20.0, Mood.LEAVES: random.uniform(0.9, 2.5)}.get(seen.mood, _PATIENCE_S)
        frames = 0
        while not seen.ended:  # bounded by the patience
            await asyncio.sleep(_FRAME_S)
            lasted = time.monotonic() - seen.answered
            frames += 1
            if frames % _LOOK_EVERY == 0 and not seen.heard and media.hears_agent():
                seen.heard = time.monotonic()
            if keys and lasted >= keys[0] and not seen.heard:
                keys.pop(0)
                media.press("1")
            media.speak()
            talked_s = time.monotonic() - seen.heard if seen.heard else 0.0
            if (lasted > patience_s or talked_s > self._talks(seen.number)) and not seen.ended:
                self._hang_up(seen)

    async def _until_acknowledged(self, seen: Seen) -> None:
        for wait_s in (_T1, 2 * _T1, 4 * _T1, 4 * _T1, 4 * _T1, 4 * _T1):
            await asyncio.sleep(wait_s)
            if seen.acknowledged or seen.ended:
                return
            self._send(seen.last, seen.peer)

    def _hang_up(self, seen: Seen) -> None:
        headers = seen.headers
        seen.sent += 1
        message = (
            f"BYE {seen.remote} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKw{seen.tag}{seen.sent}\r\n"
            f"From: {headers['to']};tag={seen.tag}\r\nTo: {headers['from']}\r\nCall-ID: {seen.dialog}\r\n"
            f"CSeq: {seen.sent} BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        self._send(message.encode(), seen.peer)
        self._over(seen, "hung up")

    def _over(self, seen: Seen, how: str) -> None:
        if not seen.ended:
            seen.ended, seen.how = time.monotonic(), how
        if seen.media is not None:
            seen.media.close()

    def _final(self, seen: Seen, status: str, how: str) -> None:
        self._reply(seen, status)
        self._over(seen, how)

    def _reply(self, seen: Seen, status: str, sdp: str = "") -> None:
        seen.last = self._message(seen.headers, status, seen.tag, sdp)
        self._send(seen.last, seen.peer)

    def _answer(self, headers: dict[str, str], addr: tuple[str, int], status: str) -> None:
        self._send(self._message(headers, status, "w"), addr)

    def _message(self, headers: dict[str, str], status: str, tag: str, sdp: str = "") -> bytes:
        to = headers["to"] if ";tag=" in headers["to"] else f"{headers['to']};tag={tag}"
        lines = [
            f"SIP/2.0 {status}",
            *(f"Via: {via.strip()}" for via in headers["via"].split(", ")),
            f"From: {headers['from']}",
            f"To: {to}",
            f"Call-ID: {headers['call-id']}",
            f"CSeq: {headers['cseq']}",
            f"Contact: <sip:w@127.0.0.1:{self.port}>",
        ]
        if sdp:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(sdp)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + sdp).encode()

    def _send(self, message: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message, addr)

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]  # a coroutine of ours
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.oddities.append(repr(task.exception()))


class Media(asyncio.DatagramProtocol):
    """The sound of one call: A-law silence out, keys as RFC 4733 events, and an ear for one tone."""

    def __init__(self, offer: str) -> None:
        address = re.search(r"^c=IN IP4 (\S+)", offer, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", offer, re.MULTILINE)
        event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", offer, re.MULTILINE)
        self._to = (address.group(1) if address else "127.0.0.1", int(port.group(1)) if port else 0)
        self._event = int(event.group(1)) if event else _EVENT
        self._transport: asyncio.DatagramTransport | None = None
        self._sequence, self._stamp = random.randrange(1000), random.randrange(100_000)
        self._source = random.randrange(2**32)
        self._recent: list[bytes] = []
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep the last packets of A-law."""
        if len(data) > 12 and data[1] & 0x7F == 8:
            self._recent.append(data[12:])
            del self._recent[:-_LISTEN]

    def hears_agent(self) -> bool:
        """Tell whether most of the last 0.2 s was the agents' tone."""
        sound = b"".join(self._recent[-10:])
        if len(sound) < _RATE // 5:
            return False
        samples = _LINEAR[np.frombuffer(sound, dtype=np.uint8)]
        energy = float(np.mean(samples**2))
        turned = np.exp(-2j * np.pi * AGENT_HZ / _RATE * np.arange(len(samples)))
        return energy > _LOUD and 2 * abs(np.dot(samples, turned) / len(samples)) ** 2 > energy / 2

    def speak(self) -> None:
        """Send 20 ms of silence."""
        self._send(8, _SILENCE)
        self._stamp += 160

    def press(self, key: str) -> None:
        """Send a key of 100 ms."""
        number = "0123456789*#".index(key)
        for each in range(1, 9):
            ends = 0x80 if each > 5 else 0
            body = struct.pack("!BBH", number, ends | 10, 160 * min(each, 5))
            self._send(self._event, body, mark=each == 1)
        self._stamp += 800

    def _send(self, kind: int, body: bytes, *, mark: bool = False) -> None:
        if self._transport is None or self._transport.is_closing() or not self._to[1]:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if mark else 0), self._sequence, self._stamp & 0xFFFFFFFF, self._source
        )
        self._transport.sendto(head + body, self._to)

    def close(self) -> None:
        """Fall silent."""
        if self._transport is not None:
            self._transport.close()
