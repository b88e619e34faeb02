"""What a visit to the queues and a conversation know of the call they belong to, whatever its flow's release."""

from __future__ import annotations

import msgspec

from controller.calls.voice.ports import PageFacts, told_to_phone
from controller.flow.commands import CallbackNote
from controller.ids import CallId

_HEADER_CHARS = 200


class CallRef(msgspec.Struct, frozen=True):
    """One call, as queues, conversations and the agents' services see it."""

    call_id: CallId
    channel_id: str
    """The caller's channel; `Switchboard.caller` is the same."""
    caller_number: str
    """"" when withheld."""
    caller_name: str
    called_number: str
    language: str
    """What the caller hears now."""
    channel_name: str = ""
    """Asterisk's name of the caller's channel (`PJSIP/2001-0000002a`)."""

    page: PageFacts | None = None
    """The call comes from a web page."""
    callback: CallbackNote | None = None
    """We have called, for this request."""

    @property
    def endpoint(self) -> str:
        """The SIP endpoint the caller calls from (`2001`), "" when it cannot be told. An agent's is the extension."""
        technology, _, rest = self.channel_name.partition("/")
        return rest.rpartition("-")[0] if technology == "PJSIP" else ""


def headers_for(call: CallRef, queue: str) -> dict[str, str]:
    """Return the SIP headers that tell an agent's phone what call it is that rings."""
    return {
        "X-Rappel-Call": call.call_id,
        "X-Rappel-Queue": queue,
        **told_to_phone(call.page),
        **told_of(call.callback),
    }


def told_of(note: CallbackNote | None) -> dict[str, str]:
    """Return those that tell of a customer who asked to be called."""
    if note is None:
        return {}
    said = {
        "X-Rappel-Origin": "callback",
        "X-Rappel-Request": note.request,
        "X-Rappel-Name": note.name,
        "X-Rappel-Reference": note.reference,
        "X-Rappel-Reason": note.reason,
    }
    return {name: text[:_HEADER_CHARS] for name, text in said.items() if text}
