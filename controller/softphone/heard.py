"""What a call received: packets as they came, decoded to one 8 kHz timeline only when somebody looks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from controller.softphone.g711 import Samples, from_alaw, from_ulaw
from controller.softphone.rtp import FRAME_SAMPLES, Packet
from controller.softphone.sdp import PCMA, PCMU, Codec

RATE = 8000
_DECODERS: dict[str, Callable[[bytes], Samples]] = {PCMA.name: from_alaw, PCMU.name: from_ulaw}
_MOVED = RATE // 5
"""A packet whose timestamp places it this far (200 ms) from its arrival starts a new stretch of audio."""
_HALF = 1 << 31


def decodable(codec: Codec) -> bool:
    """Whether received audio in `codec` can be decoded."""
    return codec.name in _DECODERS


@dataclass(frozen=True, slots=True)
class Received:
    """One voice packet: `at` in seconds of the monotonic clock, `start` its place on the timeline in samples."""

    at: float
    start: int
    packet: Packet
    codec: str

    @property
    def end(self) -> int:
        """The sample after the last of this packet."""
        return self.start + len(self.packet.payload)


class HeardAudio:
    """The audio a call received. Sample 0 is at `origin` (monotonic seconds: when the call was started).

    Packets that follow each other by RTP timestamp stay together; after a silence, a change of source or a
    jump, the next packet begins where it arrived. So a prompt keeps its samples and starts when it was heard.
    At most `limit_s` seconds of packets are kept; `overflow` counts those beyond.
    """

    def __init__(self, origin: float, limit_s: float = 900.0) -> None:
        self.origin = origin
        self.overflow = 0
        self._limit = int(limit_s * RATE / FRAME_SAMPLES)
        self._received: list[Received] = []
        self._samples: Samples | None = None
        self._ssrc: int | None = None
        self._next_timestamp = 0
        self._next_start = 0

    def add(self, packet: Packet, codec: Codec, at: float) -> None:
        """Take a voice packet that arrived at `at` (monotonic seconds)."""
        if len(self._received) >= self._limit:
            self.overflow += 1
            return
        arrived = max(0, round((at - self.origin) * RATE))
        step = (packet.timestamp - self._next_timestamp + _HALF) % (2 * _HALF) - _HALF
        start = self._next_start + step
        jumped = abs(start - arrived) > _MOVED or (packet.marker and step != 0)
        moved = jumped or self._ssrc != packet.ssrc
        if moved:
            start = max(arrived, self._next_start)
        self._ssrc = packet.ssrc
        self._received.append(Received(at, max(0, start), packet, codec.name))
        if step >= 0 or moved:
            self._next_timestamp = (packet.timestamp + len(packet.payload)) % (2 * _HALF)
            self._next_start = max(0, start) + len(packet.payload)
        self._samples = None

    @property
    def packets(self) -> list[Received]:
        """Every voice packet, in order of arrival."""
        return self._received

    @property
    def samples(self) -> Samples:
        """The whole timeline, int16 at 8 kHz, silence (zeros) where nothing came."""
        if self._samples is None:
            length = max((item.end for item in self._received), default=0)
            timeline = np.zeros(length, dtype=np.int16)
            for codec, decode in _DECODERS.items():
                items = [item for item in self._received if item.codec == codec]
                decoded = decode(b"".join(item.packet.payload for item in items))
                position = 0
                for item in items:
                    size = len(item.packet.payload)
                    timeline[item.start : item.end] = decoded[position : position + size]
                    position += size
            self._samples = timeline
        return self._samples

    @property
    def duration_s(self) -> float:
        """Length of the timeline."""
        return max((item.end for item in self._received), default=0) / RATE

    def between(self, start_s: float, end_s: float | None = None) -> Samples:
        """Return the samples from `start_s` to `end_s` seconds after the origin."""
        stop = None if end_s is None else max(0, int(end_s * RATE))
        return self.samples[max(0, int(start_s * RATE)) : stop]

    def arrival(self, offset_s: float) -> float | None:
        """Return when (seconds after the origin) the packet holding timeline position `offset_s` arrived.

        None when no packet covers that position.
        """
        position = round(offset_s * RATE)  # truncated, a sample's own time could fall before its packet
        ordered = sorted(self._received, key=lambda item: item.start)
        index = bisect_right(ordered, position, key=lambda item: item.start) - 1
        if index < 0 or ordered[index].end <= position:
            return None
        return ordered[index].at - self.origin

    def jitter_ms(self) -> tuple[float, float]:
        """Return the median and the greatest gap between packets that follow each other, in milliseconds."""
        gaps = [
            1000 * (later.at - earlier.at)
            for earlier, later in zip(self._received, self._received[1:], strict=False)
            if later.start == earlier.end
        ]
        if not gaps:
            return 0.0, 0.0
        return float(np.median(gaps)), max(gaps)
