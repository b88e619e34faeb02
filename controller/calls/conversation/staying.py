"""What is done about hold, parking, recording, and whoever leaves; see `table`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from controller.acd.model import AgentId
from controller.calls.conversation.course import PARKED_S, Course
from controller.calls.conversation.moments import Moment, What
from controller.calls.conversation.standing import How, Person, Phase, Why
from controller.cdr.entries import Party

Handler = Callable[[Course, Moment], None]

LOST = frozenset({18, 27, 38, 41, 44, 102})
"""Causes of a leg that nobody hung up: no answer to requests, no audio any more (44), network down, timer expired."""


# --- nothing, and no ----------------------------------------------------------------------------------------


def nothing(_course: Course, _moment: Moment) -> None:
    """It is so already, or does not concern us any more."""


def refusing(code: str, message: str, advice: str) -> Handler:
    """Return a handler that refuses what was asked."""

    def refuse(course: Course, _moment: Moment) -> None:
        course.refuse(code, message, advice)

    return refuse


no_consult = refusing("no_consultation", "nobody is being consulted", "begin a consultation first")
not_parked = refusing("not_parked", "the customer is not parked", "look at the list of parked customers")
consulting = refusing("consulting", "somebody is being consulted", "end the consultation first")
three_talk = refusing("three_way", "three are talking", "let the third one go (cancel), or leave (transfer)")
not_answered = refusing("not_answered", "the other one has not answered", "wait for the answer, or cancel")
being_transferred = refusing("transferring", "the customer is being transferred", "wait until somebody has answered")
nobody_there = refusing("no_agent", "no agent is with the customer", "wait until an agent is with the customer")
being_retrieved = refusing("being_taken_up", "somebody takes the customer up", "wait until they have answered")
over = refusing("over", "the conversation is over", "look at the list of conversations")


# --- hold ---------------------------------------------------------------------------------------------------


def hold(course: Course, moment: Moment) -> None:
    """Let the customer hear music."""
    course.change(phase=Phase.HELD, desk_hold=True)
    course.away(moment.at)
    course.event("hold", moment.at)


def unhold(course: Course, moment: Moment) -> None:
    """Take the customer back, unless the agent's phone holds the line."""
    if course.standing.phone_hold:
        course.refuse("held_by_phone", "the phone holds the call", "take the call back on the phone")
    else:
        course.change(desk_hold=False)
        _take_back(course, moment)


def hold_too(course: Course, _moment: Moment) -> None:
    """The phone holds the customer already; so does the desk from now on."""
    course.change(desk_hold=True)


def phone_hold(course: Course, moment: Moment) -> None:
    """Hold the customer, as the agent's phone holds us."""
    course.change(phone_hold=True, phase=Phase.HELD)
    course.away(moment.at)
    course.event("hold", moment.at, by="phone")


def phone_unhold(course: Course, moment: Moment) -> None:
    """Take the customer back, unless the desk holds them too."""
    course.change(phone_hold=False)
    if not course.standing.desk_hold:
        _take_back(course, moment)


def phone_note(course: Course, moment: Moment) -> None:
    """Remember that the phone holds us, or no more: the customer hears music for another reason, or is not heard."""
    course.change(phone_hold=moment.what is What.PHONE_HOLD)


def _take_back(course: Course, moment: Moment) -> None:
    course.change(phase=Phase.TALKING)
    course.back(moment.at)
    course.event("unhold", moment.at, hold_s=round(course.standing.away_s, 1))


def to_agent(course: Course, moment: Moment) -> None:
    """Bring agent and customer together again, unless the agent's phone holds the line."""
    course.change(desk_hold=False)
    if course.standing.phone_hold:
        course.change(phase=Phase.HELD)
        course.away(moment.at)
    else:
        course.change(phase=Phase.TALKING)
        course.back(moment.at)


# --- parking ------------------------------------------------------------------------------------------------


def park(course: Course, moment: Moment) -> None:
    """Leave the customer with music, for any agent to take up."""
    slot = course.means.places.park(course.means.call.call_id)
    if not slot:
        course.refuse("no_slot", "all parking slots are taken", "hold the customer, or take up a parked one first")
        return
    course.change(slot=slot)
    course.event("park", moment.at, slot=slot)
    lead = course.end_talk(moment.at, "parked", Party.CALLEE)
    course.let_go(lead, wrap_up=True)
    until = moment.at + timedelta(seconds=PARKED_S)
    course.change(phase=Phase.PARKED, parked_by=lead.agent if lead else "", parked_until=until)


def unpark(course: Course, moment: Moment) -> None:
    """Ring the agent who takes the customer up."""
    if moment.account is not None:
        course.reply = course.seek_agent(moment.account, Why.UNPARK)


def park_over(course: Course, moment: Moment) -> None:
    """Nobody took the customer up: ring who parked them, if they can be had, else let the customer wait again."""
    account = course.account(course.standing.parked_by)
    if account is None or course.seek_agent(account, Why.RECALL) is not None:
        course.event("park", moment.at, agent=course.standing.parked_by, outcome="timeout")
        course.back_to_queue("nobody took up the parked customer", moment.at)


# --- leaving ------------------------------------------------------------------------------------------------


def customer_leaves(course: Course, moment: Moment) -> None:
    """Without the customer there is no call."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.CALLER), wrap_up=True)
    course.end(How.CUSTOMER_GONE, moment.at, Party.CALLER, cause=moment.cause)


def agent_leaves(course: Course, moment: Moment) -> None:
    """The agent has hung up, or is lost; a supervisor who barged in has the customer then."""
    lost = moment.what is What.LEAD_GONE and moment.cause in LOST
    heir = next((each for each in course.standing.watchers if each.up and each.snoop is None), None)
    if heir is not None:
        course.change(watchers=tuple(each for each in course.standing.watchers if each is not heir))
    how, by = ("failed", Party.SYSTEM) if lost else ("hangup", Party.CALLEE)
    course.let_go(course.end_talk(moment.at, how, by), wrap_up=True)
    if heir is not None:
        course.change(phase=Phase.TALKING)
        course.means.places.reserve(AgentId(heir.agent), course.means.call.call_id, course.standing.queue)
        course.begin_talk(Person(heir.legs[0], heir.agent, heir.agent), moment.at)
    elif lost:
        course.back_to_queue("the agent's phone was lost", moment.at)
    else:
        course.end(How.AGENT_GONE, moment.at, by, cause=moment.cause)


def agent_leaves_unanswered(course: Course, moment: Moment) -> None:
    """The agent has hung up before the consulted one answered: the customer waits again, before others."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.CALLEE), wrap_up=True)
    course.back_to_queue("the agent left before the consulted one answered", moment.at)


def talk_over(course: Course, moment: Moment) -> None:
    """The talk has lasted too long: nobody is in it any more."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.SYSTEM), wrap_up=True)
    course.end(How.AGENT_GONE, moment.at, Party.SYSTEM)


def failed(course: Course, moment: Moment) -> None:
    """Asterisk refuses to bring them together."""
    course.let_go(course.end_talk(moment.at, "failed", Party.SYSTEM), wrap_up=True)
    course.back_to_queue("the conversation could not be connected", moment.at)


# --- in every phase -----------------------------------------------------------------------------------------


def pause(course: Course, moment: Moment) -> None:
    """Leave out of the recording what is said now, or no more."""
    recording = course.standing.recording
    if recording is None:
        course.refuse("not_recorded", "this conversation is not recorded", "nothing needs to be done")
    elif recording.paused != moment.on:
        course.change(recording=msgspec.structs.replace(recording, paused=moment.on))
        course.event("record_paused" if moment.on else "record_resumed", moment.at)
