from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.flow.expressions import (
    MAX_SOURCE,
    EvaluationError,
    ExpressionError,
    ValueType,
    compile_expression,
)

NAMES = {
    "vip": ValueType.BOOL,
    "n": ValueType.INT,
    "score": ValueType.NUMBER,
    "num": ValueType.TEXT,
    "items": ValueType.LIST,
    "body": ValueType.ANY,
    "caller.country": ValueType.TEXT,
    "queues.or.free_agents": ValueType.INT,
}
VALUES = {
    "vip": True,
    "n": 0,
    "score": 1.5,
    "num": "0612",
    "items": [1, 2, 3],
    "body": {"vip": False, "name": "Ada", "deep": {"none": None}},
    "caller": {"country": "EN"},
    "queues.or.free_agents": 2,
}


def evaluate(source, **values):
    return compile_expression(source, NAMES).evaluate({**VALUES, **values})


def refusal(source, **options):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, NAMES, **options)
    return caught.value


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("vip && queues.or.free_agents > 0", True),
        ('caller.country != "FR"', True),
        ("caller.country == 'EN' ? 'en' : 'fr'", "en"),
        ('num.startsWith("06") && num.matches("^0[67]")', True),
        ("n + 1", 1),
        ("score * 2.0", 3.0),
        ("int(num)", 612),
        ("size(num)", 4),
        ("has(body.vip) && body.vip", False),
        ("has(body.gone) && body.gone", False),
        ("body.deep.none", None),
        ("body.deep", {"none": None}),
        ("body.name", "Ada"),
        ("items.exists(x, x > 2)", True),
        ("items.map(x, x * 2)", [2, 4, 6]),
        ('{"a": [n, 1]}', {"a": [0, 1]}),
        ('"é😀" + num', "é😀0612"),
        ("1 + 1", 2),
    ],
)
def test_results_are_plain_values(source, result):
    found = evaluate(source)
    assert found == result
    assert type(found) is type(result)


def test_the_names_an_expression_reads_are_known():
    expression = compile_expression('vip && items.exists(q, q > n) || caller.country == "vip"', NAMES)
    assert expression.names == {"vip", "items", "n", "caller.country"}
    assert expression.gives is ValueType.BOOL
    assert compile_expression("body.a", NAMES).gives is ValueType.ANY
    assert compile_expression("1 + 1", NAMES).names == frozenset()


@pytest.mark.parametrize(
    ("source", "offset", "message", "suggestion"),
    [
        ("vipp", 0, "nothing is called 'vipp'", "did you mean 'vip'?"),
        ("true && caller.contry == 'x'", 8, "caller.contry", "did you mean 'caller.country'?"),
        ("queues.or.free", 0, "queues.or.free", "did you mean 'queues.or.free_agents'?"),
        ('"é😀" + nom', 7, "'nom'", "did you mean 'num'?"),
        ("\n\n vip &&\n  zzz", 12, "'zzz'", ""),
        ("n +", 3, "ends too early", ""),
        ("", 0, "ends too early", ""),
        ("(n > 1", 6, "ends too early", ""),
        ("n > 1)", 5, "')' does not belong", ""),
        ("vip and vip", 4, "'and' is no operator", "write &&"),
        ("vip or vip", 4, "'or' is no operator", "write ||"),
        ("not vip", 0, "'not' is no operator", "write !"),
        ("n = 1", 2, "'=' is no operator", "write =="),
        ("n <> 1", 2, "'<>' is no operator", "write !="),
        ("n in", 4, "ends too early", ""),
        ('"open', 0, "not closed", 'end it with "'),
        ("score > 1", 6, "> does not take number, int", "1.0"),
        ("n == num", 2, "== does not take int, text", "quotes"),
        ("num == null", 4, "== does not take text, null", "never null"),
        ("vip ? 'a' : 1", 4, "? : does not take", ""),
        ("num[0]", 3, "[…] does not take text", ""),
        ("starsWith(num, 'a')", 0, "no function 'starsWith'", "did you mean 'startsWith'?"),
        ("num.foo()", 4, "no function 'foo'", ""),
        ("num.size(1)", 4, "size(…) is not used like this", ""),
        ("n.x", 1, "int has nothing inside", ""),
        ("has(n)", 4, "field selection", ""),
        ("num.matches('(')", 12, "no regular expression", "RE2"),
        ("1 / 0", 0, "division by zero", ""),
        ("(" * 200 + "1" + ")" * 200, 0, "nested too deeply", ""),
        ("+".join(["n"] * 900), 0, "nested too deeply", ""),
        ("n" * (MAX_SOURCE + 1), MAX_SOURCE, "the limit is", ""),
        ("'a\ud800'", 2, "no text can hold", "delete"),
        ("'a\0'", 2, "no text can hold", "delete"),
        ('timestamp("2026-01-01T00:00:00Z")', 0, "gives a timestamp", "wrap it"),
        ('b"ab"', 0, "gives a bytes", "wrap it"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_way_out(source, offset, message, suggestion):
    error = refusal(source)
    assert message in error.message
    assert error.offset == offset
    assert suggestion in error.suggestion


@pytest.mark.parametrize("source", ["n", "num", "[1]", '{"a": 1}', "score"])
def test_a_condition_must_be_one(source):
    assert "where bool is needed" in refusal(source, expect=ValueType.BOOL).message


@pytest.mark.parametrize(
    ("source", "expect"),
    [
        ("n > 1", ValueType.BOOL),
        ("body.vip", ValueType.BOOL),
        ("n", ValueType.NUMBER),
        ("num", ValueType.ANY),
        ("[1.5]", ValueType.LIST),
        ('{"a": 1}', ValueType.MAP),
        ("null", ValueType.ANY),
    ],
)
def test_a_result_of_the_expected_type_passes(source, expect):
    compile_expression(source, NAMES, expect=expect).evaluate(VALUES)


def test_a_result_of_unknown_type_is_checked_when_it_is_there():
    expression = compile_expression("body.name", NAMES, expect=ValueType.BOOL)
    with pytest.raises(EvaluationError, match="it gave text, where bool is needed"):
        expression.evaluate(VALUES)


@pytest.mark.parametrize(
    ("source", "values", "message"),
    [
        ("body.gone", {}, "a key that is not there"),
        ("body.deep.none.x", {}, "has no keys"),
        ("items[7]", {}, "list index"),
        ("1 / n", {}, "division by zero"),
        ("1 % n", {}, "division by zero"),
        ("int(num)", {"num": "secret"}, "cannot be converted"),
        ("num.matches(num)", {"num": "("}, "no regular expression"),
        ("body.name + 1", {}, "types do not fit"),
        ("n + 9223372036854775807", {"n": 1}, "too large"),
        ("int(score)", {"score": 1e30}, "too large"),
        ("score", {"score": float("nan")}, "no finite number"),
        ("n + 1", {"n": "text"}, "n holds a value of another type"),
        ("body", {"body": {1: 2}}, "cannot be kept"),
        ("body", {"body": (1,)}, "another type"),
        ("timestamp(num).getHours()", {"num": "noon"}, "cannot be"),
        ("num", {"num": "x" * 20_000}, "more than 16384 characters"),
        ("body", {"body": list(range(2000))}, "larger than"),
        ("items.map(x, items.map(y, y))", {"items": list(range(200))}, "too many iterations"),
    ],
)
def test_failures_at_run_time(source, values, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        evaluate(source, **values)
    assert "secret" not in str(caught.value)


def test_a_name_without_a_value_matters_only_if_the_result_depends_on_it():
    expression = compile_expression("vip || n > 1", NAMES)
    assert expression.evaluate({"vip": True}) is True
    with pytest.raises(EvaluationError, match="n has no value yet"):
        expression.evaluate({"vip": False})


def test_a_result_nested_too_deeply_is_refused():
    body = None
    for _ in range(20):
        body = [body]
    with pytest.raises(EvaluationError, match="16 levels"):
        evaluate("body", body=body)


def test_numbers_and_characters_that_only_json_knows_do_not_spoil_the_rest():
    body = {"id": 2**70, "text": "\ud800", "list": [2**63], "vip": True, "none": None}
    assert evaluate("body.vip", body=body) is True
    assert evaluate("body.text", body=body) == "?"
    assert evaluate("body.id", body=body) == float(2**70)
    assert evaluate("num", num="a\ud800") == "a?"
    with pytest.raises(EvaluationError, match="finite"):
        evaluate("body", body=10**400)
    deep = {"id": 2**70, "vip": True}
    for _ in range(900):
        deep = {"deep": deep, "vip": True}
    assert evaluate("body.vip", body=deep) is True


@given(st.text(max_size=60))
def test_any_text_is_either_an_expression_or_refused_within_its_bounds(source):
    refused = None
    try:
        compile_expression(source, NAMES)
    except ExpressionError as error:
        refused = error
    assert refused is None or (0 <= refused.offset <= len(source) and refused.message)


PIECES = [
    "vip",
    "n",
    "num",
    "body",
    "body.vip",
    "items",
    "1",
    "1.5",
    '"a"',
    "(",
    ")",
    "[",
    "]",
    "+",
    "&&",
    "==",
    "!",
    "?",
    ":",
    ".",
    "size(",
    "null",
    " ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_whatever_compiles_evaluates_to_plain_data_or_fails_as_agreed(source):
    try:
        expression = compile_expression(source, NAMES)
    except ExpressionError:
        return
    try:
        result = expression.evaluate(VALUES)
    except EvaluationError:
        return
    assert result is None or isinstance(result, bool | int | float | str | list | dict)
