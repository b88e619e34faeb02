"""What the calls layer needs from the outside, as protocols; the adapters implement them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from controller.cdr.entries import Entry, StateSaved
from controller.flow.commands import Command, Event, LookedUp, Lookup, LookupFailed, MediaId
from controller.ids import CallId


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
        """Carry `command` out and report how it went. Never called for `Lookup`."""


class LookupClient(Protocol):
    """Makes the HTTP requests of `http` steps."""

    async def fetch(self, request: Lookup) -> LookedUp | LookupFailed:
        """Make one request; every failure is a `LookupFailed`, never an exception."""


class Recorder(Protocol):
    """Takes entries of the record. Durable against a killed process once `record` has returned."""

    def record(self, *entries: Entry) -> None:
        """Append `entries`, in order. Does not block on the network."""


class StateStore(Protocol):
    """Finds running calls again after a restart."""

    async def live_states(self) -> Sequence[StateSaved]:
        """Return the last state of every call that has not ended, from this node's journal and the database."""

    async def forget(self, call_id: CallId) -> None:
        """Drop the state of a call that is no longer running."""


class AudioLibrary(Protocol):
    """Knows where prepared audio lies."""

    def path(self, media: MediaId) -> str:
        """Return the absolute path, without extension, that Asterisk plays; raise `KeyError` if unknown."""

    def duration_s(self, media: MediaId) -> float:
        """Return how long it lasts; raise `KeyError` if unknown."""
