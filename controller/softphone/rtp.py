"""RTP packets (RFC 3550) and telephone events (RFC 4733) as bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_EXTENSION = struct.Struct("!HH")
_VERSION = 2
FRAME_MS = 20
FRAME_SAMPLES = 160
DIGITS = "0123456789*#ABCD"
"""Telephone events 0 to 15 in their order (RFC 4733, table 3)."""
END_REPEATS = 3
MAX_DURATION = 0xFFFF


class RtpError(ValueError):
    """The datagram is not an RTP packet or the payload is not a telephone event."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet; `timestamp` counts samples of 8 kHz, modulo 2**32."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def encode(self) -> bytes:
        """Return the packet as it goes on the wire."""
        flags = (0x80 if self.marker else 0) | self.payload_type
        return (
            _HEADER.pack(
                _VERSION << 6,
                flags,
                self.sequence & 0xFFFF,
                self.timestamp & 0xFFFF_FFFF,
                self.ssrc,
            )
            + self.payload
        )


def parse(datagram: bytes) -> Packet:
    """Return the packet in `datagram`; raise `RtpError` if it is none. Skips CSRCs, extension and padding."""
    if len(datagram) < _HEADER.size:
        raise RtpError("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != _VERSION:
        raise RtpError(f"RTP version {first >> 6}")
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + _EXTENSION.size:
            raise RtpError("cut inside the header extension")
        start += _EXTENSION.size + 4 * _EXTENSION.unpack_from(datagram, start)[1]
    end = len(datagram)
    if first & 0x20 and end > start:
        end -= datagram[-1]
    if end < start:
        raise RtpError("header extension or padding longer than the packet")
    return Packet(second & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(second & 0x80))


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """The payload of one event packet: `duration` in samples since the event began; `volume` in -dBm0."""

    digit: str
    duration: int
    end: bool = False
    volume: int = 10

    def encode(self) -> bytes:
        """Return the four bytes of the payload."""
        return _EVENT.pack(
            DIGITS.index(self.digit),
            (0x80 if self.end else 0) | self.volume & 0x3F,
            min(self.duration, MAX_DURATION),
        )


def parse_event(payload: bytes) -> TelephoneEvent:
    """Return the event in `payload`; raise `RtpError` if it is none or no digit."""
    if len(payload) < _EVENT.size:
        raise RtpError("shorter than a telephone event")
    number, flags, duration = _EVENT.unpack_from(payload)
    if number >= len(DIGITS):
        raise RtpError(f"telephone event {number} is no digit")
    return TelephoneEvent(DIGITS[number], duration, bool(flags & 0x80), flags & 0x3F)


def digit_steps(digit: str, duration_ms: int) -> Iterator[tuple[TelephoneEvent, bool]]:
    """Yield what to send for one key press: `(event, marker)`, one each 20 ms, the end packet three times.

    The duration grows by 160 a packet; the marker stands on the first packet only (RFC 4733, 2.5.1). All
    packets of one press carry the timestamp of its beginning. The three end packets may follow at once.
    """
    if digit not in DIGITS:
        raise RtpError(f"{digit!r} is no telephone digit; use one of {DIGITS}")
    steps = max(1, round(duration_ms / FRAME_MS))
    for step in range(1, steps + 1):
        yield TelephoneEvent(digit, step * FRAME_SAMPLES), step == 1
    for _ in range(END_REPEATS):
        yield TelephoneEvent(digit, steps * FRAME_SAMPLES, end=True), False
