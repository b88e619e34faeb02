"""From what the switchboard tells, and what is asked, to moments of the conversation by the roles of the parties."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndCall,
    EndConsult,
    Hold,
    NewsOfPlace,
    Park,
    PauseRecording,
    QueueClosed,
    Supervise,
    SuperviseHow,
    Transfer,
    Unpark,
    Withdrawn,
)
from controller.calls.conversation import reaching, supervision
from controller.calls.conversation.course import KEYS_S, Course
from controller.calls.conversation.moments import Adopted, Found, Moment, What
from controller.calls.conversation.standing import Leg, Phase, Watcher
from controller.calls.conversation.table import TABLE
from controller.switchboard import Ask, Gone, Happening, Held, PickedUp, Pressed, Referred, Ringing

_ENDS = {
    ConsultEnd.TRANSFER: What.ATTENDED,
    ConsultEnd.THREE_WAY: What.THREE_WAY,
    ConsultEnd.CANCEL: What.CANCEL,
}


def feed(course: Course, happening: Happening | Found | Adopted, at: datetime) -> None:
    """Decide about one thing that happened. What was asked is answered in `course.reply`.

    Sounds and recordings end by themselves; which key somebody pressed is nobody's business here.
    """
    match happening:
        case Ask():
            _asked(course, happening, at)
        case Gone():
            _gone(course, happening, at)
        case PickedUp() | Ringing() | Held() | Referred() | Pressed():
            _by_party(course, happening, at)
        case Found():
            if isinstance(happening.sought.why, SuperviseHow):
                supervision.found(course, happening, happening.sought.why, at)
            else:
                reaching.found(course, happening, Moment(What.ANSWERED, at))
        case Adopted():
            reaching.adopted(course, happening, Moment(What.PHONE_JOIN, at))
        case _:
            pass


def _by_party(course: Course, happening: PickedUp | Ringing | Held | Referred | Pressed, at: datetime) -> None:
    match happening:
        case PickedUp():
            _picked_up(course, happening.party, at)
        case Referred():
            _referred(course, happening, at)
        case Held() if _is_lead(course, happening.party):
            decide(course, Moment(What.PHONE_HOLD if happening.on else What.PHONE_UNHOLD, at))
        case Ringing() if course.standing.phase is Phase.REFERRING and _called(course, happening.party):
            course.answer_refer("channel_progress")
        case Pressed() if happening.party == course.means.customer and course.standing.recording:
            course.keys_until = at + timedelta(seconds=KEYS_S)
        case _:
            pass


def decide(course: Course, moment: Moment) -> None:
    """Do what the table says."""
    TABLE[course.standing.phase][moment.what](course, moment)


def deadline(course: Course) -> datetime | None:
    """Return when something is due."""
    standing = course.standing
    due = [each.until for each in standing.watchers if not each.up]
    due += [standing.called.until] if standing.called else []
    due += [standing.parked_until] if standing.parked_until and standing.phase is Phase.PARKED else []
    due += [standing.ends_at] if standing.ends_at else []
    due += [course.keys_until] if course.keys_until else []
    return min(due, default=None)


def tick(course: Course, at: datetime) -> bool:
    """Decide about one thing that is due by `at`; False when there is none."""
    standing = course.standing
    late = next((each for each in standing.watchers if not each.up and each.until <= at), None)
    if course.keys_until is not None and course.keys_until <= at:
        course.keys_until = None
    elif late is not None:
        course.end_watch(late, at)
    elif standing.called is not None and standing.called.until <= at:
        decide(course, Moment(What.RING_OVER, at))
    elif standing.phase is Phase.PARKED and standing.parked_until is not None and standing.parked_until <= at:
        decide(course, Moment(What.PARK_OVER, at))
    elif standing.ends_at is not None and standing.ends_at <= at:
        decide(course, Moment(What.TALK_OVER, at))
    else:
        return False
    return True


# --- asks ---------------------------------------------------------------------------------------------------


def _asked(course: Course, ask: Ask, at: datetime) -> None:
    moment = _moment(ask, at)
    if moment is not None:
        decide(course, moment)
        if isinstance(ask, Park):
            ask.slot = course.standing.slot
    elif isinstance(ask, Supervise):
        supervision.supervise(course, ask, at)
    elif not isinstance(ask, NewsOfPlace | Withdrawn | QueueClosed):  # the customer waits no more
        course.refuse("in_conversation", "the customer does not wait", "look at the list of conversations")


def _moment(ask: Ask, at: datetime) -> Moment | None:
    """Return what is asked of a talk, None when something else is asked."""
    moment: Moment | None = None
    match ask:
        case Hold():
            moment = Moment(What.HOLD if ask.on else What.UNHOLD, at)
        case Transfer():
            moment = Moment(What.TRANSFER, at, target=ask.target, needs=ask.needs, note=ask.note)
        case Consult():
            moment = Moment(What.CONSULT, at, target=ask.target)
        case EndConsult():
            moment = Moment(_ENDS[ask.how], at)
        case Unpark():
            moment = Moment(What.UNPARK, at, account=ask.agent)
        case PauseRecording():
            moment = Moment(What.PAUSE, at, on=ask.on)
        case Park() | EndCall():
            moment = Moment(What.PARK if isinstance(ask, Park) else What.END_CALL, at)
    return moment


# --- parties ------------------------------------------------------------------------------------------------


def _is_lead(course: Course, party: str) -> bool:
    lead = course.standing.lead
    return lead is not None and lead.leg.party == party


def _gone(course: Course, gone: Gone, at: datetime) -> None:
    standing, party = course.standing, gone.party
    course.gone = party
    called, watched = _called(course, party), _watched(course, party)
    if any(leg.party == party for leg in standing.leaving):
        course.change(leaving=tuple(leg for leg in standing.leaving if leg.party != party))
    elif party == course.means.customer:
        decide(course, Moment(What.CUSTOMER_GONE, at, cause=gone.cause))
    elif _is_lead(course, party):
        decide(course, Moment(What.LEAD_GONE, at, cause=gone.cause))
    elif standing.other is not None and standing.other.leg.party == party:
        decide(course, Moment(What.OTHER_GONE, at, leg=standing.other.leg, cause=gone.cause))
    elif called is not None:
        decide(course, Moment(What.CALLED_GONE, at, leg=called, cause=gone.cause))
    elif watched is not None:
        supervision.leg_gone(course, *watched, at)
    course.gone = ""


def _picked_up(course: Course, party: str, at: datetime) -> None:
    called, watched = _called(course, party), _watched(course, party)
    if called is not None:
        decide(course, Moment(What.ANSWERED, at, leg=called))
    elif watched is not None and not watched[0].up:
        supervision.answered(course, *watched, at)


def _referred(course: Course, referred: Referred, at: datetime) -> None:
    if not _is_lead(course, referred.party):
        course.effects.append(reaching.denial(referred.party))
    elif referred.with_party:
        decide(course, Moment(What.PHONE_JOIN, at, party=referred.with_party, number=referred.target))
    else:
        decide(course, Moment(What.PHONE_TRANSFER, at, number=referred.target))


def _called(course: Course, party: str) -> Leg | None:
    called = course.standing.called
    return next((leg for leg in called.legs if leg.party == party), None) if called else None


def _watched(course: Course, party: str) -> tuple[Watcher, Leg] | None:
    for watcher in course.standing.watchers:
        for leg in (*watcher.legs, *((watcher.snoop,) if watcher.snoop else ())):
            if leg.party == party:
                return watcher, leg
    return None
