"""Decode what arrives on the WebSocket into typed events."""

from __future__ import annotations

from typing import Any

import msgspec

from controller.ari.generated import models


class GenericEvent(msgspec.Struct, kw_only=True):
    """An event that the generated models do not know, or whose members are not what they promise.

    A newer Asterisk may send either; `fields` is the whole message and `why` what the typed decode said.
    """

    type: str
    fields: dict[str, Any]
    why: str


AnyEvent = models.AnyEvent | GenericEvent
AnyMessage = models.AnyMessage | GenericEvent

_typed: msgspec.json.Decoder[models.AnyMessage] = msgspec.json.Decoder(models.AnyMessage)
_plain: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def decode(frame: bytes | str) -> AnyMessage:
    """Return the message in `frame`; raises `msgspec.DecodeError` when it is not a JSON object at all."""
    try:
        return _typed.decode(frame)
    except msgspec.ValidationError as error:
        fields = _plain.decode(frame)
        return GenericEvent(type=str(fields.get("type", "")), fields=fields, why=str(error))
