"""docs/callbacks.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from controller.callback.model import CallbackPlan, Outcome, RequestState
from controller.callback.retry import DEFAULT_DELAYS

PAGE = (Path(__file__).parents[3] / "docs" / "callbacks.md").read_text(encoding="utf-8")
UNITS = {"s": 1, "min": 60, "h": 3600}


def rows(heading: str) -> dict[str, str]:
    """The lines of the first table after a heading, by the word in their first cell."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", part, re.MULTILINE))


def test_every_state_and_every_outcome_is_explained():
    assert set(rows("States of a request")) == set(RequestState)
    assert set(rows("When somebody is called again")) == set(Outcome)


def test_the_delays_are_those_of_the_code():
    told = rows("When somebody is called again")
    for outcome, delays in DEFAULT_DELAYS.items():
        seconds = [int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (min|h|s)\b", told[outcome])]
        assert seconds == [each for each in delays if each], outcome
    plan = CallbackPlan(flow="")
    assert f"`busy_tries` ({plan.busy_tries})" in told["busy"]
    assert f"After `tries` ({plan.tries})" in PAGE
    assert f"`expires` after it was due, {plan.expires_s / 3600:.0f} h" in PAGE
