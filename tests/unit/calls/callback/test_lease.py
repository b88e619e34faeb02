"""The right to dial: kept, given up in good time, and taken over at once from a forerunner who has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.calls.callback.lease import Leader
from controller.calls.callback.store import Lease
from controller.errors import StoreError


class Row:
    """The one row of the database, and what it was asked."""

    def __init__(self) -> None:
        self.token = 0
        self.taken = False
        self.away = False
        self.asked: list[int] = []

    async def lease(self, node: str, ttl_s: float, *, forerunner: int = 0) -> Lease | None:
        if self.away:
            raise StoreError("away")
        self.asked.append(forerunner)
        if self.taken and forerunner != self.token:
            return None
        if not self.taken or forerunner:
            self.token += 1
        return Lease(node, self.token, CLOCK.monotonic() + ttl_s - 1)

    async def release_lease(self, lease: Lease) -> None:
        self.taken = False


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at


CLOCK = Clock()


def leader(row: Row, memory: Path | None, told: list[str]) -> Leader:
    return Leader(
        row,  # type: ignore[arg-type]  # as much of a store as is needed
        CLOCK,
        node="one",
        ttl_s=12,
        request_s=5,
        took=lambda: told.append("took"),
        lost=lambda: told.append("lost"),
        memory=memory,
    )


async def test_a_forerunner_s_right_goes_to_its_successor(tmp_path: Path):
    row, memory, told = Row(), tmp_path / "attempts" / "lease", list[str]()
    first = leader(row, memory, told)
    await first._turn()
    row.taken = True
    assert memory.read_text() == "1"
    successor = leader(row, memory, told)
    await successor._turn()
    assert (row.asked, told, successor.may_dial()) == ([0, 1], ["took", "took"], True)
    assert memory.read_text() == "2"


@pytest.mark.parametrize("text", ["", "x", None])
async def test_what_cannot_be_read_is_no_forerunner(tmp_path: Path, text: str | None):
    row, memory = Row(), tmp_path / "lease"
    if text is not None:
        memory.write_text(text)
    await leader(row, memory, [])._turn()
    assert row.asked == [0]


async def test_without_postgres_the_right_ends_in_good_time(tmp_path: Path):
    row, told = Row(), list[str]()
    held = leader(row, None, told)
    await held._turn()
    row.away = True
    CLOCK.at += 5
    await held._turn()
    assert (held.may_dial(), told) == (True, ["took"])
    CLOCK.at += 1.5  # 12 s, less a second of margin, less the longest request
    await held._turn()
    assert (held.may_dial(), told) == (False, ["took", "lost"])
