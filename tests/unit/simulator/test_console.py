from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from controller.errors import FlowError
from controller.flow.trace import Disposition
from controller.simulator.console import MAX_MISREAD, simulate
from tests.unit.simulator.centre import release

RELEASE = release()


def talk(*lines, flow="accueil"):
    waiting = list(lines)
    asked, written = [], []

    def read(prompt):
        asked.append(prompt)
        return waiting.pop(0) if waiting else None

    at = datetime(2026, 11, 24, 10, tzinfo=ZoneInfo("Europe/Paris"))
    call = simulate(RELEASE, flow, at=at, read=read, write=written.append)
    return call, written, asked, waiting


def test_a_call_is_had_line_by_line():
    call, written, asked, left = talk("2", "1234#", '200 {"vip": false, "solde": 3}', "0", "busy")
    assert left == []
    assert asked == ["keys> ", "keys> ", "crm answers> ", "keys> ", "201> "]
    assert any("Votre solde est de trois euros" in line for line in written)
    assert call.visits[-2:] == ["accueil.ferme", "accueil.fin"]
    assert written == [str(line) for line in call.trace]


def test_an_empty_line_waits_until_the_flow_goes_on():
    call, _, _, _ = talk("", "", "", "")
    assert call.steps[1].exit == "no_input"
    assert call.ending.disposition is Disposition.TALKED


@pytest.mark.parametrize("lines", [("hangup",), ("q",), ()])
def test_hanging_up_and_the_end_of_the_input_end_the_call(lines):
    call, _, _, _ = talk(*lines)
    assert call.ending.disposition is Disposition.ABANDONED
    assert call.problems == []


def test_the_input_may_end_anywhere():
    for lines in (("2", "1234#"), ("0",), ("3", "12")):
        assert talk(*lines)[0].ending.disposition is Disposition.ABANDONED


def test_what_makes_no_sense_is_asked_again():
    _, written, asked, _ = talk("what?", "2", "1234#", "soon", "200 {", "999", "timeout", "maybe", "")
    assert asked == ["keys> "] * 3 + ["crm answers> "] * 4 + ["201> "] * 2
    assert sum("press 0-9" in line for line in written) == 1
    assert sum("write a status" in line for line in written) == 3
    assert sum("write one of talked" in line for line in written) == 1


def test_endless_nonsense_ends_the_call():
    call, _, asked, _ = talk(*["nonsense"] * 1000)
    assert len(asked) <= MAX_MISREAD + 1
    assert call.ending.disposition is Disposition.ABANDONED


def test_an_unknown_flow_is_an_error():
    with pytest.raises(FlowError, match="no flow"):
        talk(flow="none")
