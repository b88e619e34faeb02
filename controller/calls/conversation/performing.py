"""Carries out the effects of a conversation's decisions, one at a time, over its switchboard."""

from __future__ import annotations

import contextlib
from datetime import datetime

from controller.calls.conversation.course import Course
from controller.calls.conversation.moments import Adopt, Adopted, Drop, Effect, Find, Found, Refer, Ring
from controller.calls.conversation.standing import Phase
from controller.calls.queueing.callref import CallRef, headers_for
from controller.cdr.entries import Role
from controller.errors import AsteriskRefused, AsteriskUnreachable
from controller.switchboard import Gone, LegPlan, PartyState, Switchboard

Follows = list[Found | Adopted | Gone]
_ABSENT = 20  # Q.850: subscriber absent


async def perform(board: Switchboard, call: CallRef, course: Course, effect: Effect, at: datetime) -> Follows:
    """Do it; return what follows at once. Raises `AsteriskUnreachable` when it may have been done or not."""
    match effect:
        case Find():
            return [Found(effect, await _devices(board, effect.endpoint))]
        case Adopt():
            return [Adopted(effect, await _is_adopted(board, effect))]
        case Ring():
            return await _ring(board, call, course, effect, at)
        case Drop():
            with contextlib.suppress(AsteriskRefused):  # it is gone already; if not, the next look drops it again
                await board.drop(effect.leg.party)
        case Refer():
            with contextlib.suppress(AsteriskRefused):  # the phone has hung up: it does not want to know
                await board.refer_progress(effect.party, effect.state)
    return []


async def _devices(board: Switchboard, endpoint: str) -> tuple[str, ...]:
    """Return the devices to ring; none when Asterisk cannot be asked: nobody could be called then."""
    try:
        return await board.contacts(endpoint, fresh=True)
    except (AsteriskRefused, AsteriskUnreachable):
        return ()


async def _is_adopted(board: Switchboard, adopt: Adopt) -> bool:
    try:
        return await board.adopt(adopt.party, adopt.number, Role.TRANSFER) is PartyState.UP
    except (AsteriskRefused, AsteriskUnreachable):
        return False


async def _ring(board: Switchboard, call: CallRef, course: Course, ring: Ring, at: datetime) -> Follows:
    """Call a leg, unless it was given up meanwhile; one that cannot be called is gone."""
    standing = course.standing
    if ring.leg not in standing.ringing():
        return []
    number, name = call.caller_number, call.caller_name
    lead = course.account(standing.lead.agent) if standing.lead else None
    if lead is not None and (standing.phase is Phase.CALLING or ring.role is Role.SUPERVISOR):
        number, name = lead.extension, lead.name  # it is the agent who calls, or who is listened to
    plan = LegPlan(
        party=ring.leg.party,
        device=ring.device,
        number=ring.number,
        role=ring.role,
        ring_s=ring.ring_s,
        caller_number=number,
        caller_name=name,
        bridge=board.bridge_id(ring.bridge) if ring.bridge else "",
        headers=headers_for(call, standing.queue),
    )
    try:
        await board.call(plan)
    except AsteriskRefused:
        return [Gone(ring.leg.party, _ABSENT, at)]
    return []
