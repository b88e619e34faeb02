"""What a starting controller learns from the record: who talked with whom lately, and the day's figures."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from controller.calls.distribution.ledger import Ledger
from controller.calls.distribution.recent import RecentTalks
from controller.errors import StoreError
from controller.flow.release import Release
from controller.ports import Clock, History

log = structlog.get_logger(__name__)

RETRY_S = 10.0


async def learn_past(history: History, release: Release, ledger: Ledger, recent: RecentTalks, clock: Clock) -> None:
    """Ask as soon as Postgres can be asked. What this node's own file tells of the day counts more."""
    while True:
        now = clock.now()
        longest_s = max((plan.rules.sticky_within_s for plan in release.queues.values()), default=0.0)
        try:
            if longest_s > 0:
                recent.load(await history.last_talks(now - timedelta(seconds=longest_s)))
            if not ledger.has_day(now):
                ledger.load_day(await history.day(ledger.midnight(now)), now)
        except StoreError as error:
            log.info("distribution.history_postponed", error=str(error))
            await asyncio.sleep(RETRY_S)
        else:
            return
