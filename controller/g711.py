"""G.711 A-law, as ITU-T G.711 (11/88) defines it, by table.

Asterisk plays `.alaw` files to A-law callers byte for byte: no transcoding while a call runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 8000
SILENCE = 0xD5
"""The code of the smallest positive amplitude: what a silent line carries."""


def _decode_table() -> NDArray[np.int16]:
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (codes >> 4) & 0x07
    magnitude = ((codes & 0x0F) << 4) + 8
    # Segment 0 is linear; each further one has the implied leading bit and doubles the step.
    magnitude = np.where(segment == 0, magnitude, (magnitude + 0x100) << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    # The code whose decision interval holds each 16-bit value; intervals are bounded below, by magnitude.
    values = np.arange(-32768, 32768, dtype=np.int32)
    magnitude = np.where(values >= 0, values, -values - 1) >> 4  # 12-bit magnitude, one's complement
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    sign = np.where(values >= 0, 0x80, 0)
    return np.asarray((sign | (segment << 4) | step) ^ 0x55, dtype=np.uint8)


_DECODE = _decode_table()
_ENCODE = _encode_table()


def encode(samples: NDArray[np.int16]) -> bytes:
    """Return one A-law byte per 16-bit sample."""
    return _ENCODE[samples.astype(np.int32) + 32768].tobytes()


def decode(data: bytes) -> NDArray[np.int16]:
    """Return one 16-bit sample per A-law byte."""
    return np.asarray(_DECODE[np.frombuffer(data, dtype=np.uint8)], dtype=np.int16)
