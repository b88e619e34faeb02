"""Whom the guard bans."""

from __future__ import annotations

import pytest

from controller.calls.guard import Guard
from tests.unit.calls.world import Clock

WRONG = "InvalidPassword"


class Scene:
    """A guard that bans after five failures in ten seconds."""

    def __init__(self, *trusted: str) -> None:
        self.clock = Clock()
        self.banned: list[tuple[str, float]] = []
        self.guard = Guard(self._ban, self.clock, limit=5, window_s=10.0, ban_s=60.0, trusted=trusted)

    def _ban(self, address: str, seconds: float) -> None:
        self.banned.append((address, seconds))

    def fail(self, address: str, times: int, *, every_s: float = 0.0, event: str = WRONG) -> None:
        for _ in range(times):
            self.guard.failed(event, address)
            self.clock.elapsed_s += every_s


@pytest.mark.parametrize("event", ["InvalidPassword", "ChallengeResponseFailed", "InvalidAccountID"])
def test_too_many_failures_in_a_short_time_are_banned_once(event: str) -> None:
    scene = Scene()
    scene.fail("192.0.2.1", 4, event=event)
    assert scene.banned == []
    scene.fail("192.0.2.1", 2, event=event)
    assert scene.banned == [("192.0.2.1", 60.0)]


def test_a_telephone_with_an_old_password_is_left_alone() -> None:
    scene = Scene()
    scene.fail("192.0.2.1", 100, every_s=3.0)
    assert scene.banned == []


def test_addresses_are_counted_apart() -> None:
    scene = Scene()
    for _ in range(4):
        scene.fail("192.0.2.1", 1)
        scene.fail("192.0.2.2", 1)
    assert scene.banned == []
    scene.fail("2001:db8::1", 5)
    assert scene.banned == [("2001:db8::1", 60.0)]


def test_neither_the_trusted_nor_what_is_no_address_nor_other_events_are_banned() -> None:
    scene = Scene("198.51.100.0/24", "203.0.113.7", "carrier.example")
    for address in ("198.51.100.9", "203.0.113.7", "(unknown)", ""):
        scene.fail(address, 50)
    scene.fail("192.0.2.1", 50, event="SuccessfulAuth")
    assert scene.banned == []


def test_a_flood_from_everywhere_takes_a_bounded_memory_and_hides_nobody_who_goes_on() -> None:
    scene = Scene()
    for number in range(20_000):
        scene.fail(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)
    scene.fail("192.0.2.1", 5)
    assert scene.banned == [("192.0.2.1", 60.0)]
