"""What happens in a call, as entries of the record: plain data, one writer, idempotent to apply.

The calls layer emits these in the order things happen; the journal makes them durable and Postgres stores them.
Applying an entry twice changes nothing, and entries of one call are applied in their order.
Times are aware UTC. Secret digits arrive here already masked.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from controller.ids import CallId, LegId


class Role(StrEnum):
    """Whom a leg connects."""

    CALLER = "caller"
    EXTENSION = "extension"


class Party(StrEnum):
    """Who ended a leg or a call."""

    CALLER = "caller"
    CALLEE = "callee"
    FLOW = "flow"  # the SVI hung up, as written
    SYSTEM = "system"  # a limit, a failure, a shutdown


class Disposition(StrEnum):
    """How a call ended for the business, as far as the SVI knows."""

    COMPLETED = "completed"  # the flow came to its end
    TALKED = "talked"  # a person was reached
    ABANDONED = "abandoned"  # the caller left inside the SVI
    LIMIT = "limit"  # a step, time or attempt limit ended it
    FAILED = "failed"  # a fault of ours ended it
    LOST = "lost"  # ended while no controller was there to see how


class CallStarted(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A caller's channel reached us. `release` is the content hash of the centre's version in force."""

    call_id: CallId
    at: datetime
    channel_id: str
    called_number: str
    caller_number: str
    caller_name: str
    flow: str
    release: str
    language: str
    driver: str  # ari or agi
    node: str
    tariff_class: str = ""


class CallAnswered(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """We answered the caller."""

    call_id: CallId
    at: datetime


class LegStarted(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """One channel of the call exists."""

    call_id: CallId
    leg_id: LegId
    at: datetime
    channel_id: str
    channel_name: str
    role: Role
    number: str


class LegAnswered(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The far end of a leg answered."""

    call_id: CallId
    leg_id: LegId
    at: datetime


class LegEnded(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A channel is gone. `cause` is its Q.850 cause as Asterisk reports it, 0 when unknown."""

    call_id: CallId
    leg_id: LegId
    at: datetime
    cause: int
    cause_text: str
    ended_by: Party


class StepTaken(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The call left a step of a flow. `seq` counts from 1 within the call; `digits` masked when secret."""

    call_id: CallId
    seq: int
    flow: str
    step: str
    type: str
    entered_at: datetime
    left_at: datetime
    exit: str
    digits: str = ""
    detail: dict[str, Any] = {}


class CallEnded(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The caller's leg is gone and nothing more will happen."""

    call_id: CallId
    at: datetime
    disposition: Disposition
    ended_by: Party
    cause: int
    language: str = ""
    reason: str = ""


class StateSaved(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """Where a running call stands: enough for another controller to take it up. Last one wins.

    `state` is `msgspec.json` of the flow run; opaque here.
    """

    call_id: CallId
    at: datetime
    channel_id: str
    driver: str
    release: str
    node: str
    state: bytes


class StateDropped(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The saved state of a call is not needed any more, although its end was not seen."""

    call_id: CallId
    at: datetime


class ReleaseUsed(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A version of the centre came into force. `sources`: text of each of its files by relative path."""

    release: str
    at: datetime
    sources: dict[str, str]


class AsteriskCdr(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """One CDR as Asterisk itself wrote it (AMI `Cdr` event), kept to compare with ours."""

    uniqueid: str
    at: datetime
    fields: dict[str, str]


Entry = (
    CallStarted
    | CallAnswered
    | LegStarted
    | LegAnswered
    | LegEnded
    | StepTaken
    | CallEnded
    | StateSaved
    | StateDropped
    | ReleaseUsed
    | AsteriskCdr
)
