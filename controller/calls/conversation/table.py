"""One table: what is done about everything that can happen, in every phase of a conversation.

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

from collections.abc import Mapping

from controller.calls.conversation import reaching as reach
from controller.calls.conversation import staying as do
from controller.calls.conversation.moments import What
from controller.calls.conversation.standing import Phase
from controller.calls.conversation.staying import Handler

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
    What.TRANSFER: (reach.transfer, reach.transfer, do.consulting, do.consulting, do.three_talk,
                    do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.CONSULT: (reach.consult, reach.consult, do.consulting, do.consulting, do.three_talk,
                   do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.ATTENDED: (do.no_consult, do.no_consult, reach.leave_ringing, reach.attended, reach.attended,
                    do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.THREE_WAY: (do.no_consult, do.no_consult, do.not_answered, reach.three_way, _nil,
                     do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.CANCEL: (do.no_consult, do.no_consult, reach.cancel, reach.cancel, reach.third_leaves,
                  do.being_transferred, do.being_transferred, _one, _one, do.over),
    What.PARK: (do.park, do.park, do.consulting, do.consulting, do.three_talk,
                do.being_transferred, do.being_transferred, _nil, _nil, do.over),
    What.UNPARK: (do.not_parked, do.not_parked, do.not_parked, do.not_parked, do.not_parked,
                  do.not_parked, do.not_parked, do.unpark, do.being_retrieved, do.over),
    What.PAUSE: (do.pause, do.pause, do.pause, do.pause, do.pause,
                 do.pause, do.pause, do.pause, do.pause, do.over),
    What.END_CALL: (do.agent_leaves, do.agent_leaves, do.agent_leaves_unanswered, reach.attended, reach.attended,
                    reach.leave_ringing, do.being_transferred, _one, _one, do.over),
    What.PHONE_HOLD: (do.phone_hold, do.phone_note, do.phone_note, do.phone_note, do.phone_note,
                      do.phone_note, _nil, _nil, _nil, _nil),
    What.PHONE_UNHOLD: (do.phone_note, do.phone_unhold, do.phone_note, do.phone_note, do.phone_note,
                        do.phone_note, _nil, _nil, _nil, _nil),
    What.PHONE_TRANSFER: (reach.phone_transfer, reach.phone_transfer, reach.deny, reach.deny, reach.deny,
                          reach.deny, _nil, _nil, _nil, _nil),
    What.PHONE_JOIN: (reach.phone_join, reach.phone_join, reach.deny, reach.join_consulted, reach.deny,
                      reach.deny, _nil, _nil, _nil, _nil),
    What.CUSTOMER_GONE: (*(do.customer_leaves,) * 9, _nil),
    What.LEAD_GONE: (do.agent_leaves, do.agent_leaves, do.agent_leaves_unanswered, reach.attended, reach.attended,
                     reach.leave_ringing, _nil, _nil, _nil, _nil),
    What.OTHER_GONE: (_nil, _nil, _nil, reach.other_leaves, reach.third_leaves,
                      _nil, _nil, _nil, _nil, _nil),
    What.CALLED_GONE: (_nil, _nil, reach.device_gone, _nil, _nil,
                       reach.device_gone, reach.device_gone, _nil, reach.device_gone, _nil),
    What.ANSWERED: (_nil, _nil, reach.answered, _nil, _nil,
                    reach.answered, reach.answered, _nil, reach.answered, _nil),
    What.RING_OVER: (_nil, _nil, reach.ring_over, _nil, _nil,
                     reach.ring_over, reach.ring_over, _nil, reach.ring_over, _nil),
    What.PARK_OVER: (*(_nil,) * 7, do.park_over, _nil, _nil),
    What.TALK_OVER: (*(do.talk_over,) * 6, _nil, _nil, _nil, _nil),
    What.FAILED: (*(do.failed,) * 9, _nil),
}
# fmt: on

TABLE: Mapping[Phase, Mapping[What, Handler]] = {
    phase: {what: row[column] for what, row in _GRID.items()} for column, phase in enumerate(PHASES)
}
