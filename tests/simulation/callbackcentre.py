"""The centre of a day with call-backs, and what the people want who ask for them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.callback.model import CallbackPlan, First
from controller.flow.release import Release
from controller.hours import Calendar, Hours
from tests.simulation.world import PLAIN, H, centre

SHARES = {PLAIN: 0.35, "sales": 0.25, "support": 0.3, "vip": 0.1}
IN_LINE = 30
_WEEK = (Hours(9 * 60, 18 * 60),)
_HOURS = Calendar("Europe/Paris", (_WEEK,) * 5 + ((), ()))


def callback_centre() -> Release:
    """The centre of other days, whose queues call back from nine to six: `sales` calls its agents first."""
    plain = centre()
    plans = {
        name: msgspec.structs.replace(
            plan,
            callback=CallbackPlan(
                flow="rappel",
                first=First.AGENT if name == "sales" else First.CUSTOMER,
                calendar="hours",
                ring_s=25.0,
                ahead_s=25 * H,
                handling_s=265.0,
                detect_voicemail=name == "vip",
                expires_s=4 * H if name == "vip" else 24 * H,
                delays={"no_answer": (600.0, 3600.0), "voicemail": (1800.0,)},
            ),
        )
        for name, plan in plain.queues.items()
    }
    return msgspec.structs.replace(plain, queues=plans, calendars={"hours": _HOURS})


@dataclass
class Wishes:
    """What people who ask for call-backs do. Shares of one, and how many there are."""

    requests: int = 5000
    now: float = 0.12
    slot: float = 0.3
    tomorrow: float = 0.1
    """Of those who choose a time."""
    changed: float = 0.04
    cancelled: float = 0.06
    again: float = 0.05
    """Click twice."""
    from_queue: float = 0.1
    """Of live callers who still wait after two minutes: the key is pressed."""
    hangs_up: float = 0.04
    later: float = 0.03
    declines: float = 0.015
    never: float = 0.01
    """Of those who have picked up."""
