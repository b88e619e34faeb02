"""The voice side of a call: one UDP socket, sending paced by one 20 ms clock for all calls of a phone."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import randbits
from typing import Protocol

import numpy as np

from controller.softphone import rtp
from controller.softphone.g711 import ALAW_SILENCE, ULAW_SILENCE, Samples, from_alaw, from_ulaw, to_alaw, to_ulaw
from controller.softphone.heard import RATE, HeardAudio
from controller.softphone.sdp import PCMU, Codec

FRAME_S = rtp.FRAME_MS / 1000
MAX_PENDING_DIGITS = 1000
_MAX_LATE_FRAMES = 10
_READ_BATCH = 64
_LATE_FRAMES_KEPT = 1000
_SO_TIMESTAMPNS = 35  # of Linux; Python has no name for it
_TIMESPEC = struct.Struct("@ll")
_FULL_SCALE = 32767


class MediaError(OSError):
    """No RTP port is free, or too many digits wait to be sent; the message says what to do."""


class Source(Protocol):
    """What a phone says: gives the next 20 ms in the call's codec."""

    def frame(self, codec: Codec) -> bytes:
        """Return 160 bytes of `codec`."""


class Silence:
    """Says nothing, in frames."""

    def frame(self, codec: Codec) -> bytes:
        """Return a silent frame."""
        return bytes([ULAW_SILENCE if codec.name == PCMU.name else ALAW_SILENCE]) * rtp.FRAME_SAMPLES


class Clip:
    """Plays `samples` (8 kHz int16, padded to whole frames) once, then silence; or round and round."""

    def __init__(self, samples: Samples, *, loop: bool = False) -> None:
        padded = np.pad(samples, (0, -len(samples) % rtp.FRAME_SAMPLES))
        self._alaw, self._ulaw = to_alaw(padded), to_ulaw(padded)
        self._position = 0
        self._loop = loop
        self._after = Silence()

    def frame(self, codec: Codec) -> bytes:
        """Return the next frame of the clip."""
        data = self._ulaw if codec.name == PCMU.name else self._alaw
        if self._position >= len(data):
            if not self._loop or not data:
                return self._after.frame(codec)
            self._position = 0
        start, self._position = self._position, self._position + rtp.FRAME_SAMPLES
        return data[start : self._position]


def tone(hz: int, level_dbfs: float = -10.0) -> Clip:
    """Return a source that says a steady tone of `hz` (a whole number) at `level_dbfs` (peak)."""
    phase = 2 * np.pi * hz * np.arange(RATE) / RATE
    wave = np.sin(phase) * _FULL_SCALE * 10 ** (level_dbfs / 20)
    return Clip(wave.astype(np.int16), loop=True)


class Echo:
    """Says what it hears, up to a second later."""

    def __init__(self) -> None:
        self._frames: deque[tuple[str, bytes]] = deque(maxlen=50)
        self._silence = Silence()

    def hear(self, payload: bytes, codec: Codec) -> None:
        """Take a received frame."""
        self._frames.append((codec.name, payload))

    def frame(self, codec: Codec) -> bytes:
        """Return the oldest frame not yet said."""
        if not self._frames:
            return self._silence.frame(codec)
        name, payload = self._frames.popleft()
        if name == codec.name:
            return payload
        samples = from_ulaw(payload) if name == PCMU.name else from_alaw(payload)
        return to_ulaw(samples) if codec.name == PCMU.name else to_alaw(samples)


@dataclass(frozen=True, slots=True)
class DigitSent:
    """A key press that went out. Times are monotonic seconds of the first and the first end packet.

    For SIP INFO both are the moment the request left.
    """

    digit: str
    method: str
    started_at: float
    ended_at: float


@dataclass(slots=True)
class _Press:
    steps: Iterator[tuple[rtp.TelephoneEvent, bool]]
    digit: str
    gap_frames: int
    done: asyncio.Future[DigitSent | None]
    timestamp: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0


class Pacer:
    """Calls every member once in 20 ms, on a grid that does not drift. Runs only while it has members."""

    def __init__(self) -> None:
        self._members: dict[object, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.late_frames = 0
        self.skipped_frames = 0
        self.late: deque[tuple[float, float]] = deque(maxlen=_LATE_FRAMES_KEPT)
        """When frames were due and when they went out instead, a frame or more too late: monotonic seconds."""

    def add(self, member: object, tick: Callable[[], None]) -> None:
        """Call `tick` once in 20 ms from now on."""
        self._members[member] = tick
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + FRAME_S
            self._timer = loop.call_at(self._due, self._tick)

    def remove(self, member: object) -> None:
        """Stop calling `member`."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        missed = int((loop.time() - self._due) / FRAME_S)
        if missed:
            self.late.append((self._due, loop.time()))
        if missed > _MAX_LATE_FRAMES:  # the process was stopped for a while: do not flood the other side
            self.skipped_frames += missed
            self._due += missed * FRAME_S
            missed = 0
        self.late_frames += missed
        for _ in range(missed + 1):
            for tick in list(self._members.values()):
                tick()
        self._due += (missed + 1) * FRAME_S
        self._timer = loop.call_at(self._due, self._tick) if self._members else None


def open_rtp_socket(host: str, ports: tuple[int, int] | None, first: int = 0) -> socket.socket:
    """Return a bound, non-blocking UDP socket; `ports` is an inclusive range, even numbers are tried.

    Raises `MediaError` when none is free. `first` rotates where the search begins.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if ports is None:
        candidates = [0]
    else:
        even = list(range(ports[0] + ports[0] % 2, ports[1] + 1, 2))
        turn = first % len(even) if even else 0
        candidates = even[turn:] + even[:turn]
    for port in candidates:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            if ports is None:
                raise MediaError(f"no RTP port on {host}: {error}; choose an address of this machine") from error
            continue
        sock.setblocking(False)
        if sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return sock
    raise MediaError(f"no free even RTP port in {ports} on {host}; widen the range or end calls")


class MediaSession:
    """One call's audio: sends `source` and digits, keeps what arrives in `heard`."""

    def __init__(self, sock: socket.socket, pacer: Pacer, heard: HeardAudio, source: Source) -> None:
        self.heard = heard
        self.source = source
        self.sending = True
        self.digits_heard: list[tuple[float, str]] = []
        self.sent_packets = 0
        self.send_errors = 0
        self._socket = sock
        self._pacer = pacer
        self._remote: tuple[str, int] | None = None
        self._voice: Codec | None = None
        self._event: Codec | None = None
        self._receive_codecs: dict[int, Codec] = {}
        self._receive_events: frozenset[int] = frozenset()
        self._ssrc = randbits(32)
        self._sequence = randbits(15)
        self._timestamp = randbits(31)
        self._marker = True
        self._presses: deque[_Press] = deque()
        self._gap_frames = 0
        self._event_timestamp: int | None = None
        asyncio.get_running_loop().add_reader(sock, self._readable)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port this session listens on."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    @property
    def can_press(self) -> bool:
        """Whether the other side takes telephone events."""
        return self._event is not None

    def receive_with(self, codecs: tuple[Codec, ...]) -> None:
        """Set the payload types that the other side may send."""
        self._receive_codecs = {c.payload_type: c for c in codecs if c.rate == RATE and c.name != "telephone-event"}
        self._receive_events = frozenset(c.payload_type for c in codecs if c.name == "telephone-event")

    def send_to(self, remote: tuple[str, int], voice: Codec, event: Codec | None, *, sending: bool) -> None:
        """Send to `remote` from the next frame on; `sending` false keeps quiet (hold)."""
        self._remote, self._voice, self._event = remote, voice, event
        self.sending = sending
        self._pacer.add(self, self._tick)

    def press(self, digit: str, duration_ms: int, gap_ms: int) -> asyncio.Future[DigitSent | None]:
        """Queue a key press by telephone event; the future is done when its last packet has left.

        Its result is None when the call ended before.
        Raises `MediaError` when too many wait or the other side takes no events, `RtpError` for no digit.
        """
        if self._event is None:
            raise MediaError("the other side takes no telephone events; press with method='info'")
        if len(self._presses) >= MAX_PENDING_DIGITS:
            raise MediaError(f"{MAX_PENDING_DIGITS} digits wait to be sent; wait for them")
        if digit not in rtp.DIGITS:
            raise rtp.RtpError(f"{digit!r} is no telephone digit; use one of {rtp.DIGITS}")
        done: asyncio.Future[DigitSent | None] = asyncio.get_running_loop().create_future()
        gap = max(0, round(gap_ms / rtp.FRAME_MS))
        self._presses.append(_Press(rtp.digit_steps(digit, duration_ms), digit, gap, done))
        return done

    def close(self) -> None:
        """Stop sending and receiving and give the port back. Presses that wait give None."""
        if self._socket.fileno() < 0:
            return
        self._pacer.remove(self)
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for press in self._presses:
            if not press.done.done():
                press.done.set_result(None)
        self._presses.clear()

    def _tick(self) -> None:
        voice = self._voice
        if voice is None or self._remote is None:
            return
        self._timestamp += rtp.FRAME_SAMPLES
        if not self.sending:
            self._marker = True
            return
        if self._presses and self._gap_frames == 0:
            self._press_step(self._presses[0])
            return
        self._gap_frames = max(0, self._gap_frames - 1)
        self._send(voice.payload_type, self._timestamp, self.source.frame(voice), marker=self._marker)
        self._marker = False

    def _press_step(self, press: _Press) -> None:
        event, marker = next(press.steps)
        if marker:
            press.timestamp = self._timestamp
            press.started_at = time.monotonic()
        if event.end and not press.ended_at:
            press.ended_at = time.monotonic()
        if self._event is not None:
            self._send(self._event.payload_type, press.timestamp, event.encode(), marker=marker)
        if not event.end:
            return
        for repeat, _ in press.steps:  # the end is sent three times at once: one loss costs no digit
            if self._event is not None:
                self._send(self._event.payload_type, press.timestamp, repeat.encode(), marker=False)
        self._presses.popleft()
        self._gap_frames = press.gap_frames
        if not press.done.done():
            press.done.set_result(DigitSent(press.digit, "rfc4733", press.started_at, press.ended_at))

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        self._sequence += 1
        packet = rtp.Packet(payload_type, self._sequence, timestamp, self._ssrc, payload, marker)
        try:
            self._socket.sendto(packet.encode(), self._remote or ("", 0))
            self.sent_packets += 1
        except OSError:  # a full buffer or a port that is closed: a telephone loses the frame and goes on
            self.send_errors += 1

    def _readable(self) -> None:
        for _ in range(_READ_BATCH):
            try:
                datagram, about, _, _ = self._socket.recvmsg(2048, socket.CMSG_SPACE(_TIMESPEC.size))
            except BlockingIOError:
                return
            except OSError:  # an ICMP answer to something we sent
                self.send_errors += 1
                continue
            self._received(datagram, _arrival(about))

    def _received(self, datagram: bytes, at: float) -> None:
        try:
            packet = rtp.parse(datagram)
        except rtp.RtpError:
            return
        codec = self._receive_codecs.get(packet.payload_type)
        if codec is not None:
            self.heard.add(packet, codec, at)
            if isinstance(self.source, Echo):
                self.source.hear(packet.payload, codec)
        elif packet.payload_type in self._receive_events:
            self._received_event(packet, at)

    def _received_event(self, packet: rtp.Packet, at: float) -> None:
        try:
            event = rtp.parse_event(packet.payload)
        except rtp.RtpError:
            return
        if packet.timestamp != self._event_timestamp:
            self._event_timestamp = packet.timestamp
            if len(self.digits_heard) < MAX_PENDING_DIGITS:
                self.digits_heard.append((at, event.digit))


def _arrival(about: list[tuple[int, int, bytes]]) -> float:
    """Return when a datagram arrived, in monotonic seconds: as the kernel says, however late we came to read it."""
    now = time.monotonic()
    for level, kind, data in about:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            waited_s: float = time.time() - seconds - nanoseconds / 1e9
            return now - max(0.0, waited_s)
    return now
