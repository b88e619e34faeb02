"""The bytes of a journal segment: a header, then frames. Each frame carries one entry and proves itself whole.

::

    segment = b"RAPPELJ1"  frame*
    frame   = u32 length of payload | u32 CRC-32 of all that follows | u8 kind | f64 written at | payload

Little endian. The payload is the entry in MessagePack; `written at` is Unix time. A segment opens with `CARRIED`
frames: the last states of the calls that were running when it was begun; they count as no entry. A process that
is killed, or a disk that fills up, leaves at most one torn frame, at the end: reading stops there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import msgspec

from controller.cdr.entries import CallEnded, Entry, StateDropped, StateSaved

MAGIC = b"RAPPELJ1"
MAX_PAYLOAD = 16 * 1024 * 1024
"""Longest payload of one entry in bytes; more is refused when written and taken for damage when read."""

_LENGTH_CRC = struct.Struct("<II")
_KIND_TIME = struct.Struct("<Bd")
HEADER_SIZE = _LENGTH_CRC.size + _KIND_TIME.size

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


class Kind(IntEnum):
    """What a frame means for the states of running calls, told without decoding it."""

    ENTRY = 0
    STATE = 1  # a StateSaved
    OVER = 2  # a CallEnded or a StateDropped
    CARRIED = 3  # a StateSaved from an older segment


_KINDS = tuple(Kind)
_KIND_OF: dict[type, Kind] = {StateSaved: Kind.STATE, CallEnded: Kind.OVER, StateDropped: Kind.OVER}


class Frame(NamedTuple):
    """One whole frame, found at `offset`; the next begins at `end`."""

    kind: Kind
    written_at: float
    payload: bytes
    offset: int
    end: int


def kind_of(entry: Entry) -> Kind:
    """Return the kind of frame that carries `entry` for the first time."""
    return _KIND_OF.get(type(entry), Kind.ENTRY)


def encode_entry(entry: Entry) -> bytes:
    """Return the payload for `entry`; raise `TypeError`, `ValueError` or `OverflowError` if it has none."""
    payload = _encoder.encode(entry)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"the entry takes {len(payload)} bytes, more than {MAX_PAYLOAD}")
    return payload


def decode_entry(payload: bytes) -> Entry:
    """Return the entry in `payload`; raise `msgspec.MsgspecError` if it is of no known kind."""
    return _decoder.decode(payload)


def frame(kind: Kind, written_at: float, payload: bytes) -> bytes:
    """Return the bytes of one frame."""
    body = _KIND_TIME.pack(kind, written_at) + payload
    return _LENGTH_CRC.pack(len(payload), zlib.crc32(body)) + body


def read_frames(data: bytes, base: int = 0) -> Iterator[Frame]:
    """Yield the whole frames of `data`, which begins at a frame and at offset `base` of its segment.

    Ends without a word at the first frame that is cut off or damaged; compare the last `end` with the length.
    """
    at, size = 0, len(data)
    while at + HEADER_SIZE <= size:
        length, crc = _LENGTH_CRC.unpack_from(data, at)
        end = at + HEADER_SIZE + length
        if length > MAX_PAYLOAD or end > size:
            return
        body = data[at + _LENGTH_CRC.size : end]
        if zlib.crc32(body) != crc:
            return
        kind, written_at = _KIND_TIME.unpack_from(body)
        if kind > Kind.CARRIED:
            return
        yield Frame(_KINDS[kind], written_at, body[_KIND_TIME.size :], base + at, base + end)
        at = end
