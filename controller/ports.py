"""What the calls layer needs from the outside, as protocols; the adapters implement them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from controller.acd.model import AgentAccount, AgentId
from controller.cdr.entries import Entry, Role, StateSaved
from controller.flow.commands import Command, Event, LookedUp, Lookup, LookupFailed, MediaId
from controller.ids import CallId
from controller.switchboard import Switchboard


class Clock(Protocol):
    """Wall time for records, monotonic time for waits."""

    def now(self) -> datetime:
        """Return the time of day, aware UTC."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""


class Telephone(Protocol):
    """The caller's end of one call: performs the flow's commands, one at a time.

    `perform` returns exactly one event, `HungUp` once the caller has gone. It raises `TelephonyError` only
    for what no event describes (`AsteriskUnreachable`); cancellation means shutdown and leaves the caller's
    channel as it is.
    """

    async def perform(self, command: Command) -> Event:
        """Carry `command` out and report how it went.

        Never called for what the calls layer does itself: `Lookup`, `Enqueue`, `KeepMessage`, `AgentAct`,
        `ListMessages`, `HearMessage`, `TreatMessage`.
        """

    def switchboard(self) -> Switchboard | None:
        """Return what a visit to the queues is made with; None where there is none (FastAGI)."""


class LookupClient(Protocol):
    """Makes the HTTP requests of `http` steps."""

    async def fetch(self, request: Lookup) -> LookedUp | LookupFailed:
        """Make one request; every failure is a `LookupFailed`, never an exception."""


class Recorder(Protocol):
    """Takes entries of the record. Durable against a killed process once `record` has returned."""

    def record(self, *entries: Entry) -> None:
        """Append `entries`, in order. Does not block on the network."""


class Rejection(msgspec.Struct, frozen=True):
    """One entry that a record store refused for good: its `index` in the batch and why."""

    index: int
    reason: str


class RecordStore(Protocol):
    """The database behind the journal: may be away at any time, and says so with `StoreError`."""

    async def write(self, entries: Sequence[Entry]) -> Sequence[Rejection]:
        """Store `entries` in order, idempotently, and return those it refused for good.

        Once it has returned, everything else is durable. `StoreError`: try the same batch again later;
        none, some or all of it may have been stored. With no entries: only look whether the store is there.
        """

    async def live_states(self) -> Sequence[StateSaved]:
        """Return the last stored state of every call, on any node, that has not ended."""

    async def ended(self, call_ids: Collection[CallId]) -> Collection[CallId]:
        """Return those of `call_ids` that are known to have ended."""


class ReleaseArchive(Protocol):
    """Keeps the sources of every version of the centre that was in force, for all nodes."""

    async def load_release(self, release: str) -> Mapping[str, str] | None:
        """Return the sources (text by relative path) of the centre's version `release`; None if unknown."""


class AudioLibrary(Protocol):
    """Knows where prepared audio lies."""

    def path(self, media: MediaId) -> str:
        """Return the absolute path, without extension, that Asterisk plays; raise `KeyError` if unknown."""

    def duration_s(self, media: MediaId) -> float:
        """Return how long it lasts; raise `KeyError` if unknown."""


class LegObserver(Protocol):
    """Told by a telephone about the legs it creates for a call; times are those of Asterisk's own events."""

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        """A channel towards `number` exists (not yet answered)."""

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        """The far end answered."""

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        """The channel is gone; `by_callee` when its far end hung up or refused."""


SIP_REALM: Final = "rappel"
"""The digest realm of the agents' SIP accounts.

Part of every HA1: never to be changed without new passwords for all.
"""


class AgentSecret(msgspec.Struct, frozen=True):
    """What an agent's device logs in with: MD5 of `user:realm:password` (A1 of RFC 7616), never the password."""

    agent: AgentId
    ha1: str

    def __repr__(self) -> str:
        return f"AgentSecret({self.agent})"


class AgentDirectory(Protocol):
    """The accounts of the agents, in Postgres. Every method raises `StoreError` when the database is away."""

    async def accounts(self) -> Sequence[AgentAccount]:
        """Return all accounts, by id."""

    async def secrets(self) -> Sequence[AgentSecret]:
        """Return the devices' secrets of all enabled accounts."""

    async def put(self, accounts: Sequence[AgentAccount], secrets: Sequence[AgentSecret] = ()) -> None:
        """Create or change accounts, all or none; an extension that another agent has is a `StoreConflict`."""

    async def remove(self, agent: AgentId) -> bool:
        """Delete an account; False when there was none. Records keep the id."""

    def changes(self) -> AsyncIterator[None]:
        """Yield whenever accounts have changed, on any node, and at least every 30 s."""


class LastTalk(msgspec.Struct, frozen=True):
    """A conversation that ended: `number` is the customer's."""

    number: str
    queue: str
    agent: str
    ended_at: datetime


class QueueDay(msgspec.Struct, frozen=True):
    """What a queue has done in a day, by the formulas of `docs/figures.md`."""

    queue: str
    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    in_level: int = 0


class ExpiredAudio(msgspec.Struct, frozen=True):
    """A kept recording whose time is over. `path` is relative to the recordings' folder."""

    recording_id: str
    path: str


class History(Protocol):
    """What the distribution asks of the record. Every method raises `StoreError` when the database is away."""

    async def last_talks(self, since: datetime) -> Sequence[LastTalk]:
        """Return the last talk of each number in each queue that ended at `since` or later; 50,000 at most."""

    async def day(self, since: datetime) -> Sequence[QueueDay]:
        """Return what each queue has done since `since`: visits count by when they ended."""

    async def mailboxes(self) -> Mapping[str, tuple[int, int]]:
        """Return how many voice messages each queue holds, erased ones aside: (new, heard)."""

    async def expired_audio(self, at: datetime, limit: int) -> Sequence[ExpiredAudio]:
        """Return recordings to be erased: kept until before `at` and not erased yet, oldest first."""


class KeptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A voice message whose file is in the store. `path` is relative to it; `caller` is "" when withheld."""

    recording_id: str
    queue: str
    kept_at: datetime
    caller: str
    path: str
    new: bool
    """Nobody has listened, or somebody has kept it as new."""


class Mailboxes(Protocol):
    """The voice messages of the queues. Every method raises `StoreError` when the database is away."""

    async def inbox(self, queues: Sequence[str], limit: int) -> Sequence[KeptMessage]:
        """Return the messages of `queues`: new ones first, oldest first; then heard ones, newest first."""

    async def message(self, recording_id: str) -> KeptMessage | None:
        """Return one message; None when there is none, or it is erased."""

    async def note_access(self, recording_id: str, by: str, how: str) -> bool:
        """Write down that `by` `listened` or `downloaded`; False when there is no such file. It is heard then."""

    async def keep_as_new(self, recording_id: str) -> bool:
        """Let a message count as new again; False when there is none. The accesses stay written down."""


class StoredRecordings(Protocol):
    """Asterisk's finished recordings. Methods raise `TelephonyError`; `ChannelGone` when there is no such one."""

    async def fetch(self, recording: str) -> bytes:
        """Return the WAV file of a recording; 1 MB a minute."""

    async def forget(self, recording: str) -> None:
        """Delete it; one that is not there is no error."""


class DeviceSettings(msgspec.Struct, frozen=True):
    """A SIP account that Asterisk is to have."""

    endpoint: str
    """Also the user name."""
    display_name: str
    ha1: str
    mailboxes: tuple[str, ...] = ()
    """Queues whose new messages the phone's lamp shows."""

    def __repr__(self) -> str:
        return f"DeviceSettings({self.endpoint})"


class DeviceState(msgspec.Struct, frozen=True):
    """Whether a device can be called, and whether it is in a call, ours or not."""

    endpoint: str
    reachable: bool
    channels: frozenset[str] = frozenset()


class Devices(Protocol):
    """The agents' SIP accounts in Asterisk (dynamic configuration in its memory), and how the devices are."""

    def configure(self, wanted: Sequence[DeviceSettings]) -> None:
        """Say which accounts there are to be from now on; put again by itself whenever Asterisk has started anew."""

    def watch(self, changed: Callable[[DeviceState], None]) -> None:
        """Be told of every change, and of all devices after a (re)connect."""

    def messages(self, mailbox: str, new: int, old: int) -> None:
        """Say how many messages a queue's mailbox holds."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token of the API as it is stored, without its secret. `agent`: it acts for this agent alone."""

    token_id: str
    name: str
    scopes: frozenset[str]
    agent: AgentId | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Who did it, for the record."""
        return f"agent:{self.agent}" if self.agent else f"token:{self.name}"


class TokenStore(Protocol):
    """The API's tokens, in Postgres. Methods raise `StoreError` while it is away."""

    async def find(self, digest: bytes) -> Token | None:
        """Return the token with this SHA-256 that is neither revoked nor expired, and note that it was used."""

    async def create(
        self, digest: bytes, name: str, scopes: Sequence[str], agent: AgentId | None, expires_at: datetime | None
    ) -> Token:
        """Store a new token."""

    async def all(self) -> Sequence[Token]:
        """Return the tokens that are not revoked, newest first."""

    async def revoke(self, token_id: str) -> bool:
        """End a token; False when there is none."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send which events. `kinds` are names of events, or `talk.*` for all that begin so."""

    webhook_id: str
    url: str
    kinds: tuple[str, ...]
    queue: str = ""
    enabled: bool = True
    created_at: datetime
    problem: str = ""
    """Why the last attempt failed; "" when it did not."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook. `attempt` counts from 1."""

    delivery_id: int
    url: str
    secret: str
    event_id: str
    body: bytes
    attempt: int

    def __repr__(self) -> str:
        return f"Delivery({self.delivery_id}, attempt={self.attempt})"


class WebhookStore(Protocol):
    """The webhooks and what is to be sent. Methods raise `StoreError` while Postgres is away."""

    async def create(self, url: str, kinds: Sequence[str], queue: str, secret: str) -> Webhook:
        """Store a webhook; events from now on are sent to it."""

    async def webhooks(self) -> Sequence[Webhook]:
        """Return all, oldest first."""

    async def remove(self, webhook_id: str) -> bool:
        """Delete one and what was still to be sent to it; False when there is none."""

    async def claim(self, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Return up to `limit` deliveries that are due, not to be claimed again for `lease_s`; attempts count up."""

    async def delivered(self, delivery_id: int) -> None:
        """It was taken."""

    async def failed(self, delivery_id: int, reason: str, again_at: datetime | None) -> None:
        """It was not: try again then, or (None) give it up."""
