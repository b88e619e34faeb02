from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agi.protocol import (
    MAX_COMMAND_BYTES,
    MAX_ENVIRONMENT_LINES,
    AgiProtocolError,
    Response,
    command_line,
    parse_environment,
    parse_response,
    quote,
)


def split_like_asterisk(line: str) -> list[str]:
    """The word rules of res_agi: spaces split outside quotes, a backslash protects one character."""
    words, word, quoted, begun = [], "", False, False
    chars = iter(line)
    for char in chars:
        if char == "\\":
            word += next(chars)
            begun = True
        elif char == '"':
            quoted = not quoted
            begun = True
        elif char in " \t" and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word += char
            begun = True
    return [*words, word] if begun else words


@given(st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=40), max_size=5))
def test_whatever_an_argument_holds_it_stays_one_word(arguments: list[str]) -> None:
    line = command_line("STREAM FILE", *arguments).decode()
    assert line.count("\n") == 1
    assert split_like_asterisk(line[:-1]) == ["STREAM", "FILE", *arguments]


@pytest.mark.parametrize("bad", ["a\nHANGUP", "a\rb", "a\x00b", "\x1b[0m"])
def test_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        quote(bad)


def test_a_command_asterisk_would_cut_in_two_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        command_line("EXEC Dial", "x" * MAX_COMMAND_BYTES)


@pytest.mark.parametrize(
    ("line", "response", "last"),
    [
        (b"200 result=0", Response(200), True),
        (b"200 result=-1 endpos=12000", Response(200, -1, endpos=12000), True),
        (b"200 result=1 (a (b) c)", Response(200, 1, "a (b) c"), True),
        (b"200 result=1 ()", Response(200, 1), True),
        (b"100 result=0 Trying...", Response(100), False),
        (b"510 Invalid or unknown command", Response(510), True),
        (b"511 Command Not Permitted on a dead channel or intercept routine", Response(511), True),
        (b"520-Invalid command syntax.  Proper usage follows:", Response(520), False),
        (b"520 End of proper usage.", Response(520), True),
    ],
)
def test_responses(line: bytes, response: Response, last: bool) -> None:
    assert parse_response(line) == (response, last)


@given(st.binary(max_size=80) | st.from_regex(rb"200 result=.{0,40}", fullmatch=True))
def test_no_answer_breaks_the_parser(line: bytes) -> None:
    with contextlib.suppress(AgiProtocolError):
        parse_response(line)


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 200 OK", b"200", b"200 result=", b"200 result=x", b"2000 result=1"])
def test_what_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises(AgiProtocolError):
        parse_response(line)


def test_environment() -> None:
    lines = (
        b"agi_callerid: +33612345678",
        b"agi_accountcode: ",
        "agi_calleridname: Zo\u00e9: chef".encode(),
        b"agi_arg_1: \xff\x07",
        b"agi_arg_2: a\xe2\x80\xa8b\x85c",
    )
    assert parse_environment(b"\n".join(lines)) == {
        "callerid": "+33612345678",
        "accountcode": "",
        "calleridname": "Zo\u00e9: chef",
        "arg_1": "\ufffd",
        "arg_2": "a\u2028b\ufffdc",
    }


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1", b"agi_: x", b"agi_x", b"agi_x:y", b"AGI_X: y", b"agi_callerid: forged", b"",
        b"agi_callerid : x", b" agi_x: y",
    ],
)  # fmt: skip
def test_forged_or_foreign_environment_lines_are_refused(line: bytes) -> None:
    with pytest.raises(AgiProtocolError):
        parse_environment(b"agi_callerid: +33612345678\n" + line)


@given(st.binary(max_size=200) | st.from_regex(rb"(agi_[a-c]: .{0,9}\n){0,9}", fullmatch=True))
def test_no_description_breaks_the_parser(block: bytes) -> None:
    with contextlib.suppress(AgiProtocolError):
        parse_environment(block)


def test_the_environment_is_bounded() -> None:
    lines = [b"agi_v%d: " % n for n in range(MAX_ENVIRONMENT_LINES + 1)]
    assert len(parse_environment(b"\n".join(lines[:-1]))) == MAX_ENVIRONMENT_LINES
    with pytest.raises(AgiProtocolError, match="more than"):
        parse_environment(b"\n".join(lines))
