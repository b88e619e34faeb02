"""What is done to bring somebody else into a conversation: transfers and consultations; see `table`."""

from __future__ import annotations

import msgspec

from controller.acd.model import AgentId
from controller.calls.asks import TargetKind
from controller.calls.conversation.course import Course
from controller.calls.conversation.moments import Adopt, Adopted, Found, Moment, Refer
from controller.calls.conversation.standing import How, Leg, Person, Phase, Why
from controller.calls.conversation.staying import to_agent
from controller.cdr.entries import Party
from controller.flow.causes import outcome_of

_ANSWERED = "channel_answered"
_DENIED = "denied"
_UNAVAILABLE = "unavailable"
_LEFT = "left"


def deny(course: Course, _moment: Moment) -> None:
    """Refuse a phone's transfer."""
    course.answer_refer(_DENIED)


def denial(party: str) -> Refer:
    """Return the refusal of a transfer that a party asked for who may not."""
    return Refer(party, _DENIED)


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
    course.end(
        How.MOVED,
        moment.at,
        Party.CALLEE,
        queue=queue,
        needs=moment.needs,
        excluded=agent,
        note=moment.note,
        from_agent=agent,
    )


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
    number, places, call = found.sought.number, course.means.places, course.means.call
    target, agent = course.means.numbers.target(number), ""
    if target is not None and target.kind is TargetKind.AGENT:
        refused = places.reserve(AgentId(target.value), call.call_id, course.standing.queue)
        agent = "" if refused else target.value
    person = Person(Leg(0, found.sought.party), agent, agent or number)
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
                to_agent(course, moment)
        case Phase.RETRIEVING if called.why is Why.UNPARK:
            course.change(phase=Phase.PARKED)
        case _:
            kind = "park" if called.why is Why.RECALL else "transfer_blind"
            course.event(kind, moment.at, target=called.name, outcome=outcome)
            course.back_to_queue(f"{called.name}: {outcome}", moment.at)


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
    to_agent(course, moment)


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
    if other is not None:
        heard = course.heard(other, moment.at)
        course.change(other=heard)


def third_leaves(course: Course, moment: Moment) -> None:
    """The third one leaves or is sent away; agent and customer talk on."""
    other = course.standing.other
    course.event("consult_ended", moment.at, target=other.name if other else "", outcome=_LEFT)
    course.heard_no_more(other, moment.at, "hangup", Party.CALLEE)
    course.let_go(other, wrap_up=True)
    course.change(other=None)
    to_agent(course, moment)


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
            course.back_to_queue("nobody took up the parked customer", moment.at)
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
