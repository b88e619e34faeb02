"""What a visit to the queues and a conversation know of the call they belong to, whatever its flow's release."""

from __future__ import annotations

import msgspec

from controller.calls.voice.ports import PageFacts
from controller.ids import CallId


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

    @property
    def endpoint(self) -> str:
        """The SIP endpoint the caller calls from (`2001`), "" when it cannot be told. An agent's is the extension."""
        technology, _, rest = self.channel_name.partition("/")
        return rest.rpartition("-")[0] if technology == "PJSIP" else ""
