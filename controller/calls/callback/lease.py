"""The right to dial: held by one controller at a time, kept while it lives, given up in good time.

The row in Postgres is on the database's clock; here the right ends on the monotonic clock, earlier by a margin and by
the longest request to Asterisk, so that nothing is dialled once another controller may have it.

The token lies beside the journal, whose lock only one process can hold: whoever reads it knows that the process which
wrote it has ended, and goes on dialling at once instead of waiting for the end of a dead one's time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog

from controller.calls.callback.store import CallbackStore, Lease
from controller.errors import StoreError
from controller.ports import Clock

log = structlog.get_logger(__name__)

_TRIES_PER_TTL = 3
_WITHOUT_S = 1.0
"""How often it is tried to have the right."""


def _remembered(memory: Path | None) -> int:
    """Return the token that our forerunner wrote down, 0 when there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        return int(memory.read_text("utf-8")) if memory is not None else 0
    return 0


class Leader:
    """Takes the right and keeps it; `took` and `lost` are called when that changes. `run` it in a task of its own."""

    def __init__(
        self,
        store: CallbackStore,
        clock: Clock,
        *,
        node: str,
        ttl_s: float,
        request_s: float,
        took: Callable[[], None],
        lost: Callable[[], None],
        memory: Path | None = None,
    ) -> None:
        if ttl_s <= request_s:
            raise ValueError(f"a right to dial of {ttl_s:g} s is over before a request of {request_s:g} s is")
        self._store = store
        self._clock = clock
        self._node = node
        self._ttl_s = ttl_s
        self._request_s = request_s
        self._took = took
        self._lost = lost
        self._lease: Lease | None = None
        self._memory = memory
        self._forerunner = _remembered(memory)
        self.terms = 0
        """How often the right was taken."""

    @property
    def lease(self) -> Lease | None:
        """The right, while it holds: to be looked at before every command."""
        lease = self._lease
        if lease is None or self._clock.monotonic() >= lease.until - self._request_s:
            return None
        return lease

    def may_dial(self) -> bool:
        """Tell whether a request to Asterisk that begins now ends while the right is ours."""
        return self.lease is not None

    async def run(self) -> None:
        """Take the right whenever it is to be had, and keep it; for ever."""
        while True:
            await self._turn()
            await asyncio.sleep(self._ttl_s / _TRIES_PER_TTL if self._lease is not None else _WITHOUT_S)

    async def _turn(self) -> None:
        before = self._lease
        try:
            lease = await self._store.lease(self._node, self._ttl_s, forerunner=self._forerunner)
        except StoreError as error:
            log.warning("callbacks.lease_unknown", error=str(error), held=self.may_dial())
            if before is not None and not self.may_dial():
                self._gone("Postgres could not be asked in time")
            return
        if lease is None:
            if before is not None:
                self._gone("another controller has it")
            return
        self._lease, self._forerunner = lease, 0
        if before is None or before.token != lease.token:
            if before is not None:
                self._lost()
            self.terms += 1
            self._remember(lease.token)
            log.info("callbacks.lease_taken", term=lease.token)
            self._took()

    def _gone(self, why: str) -> None:
        self._lease = None
        log.warning("callbacks.lease_lost", why=why)
        self._lost()

    def _remember(self, token: int) -> None:
        if self._memory is None:
            return
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(str(token), "utf-8")
        except OSError as error:
            log.warning("callbacks.lease_not_remembered", error=str(error), path=str(self._memory))

    async def give_back(self) -> None:
        """Give the right back: we are stopping."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with contextlib.suppress(StoreError):
                await self._store.release_lease(lease)
