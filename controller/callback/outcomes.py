"""What the end of a dial that nobody answered comes to: cause and status from Asterisk, an outcome for the policy.

The causes are what Asterisk 22 makes of the SIP statuses (RFC 3398, with exceptions of its own), or the carrier's own
where it sends a Reason header: seen with a carrier in tests/contract/outbound. Carriers differ, so a trunk may say
otherwise for single causes (`[sip] trunk_outcomes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from controller.callback.model import Outcome

NO_OVERRIDES: Final[Mapping[int, Outcome]] = MappingProxyType({})

CAUSES: Final[Mapping[int, Outcome]] = MappingProxyType(
    {
        1: Outcome.UNREACHABLE,  # 404: unallocated number
        2: Outcome.UNREACHABLE,  # no route to the transit network
        3: Outcome.UNREACHABLE,  # no route to destination
        5: Outcome.UNREACHABLE,  # misdialled trunk prefix
        16: Outcome.NO_ANSWER,  # cleared before an answer, by us or on the way
        17: Outcome.BUSY,  # 486, 600
        18: Outcome.UNREACHABLE,  # 408: nothing responds, switched off
        19: Outcome.NO_ANSWER,  # 480, or our own ring time was over
        20: Outcome.UNREACHABLE,  # subscriber absent
        21: Outcome.REFUSED,  # 403, 603
        22: Outcome.UNREACHABLE,  # 410: number changed
        27: Outcome.UNREACHABLE,  # destination out of order
        28: Outcome.UNREACHABLE,  # 484: incomplete number
    }
)
"""By Q.850 cause. What is not here is the way's fault, not the customer's: `FAILED`."""

_STATUSES: Final[Mapping[str, Outcome]] = MappingProxyType(
    {"BUSY": Outcome.BUSY, "NOANSWER": Outcome.NO_ANSWER, "NO ANSWER": Outcome.NO_ANSWER, "CANCEL": Outcome.NO_ANSWER}
)
_SAY_NOTHING: Final = frozenset({0, 16})
"""Causes that Asterisk gives when it knows none: its status says more, if there is one."""
HELD_BACK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DRAINING": "this Asterisk is being emptied",
        "FULL": "as many calls as may be go out already",
        "UNREADABLE": "the request to dial was not understood",
        "UNSURE": "it could not be written down that this call is made",
    }
)
"""Statuses of the dialplan's gate, and why it let nothing out: that may soon be over."""
AWAY: Final = "AWAY"
"""The gate's as well: there is no trunk, or its carrier does not answer."""
OF_THE_GATE: Final = frozenset({*HELD_BACK, AWAY})
"""No telephone was called, so it is no try."""


def outcome_of(
    cause: int, status: str, *, already: bool = False, overrides: Mapping[int, Outcome] = NO_OVERRIDES
) -> Outcome:
    """Return the outcome of a dial that nobody answered.

    `status` is Asterisk's DIALSTATUS, "" when it is not known. `already`: the attempt had been dialled before, and
    nobody saw how that ended. `overrides` are a trunk's own, by cause.
    """
    if already:
        return Outcome.LOST
    if status in OF_THE_GATE:
        return Outcome.BLOCKED
    if cause in overrides:
        return overrides[cause]
    if cause in _SAY_NOTHING and status:
        return _STATUSES.get(status, Outcome.FAILED)
    if cause == 0:  # its channel was gone when we looked
        return Outcome.LOST
    return CAUSES.get(cause, Outcome.FAILED)
