"""What the CEL implementation reports, in the words of a flow's operator: where it is wrong, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterable

from controller.flow.findings import clipped, did_you_mean


class ExpressionError(Exception):
    """The source cannot be used: `offset` is where, in characters from 0; `suggestion` what to write, or ""."""

    def __init__(self, message: str, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


_SEEN = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '(.*)'")
_NO_KEYS = re.compile(r"expression of type '([^']*)' cannot be the operand of a select")
_UNEXPECTED = re.compile(
    r"(?:mismatched input|extraneous input|alternative at input|missing .* at) '(.*?)'(?: expecting|$)"
)
_UNREADABLE = re.compile(r"token recognition error at: '(.*)'")
_FUNCTIONS = frozenset(
    {"size", "startsWith", "endsWith", "contains", "matches", "int", "double", "string", "bool", "type", "dyn"}
    | {"has", "all", "exists", "exists_one", "map", "filter", "timestamp", "duration"}
    | {"getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds"}
)
_OPERATORS = {"and": "&&", "or": "||", "not": "!", "is": "==", "=": "=="}
_TYPE_WORDS = {"string": "text", "double": "number", "dyn": "any", "null_type": "null"}


def compile_fault(report: str, source: str, names: Iterable[str]) -> ExpressionError:
    """Turn the first error of the compiler's report into ours."""
    seen = _SEEN.search(report)
    if seen is None:
        return ExpressionError("it is nested too deeply" if "recursion" in report else clipped(report, 200))
    offset = _offset(source, int(seen[1]), int(seen[2]))
    message = seen[3].removesuffix(" [INVALID_ARGUMENT]")
    if undeclared := _UNDECLARED.search(message):
        return _undeclared(undeclared[1], offset, source, names)
    if overload := _OVERLOAD.search(message):
        return _misfit(overload[1], overload[2], offset)
    if unexpected := _UNEXPECTED.search(message) or _UNREADABLE.search(message):
        return _unexpected(unexpected[1].strip(), offset, source)
    if no_keys := _NO_KEYS.search(message):
        kind = _TYPE_WORDS.get(no_keys[1], no_keys[1])
        message = f"{kind} has nothing inside that a dot could reach"
    elif "recursion" in message:
        message = "it is nested too deeply"
    return ExpressionError(clipped(message, 200), offset)


def _offset(source: str, line: int, column: int) -> int:
    """Return the offset of a place that the compiler counts from 1, or 0 when it names none."""
    if line < 1:
        return 0
    start = 0
    for _ in range(line - 1):
        start = source.find("\n", start) + 1
    return max(0, min(start + column - 1, len(source)))


def _undeclared(name: str, offset: int, source: str, names: Iterable[str]) -> ExpressionError:
    called = source[offset : offset + 1] == "("
    back = len(name) if called else max(0, name.rfind("."))
    start = offset - back
    if start < 0 or source[start : start + len(name)] != name:
        start = offset
    if called and name in _FUNCTIONS:
        return ExpressionError(f"{name}(…) is not used like this", start)
    if called:
        return ExpressionError(f"there is no function '{clipped(name, 60)}'", start, did_you_mean(name, _FUNCTIONS))
    suggestion = did_you_mean(name, names)
    if name in _OPERATORS:
        suggestion = f"write {_OPERATORS[name]}"
    return ExpressionError(f"nothing is called '{clipped(name, 60)}' here", start, suggestion)


def _misfit(function: str, operands: str, offset: int) -> ExpressionError:
    operator = function.replace("_", " ").replace("@", "").strip() if not function.isidentifier() else function
    operator = operator.replace("?   :", "? :").replace("[ ]", "[…]")
    words = re.sub(r"\w+", lambda word: _TYPE_WORDS.get(word[0], word[0]), operands).strip("()")
    suggestion = ""
    if {"int", "double"} <= set(re.findall(r"\w+", operands)):
        suggestion = "write whole numbers as 1.0 beside a number, or convert with double(…)"
    elif {"int", "string"} <= set(re.findall(r"\w+", operands)):
        suggestion = "put the number in quotes, or convert with int(…) or string(…)"
    elif "null_type" in operands:
        suggestion = "it is never null; compare it with an empty value"
    return ExpressionError(f"{operator} does not take {clipped(words, 100)}", offset, suggestion)


def _unexpected(found: str, offset: int, source: str) -> ExpressionError:
    if found == "<EOF>":
        return ExpressionError("the expression ends too early", offset)
    if found == ">" and source[:offset].endswith("<"):
        return ExpressionError("'<>' is no operator here", offset - 1, "write !=")
    before = source[:offset].split()[-1:]
    for word in (found, *before):
        if word in _OPERATORS:
            at = offset if word == found else source.rfind(word, 0, offset)
            return ExpressionError(f"'{word}' is no operator here", at, f"write {_OPERATORS[word]}")
    if found[:1] in ('"', "'"):
        return ExpressionError("a text that is not closed", offset, f"end it with {found[0]}")
    return ExpressionError(f"'{clipped(found, 40)}' does not belong here", offset)


_MISSING_NAME = re.compile(r'No value with name "([^"]+)"')
_WRONG_VALUE = re.compile(r"value type for '([^']+)'")
_REASONS = (
    ("divide by zero", "division by zero"),
    ("modulus by zero", "division by zero"),
    ("Key not found", "a key that is not there; ask with has(…) first"),
    ("index", "a list index that is not there; ask with size(…) first"),
    ("SELECT", "a key of something that has no keys; ask with has(…) first"),
    ("overload", "values whose types do not fit together"),
    ("regular expression", "a text that is no regular expression"),
    ("convert", "a text that cannot be converted"),
    ("Iteration budget", "too many iterations; the lists are too long"),
    ("out of range", "a number that is too large"),
    ("overflow", "a number that is too large"),
    ("out of int64 range", "a number that is too large"),
    ("construction from null", "a text with a character that no text can hold"),
)


def run_time_reason(report: str) -> str:
    """Return why an evaluation failed, without any value that the implementation's report may quote."""
    if missing := _MISSING_NAME.search(report):
        return f"{missing[1]} has no value yet"
    if wrong := _WRONG_VALUE.search(report):
        return f"{wrong[1]} holds a value of another type than declared"
    return next((reason for sign, reason in _REASONS if sign in report), "it cannot be computed from these values")
