"""Supervisors in a conversation: they listen, whisper to the agent, or barge in.

A supervisor's phone is called and answered, then it shares a bridge with an ear on the agent's leg, or the bridge of
the talk. The ear hears what the agent hears and says, in a consultation as well. It all ends with the talk.

An ear is for one partner of the agent: when the agent talks with somebody else, it is opened anew. Asterisk's (22.10)
stays deaf to the new one in half of all cases, and nobody hears the whisper, unless all ears on the leg are closed
first: it depends on where the RTP of the two begins.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from controller.calls.asks import Supervise, SuperviseHow
from controller.calls.conversation.course import Course
from controller.calls.conversation.moments import Find, Found, Ring
from controller.calls.conversation.standing import Leg, Phase, Watcher
from controller.cdr.entries import Role

RING_S = 30.0


def supervise(course: Course, ask: Supervise, at: datetime) -> None:
    """Do what a supervisor asks: take part, take part otherwise, or leave."""
    watcher = _watching(course, ask.supervisor.agent)
    lead = course.standing.lead
    if watcher is None and ask.how is SuperviseHow.END:
        course.refuse("not_watching", "this supervisor takes no part in the conversation", "nothing needs to be done")
    elif watcher is not None and ask.how is SuperviseHow.END:
        course.end_watch(watcher, at)
    elif watcher is not None:
        _change(course, watcher, ask.how, at)
    elif lead is None:
        course.refuse("no_agent", "no agent is with the customer", "wait until an agent is with the customer")
    elif ask.supervisor.agent in {lead.agent, course.standing.other.agent if course.standing.other else ""}:
        course.refuse("own_call", "the supervisor is in this conversation already", "supervise another one")
    else:
        course.effects.append(Find(ask.how, ask.supervisor.agent, ask.supervisor.agent, ask.supervisor.extension))


def found(course: Course, answer: Found, how: SuperviseHow, at: datetime) -> None:
    """Ring the supervisor's devices."""
    sought = answer.sought
    if not answer.devices:
        course.refuse("unreachable", "no device of the supervisor is there", "log the phone in, then ask again")
        return
    legs = tuple(course.new_leg() for _ in answer.devices)
    watcher = Watcher(sought.agent, how, legs, at + timedelta(seconds=RING_S))
    course.change(watchers=(*course.standing.watchers, watcher))
    number = course.account_number(sought.agent) or sought.endpoint
    course.effects += [
        Ring(leg, device, number, Role.SUPERVISOR, RING_S) for leg, device in zip(legs, answer.devices, strict=True)
    ]


def answered(course: Course, watcher: Watcher, leg: Leg, at: datetime) -> None:
    """The supervisor is there; other devices stop ringing."""
    course.drop(*(other for other in watcher.legs if other != leg))
    up = msgspec.structs.replace(watcher, legs=(leg,), up=True)
    _put(course, _with_ear(course, up), at)


def leg_gone(course: Course, watcher: Watcher, leg: Leg, at: datetime) -> None:
    """A device has refused, the supervisor has hung up, or the ear is gone: the last one ends it."""
    left = tuple(other for other in watcher.legs if other != leg)
    if leg == watcher.snoop or watcher.up or not left:
        course.end_watch(watcher, at)
    else:
        _replace(course, msgspec.structs.replace(watcher, legs=left))


def follow(course: Course) -> None:
    """Open the ears anew when the agent talks with somebody else now."""
    peers = _peers(course)
    if not peers:
        return
    for watcher in course.standing.watchers:
        if watcher.snoop is None or watcher.peers == peers:
            continue
        snoop = watcher.snoop
        if watcher.peers:
            course.drop(snoop)
            snoop = course.new_leg()
        _replace(course, msgspec.structs.replace(watcher, snoop=snoop, peers=peers))


def failed(course: Course, agent: str, at: datetime) -> None:
    """Asterisk refuses what the supervisor needs: they leave, the talk goes on."""
    watcher = _watching(course, agent)
    if watcher is not None:
        course.end_watch(watcher, at)
        course.refuse("failed", "the supervisor cannot be connected", "ask again")


def _watching(course: Course, agent: str) -> Watcher | None:
    return next((each for each in course.standing.watchers if each.agent == agent), None)


def _change(course: Course, watcher: Watcher, how: SuperviseHow, at: datetime) -> None:
    if how is watcher.how:
        return
    changed = msgspec.structs.replace(watcher, how=how, snoop=None)
    if not watcher.up:
        _replace(course, changed)
        return
    if watcher.snoop is not None:
        course.drop(watcher.snoop)
    _put(course, _with_ear(course, changed), at)


def _with_ear(course: Course, watcher: Watcher) -> Watcher:
    """Give a listening or whispering supervisor an ear and a bridge; how an ear hears is fixed when it is opened."""
    if watcher.how is SuperviseHow.BARGE:
        return msgspec.structs.replace(watcher, snoop=None, bridge=0)
    bridge = watcher.bridge or course.new_bridge()
    return msgspec.structs.replace(watcher, snoop=course.new_leg(), peers=_peers(course), bridge=bridge)


def _peers(course: Course) -> tuple[str, ...]:
    """Return with whom the agent talks; nobody while the customer is on hold."""
    standing = course.standing
    customer = (course.means.customer,) if standing.phase in (Phase.TALKING, Phase.THREE_WAY) else ()
    other = (standing.other.leg.party,) if standing.other is not None else ()
    return customer + other


def _put(course: Course, watcher: Watcher, at: datetime) -> None:
    _replace(course, watcher)
    course.event(watcher.how.value, at, agent=watcher.agent)


def _replace(course: Course, watcher: Watcher) -> None:
    course.change(
        watchers=tuple(watcher if each.agent == watcher.agent else each for each in course.standing.watchers)
    )
