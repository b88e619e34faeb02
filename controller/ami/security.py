"""Security events of Asterisk as log lines: the first of a kind at once, a flood as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

EVENTS: Final = frozenset({
    "AuthMethodNotAllowed",
    "ChallengeResponseFailed",
    "FailedACL",
    "InvalidAccountID",
    "InvalidPassword",
    "InvalidTransport",
    "LoadAverageLimit",
    "MemoryLimit",
    "RequestBadFormat",
    "RequestNotAllowed",
    "RequestNotSupported",
    "SessionLimit",
    "UnexpectedAddress",
})  # fmt: skip
"""Security events that tell of a failure; the successes are too many to be news."""
WINDOW_S: Final = 10.0
_MAX_SOURCES: Final = 1024
_OTHERS: Final = "(others)"
_ADDRESS_PARTS: Final = 4


class SecurityLog:
    """Counts security events by name and source and logs them, at most one line a window for each source.

    Account names are what a stranger typed: they are logged as data, cut to 64 characters.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Events since start, by name, for the metrics."""
        self._window: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, event: str, headers: Mapping[str, str], at: float) -> None:
        """Count `event`, seen at `at` (monotonic seconds), and log it unless its source was just logged."""
        self.counts[event] += 1
        source = source_of(headers.get("RemoteAddress", ""))
        key = (event, source)
        if key not in self._window and len(self._window) >= _MAX_SOURCES:
            key = (event, _OTHERS)
        since, silent = self._window.get(key, (at - WINDOW_S, 0))
        if at - since < WINDOW_S:
            self._window[key] = (since, silent + 1)
            return
        self._window[key] = (at, 0)
        details: dict[str, Any] = {
            "account": headers.get("AccountID", "")[:64],
            "service": headers.get("Service", ""),
        }
        if silent:
            details["also"] = silent
        log.warning("asterisk.security", event_name=event, source=key[1], **details)

    def sweep(self, at: float) -> None:
        """Log what was only counted in windows that are over, and forget them."""
        for key, (since, silent) in list(self._window.items()):
            if at - since >= WINDOW_S:
                del self._window[key]
                if silent:
                    log.warning("asterisk.security", event_name=key[0], source=key[1], count=silent)


def source_of(remote_address: str) -> str:
    """Return the address in `IPV4/UDP/192.0.2.1/5060`, as Asterisk writes it; `(unknown)` if it is not so."""
    parts = remote_address.split("/")
    return parts[2][:64] if len(parts) == _ADDRESS_PARTS else "(unknown)"
