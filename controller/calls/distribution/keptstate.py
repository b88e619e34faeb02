"""What a restart of the controller needs of its distribution, as it is in `distribution.json`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from controller.acd.floor import FloorMemory
from controller.calls.distribution.agentnews import ToldState
from controller.calls.distribution.holding import Held
from controller.calls.distribution.ledger import LedgerState


class KeptState(msgspec.Struct, kw_only=True):
    """What a restart needs."""

    at: datetime
    floor: FloorMemory
    ledger: LedgerState
    parked: dict[str, int] = {}
    told: dict[str, ToldState] = {}
    """What was last told of each agent."""
    held: dict[str, Held] = {}
    """Agents held for customers who are being called."""
