"""Measures of 8 kHz audio: level, tones, silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.softphone.g711 import Samples

RATE = 8000
_FULL_SCALE = 32768.0
SILENT_DBFS = -100.0
"""What a level of exactly nothing is reported as."""
_FRAME = RATE // 50
_STRETCH = RATE // 20
"""Short enough that a shift of the wave spoils few of them, long enough to tell tones 50 Hz apart."""

_NEARLY_ALL = 0.7
_LOWEST_HZ = 50
"""Below it a stretch is too short for a tone, and a telephone carries none."""


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level in dB below full scale (a full-scale sine is -3), at least `SILENT_DBFS`."""
    if not len(samples):
        return SILENT_DBFS
    rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))
    return _dbfs(rms)


def tone_level(samples: Samples, hz: float) -> float:
    """Return the level in dBFS (RMS) of the one frequency `hz`, by Goertzel's formula over all of `samples`.

    Compare it with `level_dbfs`: a pure tone has both equal within 1 dB, once 0.1 s or more is given.
    """
    if not len(samples):
        return SILENT_DBFS
    phases = np.exp(-2j * np.pi * hz / RATE * np.arange(len(samples)))
    amplitude = 2 * abs(complex(np.dot(samples.astype(np.float64), phases))) / len(samples)
    return _dbfs(amplitude / math.sqrt(2))


def has_tone(samples: Samples, hz: float, *, within_db: float = 3.0, floor_dbfs: float = -50.0) -> bool:
    """Whether `hz` is there for nearly all of the time, and carries nearly all of the energy then.

    Measured in stretches of 50 ms: whoever relays a late packet shifts the wave, and over all of the samples the
    part before the shift and the part behind it could cancel each other out.
    """
    if not len(samples):
        return False
    stretches = _stretches(samples)
    tone = _tone_powers(stretches, hz)
    everything = np.mean(np.square(stretches), axis=1)
    there = (tone > _power(floor_dbfs)) & (everything < tone * 10 ** (within_db / 10))
    return float(np.mean(there)) >= _NEARLY_ALL


def steady_tone(samples: Samples) -> int | None:
    """Return the frequency in whole Hz that carries nearly all of the energy, None when there is no such one."""
    if len(samples) < RATE // 10:
        return None
    first = max(0, (len(samples) - RATE) // 2)
    samples = samples[first : first + RATE]  # of its middle
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples))))
    hz = round(int(spectrum.argmax()) * RATE / len(samples))
    return hz if hz >= _LOWEST_HZ and has_tone(samples, hz) else None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, seconds on the timeline of the samples."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


def sounding(samples: Samples, *, threshold_dbfs: float = -55.0, join_s: float = 0.2) -> list[Span]:
    """Return where something is heard, in order; pauses up to `join_s` do not split. Steps of 20 ms."""
    frames = len(samples) // _FRAME
    if not frames:
        return []
    squares = np.square(samples[: frames * _FRAME].reshape(frames, _FRAME), dtype=np.float64)
    loud = np.sqrt(squares.mean(axis=1)) > _FULL_SCALE * 10 ** (threshold_dbfs / 20)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
    spans: list[Span] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        span = Span(start * _FRAME / RATE, end * _FRAME / RATE)
        if spans and span.start_s - spans[-1].end_s <= join_s:
            span = Span(spans.pop().start_s, span.end_s)
        spans.append(span)
    return spans


def gaps(samples: Samples, *, at_least_s: float, threshold_dbfs: float = -55.0) -> list[Span]:
    """Return the silences of `at_least_s` and longer, those at both ends included."""
    heard = sounding(samples, threshold_dbfs=threshold_dbfs, join_s=0.0)
    edges = [0.0, *(edge for span in heard for edge in (span.start_s, span.end_s)), len(samples) / RATE]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [Span(start, end) for start, end in pairs if end - start >= at_least_s]


def _stretches(samples: Samples) -> NDArray[np.float64]:
    """Return `samples` (some) in rows of 50 ms, or all of them in one; what is left at the end is left out."""
    length = min(_STRETCH, len(samples))
    return samples[: len(samples) // length * length].astype(np.float64).reshape(-1, length)


def _tone_powers(stretches: NDArray[np.float64], hz: float) -> NDArray[np.float64]:
    """Return the mean square of the one frequency in each row."""
    length = stretches.shape[1]
    window = np.hanning(length + 2)[1:-1]  # what is beside `hz` stays out
    wave = window * np.exp(-2j * np.pi * hz / RATE * np.arange(length))
    powers: NDArray[np.float64] = np.square(2 * np.abs(stretches @ wave) / window.sum()) / 2
    return powers


def _power(dbfs: float) -> float:
    return float(_FULL_SCALE**2 * 10 ** (dbfs / 10))


def _dbfs(rms: float) -> float:
    return max(SILENT_DBFS, 20 * math.log10(rms / _FULL_SCALE)) if rms > 0 else SILENT_DBFS
