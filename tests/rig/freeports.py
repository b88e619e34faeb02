"""Free loopback ports, given out and taken back.

Single ports and blocks come from areas of their own, each given out in turn from its start, so that the many
single ports (and the TIME_WAIT their connections leave behind) never break up the room for blocks, and a port
that was given back rests as long as there are others.
"""

from __future__ import annotations

import os
import socket
from collections import deque

# Below the kernel's range for outgoing connections (32768 and up), so that no client socket takes one meanwhile.
_FROM = int(os.environ.get("RAPPEL_TEST_PORTS_FROM", "20000"))
_TO = int(os.environ.get("RAPPEL_TEST_PORTS_TO", "31999"))
# Each worker of pytest-xdist has a part of its own, so that two of them never find the same port free.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PART = (_TO - _FROM + 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_LOWEST = _FROM + _WORKER * _PART
_SINGLES = _PART // 4
_UNIT = 40
"""Blocks are made of units of so many ports."""

_single = deque(range(_LOWEST, _LOWEST + _SINGLES, 2))
_units = deque(range(_LOWEST + _SINGLES, _LOWEST + _PART - _UNIT + 1, _UNIT))


def is_free(port: int) -> bool:
    """Whether nobody on loopback or on all addresses holds UDP or TCP `port`."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def block(size: int = 1) -> int:
    """Return the first of `size` consecutive free ports (an even one), given to nobody else until `release`."""
    found = _a_single() if size == 1 else _a_block(size)
    if found is None:
        raise RuntimeError(
            f"No {size} free ports between {_LOWEST} and {_LOWEST + _PART - 1}: end what holds them "
            f"({len(_single)} single ports and {len(_units)} units of {_UNIT} are given to nobody here)."
        )
    return found


def _a_single() -> int | None:
    for _ in range(len(_single)):
        port = _single.popleft()
        if is_free(port):
            return port
        _single.append(port)
    return None


def _a_block(size: int) -> int | None:
    needed = -(-size // _UNIT)
    free = set(_units)
    for first in _units:
        wanted = [first + _UNIT * each for each in range(needed)]
        if free.issuperset(wanted) and all(is_free(port) for port in range(first, first + size)):
            for unit in wanted:
                _units.remove(unit)
            return first
    return None


def release(first: int, size: int = 1) -> None:
    """Give a block back."""
    if size == 1:
        _single.append(first)
    else:
        _units.extend(first + _UNIT * each for each in range(-(-size // _UNIT)))
