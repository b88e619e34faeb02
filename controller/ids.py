"""Identifiers: ours, fixed length, chosen before the request that uses them is sent.

Asterisk treats one client-chosen channel id that is a prefix of another as a collision, so every kind has one
fixed length. A call's id is a pure function of the caller's channel (its Asterisk id and creation time):
an event that Asterisk delivers twice, or to a restarted controller, names the same call again.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import NewType

CallId = NewType("CallId", str)
"""A UUID (version 8) in its 36-character text form; sorts by the time the call began."""
LegId = NewType("LegId", str)
"""The id of a leg; equal to the Asterisk channel id of a leg that we created (32 hex characters)."""
ChannelId = NewType("ChannelId", str)
"""Asterisk's id of a channel."""
BridgeId = NewType("BridgeId", str)
PlaybackId = NewType("PlaybackId", str)

_MS_BITS = 48


def call_id_for(channel_id: str, created_at: datetime) -> CallId:
    """Return the id of the call that the caller's channel `channel_id`, created at `created_at`, belongs to.

    RFC 9562 version 8: 48 bits of Unix milliseconds, then 74 bits of a BLAKE2b hash over channel id and time.
    (It is built in; SHA-256 goes through OpenSSL, which once a call took 50 µs with the caches cold.)
    """
    tail = hashlib.blake2b(f"{channel_id}\x00{created_at.isoformat()}".encode(), digest_size=10).digest()
    millis = int(created_at.timestamp() * 1000) & ((1 << _MS_BITS) - 1)
    value = (millis << 80) | int.from_bytes(tail, "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return CallId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def call_id_of_attempt(attempt: str) -> CallId:
    """Return the id of the call that a dialled attempt begins: the attempt's 32 digits, written as a UUID."""
    return CallId(str(uuid.UUID(attempt)))


def attempt_of_call(call_id: str) -> str:
    """Return the attempt whose call this would be: the UUID without its dashes."""
    return call_id.replace("-", "")


def derived_id(call_id: CallId, kind: str, number: int) -> str:
    """Return the 32-character id of the `number`-th thing of a `kind` (leg, bridge, playback) in a call.

    Deterministic on purpose: a command that is performed again after a crash names the same channel, and
    Asterisk itself refuses to create it twice.
    """
    return hashlib.blake2b(f"{call_id}\x00{kind}\x00{number}".encode(), digest_size=16).hexdigest()


def message_id(call_id: CallId, number: int) -> str:
    """Return the id of Asterisk's recording of a call's `number`-th `Record` command."""
    return derived_id(call_id, "message", number)
