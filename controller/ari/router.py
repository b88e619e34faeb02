"""Which call an event belongs to.

A call's ids (its channels, its bridges) are registered before the request that creates them is sent, because
events can come before the answer. An event goes to the inbox of the call that owns one of the ids it names; a
channel that enters the application and that nobody owns is an arrival.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from controller.ari.connection import Snapshot
from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.inbox import ChannelLost, Inbox, Resynchronised

log = structlog.get_logger(__name__)

_ORPHANS = 20_000
"""Events of unowned channels that are kept while a reconnect is caught up with."""


@dataclass(slots=True)
class RouterCounters:
    """Totals since start, for the metrics."""

    routed: int = 0
    unowned: int = 0
    overflowed: int = 0


class Router:
    """A `Listener` that sorts events into inboxes.

    `arrival` gets each `StasisStart` of a channel that nobody owns, `unowned` every other event that nobody owns.
    Both return at once; `arrival` opens the inbox. `entered` gets each snapshot before the events kept meanwhile,
    `settled` gets it after them.
    """

    def __init__(
        self,
        *,
        arrival: Callable[[models.StasisStart], None],
        unowned: Callable[[AnyEvent], None] = lambda _: None,
        entered: Callable[[Snapshot], None] = lambda _: None,
        settled: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        self.counters = RouterCounters()
        self._arrival = arrival
        self._unowned = unowned
        self._entered = entered
        self._settled = settled
        self._owners: dict[str, Inbox] = {}
        self._seen: set[str] = set()
        self._missing: frozenset[str] = frozenset()
        self._orphans: deque[tuple[frozenset[str], AnyEvent]] | None = None

    def __len__(self) -> int:
        return len(self._owners)

    def owns(self, resource_id: str) -> bool:
        """Tell whether a call has registered this channel or bridge."""
        return resource_id in self._owners

    def open(self, channel_id: str) -> Inbox:
        """Return the inbox of the caller's channel, opening it if need be."""
        inbox = self._owners.get(channel_id)
        if inbox is None:
            inbox = Inbox(channel_id)
            self.attach(inbox, channel_id)
        return inbox

    def attach(self, inbox: Inbox, *ids: str) -> None:
        """Route the events of these channels and bridges to `inbox`; what came for them in a gap comes first.

        A call that had them until now is told that they are lost to it.
        """
        fresh = set(ids) - inbox.ids
        for name in fresh & self._owners.keys():
            former = self._owners[name]
            former.ids.discard(name)
            former.put(ChannelLost(name))
        self._owners.update(dict.fromkeys(ids, inbox))
        inbox.ids |= fresh
        if self._orphans is None or not fresh:
            return
        kept, self._orphans = self._orphans, deque(maxlen=_ORPHANS)
        for named, event in kept:
            if fresh.isdisjoint(named):
                self._orphans.append((named, event))
            else:
                self._put(inbox, event)

    def detach(self, *ids: str) -> None:
        """Stop routing the events of these ids."""
        for name in ids:
            inbox = self._owners.pop(name, None)
            if inbox is not None:
                inbox.ids.discard(name)
            self._seen.discard(name)

    def close(self, inbox: Inbox) -> None:
        """Forget an inbox and everything that was attached to it."""
        self.detach(*inbox.ids)

    # --- what the connection reports ----------------------------------------------------------------------

    def dispatch(self, event: AnyEvent) -> None:
        """Put `event` into the inbox it belongs to, or hand it to whoever takes strangers."""
        named = _named(event)
        for name in named:
            inbox = self._owners.get(name)
            if inbox is not None:
                channel = named[0]
                if isinstance(event, models.ChannelDestroyed):
                    self._seen.discard(channel)
                elif self._owners.get(channel) is inbox:
                    self._seen.add(channel)
                self._put(inbox, event)
                return
        self.counters.unowned += 1
        if isinstance(event, models.StasisStart):
            self._arrival(event)
            inbox = self._owners.get(event.channel.id)
            if inbox is not None:
                self._seen.add(event.channel.id)
                return
        if self._orphans is not None and named:
            self._orphans.append((frozenset(named), event))
        self._unowned(event)

    def snapshot(self, snapshot: Snapshot) -> None:
        """See `Listener.snapshot`."""
        self._missing = frozenset(self._seen - snapshot.channels.keys())
        self._orphans = deque(maxlen=_ORPHANS)
        self._entered(snapshot)
        self._seen |= self._owners.keys() & snapshot.channels.keys()

    def caught_up(self, snapshot: Snapshot) -> None:
        """See `Listener.caught_up`: tell each call to look again, and which of its channels have vanished."""
        for inbox in set(self._owners.values()):
            inbox.put(Resynchronised())
        for channel_id in self._missing & self._seen:
            self._seen.discard(channel_id)
            owner = self._owners.get(channel_id)
            if owner is not None:  # else another one of its channels was lost before, and closed it
                self._put(owner, ChannelLost(channel_id))
        self._missing = frozenset()
        self._settled(snapshot)

    def forget_orphans(self) -> None:
        """Let go of the events of unowned channels: whoever resumes has attached its ids by now."""
        self._orphans = None

    def disconnected(self) -> None:
        """See `Listener.disconnected`; calls notice when a request of theirs fails."""

    def _put(self, inbox: Inbox, item: AnyEvent | ChannelLost) -> None:
        self.counters.routed += 1
        if not inbox.put(item):
            self.counters.overflowed += 1
            log.error("ari_inbox_overflowed", channel=inbox.owner, kind=type(item).__name__)


def _named(event: AnyEvent) -> tuple[str, ...]:
    """Return the ids that an event is about, the most telling first."""
    if isinstance(event, (models.PlaybackStarted, models.PlaybackContinuing, models.PlaybackFinished)):
        return (event.playback.target_uri.partition(":")[2],)
    if isinstance(event, models.Dial):
        return (event.peer.id,) if event.caller is None else (event.peer.id, event.caller.id)
    if isinstance(event, (models.RecordingStarted, models.RecordingFinished, models.RecordingFailed)):
        return (event.recording.target_uri.partition(":")[2],)
    if isinstance(event, models.ChannelTransfer):
        return (event.referred_by.source_channel.id,)
    channel: models.Channel | None = getattr(event, "channel", None)
    bridge: models.Bridge | None = getattr(event, "bridge", None)
    return tuple(part.id for part in (channel, bridge) if part is not None)
