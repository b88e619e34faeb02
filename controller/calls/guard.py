"""Decides which addresses are banned: those from which passwords are guessed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

import structlog

from controller.ports import Clock

log = structlog.get_logger(__name__)

FAILURES: Final = frozenset({"InvalidPassword", "ChallengeResponseFailed", "InvalidAccountID"})
"""Asterisk's security events that tell of a wrong password or a wrong name."""
_MAX_ADDRESSES: Final = 4096


class Guard:
    """Counts failures by address; `limit` of them within `window_s` ban the address for `ban_s` seconds.

    The limit is far above what one telephone with an old password does (it asks again every few seconds), since
    its colleagues may be behind the same address. Addresses in `trusted` networks are never banned.
    """

    def __init__(
        self,
        ban: Callable[[str, float], object],
        clock: Clock,
        *,
        limit: int = 100,
        window_s: float = 60.0,
        ban_s: float = 600.0,
        trusted: Collection[str] = (),
    ) -> None:
        self._ban = ban
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._ban_s = ban_s
        self._trusted = list(_networks(trusted))
        self._seen: dict[str, deque[float]] = {}

    def failed(self, event: str, address: str) -> None:
        """Take note of a security event from `address`; others than wrong passwords and names are none of ours."""
        if event not in FAILURES or not self._may_ban(address):
            return
        now = self._clock.monotonic()
        if address not in self._seen and len(self._seen) >= _MAX_ADDRESSES:
            self._forget(now)
        times = self._seen.setdefault(address, deque(maxlen=self._limit))
        times.append(now)
        if len(times) == self._limit and now - times[0] <= self._window_s:
            del self._seen[address]
            log.warning("sip_address_banned", address=address, failures=self._limit, seconds=self._ban_s)
            self._ban(address, self._ban_s)

    def _may_ban(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return not any(parsed in network for network in self._trusted)

    def _forget(self, now: float) -> None:
        """Make room: those that were quiet first, else the one seen first."""
        for address in [address for address, times in self._seen.items() if now - times[-1] > self._window_s]:
            del self._seen[address]
        if len(self._seen) >= _MAX_ADDRESSES:
            del self._seen[next(iter(self._seen))]


def _networks(trusted: Collection[str]) -> Iterator[IPv4Network | IPv6Network]:
    for network in trusted:
        try:
            yield ip_network(network, strict=False)
        except ValueError:
            log.warning("not_a_network", network=network, advice="name trusted peers by address or network (CIDR)")
