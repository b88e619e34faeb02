"""What dials. Nothing but `controller.calls.outbound.exit` imports this module, so that nothing else can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from controller.callback.model import AttemptId
from controller.calls.outbound.ports import DialNews, DialState, LineState, OutboundCall
from controller.outbound.model import Number


class Originator(Protocol):
    """Dials, by the dialplan's gate and the trunk; nothing else does.

    Only `controller.calls.outbound.exit` holds one: a contract of import-linter. Methods raise `TelephonyError`
    (`AsteriskUnreachable`, `AsteriskRefused`); an attempt's id makes each safe to repeat.
    """

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        """Tell of `attempt` by `told` from now on, until `DialEnded`. Before `dial`: news can precede its answer."""

    def forget(self, attempt: AttemptId) -> None:
        """Tell nothing more of `attempt`; for one that was never dialled, which has no end to be told of."""

    async def dial(self, call: OutboundCall) -> None:
        """Have it dialled; returns when Asterisk has taken it or says that this id is there already.

        `AsteriskRefused`: it was not dialled, and nothing will be told of it. `AsteriskUnreachable`: nobody knows.
        """

    async def cancel(self, attempt: AttemptId) -> None:
        """End an attempt that nobody has answered; one that is gone is not an error."""

    async def look(self, attempt: AttemptId) -> DialState:
        """Look where its channel is; a live one is followed from then on."""

    async def was_dialled(self, attempt: AttemptId) -> bool:
        """Whether the dialplan's gate has ever let `attempt` through (files of Asterisk's, safe at once)."""

    async def line_state(self, number: Number) -> LineState:
        """Return how the telephone behind `number` is, when it is one of our own endpoints; else `UNKNOWN`."""

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` once, when that telephone ends the call that it is in a second from now.

        Never when it is in none then: one that only says that it is busy is tried again by the clock; and never when
        it is unknown. Returns what ends the watching, which also ends with the controller.
        """
