"""What a conversation decides with: its standing, those it asks, and the verbs of which transitions are made.

Nothing here waits. Entries of the record and engagements of agents are told as they are decided; the standing is
kept before anything is done in Asterisk, and that is left in `effects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.calls.asks import Target, TargetKind
from controller.calls.conversation.moments import Drop, Effect, Find, Refer, Ring
from controller.calls.conversation.numbers import Numbers
from controller.calls.conversation.standing import (
    Called,
    Ending,
    How,
    Leg,
    Person,
    Phase,
    Recording,
    Standing,
    Watcher,
    Why,
)
from controller.calls.desk import TalkView
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.places import Places
from controller.cdr.entries import Party, Role, TalkEnded, TalkEvent, TalkStarted
from controller.flow.queues import QueuePlan

MAX_TALK_S = 14_400.0
"""A conversation that lasts longer is one that nobody is in any more."""
PARKED_S = 300.0
"""A customer who is parked that long is offered to the agent who parked them, then to the queue."""
KEYS_S = 5.0
"""After the customer's last key the recording leaves out what is heard for that long: it may be a secret."""
FIRST = 9
"""The priority of a customer who comes back to the queue through no wish of their own."""

IMPOSSIBLE = Refused("impossible", "this cannot be done now", "look at the conversation's state, then ask again")


@dataclass(frozen=True, slots=True)
class Means:
    """Whom a conversation asks, and what it is about. `party` gives the id of a numbered leg."""

    call: CallRef
    customer: str
    visit: int
    places: Places
    plan: QueuePlan
    queues: Mapping[str, QueuePlan]
    numbers: Numbers
    party: Callable[[int], str]


@dataclass(slots=True)
class Course:
    """See the module. `reply` is the answer to what was asked last, None: it was done."""

    standing: Standing
    means: Means
    effects: list[Effect] = field(default_factory=list)
    reply: Refused | None = None
    keys_until: datetime | None = None
    gone: str = ""
    """The party whose end is being told: it needs no hanging up."""

    # --- changing -----------------------------------------------------------------------------------------

    def change(self, **fields: Any) -> None:
        """Change fields of the standing."""
        self.standing = msgspec.structs.replace(self.standing, **fields)

    def refuse(self, code: str, message: str, advice: str) -> None:
        """Answer what was asked: it is not done, and why."""
        self.reply = Refused(code, message, advice)

    def event(self, kind: str, at: datetime, *, agent: str | None = None, **detail: Any) -> None:
        """Write an event of the talk into the record."""
        self.change(seq=self.standing.seq + 1)
        who = agent if agent is not None else self.standing.lead.agent if self.standing.lead else ""
        self.means.places.told(TalkEvent(self.means.call.call_id, self.standing.seq, at, kind, who, detail))

    def new_leg(self) -> Leg:
        """Return a leg that was never used."""
        number = self.standing.leg + 1
        self.change(leg=number)
        return Leg(number, self.means.party(number))

    def new_bridge(self) -> int:
        """Return the number of a bridge that was never used."""
        self.change(bridge=self.standing.bridge + 1)
        return self.standing.bridge

    # --- people -------------------------------------------------------------------------------------------

    def drop(self, *legs: Leg) -> None:
        """Have legs hung up."""
        there = [leg for leg in legs if leg.party != self.gone]
        self.change(leaving=(*self.standing.leaving, *there))
        self.effects += [Drop(leg) for leg in there]

    def let_go(self, person: Person | None, *, wrap_up: bool) -> None:
        """Have a person's leg hung up, and the agent free again: after wrap-up, or at once."""
        if person is not None:
            self.release(person.agent, wrap_up=wrap_up)
            self.drop(person.leg)

    def release(self, agent: str, *, wrap_up: bool) -> None:
        """Say that an agent is out of the call."""
        if agent:
            self.means.places.released(AgentId(agent), wrap_up=wrap_up)

    def stop_calling(self) -> None:
        """Give up whoever rings."""
        called = self.standing.called
        if called is not None:
            self.change(called=None)
            self.drop(*called.legs)
            if called.reserved:
                self.release(called.agent, wrap_up=False)

    def account(self, agent: str) -> AgentAccount | None:
        """Return an agent's account."""
        return self.means.places.account(AgentId(agent)) if agent else None

    # --- talks --------------------------------------------------------------------------------------------

    def begin_talk(self, person: Person, at: datetime) -> None:
        """Let the customer talk with `person`, who leads from now on."""
        person = self.heard(person, at)
        standing, means = self.standing, self.means
        self.change(
            lead=person,
            desk_hold=False,
            phone_hold=False,
            away_since=None,
            away_s=0.0,
            talking_since=at,
            ends_at=at + timedelta(seconds=MAX_TALK_S),
        )
        if person.agent and means.plan.record is not None:
            number = standing.recorded + 1
            recording = Recording(number, standing.talk_bridge, at, person.agent)
            self.change(recorded=number, recording=recording)

    def heard(self, person: Person, at: datetime) -> Person:
        """Say that customer and `person` hear each other from now on, if it was not said before."""
        if not person.agent or person.talk:
            return person
        means, talk = self.means, self.standing.talk + 1
        means.places.talking(AgentId(person.agent), means.call.call_id, self.standing.queue)
        self.change(talk=talk, last_agent=person.agent)
        means.places.told(TalkStarted(means.call.call_id, talk, means.visit, person.agent, self.standing.queue, at))
        return msgspec.structs.replace(person, talk=talk)

    def heard_no_more(self, person: Person | None, at: datetime, how: str, by: Party) -> None:
        """Say that a third one does not talk with the customer any more."""
        if person is not None and person.talk:
            self.means.places.told(TalkEnded(self.means.call.call_id, person.talk, at, by, 0.0, how))

    def end_talk(self, at: datetime, how: str, by: Party) -> Person | None:
        """End the talk and everybody's part in it but the lead's, who is returned and still to be let go."""
        standing = self.standing
        lead = standing.lead
        self.back(at)
        standing = self.standing
        talked_s = (at - standing.talking_since).total_seconds() if standing.talking_since else 0.0
        if lead is not None and lead.talk:
            self.means.places.told(
                TalkEnded(self.means.call.call_id, lead.talk, at, by, round(standing.away_s, 3), how)
            )
        if standing.recording is not None:
            self.change(finished=(*standing.finished, standing.recording))
        for watcher in standing.watchers:
            self.end_watch(watcher, at)
        self.change(
            lead=None,
            recording=None,
            talking_since=None,
            ends_at=None,
            talked_s=standing.talked_s + max(0.0, talked_s),
            held_s=standing.held_s + standing.away_s,
            away_s=0.0,
        )
        return lead

    def away(self, at: datetime) -> None:
        """Count the time that the customer hears music, from now on."""
        if self.standing.away_since is None:
            self.change(away_since=at)

    def back(self, at: datetime) -> None:
        """Count no further."""
        since = self.standing.away_since
        if since is not None:
            away_s = self.standing.away_s + max(0.0, (at - since).total_seconds())
            self.change(away_since=None, away_s=away_s)

    def end_watch(self, watcher: Watcher, at: datetime) -> None:
        """Let a supervisor go."""
        self.change(watchers=tuple(each for each in self.standing.watchers if each.agent != watcher.agent))
        self.drop(*watcher.legs, *((watcher.snoop,) if watcher.snoop else ()))
        if watcher.up:
            self.event("supervision_ended", at, agent=watcher.agent)

    # --- reaching somebody --------------------------------------------------------------------------------

    def seek(self, target: Target, why: Why) -> Refused | None:
        """Look for the devices of an agent, engaged from now on, or of an extension. Return why it is no use."""
        if target.kind is TargetKind.AGENT:
            account = self.account(target.value)
            if account is None:
                return Refused("unknown_agent", f"there is no agent {target.value}", "take an agent's id")
            return self.seek_agent(account, why)
        endpoint = self.means.numbers.endpoint(target.value) if target.kind is TargetKind.EXTENSION else ""
        if not endpoint:
            return Refused("unknown_extension", f"{target} cannot be called", "take an extension of the centre")
        self.effects.append(Find(why, target.value, "", endpoint))
        return None

    def seek_agent(self, account: AgentAccount, why: Why) -> Refused | None:
        """Engage an agent and look for their devices. Return why the agent is not to be had."""
        lead = self.standing.lead
        if lead is not None and lead.agent == account.agent:
            return Refused("same_agent", "this agent has the customer already", "take somebody else")
        refused = self.means.places.reserve(account.agent, self.means.call.call_id, self.standing.queue)
        if refused is None:
            self.effects.append(Find(why, account.agent, account.agent, account.extension, reserved=True))
        return refused

    def ring(self, sought: Find, why: Why, devices: tuple[str, ...], at: datetime, bridge: int) -> None:
        """Ring all devices of somebody, into `bridge`; the first one to answer has the call."""
        ring_s = self.means.plan.rules.ring_s
        legs = tuple(self.new_leg() for _ in devices)
        until = at + timedelta(seconds=ring_s)
        self.change(called=Called(why, sought.agent, sought.name, legs, until, sought.reserved))
        beyond = Role.EXTENSION if why is Why.CONSULT else Role.TRANSFER
        role = Role.AGENT if sought.agent else beyond
        number = self.account_number(sought.agent) or sought.name
        self.effects += [
            Ring(leg, device, number, role, ring_s, bridge) for leg, device in zip(legs, devices, strict=True)
        ]

    def account_number(self, agent: str) -> str:
        """Return an agent's extension, "" when there is no such agent."""
        account = self.account(agent)
        return account.extension if account else ""

    def answer_refer(self, state: str) -> None:
        """Tell the lead's phone how the transfer it asked for goes."""
        if self.standing.lead is not None and self.standing.lead.leg.party != self.gone:
            self.effects.append(Refer(self.standing.lead.leg.party, state))

    # --- the end ------------------------------------------------------------------------------------------

    def end(self, how: How, at: datetime, by: Party, **fields: Any) -> None:
        """Bring the conversation to its end, whoever is still in it."""
        self.stop_calling()
        self.heard_no_more(self.standing.other, at, "hangup", by)
        self.let_go(self.standing.other, wrap_up=self.standing.phase is Phase.THREE_WAY)
        if self.standing.slot:
            self.means.places.unpark(self.means.call.call_id)
        self.change(
            phase=Phase.OVER,
            other=None,
            consult_bridge=0,
            slot=0,
            parked_until=None,
            ending=Ending(how, **fields),
        )

    def back_to_queue(self, note: str, at: datetime) -> None:
        """Let the customer wait again, before others, with the original entry time."""
        agent = self.standing.last_agent
        self.end(How.MOVED, at, Party.SYSTEM, queue=self.standing.queue, note=note, from_agent=agent, first=True)

    # --- what others see ----------------------------------------------------------------------------------

    def view(self, at: datetime) -> TalkView | None:
        """Return what boards show; None once it is over."""
        standing = self.standing
        if standing.phase is Phase.OVER:
            return None
        consulted = standing.called if standing.phase is Phase.CALLING else standing.other
        recording = standing.recording
        callback = self.means.call.callback
        parked_at = standing.parked_until - timedelta(seconds=PARKED_S) if standing.parked_until else None
        return TalkView(
            call_id=self.means.call.call_id,
            queue=standing.queue,
            agent=AgentId(standing.lead.agent if standing.lead else ""),
            number=self.means.call.caller_number,
            since=standing.talking_since or parked_at or at,
            on_hold=standing.away_since is not None and standing.lead is not None,
            consulting=consulted.name if consulted is not None else "",
            parked_slot=standing.slot,
            recording="" if recording is None else "paused" if recording.paused else "on",
            supervisors=tuple(AgentId(each.agent) for each in standing.watchers if each.up),
            request=callback.request if callback is not None else "",
            name=callback.name if callback is not None else "",
            reason=callback.reason if callback is not None else "",
        )
