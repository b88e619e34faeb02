"""What an agent means to do: the one table of its changes.

Presence is logged out, ready or paused. It says nothing of calls: a pause that is asked for while a customer is there
changes the presence at once and keeps new offers away; the agent's state shows it when the call and its wrap-up are
over (`controller.acd.state`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from controller.acd.model import Presence, Refused


class PresenceEvent(StrEnum):
    """What changes a presence."""

    LOGIN = "login"
    LOGOUT = "logout"
    PAUSE = "pause"
    RESUME = "resume"
    MISSED = "missed"  # an offer was not taken: the rule's pause
    RETURN = "return"  # a pause's time is over


NOT_LOGGED_IN: Final = Refused(
    code="not_logged_in", message="The agent is not logged in.", advice="Log in first, then try again."
)

TRANSITIONS: Final[dict[tuple[Presence, PresenceEvent], Presence | Refused]] = {
    (Presence.LOGGED_OUT, PresenceEvent.LOGIN): Presence.READY,
    (Presence.LOGGED_OUT, PresenceEvent.LOGOUT): Presence.LOGGED_OUT,
    (Presence.LOGGED_OUT, PresenceEvent.PAUSE): NOT_LOGGED_IN,
    (Presence.LOGGED_OUT, PresenceEvent.RESUME): NOT_LOGGED_IN,
    (Presence.LOGGED_OUT, PresenceEvent.MISSED): Presence.LOGGED_OUT,
    (Presence.LOGGED_OUT, PresenceEvent.RETURN): Presence.LOGGED_OUT,
    (Presence.READY, PresenceEvent.LOGIN): Presence.READY,
    (Presence.READY, PresenceEvent.LOGOUT): Presence.LOGGED_OUT,
    (Presence.READY, PresenceEvent.PAUSE): Presence.PAUSED,
    (Presence.READY, PresenceEvent.RESUME): Presence.READY,
    (Presence.READY, PresenceEvent.MISSED): Presence.PAUSED,
    (Presence.READY, PresenceEvent.RETURN): Presence.READY,
    (Presence.PAUSED, PresenceEvent.LOGIN): Presence.PAUSED,
    (Presence.PAUSED, PresenceEvent.LOGOUT): Presence.LOGGED_OUT,
    (Presence.PAUSED, PresenceEvent.PAUSE): Presence.PAUSED,  # with the new reason and end
    (Presence.PAUSED, PresenceEvent.RESUME): Presence.READY,
    (Presence.PAUSED, PresenceEvent.MISSED): Presence.PAUSED,  # the agent's own pause stands, reason and end too
    (Presence.PAUSED, PresenceEvent.RETURN): Presence.READY,
}
"""Every presence and every event has its line; a test holds that."""

MISSED_REASON: Final = "missed"
"""The reason of a pause that a missed offer caused."""
