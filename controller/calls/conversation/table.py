"""One table: what is done about everything that can happen, in every phase of a conversation."""

from __future__ import annotations

from collections.abc import Mapping

from controller.calls.conversation import transitions as do
from controller.calls.conversation.moments import What
from controller.calls.conversation.standing import Phase
from controller.calls.conversation.transitions import Handler

_nil = do.nothing
_one = do.nobody_there

PHASES = (
    Phase.TALKING,
    Phase.HELD,
    Phase.CALLING,
    Phase.CONSULTING,
    Phase.THREE_WAY,
    Phase.REFERRING,
    Phase.TRANSFERRING,
    Phase.PARKED,
    Phase.RETRIEVING,
    Phase.OVER,
)
"""The columns of the grid."""

# fmt: off
_GRID: dict[What, tuple[Handler, ...]] = {
    What.HOLD: (do.hold, do.hold_too, do.consulting, do.consulting, do.three_talk,
                do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.UNHOLD: (_nil, do.unhold, do.consulting, do.consulting, _nil,
                  do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.TRANSFER: (do.transfer, do.transfer, do.consulting, do.consulting, do.three_talk,
                    do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.CONSULT: (do.consult, do.consult, do.consulting, do.consulting, do.three_talk,
                   do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.ATTENDED: (do.no_consult, do.no_consult, do.leave_ringing, do.attended, do.attended,
                    do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.THREE_WAY: (do.no_consult, do.no_consult, do.not_answered, do.three_way, _nil,
                     do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.CANCEL: (do.no_consult, do.no_consult, do.cancel, do.cancel, do.third_leaves,
                  do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.PARK: (do.park, do.park, do.consulting, do.consulting, do.three_talk,
                do.being_transferred, do.being_transferred, _nil, _nil, do.over),
    What.UNPARK: (do.not_parked, do.not_parked, do.not_parked, do.not_parked, do.not_parked,
                  do.not_parked, do.not_parked, do.unpark, do.being_retrieved, do.over),
    What.PAUSE: (do.pause, do.pause, do.pause, do.pause, do.pause,
                 do.pause, do.pause, do.pause, do.pause, do.over),
    What.END_CALL: (do.agent_leaves, do.agent_leaves, do.agent_leaves_unanswered, do.attended, do.attended,
                    do.leave_ringing, do.being_transferred, _one, _one, do.over),
    What.PHONE_HOLD: (do.phone_hold, do.phone_note, do.phone_note, do.phone_note, do.phone_note,
                      do.phone_note, _nil, _nil, _nil, _nil),
    What.PHONE_UNHOLD: (do.phone_note, do.phone_unhold, do.phone_note, do.phone_note, do.phone_note,
                        do.phone_note, _nil, _nil, _nil, _nil),
    What.PHONE_TRANSFER: (do.phone_transfer, do.phone_transfer, do.deny, do.deny, do.deny,
                          do.deny, _nil, _nil, _nil, _nil),
    What.PHONE_JOIN: (do.phone_join, do.phone_join, do.deny, do.join_consulted, do.deny,
                      do.deny, _nil, _nil, _nil, _nil),
    What.CUSTOMER_GONE: (*(do.customer_leaves,) * 9, _nil),
    What.LEAD_GONE: (do.agent_leaves, do.agent_leaves, do.agent_leaves_unanswered, do.attended, do.attended,
                     do.leave_ringing, _nil, _nil, _nil, _nil),
    What.OTHER_GONE: (_nil, _nil, _nil, do.other_leaves, do.third_leaves,
                      _nil, _nil, _nil, _nil, _nil),
    What.CALLED_GONE: (_nil, _nil, do.device_gone, _nil, _nil,
                       do.device_gone, do.device_gone, _nil, do.device_gone, _nil),
    What.ANSWERED: (_nil, _nil, do.answered, _nil, _nil,
                    do.answered, do.answered, _nil, do.answered, _nil),
    What.RING_OVER: (_nil, _nil, do.ring_over, _nil, _nil,
                     do.ring_over, do.ring_over, _nil, do.ring_over, _nil),
    What.PARK_OVER: (*(_nil,) * 7, do.park_over, _nil, _nil),
    What.TALK_OVER: (*(do.talk_over,) * 6, _nil, _nil, _nil, _nil),
    What.FAILED: (*(do.failed,) * 9, _nil),
}
# fmt: on

TABLE: Mapping[Phase, Mapping[What, Handler]] = {
    phase: {what: row[column] for what, row in _GRID.items()} for column, phase in enumerate(PHASES)
}
