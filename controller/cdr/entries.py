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
    AGENT = "agent"  # an agent who is offered the call, talks, or is consulted
    SUPERVISOR = "supervisor"  # listens, whispers or barges in
    TRANSFER = "transfer"  # a number the call was transferred to


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
    """A caller's channel reached us, or a customer whom we called has answered.

    `release` is the content hash of the centre's version in force. Of an outbound call the caller is the customer all
    the same, and the called number is the one of ours that was shown.
    """

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
    direction: str = "inbound"  # or outbound
    request_id: str = ""
    """The call-back request that an outbound call was made for."""
    visitor: dict[str, Any] | None = None
    """Of a call from a web page: its site, where the visitor came from, what they said of themselves."""


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


# --- distribution -----------------------------------------------------------------------------------------
# A *visit* is one stay in the queues, counted within the call from 1; an escalation or transfer to another queue
# begins the next one. An *offer* is one ring of one agent, counted within the call.


class QueueEntered(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A customer began to wait. `at` is now, `entered_at` the original entry time that decides the place.

    `position` counts from 1; `estimate_s` is what the estimator said then, None when it could say nothing.
    """

    call_id: CallId
    visit: int
    queue: str
    at: datetime
    entered_at: datetime
    priority: int = 0
    needs: dict[str, int] = {}
    position: int = 0
    estimate_s: float | None = None
    from_agent: str = ""
    """The agent who sent the customer here (escalation, transfer to a queue); "" for the flow."""
    service_level_s: float | None = None
    """The queue's thresholds at that time, so that figures of the past stay as they were; None: not told."""
    short_abandoned_s: float | None = None


class QueueExited(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The wait is over.

    `exit`: connected, abandoned, timeout, full, closed, no_agents, callback, message, moved, failed.
    """

    call_id: CallId
    visit: int
    at: datetime
    exit: str
    agent: str = ""


class OfferMade(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """An agent's phone is about to ring."""

    call_id: CallId
    visit: int
    offer: int
    agent: str
    queue: str
    at: datetime


class OfferEnded(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """How it ended: a value of `controller.acd.model.OfferOutcome`."""

    call_id: CallId
    offer: int
    at: datetime
    outcome: str


class TalkStarted(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """Agent and customer hear each other. `talk` counts the conversations of the call from 1."""

    call_id: CallId
    talk: int
    visit: int
    agent: str
    queue: str
    at: datetime


class TalkEnded(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """The agent is out of the conversation. `hold_s` is the time the customer was on hold in it."""

    call_id: CallId
    talk: int
    at: datetime
    ended_by: Party
    hold_s: float = 0.0
    how: str = "hangup"
    """hangup, transfer_blind, transfer_attended, escalated, parked, failed."""


class TalkEvent(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """Something was done in a conversation.

    `kind`: hold, unhold, consult, consult_ended, three_way, transfer_blind, transfer_attended, park, unpark,
    escalate, listen, whisper, barge, supervision_ended, record_paused, record_resumed. `seq` counts within the call.
    """

    call_id: CallId
    seq: int
    at: datetime
    kind: str
    agent: str = ""
    detail: dict[str, Any] = {}


class Disposed(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """An agent said what became of a call; the last word stands."""

    call_id: CallId
    agent: str
    at: datetime
    code: str
    note: str = ""


class AgentChanged(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """An agent's state changed to `state` (an `AgentState` of `controller.acd.model`).

    `presence` is what survives a restart.
    """

    agent: str
    at: datetime
    state: str
    presence: str
    reason: str = ""
    until: datetime | None = None
    queue: str = ""
    call_id: str = ""
    by: str = ""
    """Who did it: the agent, a supervisor's id, or `rule`."""


class AudioKept(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A recording is in the store: a conversation's, or a voice message.

    `path` is relative to the recordings' folder.
    """

    recording_id: str
    call_id: CallId
    kind: str  # conversation or message
    at: datetime
    queue: str
    path: str
    sha256: str
    bytes: int
    duration_s: float
    keep_until: datetime
    agent: str = ""
    caller: str = ""


class AudioErased(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A recording's file was deleted: its time was over, or somebody asked."""

    recording_id: str
    at: datetime
    by: str


class CallbackChanged(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """A request to be called back was taken or changed, or is over; how it is is in `callback_requests`.

    `state` and `outcome` are values of `controller.callback.model`.
    """

    request_id: str
    at: datetime
    queue: str
    state: str
    source: str = ""
    agent: str = ""
    """Who shall call, if somebody certain."""
    outcome: str = ""
    """Of the last attempt."""
    due_at: datetime | None = None
    tries: int = 0
    reason: str = ""


class CallbackAttempted(msgspec.Struct, frozen=True, tag=True, tag_field="entry"):
    """An attempt to call a customer has come further, or is over; how it is is in `callback_attempts`."""

    attempt_id: str
    request_id: str
    call_id: CallId
    """Of the call that the customer's answer begins."""
    at: datetime
    queue: str
    agent: str
    state: str
    outcome: str = ""
    cause: int = 0


CallEntry = (
    CallStarted
    | CallAnswered
    | LegStarted
    | LegAnswered
    | LegEnded
    | StepTaken
    | CallEnded
    | StateSaved
    | StateDropped
)
"""What is folded into calls and legs (`controller.cdr.fold`)."""

DistributionEntry = (
    QueueEntered
    | QueueExited
    | OfferMade
    | OfferEnded
    | TalkStarted
    | TalkEnded
    | TalkEvent
    | Disposed
    | AgentChanged
    | AudioKept
    | AudioErased
    | CallbackChanged
    | CallbackAttempted
)
"""What queues, agents and recordings leave; each is a row of its own, or completes one."""

Entry = CallEntry | ReleaseUsed | AsteriskCdr | DistributionEntry
