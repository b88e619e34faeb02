"""What is told of an estimate: rounded up to what people say, the same wherever it is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.acd.estimate import MOST_S
from controller.callback.promise import MINUTES, told_s
from controller.flow.spoken.waiting import WAITING, wait_notice

MINUTE_S = 60
DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("estimate_s", "minutes"),
    [
        (0.0, 1),
        (0.03, 1),
        (59.9, 1),
        (60.0, 1),
        (60.001, 2),
        (65.0, 2),
        (240.0, 4),
        (301.0, 7),
        (421.0, 10),
        (660.0, 15),
        (1800.0, 30),
        (1800.5, 60),
        (MOST_S, 120),
    ],
)
def test_an_estimate_is_told_in_minutes_that_people_say(estimate_s: float, minutes: int) -> None:
    assert told_s(estimate_s) == minutes * MINUTE_S


@given(st.floats(0, MOST_S), st.floats(0, MOST_S))
def test_nobody_is_told_less_than_was_estimated(estimate_s: float, other_s: float) -> None:
    told = told_s(estimate_s)
    assert told >= max(estimate_s, MINUTE_S)
    assert told < 2 * max(estimate_s, MINUTE_S)
    assert told % MINUTE_S == 0  # a page says the minutes as they are
    assert told_s(told) == told
    assert estimate_s > other_s or told <= told_s(other_s)


@given(st.floats(0, MOST_S))
def test_the_telephone_says_what_is_promised(estimate_s: float) -> None:
    notice, told = wait_notice(estimate_s), told_s(estimate_s)
    if notice == "wait-under-1":
        assert told == MINUTE_S
    elif notice == "wait-over-30":
        assert told > 30 * MINUTE_S
    else:
        assert told == int(notice.removeprefix("wait-")) * MINUTE_S


def test_every_step_is_recorded_and_documented() -> None:
    for minutes in MINUTES:
        assert all(f"wait-{minutes}" in notices for notices in WAITING.values())
    told = re.search(r"\*about ([\d, or]+) minutes\*", (DOCS / "operators.md").read_text(encoding="utf-8"))
    promised = re.search(r"next of ([\d, or\n]+) minutes", (DOCS / "callbacks.md").read_text(encoding="utf-8"))
    for found in (told, promised):
        assert found is not None
        assert tuple(map(int, re.findall(r"\d+", found[1]))) == MINUTES
