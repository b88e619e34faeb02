"""Made-up speech for the tests: noise shaped like syllables, different for every seed."""

from __future__ import annotations

import numpy as np

from controller.softphone.g711 import Samples, from_alaw, to_alaw

RATE = 8000


def speech(seconds: float, seed: int, *, peak: int = 12_000) -> Samples:
    """Return `seconds` of something no other seed says, as A-law leaves it."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    walk = np.cumsum(rng.normal(size=count + 79))
    wave = walk[79:] - np.convolve(walk, np.ones(80) / 80, "valid")
    syllables = np.repeat(rng.uniform(0.2, 1, size=count // 800 + 1), 800)[:count]
    wave = wave / np.abs(wave).max() * peak * np.convolve(syllables, np.ones(200) / 200, "same")
    return from_alaw(to_alaw(wave.astype(np.int16)))


def silence(seconds: float) -> Samples:
    """Return silence as A-law says it."""
    return np.full(int(seconds * RATE), 8, dtype=np.int16)


def sine(hz: float, seconds: float, amplitude: int = 8000) -> Samples:
    """Return a tone."""
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.int16)
