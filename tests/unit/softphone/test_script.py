"""The language of scripted calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.script import Hangup, Hear, Press, Quiet, ScriptError, Wait, parse_script


def test_every_step():
    text = "1,wait 2,2; press 1 2#\ninfo 5d, wait 500ms, hear fr/menu, after fr/* 30s"
    text += ", after-prompt x, quiet, quiet 5, hangup"
    assert parse_script(text) == (
        Press("1"),
        Wait(2.0),
        Press("2"),
        Press("12#"),
        Press("5D", "info"),
        Wait(0.5),
        Hear("fr/menu"),
        Hear("fr/*", to_end=True, timeout_s=30.0),
        Hear("x", to_end=True),
        Quiet(),
        Quiet(5.0),
        Hangup(),
    )


def test_nothing_is_a_script():
    assert parse_script(" , ;\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "press",
        "press x",
        "wait",
        "wait soon",
        "wait 2h",
        "wait 5000",
        "hear",
        "hangup now",
        "dial 5",
        "1" + ",1" * 500,
    ],
)
def test_what_cannot_be_read_says_so(text: str):
    with pytest.raises(ScriptError, match=r"write|shorten|allowed"):
        parse_script(text)


@given(st.text(max_size=100))
def test_no_text_breaks_the_parser(text: str):
    try:
        parse_script(text)
    except ScriptError:
        return
