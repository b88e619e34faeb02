"""Audio as arrays: read any usual format, resample, level, trim.

Everything is mono float32 in -1…1. Nothing here touches the flow language.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

LEVEL_DBFS = -18.0
"""Where speech is brought to: RMS over the 20 ms blocks in which somebody speaks, in dB of full scale."""
PEAK_DBFS = -1.0
"""No sample goes beyond this, so that A-law never clips."""
MAX_GAIN_DB = 24.0
"""A near-silent recording stays quiet rather than becoming noise."""
ACTIVE_DB = 30.0
"""A block within this of the loudest one counts as speech for the level."""
QUIET_DB = 45.0
"""A block this far below the loudest one counts as silence at the ends."""
LEAD_S = 0.05
TAIL_S = 0.12
"""How much silence the ends keep at most."""
MAX_S = 600.0
"""The longest piece of audio taken: ten minutes."""

_BLOCK_S = 0.02
_FLOOR = 1e-9


class AudioError(ValueError):
    """The data is not audio that can be used; the message says why."""


def read(data: bytes) -> tuple[Samples, int]:
    """Return the samples, channels mixed to one, and the rate in Hz of a wav, flac, ogg, opus or mp3 file.

    Raises `AudioError` for anything that libsndfile cannot read, for no samples at all and for over `MAX_S`.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.frames > MAX_S * file.samplerate:
                raise AudioError(f"it lasts over {MAX_S:.0f} s")
            samples = file.read(int(MAX_S * file.samplerate), dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"it cannot be read as audio ({error})") from error
    if not len(samples):
        raise AudioError("it holds no sound")
    mono = samples.mean(axis=1, dtype=np.float32)
    return np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0), rate


def resample(samples: Samples, rate: int, to: int) -> Samples:
    """Return `samples` at `to` Hz, band-limited (soxr, high quality)."""
    if rate == to:
        return samples
    return np.asarray(soxr.resample(samples, rate, to, quality="HQ"), dtype=np.float32)


def trim(samples: Samples, rate: int, *, lead_s: float = LEAD_S, tail_s: float = TAIL_S) -> Samples:
    """Return `samples` without the silence at both ends beyond `lead_s` and `tail_s`, ends faded over 5 ms."""
    levels = _block_db(samples, rate)
    loud = np.flatnonzero(levels > levels.max() - QUIET_DB)
    block = _block(rate)
    start = max(0, int(loud[0]) * block - int(lead_s * rate))
    end = min(len(samples), (int(loud[-1]) + 1) * block + int(tail_s * rate))
    cut = samples[start:end].copy()
    fade = min(int(0.005 * rate), len(cut) // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        cut[:fade] *= ramp
        cut[-fade:] *= ramp[::-1]
    return cut


def level(samples: Samples, rate: int) -> Samples:
    """Return `samples` with speech at `LEVEL_DBFS`, less where a peak would pass `PEAK_DBFS`.

    One gain for the whole piece: nothing is compressed.
    """
    levels = _block_db(samples, rate)
    active = levels[levels > levels.max() - ACTIVE_DB]
    rms_db = 10.0 * np.log10(np.mean(10.0 ** (active / 10.0)))
    peak_db = 20.0 * np.log10(max(float(np.abs(samples).max()), _FLOOR))
    gain_db = min(LEVEL_DBFS - rms_db, PEAK_DBFS - peak_db, MAX_GAIN_DB)
    return (samples * np.float32(10.0 ** (gain_db / 20.0))).astype(np.float32)


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Return `samples` as 16-bit integers, clipped."""
    return np.asarray(np.clip(np.rint(samples * 32767.0), -32768, 32767), dtype=np.int16)


def _block(rate: int) -> int:
    return max(1, int(_BLOCK_S * rate))


def _block_db(samples: Samples, rate: int) -> NDArray[np.float64]:
    block = _block(rate)
    count = -(-len(samples) // block)
    padded = np.zeros(count * block, np.float64)
    padded[: len(samples)] = samples
    power = np.mean(padded.reshape(count, block) ** 2, axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, _FLOOR**2)))
