"""What a conversation does about what happens to it; `table` says in which phase which of these is done.

How it behaves where users of telephones would have to guess:

- When whoever is consulted is not reached, refuses or leaves, the customer stays on hold: the agent may be saying
  something that is not meant for them, and takes them back. `CANCEL`, which the agent asks for, does both at once.
- An agent who hangs up during a consultation has transferred the customer to whoever answered; if nobody has, the
  customer goes back to the queue, before others.
- A blind transfer frees the agent at once. If nobody answers it, the customer goes back to the queue, before others.
  A transfer by the phone's own key keeps the agent's leg until somebody answers: the phone is told of a failure and
  has the customer again.
- An agent whose phone is lost (no more audio, network down) has not hung up: the customer goes back to the queue,
  before others.
- Whoever stays with the customer talks on, a supervisor who barged in as well. Without the customer there is no call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from controller.acd.model import AgentId
from controller.calls.asks import TargetKind
from controller.calls.conversation.course import PARKED_S, Course
from controller.calls.conversation.moments import Adopt, Adopted, Found, Moment, Refer, What
from controller.calls.conversation.standing import How, Leg, Person, Phase, Why
from controller.cdr.entries import Party
from controller.flow.causes import outcome_of

Handler = Callable[[Course, Moment], None]

LOST = frozenset({18, 27, 38, 41, 44, 102})
"""Causes of a leg that nobody hung up: no answer to requests, no audio any more (44), network down, timer expired."""
_ANSWERED = "channel_answered"
_DENIED = "denied"
_UNAVAILABLE = "unavailable"
_LEFT = "left"


# --- nothing, and no ----------------------------------------------------------------------------------------


def nothing(_course: Course, _moment: Moment) -> None:
    """It is so already, or does not concern us any more."""


def refusing(code: str, message: str, advice: str) -> Handler:
    """Return a handler that refuses what was asked."""

    def refuse(course: Course, _moment: Moment) -> None:
        course.refuse(code, message, advice)

    return refuse


def deny(course: Course, _moment: Moment) -> None:
    """Refuse a phone's transfer."""
    course.answer_refer(_DENIED)


def denial(party: str) -> Refer:
    """Return the refusal of a transfer that a party asked for who may not."""
    return Refer(party, _DENIED)


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


def _to_agent(course: Course, moment: Moment) -> None:
    """Bring agent and customer together again, unless the agent's phone holds the line."""
    course.change(desk_hold=False)
    if course.standing.phone_hold:
        course.change(phase=Phase.HELD)
    else:
        course.change(phase=Phase.TALKING)
        course.back(moment.at)


# --- transfer -----------------------------------------------------------------------------------------------


def transfer(course: Course, moment: Moment) -> None:
    """Blind: to a queue at once, else to whoever has a device."""
    target = moment.target
    if target is None:
        return
    if target.kind is not TargetKind.QUEUE:
        course.reply = course.seek(target, Why.TRANSFER)
    elif target.value not in course.means.queues:
        course.refuse("unknown_queue", f"there is no queue {target.value}", "take a queue of the centre")
    else:
        _escalate(course, moment, target.value)


def _escalate(course: Course, moment: Moment, queue: str) -> None:
    """Let the customer wait in another queue, with the time already waited; not for the agent who sends them."""
    course.event("escalate", moment.at, queue=queue, needs=moment.needs, note=moment.note)
    lead = course.end_talk(moment.at, "escalated", Party.CALLEE)
    course.let_go(lead, wrap_up=True)
    agent = lead.agent if lead else ""
    course.end(How.MOVED, queue=queue, needs=moment.needs, excluded=agent, note=moment.note, from_agent=agent)


def phone_transfer(course: Course, moment: Moment) -> None:
    """The agent's phone asks for a blind transfer to a number."""
    target = course.means.numbers.target(moment.number)
    if target is not None and target.kind is TargetKind.QUEUE and target.value in course.means.queues:
        course.answer_refer(_ANSWERED)
        _escalate(course, moment, target.value)
    elif target is None or target.kind is TargetKind.QUEUE or course.seek(target, Why.REFER) is not None:
        course.answer_refer(_DENIED)


def phone_join(course: Course, moment: Moment) -> None:
    """The agent's phone joins us with another call of its own."""
    course.effects.append(Adopt(moment.party, moment.number))


def join_consulted(course: Course, moment: Moment) -> None:
    """The agent's phone joins customer and consulted: an attended transfer."""
    other = course.standing.other
    if other is not None and moment.party == other.leg.party:
        course.answer_refer(_ANSWERED)
        attended(course, moment)
    else:
        deny(course, moment)


def adopted(course: Course, found: Adopted, moment: Moment) -> None:
    """The other end of the phone's other call is ours now, or is not there."""
    if course.standing.phase not in (Phase.TALKING, Phase.HELD):
        return
    if not found.up:
        course.answer_refer(_UNAVAILABLE)
        return
    course.answer_refer(_ANSWERED)
    person = Person(Leg(0, found.sought.party), name=found.sought.number)
    _hand_over(course, moment, person, "transfer_attended")


def _hand_over(course: Course, moment: Moment, person: Person, how: str) -> None:
    """Let `person` have the customer, and the agent leave."""
    course.event(how, moment.at, target=person.name)
    course.let_go(course.end_talk(moment.at, how, Party.CALLEE), wrap_up=True)
    bridge = course.standing.consult_bridge or course.standing.talk_bridge
    course.change(phase=Phase.TALKING, other=None, talk_bridge=bridge, consult_bridge=0)
    course.begin_talk(person, moment.at)


def leave_ringing(course: Course, moment: Moment) -> None:
    """The agent leaves while a phone they called rings: it rings on for the customer."""
    called = course.standing.called
    course.event("transfer_blind", moment.at, target=called.name if called else "")
    course.let_go(course.end_talk(moment.at, "transfer_blind", Party.CALLEE), wrap_up=True)
    bridge = course.standing.consult_bridge or course.standing.talk_bridge
    course.change(phase=Phase.TRANSFERRING, talk_bridge=bridge, consult_bridge=0)


# --- consultation -------------------------------------------------------------------------------------------


def consult(course: Course, moment: Moment) -> None:
    """Hold the customer and call somebody."""
    if moment.target is None:
        return
    if moment.target.kind is TargetKind.QUEUE:
        course.refuse("not_a_person", "a queue cannot be consulted", "take an agent or an extension")
    else:
        course.reply = course.seek(moment.target, Why.CONSULT)


def answered(course: Course, moment: Moment) -> None:
    """Whom we called has answered on one device; the others stop ringing."""
    called = course.standing.called
    if called is None or moment.leg is None:
        return
    course.change(called=None)
    course.drop(*(leg for leg in called.legs if leg != moment.leg))
    person = Person(moment.leg, called.agent, called.name)
    phase = course.standing.phase
    if phase is Phase.CALLING:
        course.change(phase=Phase.CONSULTING, other=person)
    elif phase is Phase.REFERRING:
        course.answer_refer(_ANSWERED)
        _hand_over(course, moment, person, "transfer_blind")
    else:
        if phase is Phase.RETRIEVING:
            course.means.places.unpark(course.means.call.call_id)
            course.change(slot=0, parked_by="", parked_until=None)
            course.event("unpark", moment.at, agent=called.agent, recall=called.why is Why.RECALL)
        course.change(phase=Phase.TALKING)
        course.begin_talk(person, moment.at)


def device_gone(course: Course, moment: Moment) -> None:
    """One of the devices we rang has refused or is not there; the last one decides."""
    called = course.standing.called
    if called is None:
        return
    left = tuple(leg for leg in called.legs if leg != moment.leg)
    if left:
        course.change(called=msgspec.structs.replace(called, legs=left))
        return
    _not_reached(course, moment, outcome_of(moment.cause).value)


def ring_over(course: Course, moment: Moment) -> None:
    """Nobody answered in time."""
    _not_reached(course, moment, "no_answer")


def _not_reached(course: Course, moment: Moment, outcome: str) -> None:
    called = course.standing.called
    if called is None:
        return
    course.stop_calling()
    match course.standing.phase:
        case Phase.CALLING:
            _consult_over(course, moment, called.name, outcome)
        case Phase.REFERRING:
            course.event("transfer_blind", moment.at, target=called.name, outcome=outcome)
            course.answer_refer(_UNAVAILABLE)
            course.change(consult_bridge=0)
            if course.standing.desk_hold or course.standing.phone_hold:
                course.change(phase=Phase.HELD)
            else:
                _to_agent(course, moment)
        case Phase.RETRIEVING if called.why is Why.UNPARK:
            course.change(phase=Phase.PARKED)
        case _:
            kind = "park" if called.why is Why.RECALL else "transfer_blind"
            course.event(kind, moment.at, target=called.name, outcome=outcome)
            course.back_to_queue(f"{called.name}: {outcome}")


def _consult_over(course: Course, moment: Moment, name: str, outcome: str) -> None:
    """Bring the agent back to the customer, who stays on hold."""
    course.event("consult_ended", moment.at, target=name, outcome=outcome)
    course.change(phase=Phase.HELD, desk_hold=True, other=None, consult_bridge=0)


def other_leaves(course: Course, moment: Moment) -> None:
    """Whom the agent consulted has hung up."""
    other = course.standing.other
    if other is not None:
        course.let_go(other, wrap_up=False)
        _consult_over(course, moment, other.name, _LEFT)


def cancel(course: Course, moment: Moment) -> None:
    """Let the consulted one go; agent and customer talk."""
    standing = course.standing
    party = standing.called or standing.other
    course.event("consult_ended", moment.at, target=party.name if party else "", outcome="cancelled")
    course.stop_calling()
    course.let_go(standing.other, wrap_up=False)
    course.change(other=None, consult_bridge=0)
    _to_agent(course, moment)


def attended(course: Course, moment: Moment) -> None:
    """Leave the customer to whom the agent consulted."""
    if course.standing.other is not None:
        _hand_over(course, moment, course.standing.other, "transfer_attended")


def three_way(course: Course, moment: Moment) -> None:
    """Let all three talk."""
    other = course.standing.other
    course.change(phase=Phase.THREE_WAY, consult_bridge=0, desk_hold=False)
    course.back(moment.at)
    course.event("three_way", moment.at, target=other.name if other else "")
    if other is not None and other.agent:
        account = course.account(other.agent)
        if account is not None:
            course.means.places.talking(account.agent, course.means.call.call_id, course.standing.queue)


def third_leaves(course: Course, moment: Moment) -> None:
    """The third one leaves or is sent away; agent and customer talk on."""
    other = course.standing.other
    course.event("consult_ended", moment.at, target=other.name if other else "", outcome=_LEFT)
    course.let_go(other, wrap_up=True)
    course.change(other=None)
    _to_agent(course, moment)


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
        course.back_to_queue("nobody took up the parked customer")


# --- the devices of somebody --------------------------------------------------------------------------------


def found(course: Course, answer: Found, moment: Moment) -> None:
    """Ring the devices that somebody has, or say that there are none."""
    sought, why = answer.sought, answer.sought.why
    if not isinstance(why, Why):
        return
    if not answer.devices:
        if sought.reserved:
            course.release(sought.agent, wrap_up=False)
        if why is Why.REFER:
            course.answer_refer(_UNAVAILABLE)
        elif why is Why.RECALL:
            course.event("park", moment.at, target=sought.name, outcome="unreachable")
            course.back_to_queue("nobody took up the parked customer")
        else:
            course.refuse("unreachable", f"no device of {sought.name} is there", "take somebody else")
        return
    if why in (Why.CONSULT, Why.REFER):
        bridge = course.new_bridge()
        course.ring(sought, why, answer.devices, moment.at, bridge)
        course.change(consult_bridge=bridge, phase=Phase.CALLING if why is Why.CONSULT else Phase.REFERRING)
        course.away(moment.at)
        if why is Why.CONSULT:
            course.event("consult", moment.at, target=sought.name)
        return
    course.ring(sought, why, answer.devices, moment.at, course.standing.talk_bridge)
    if why is Why.TRANSFER:
        leave_ringing(course, moment)
    else:
        course.change(phase=Phase.RETRIEVING)


# --- leaving ------------------------------------------------------------------------------------------------


def customer_leaves(course: Course, moment: Moment) -> None:
    """Without the customer there is no call."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.CALLER), wrap_up=True)
    course.end(How.CUSTOMER_GONE, cause=moment.cause)


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
        course.back_to_queue("the agent's phone was lost")
    else:
        course.end(How.AGENT_GONE, cause=moment.cause)


def agent_leaves_unanswered(course: Course, moment: Moment) -> None:
    """The agent has hung up before the consulted one answered: the customer waits again, before others."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.CALLEE), wrap_up=True)
    course.back_to_queue("the agent left before the consulted one answered")


def talk_over(course: Course, moment: Moment) -> None:
    """The talk has lasted too long: nobody is in it any more."""
    course.let_go(course.end_talk(moment.at, "hangup", Party.SYSTEM), wrap_up=True)
    course.end(How.AGENT_GONE)


def failed(course: Course, moment: Moment) -> None:
    """Asterisk refuses to bring them together."""
    course.let_go(course.end_talk(moment.at, "failed", Party.SYSTEM), wrap_up=True)
    course.back_to_queue("the conversation could not be connected")


# --- in every phase -----------------------------------------------------------------------------------------


def pause(course: Course, moment: Moment) -> None:
    """Leave out of the recording what is said now, or no more."""
    recording = course.standing.recording
    if recording is None:
        course.refuse("not_recorded", "this conversation is not recorded", "nothing needs to be done")
    elif recording.paused != moment.on:
        course.change(recording=msgspec.structs.replace(recording, paused=moment.on))
        course.event("record_paused" if moment.on else "record_resumed", moment.at)
