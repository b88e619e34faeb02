"""G.711 A-law and mu-law to and from 16-bit samples, by table (ITU-T G.711)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.g711 import SILENCE as ALAW_SILENCE
from controller.g711 import decode as from_alaw

Samples = NDArray[np.int16]
"""8 kHz, one channel, 16 bit."""
ULAW_SILENCE = 0xFF

__all__ = ["ALAW_SILENCE", "ULAW_SILENCE", "Samples", "from_alaw", "from_ulaw", "to_alaw", "to_ulaw"]


def _ulaw_table() -> Samples:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((codes & 0x0F) << 3) + 0x84) << ((codes >> 4) & 7)) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


def _nearest(table: Samples) -> NDArray[np.uint8]:
    """Return the code of the nearest level for every 16-bit value, indexed by value + 32768."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    bounds = (levels[:-1] + levels[1:] + 1) // 2
    values = np.arange(-32768, 32768, dtype=np.int32)
    return order[np.searchsorted(bounds, values, side="right")].astype(np.uint8)


_FROM_ALAW = from_alaw(bytes(range(256)))
_FROM_ULAW = _ulaw_table()
_TO_ALAW = _nearest(_FROM_ALAW)
_TO_ULAW = _nearest(_FROM_ULAW)


def from_ulaw(data: bytes) -> Samples:
    """Decode mu-law bytes to samples."""
    return _FROM_ULAW[np.frombuffer(data, dtype=np.uint8)]


def to_alaw(samples: Samples) -> bytes:
    """Encode samples as A-law."""
    return _TO_ALAW[samples.astype(np.int32) + 32768].tobytes()


def to_ulaw(samples: Samples) -> bytes:
    """Encode samples as mu-law."""
    return _TO_ULAW[samples.astype(np.int32) + 32768].tobytes()
