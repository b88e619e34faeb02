"""`rappel outbound judge` by the rules alone: it explains what the gate says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import cli
from controller.cli.outbound import _PURPOSES
from controller.errors import RappelError

FLOWS = Path(__file__).parents[3] / "ivr_flows"
TUESDAY = ("--at", "2026-11-24T11:00:00")


@pytest.fixture(autouse=True)
def _example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPEL_NODE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("RAPPEL_CENTRE_FOLDER", str(FLOWS))


def judge(number: str, purpose: str, *more: str) -> Result:
    return CliRunner().invoke(cli, ["outbound", "judge", number, "--purpose", purpose, "--offline", *TUESDAY, *more])


def test_a_call_that_is_allowed_is_told_with_its_price():
    told = judge("06 39 98 12 34", "requested", "--consent", "--lasts", "2")
    assert told.exit_code == 0, told.output
    assert told.output.splitlines() == [
        "+33639981234  06 39 98 12 34: mobile, FR, Europe/Paris",
        "allowed, shown as +33353014700",
        "costs about 0.06 EUR for 2 min (0.03 a minute)",
    ]


@pytest.mark.parametrize(
    ("number", "purpose", "more", "says"),
    [
        ("06 39 98 12 34", "requested", (), "refused (consent)"),
        ("0899 12 34 56", "service", (), "refused (kind): premium numbers"),
        ("+881 612 345 678", "service", (), "refused (country): numbers of no country"),
        ("+1 415 555 0100", "service", (), "or add US to outbound: countries:"),
        ("0639981234;ext=1", "service", (), "refused (unreadable): parameters"),
        ("06 39 98 12 34", "service", ("--caller-id", "0612345678"), "refused (caller_id)"),
        ("06 39 98 12 34", "internal", (), "refused (purpose)"),
        ("+33 3 53 01 47 10", "service", (), "refused (own_number)"),
        ("06 39 98 12 34", "prospecting", ("--consent", "--at", "2026-11-28T11:00:00"), "decree 2022-1313"),
        (
            "06 39 98 12 34",
            "prospecting",
            ("--consent", "--at", "2026-11-28T11:00:00"),
            "2026-11-30 10:00 Europe/Paris",
        ),
        (
            "06 39 98 12 34",
            "prospecting",
            ("--consent", "--zone", "America/Cayenne"),
            "2026-11-24 14:00 Europe/Paris",
        ),
    ],
)
def test_a_refusal_says_why_by_which_rule_and_what_to_do(number, purpose, more, says):
    told = judge(number, purpose, *more)
    assert told.exit_code == 1
    assert says in told.output
    assert "rule: " in told.output
    assert "what to do: " in told.output


def test_every_purpose_can_be_asked_for():
    assert _PURPOSES == ["requested", "service", "prospecting", "internal"]


@pytest.mark.parametrize("words", [["add"], ["remove"], ["list"]])
def test_what_is_no_number_does_not_get_on_the_list(words, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql:///nowhere")
    result = CliRunner().invoke(cli, ["optout", *words, "112"])
    assert isinstance(result.exception, RappelError)
    assert "emergency" in str(result.exception)
