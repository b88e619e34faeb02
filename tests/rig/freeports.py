"""Free loopback ports, chosen at run time."""

from __future__ import annotations

import os
import random
import socket

# Below the kernel's range for outgoing connections (32768 and up), so that no client socket takes one meanwhile.
_FROM = int(os.environ.get("RAPPEL_TEST_PORTS_FROM", "20000"))
_TO = int(os.environ.get("RAPPEL_TEST_PORTS_TO", "31999"))
# Each worker of pytest-xdist has a part of its own, so that two of them never find the same port free.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PART = (_TO - _FROM + 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_LOWEST = _FROM + _WORKER * _PART
_HIGHEST = _LOWEST + _PART - 1
_TRIES = 500
_given: set[int] = set()


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
    """Return the first of `size` consecutive free ports (an even one), never given out before in this process."""
    chooser = random.Random()
    for _ in range(_TRIES):
        first = chooser.randrange(_LOWEST, _HIGHEST - size, 2)
        wanted = range(first, first + size)
        if _given.isdisjoint(wanted) and all(is_free(port) for port in wanted):
            _given.update(wanted)
            return first
    raise RuntimeError(f"No {size} free ports between {_LOWEST} and {_HIGHEST}: end what holds them.")


def release(first: int, size: int = 1) -> None:
    """Give a block back."""
    _given.difference_update(range(first, first + size))
