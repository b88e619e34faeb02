"""Limits in bounded memory: how often one address, prefix or number may do something.

Each limit is a GCRA (ITU-T I.371): one float a key, the time at which its allowance will be whole again. A key whose
time has come is as good as none and is dropped; so the table holds only those who have lately asked. When it is full
of such, newcomers share `_SHARED` rows by a keyed hash: nobody who is known is put out, nobody slips through, and an
attacker with many addresses spoils mostly the rows that attackers share.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass

MAX_KEYS = 20_000
_SHARED = 1024
_SWEEP = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` times in `per_s`, all at once if somebody likes."""

    count: int
    per_s: float


class Limiter:
    """Counts by key; times are seconds on a monotonic clock."""

    def __init__(self, rate: Rate, max_keys: int = MAX_KEYS) -> None:
        self.refused = 0
        self._step_s = rate.per_s / rate.count
        self._span_s = rate.per_s
        self._max = max_keys
        self._whole_at: OrderedDict[str, float] = OrderedDict()
        self._shared = [0.0] * _SHARED
        self._salt = secrets.token_bytes(16)

    def __len__(self) -> int:
        return len(self._whole_at)

    def wait_s(self, key: str, now: float) -> float:
        """Return how long `key` has to wait before it may go on; 0: it may now. Counts nothing."""
        whole_at = self._whole_at.get(key)
        if whole_at is None:
            whole_at = 0.0 if len(self._whole_at) < self._max else self._shared[self._row(key)]
        return max(0.0, whole_at + self._step_s - self._span_s - now)

    def used(self, key: str, now: float) -> float:
        """Return how much of its allowance `key` has used, 0 to 1."""
        return min(1.0, max(0.0, self._whole_at.get(key, 0.0) - now) / self._span_s)

    def take(self, key: str, now: float) -> float:
        """Count one for `key`, and return 0; or count nothing, and return how many seconds it has to wait."""
        wait_s = self.wait_s(key, now)
        if wait_s > 0:
            self.refused += 1
            return wait_s
        self._sweep(now)
        if key not in self._whole_at and len(self._whole_at) >= self._max:
            row = self._row(key)
            self._shared[row] = max(self._shared[row], now) + self._step_s
            return 0.0
        self._whole_at[key] = max(self._whole_at.get(key, 0.0), now) + self._step_s
        self._whole_at.move_to_end(key)
        return 0.0

    def _sweep(self, now: float) -> None:
        """Drop some keys whose allowance is whole: those asked for longest ago are looked at."""
        for _ in range(min(_SWEEP, len(self._whole_at))):
            key, whole_at = next(iter(self._whole_at.items()))
            if whole_at > now:
                # It may stand before others that are due; the next look begins behind it.
                self._whole_at.move_to_end(key)
            else:
                del self._whole_at[key]

    def _row(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode(), key=self._salt, digest_size=4).digest()
        return int.from_bytes(digest, "big") % _SHARED


def address_keys(address: str) -> tuple[str, str]:
    """Return what an IP address and its neighbourhood are counted by: IPv4 /32 and /24, IPv6 /64 and /48.

    One customer of an access provider has a /64 at least (RFC 6177), so single IPv6 addresses mean nothing.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown", "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return _network(ip, 64), _network(ip, 48)
        ip = ip.ipv4_mapped
    return str(ip), _network(ip, 24)


def _network(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False))
