"""Pieces that are computed: silences and the tones of the French telephone network (ETSI TR 101 041-2, E.180)."""

from __future__ import annotations

import re

import numpy as np

from controller.flow.commands import MediaId
from controller.speech.audio import Samples

RATE = 16_000
MAX_SILENCE_MS = 60_000
TONES: dict[str, tuple[float, float, float]] = {
    "beep": (1000.0, 0.25, 0.05),
    "ringing": (440.0, 1.5, 3.5),
    "busy": (440.0, 0.5, 0.5),
    "congestion": (440.0, 0.25, 0.25),
}
"""`tone/<name>`: frequency in Hz, seconds of sound, seconds of silence after it; one period is one piece."""

_LEVEL = 10 ** (-20.0 / 20.0)
_RAMP_S = 0.005
_SILENCE = re.compile(r"silence/([1-9][0-9]{0,4})")


def made(media: MediaId) -> Samples | None:
    """Return the samples of `silence/<ms>` (up to a minute) or `tone/<name>` at `RATE`; None for other ids."""
    silence = _SILENCE.fullmatch(media)
    if silence and int(silence[1]) <= MAX_SILENCE_MS:
        return np.zeros(int(silence[1]) * RATE // 1000, np.float32)
    name = media.removeprefix("tone/")
    if name != media and name in TONES:
        return _tone(*TONES[name])
    return None


def _tone(frequency: float, sound_s: float, pause_s: float) -> Samples:
    time = np.arange(int(sound_s * RATE)) / RATE
    sound = _LEVEL * np.sqrt(2.0) * np.sin(2 * np.pi * frequency * time)
    ramp = np.minimum(1.0, np.minimum(time, time[::-1]) / _RAMP_S)
    return np.concatenate([sound * ramp, np.zeros(int(pause_s * RATE))]).astype(np.float32)
