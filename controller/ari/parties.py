"""The parties of one call as their events tell of them: what happened, in the words of the switchboard."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from controller.ari.generated import models
from controller.ari.inbox import ChannelLost
from controller.ari.leg import Leg
from controller.ari.line import Line
from controller.cdr.entries import Role
from controller.ports import LegObserver
from controller.switchboard import Gone, Happening, Held, PickedUp, Pressed, Referred, Ringing

_CAUSE_S = 0.25
"""How long the cause of an end is waited for: ChannelDestroyed does not always come."""


class Unobserved:
    """Takes no note: a snoop channel is nobody's leg, and one called for a call that may never be is none yet."""

    def leg_started(
        self, channel_id: str, channel_name: str, number: str, at: datetime, role: Role = Role.EXTENSION
    ) -> None:
        """See `LegObserver`."""

    def leg_answered(self, channel_id: str, at: datetime) -> None:
        """See `LegObserver`."""

    def leg_ended(self, channel_id: str, cause: int, cause_text: str, at: datetime, *, by_callee: bool) -> None:
        """See `LegObserver`."""


class Parties:
    """The caller and the legs of one call."""

    def __init__(self, line: Line, observer: LegObserver) -> None:
        self.where: dict[str, str] = {}
        """The bridge that a party is in, or has been asked into."""
        self.dropped: set[str] = set()
        """Parties that we have hung up."""
        self.caller_gone: Gone | None = None
        self._line = line
        self._observer = observer
        self._legs: dict[str, Leg] = {}
        self._leaving: dict[str, float] = {}
        self._rang: set[str] = set()
        self._ended: set[str] = set()

    def add(self, party: str, *, observed: bool = True) -> Leg:
        """Expect the events of a leg, or of a snoop channel; the same again for the same party, unless it ended."""
        leg = self._legs.get(party)
        if leg is None or leg.ended:
            leg = self._legs[party] = Leg(party, self._observer if observed else Unobserved())
            self.dropped.discard(party)
            self._ended.discard(party)
        return leg

    def leg(self, party: str) -> Leg | None:
        """Return what is known of a leg."""
        return self._legs.get(party)

    def ended(self, party: str) -> bool:
        """Whether the end of a party is known; Asterisk may list its channel for a moment more."""
        return party in self._ended or (party == self._line.channel_id and self.caller_gone is not None)

    def live(self) -> list[Leg]:
        """Return the legs that have not ended."""
        return [leg for leg in self._legs.values() if not leg.ended]

    def is_party(self, target: str) -> bool:
        """Tell a party from a bridge."""
        return target == self._line.channel_id or target in self._legs

    def leave(self, party: str) -> None:
        """Expect the end of a party: should nothing be heard of it, it is gone all the same."""
        self._leaving.setdefault(party, asyncio.get_running_loop().time() + _CAUSE_S)

    def deadline(self) -> float | None:
        """Return when the next party counts as gone if nothing more is heard of it."""
        return min(self._leaving.values(), default=None)

    def expire(self) -> list[Happening]:
        """Return the ends of those whose time to explain themselves is over."""
        now = asyncio.get_running_loop().time()
        over = [party for party, until in self._leaving.items() if until <= now]
        return [gone for party in over if (gone := self._end(party)) is not None]

    def lost(self, party: str) -> list[Happening]:
        """Return the end of a party that is gone without a word."""
        gone = self._end(party)
        return [] if gone is None else [gone]

    def found(self, leg: Leg, channel: models.Channel) -> list[Happening]:
        """Take note of how a leg was found; its ringing or its answer may have been missed."""
        leg.entered = True
        if channel.state == "Ringing":
            return self._rings(leg.id)
        if channel.state != "Up" or leg.answered_at is not None:
            return []
        leg.answered(channel)
        return [PickedUp(leg.id, channel.creationtime)]

    def take_up(self, channel: models.Channel) -> Leg:
        """Own a channel that an earlier controller created; its answer was told to that one."""
        leg = self.add(channel.id, observed=not channel.name.startswith("Snoop/"))
        leg.entered = True
        if channel.state == "Up" and leg.answered_at is None:
            leg.answered(channel)
        return leg

    def missed(self, party: str) -> list[Happening]:
        """Record the end of a leg that is found to have gone: nobody saw how."""
        if party in self._legs:
            return self.lost(party)
        Leg(party, self._observer).end(by_callee=False)  # an earlier controller had it
        return []

    def adopt(self, channel: models.Channel, number: str, role: Role) -> None:
        """Own a channel of another call: in this one's record it begins here."""
        leg = self.add(channel.id)
        leg.entered = True
        leg.exists(channel, number, role)
        if channel.state == "Up":
            leg.answered(channel, datetime.now(UTC))

    # --- events -------------------------------------------------------------------------------------------

    def note(self, event: object) -> list[Happening]:
        """Take note of an event, after the line has; return what happened."""
        if isinstance(event, ChannelLost):
            return self.lost(event.channel_id)
        if isinstance(event, models.ChannelTransfer):
            return self._referred(event)
        channel: models.Channel | None = getattr(event, "channel", None)
        if channel is None:
            return []
        happened: list[Happening] = []
        match event:
            case models.ChannelDtmfReceived():
                happened.append(Pressed(channel.id, event.digit))
            case models.ChannelHold() | models.ChannelUnhold():
                happened.append(Held(channel.id, on=isinstance(event, models.ChannelHold)))
            case models.ChannelEnteredBridge():
                self.where[channel.id] = event.bridge.id
            case models.ChannelLeftBridge() if self.where.get(channel.id) == event.bridge.id:
                del self.where[channel.id]
        if channel.id == self._line.channel_id:
            return happened + self._note_caller(event)
        leg = self._legs.get(channel.id)
        return happened + (self._note_leg(leg, event) if leg is not None else [])

    def overhear(self, event: object) -> None:
        """Take note of a leg's event that nobody waits for: its end goes to the observer."""
        channel: models.Channel | None = getattr(event, "channel", None)
        leg = None if channel is None else self._legs.get(channel.id)
        if leg is not None:
            self._note_leg(leg, event)
            if leg.left_at is not None and not leg.ended:
                self._end(leg.id)

    def _note_caller(self, event: object) -> list[Happening]:
        if not self._line.gone or self.caller_gone is not None:
            return []
        if self._line.cause or isinstance(event, models.ChannelDestroyed):
            at = event.timestamp if isinstance(event, models.Event) else datetime.now(UTC)
            gone = self._caller_ended(at)
            return [] if gone is None else [gone]
        self.leave(self._line.channel_id)
        return []

    def _note_leg(self, leg: Leg, event: object) -> list[Happening]:
        happened: list[Happening] = []
        unanswered = leg.answered_at is None
        if isinstance(event, models.ChannelStateChange) and event.channel.state == "Ringing":
            happened += self._rings(leg.id)
        if isinstance(event, models.Event):
            leg.note(event, by_callee=leg.id not in self.dropped)  # type: ignore[arg-type]  # every model of a channel
        if unanswered and leg.answered_at is not None:
            happened.append(PickedUp(leg.id, leg.answered_at))
        if leg.ended or (leg.left_at is not None and leg.explained):
            gone = self._end(leg.id)
            happened += [] if gone is None else [gone]
        elif leg.left_at is not None:
            self.leave(leg.id)
        return happened

    def _referred(self, event: models.ChannelTransfer) -> list[Happening]:
        party = event.referred_by.source_channel.id
        if event.state or not self.is_party(party):  # the echo of our own progress, or of a party that has gone
            return []
        wanted = event.refer_to.requested_destination
        # Of the device's other call it is the far end that is joined; one without is no attended transfer.
        other = event.refer_to.connected_channel
        return [Referred(party, wanted.destination or "", other.id if other is not None else "")]

    def _rings(self, party: str) -> list[Happening]:
        """Tell of the ringing once."""
        told = party in self._rang
        self._rang.add(party)
        return [] if told else [Ringing(party)]

    def _caller_ended(self, at: datetime) -> Gone | None:
        if self.caller_gone is not None:
            return None
        caller = self._line.channel_id
        self._forget(caller)
        self.caller_gone = Gone(caller, self._line.cause, at, by_far_end=caller not in self.dropped)
        return self.caller_gone

    def forget(self, party: str) -> None:
        """Expect nothing of a leg that never came to be."""
        self._legs.pop(party, None)
        self._forget(party)

    def _end(self, party: str) -> Gone | None:
        if party == self._line.channel_id:
            return self._caller_ended(datetime.now(UTC))
        leg = self._legs.pop(party, None)
        self._forget(party)
        if leg is None:
            return None
        self._ended.add(party)
        by_far_end = party not in self.dropped
        leg.end(by_callee=by_far_end)
        return Gone(party, leg.cause, leg.ended_at, by_far_end=by_far_end)

    def _forget(self, party: str) -> None:
        self._leaving.pop(party, None)
        self.where.pop(party, None)
