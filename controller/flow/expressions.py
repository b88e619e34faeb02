"""The expressions of a flow (`when:`, `set:`): CEL, type-checked when the flow is loaded, bounded when it runs.

Google's implementation does the work; here are the names a flow may use, errors that say where and what to write
instead, and plain values on both sides. What bounds an evaluation: the length of the source, the nesting and the
10,000 iterations that the implementation itself allows, the size of a result, no function that multiplies text (its
`strings` extension is left out), and regular expressions that run in linear time. There is no I/O and no clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from controller.flow.findings import clipped, did_you_mean

MAX_SOURCE = 2000
"""Characters of one expression."""
MAX_TEXT = 16_384
"""Characters of one text in a result."""
MAX_ITEMS = 1000
"""Values in a result, nested ones included."""
MAX_DEPTH = 16
"""Levels of lists and maps in a result, and so in a variable that was set from one."""


class ValueType(StrEnum):
    """What a name holds, as far as it is known when the flow is loaded."""

    BOOL = "bool"
    INT = "int"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"
    MAP = "map"
    ANY = "any"


class ExpressionError(Exception):
    """The source cannot be used: `offset` is where, in characters from 0; `suggestion` what to write, or ""."""

    def __init__(self, message: str, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


class EvaluationError(Exception):
    """An evaluation failed on the values of this call. The message quotes none of them: they may be secret."""


_TYPES = {
    ValueType.BOOL: cel.Type.BOOL,
    ValueType.INT: cel.Type.INT,
    ValueType.NUMBER: cel.Type.DOUBLE,
    ValueType.TEXT: cel.Type.STRING,
    ValueType.LIST: cel.Type.LIST,
    ValueType.MAP: cel.Type.MAP,
    ValueType.ANY: cel.Type.DYN,
}
_GIVES = {
    "BOOL": ValueType.BOOL,
    "INT": ValueType.INT,
    "UINT": ValueType.INT,
    "DOUBLE": ValueType.NUMBER,
    "STRING": ValueType.TEXT,
    "LIST": ValueType.LIST,
    "MAP": ValueType.MAP,
    "DYN": ValueType.ANY,
    "NULL": ValueType.ANY,
}
_ERROR = cel.Type.ERROR


class Expression:
    """One expression, ready to be evaluated any number of times; made by `compile_expression`."""

    __slots__ = ("_expect", "_program", "gives", "names", "source")

    def __init__(
        self, source: str, program: Any, names: frozenset[str], gives: ValueType, expect: ValueType | None
    ) -> None:
        self.source = source
        self.gives = gives
        """The type of the result, as far as it is known."""
        self.names = names
        """The declared names that the expression reads."""
        self._program = program
        self._expect = expect

    def evaluate(self, values: Mapping[str, object]) -> object:
        """Return the result as None, bool, int, float, str, list or dict with text keys.

        A declared name `caller.country` is looked up in `values` under that key, else as `country` within
        `caller`. A name without a value is an error only if the result depends on it. Raises `EvaluationError`.
        """
        data = {}
        for name in self.names:
            found = _look_up(values, name)
            if found is not _NOTHING:
                data[name] = found
        failed, result = self._run(data)
        if failed and any(sign in result for sign in _FOREIGN):
            failed, result = self._run({name: _tamed(value) for name, value in data.items()})
        if failed:
            raise EvaluationError(_run_time_message(result))
        if not isinstance(result, bool | int | None):
            result = _plain(result)
        if self._expect is not None and not _fits(result, self._expect):
            raise EvaluationError(f"it gave {_kind(result)}, where {self._expect} is needed")
        return result

    def _run(self, data: dict[str, object]) -> tuple[bool, Any]:
        """Return whether the evaluation failed, and its result or the implementation's report."""
        try:
            outcome = self._program.eval(data=data)
            return outcome.type() == _ERROR, outcome.plain_value()
        except RuntimeError as error:
            return True, str(error)


def compile_expression(source: str, names: Mapping[str, ValueType], *, expect: ValueType | None = None) -> Expression:
    """Return `source` checked against the declared `names` and the type that is expected of its result.

    Raises `ExpressionError` for the first thing that is wrong: syntax, an undeclared name or function, types that
    do not fit, a regular expression that is none, an expression without names that fails.
    """
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"the expression has {len(source)} characters, the limit is {MAX_SOURCE}", MAX_SOURCE)
    if "\0" in source or not source.isascii():
        _check_characters(source)
    env = _environment(frozenset(names.items()))
    try:
        program = env.compile(source)
    except RuntimeError as error:
        raise _explained(str(error), source, names) from None
    gives = _checked_result_type(program.return_type().name(), expect)
    _check_regular_expressions(source, env)
    used = frozenset(_referenced(program.serialize()) & names.keys())
    expression = Expression(source, program, used, gives, expect)
    if not used:
        try:
            expression.evaluate({})
        except EvaluationError as error:
            raise ExpressionError(f"it fails whatever the call: {error}") from None
    return expression


# --- load time --------------------------------------------------------------------------------------------

_SEEN = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '(.*)'")
_NO_KEYS = re.compile(r"expression of type '([^']*)' cannot be the operand of a select")
_UNEXPECTED = re.compile(
    r"(?:mismatched input|extraneous input|alternative at input|missing .* at) '(.*?)'(?: expecting|$)"
)
_UNREADABLE = re.compile(r"token recognition error at: '(.*)'")
_MATCHES = re.compile(r"""\bmatches\s*\(\s*([rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))\s*\)""")
_FUNCTIONS = frozenset(
    {"size", "startsWith", "endsWith", "contains", "matches", "int", "double", "string", "bool", "type", "dyn"}
    | {"has", "all", "exists", "exists_one", "map", "filter", "timestamp", "duration"}
    | {"getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds"}
)
_OPERATORS = {"and": "&&", "or": "||", "not": "!", "is": "==", "=": "=="}
_TYPE_WORDS = {"string": "text", "double": "number", "dyn": "any", "null_type": "null"}


@lru_cache(maxsize=64)
def _environment(names: frozenset[tuple[str, ValueType]]) -> Any:
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in names})


def _check_characters(source: str) -> None:
    for offset, char in enumerate(source):
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise ExpressionError("a character that no text can hold", offset, "delete it")


def _checked_result_type(name: str, expect: ValueType | None) -> ValueType:
    gives = _GIVES.get(name.partition("<")[0].upper())
    if gives is None:
        raise ExpressionError(f"it gives a {name.lower()}, which cannot be kept", 0, "wrap it in string(…) or int(…)")
    wider = expect is ValueType.NUMBER and gives is ValueType.INT
    if expect not in (None, ValueType.ANY, gives) and gives is not ValueType.ANY and not wider:
        suggestion = "compare it with something, as in … == …" if expect is ValueType.BOOL else ""
        raise ExpressionError(f"it gives {gives}, where {expect} is needed", 0, suggestion)
    return gives


def _check_regular_expressions(source: str, env: Any) -> None:
    """Try every `matches("literal")`, which would otherwise be read only when a caller comes by."""
    for found in _MATCHES.finditer(source):
        if env.compile(f'"".matches({found[1]})').eval(data={}).type() == _ERROR:
            raise ExpressionError(
                f"{clipped(found[1], 80)} is no regular expression", found.start(1), "write RE2 syntax"
            )


def _explained(report: str, source: str, names: Mapping[str, ValueType]) -> ExpressionError:
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


def _undeclared(name: str, offset: int, source: str, names: Mapping[str, ValueType]) -> ExpressionError:
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


def _referenced(checked: bytes) -> set[str]:
    """Return every name in the reference map of a serialized `cel.expr.CheckedExpr` (field 2; `Any`: field 2)."""
    found = set()
    for number, message in _fields(checked):
        if number != 2:  # noqa: PLR2004 - Any.value
            continue
        for kind, entry in _fields(message):
            if kind == 2:  # noqa: PLR2004 - CheckedExpr.reference_map
                reference = dict(_fields(entry)).get(2, b"")
                found.add(dict(_fields(reference)).get(1, b"").decode())
    return found


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each length-delimited field of a protocol buffer; skip the others."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 2:  # noqa: PLR2004 - length-delimited
            size, at = _varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif wire == 0:
            _, at = _varint(message, at)
        else:
            at += 8 if wire == 1 else 4


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the bit that says more follows
            return value, at


# --- run time ---------------------------------------------------------------------------------------------

_NOTHING = object()
_INT64 = 2**63
_HUGE = 2**1000
_FOREIGN = ("out of range for", "construction from null")
"""Signs of a value that JSON allows and CEL does not know: a whole number beyond 64 bits, half a character."""
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


def _look_up(values: Mapping[str, object], name: str) -> object:
    if name in values:
        return values[name]
    found: object = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _NOTHING
        found = found[part]
    return found


def _tamed(value: object) -> object:
    """Return a copy in which whole numbers beyond 64 bits are floats and halves of characters question marks."""
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return float(value) if abs(value) < _HUGE else math.inf
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_tamed(item) for item in value]
    if isinstance(value, dict):
        return {_tamed(key): _tamed(item) for key, item in value.items()}
    return value


def _run_time_message(report: str) -> str:
    """Return why an evaluation failed, without any value that the implementation's report may quote."""
    if missing := _MISSING_NAME.search(report):
        return f"{missing[1]} has no value yet"
    if wrong := _WRONG_VALUE.search(report):
        return f"{wrong[1]} holds a value of another type than declared"
    return next((reason for sign, reason in _REASONS if sign in report), "it cannot be computed from these values")


def _plain(value: Any) -> object:
    """Return a result that is neither None, bool nor int, checked to be plain data within the bounds."""
    waiting = [(value, 0)]
    seen = 0
    while waiting:
        each, depth = waiting.pop()
        seen += 1
        if seen + len(waiting) > MAX_ITEMS or depth > MAX_DEPTH:
            raise EvaluationError(f"the result is larger than {MAX_ITEMS} values or {MAX_DEPTH} levels")
        if isinstance(each, list):
            waiting += [(item, depth + 1) for item in each]
        elif isinstance(each, dict) and all(isinstance(key, str) for key in each):
            waiting += [(item, depth + 1) for pair in each.items() for item in pair]
        else:
            _check_scalar(each)
    return value


def _check_scalar(value: object) -> None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise EvaluationError(f"the result is a text of more than {MAX_TEXT} characters")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EvaluationError("the result is no finite number")
    elif not isinstance(value, bool | int | None):
        raise EvaluationError("the result holds what cannot be kept: bytes, a time, a type or keys that are no text")


_KINDS: tuple[tuple[type, ValueType], ...] = (
    (bool, ValueType.BOOL),
    (int, ValueType.INT),
    (float, ValueType.NUMBER),
    (str, ValueType.TEXT),
    (list, ValueType.LIST),
    (dict, ValueType.MAP),
)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return next((kind.value for each, kind in _KINDS if isinstance(value, each)), "bytes, a time or a type")


def _fits(value: object, expect: ValueType) -> bool:
    kind = _kind(value)
    return kind == expect or expect is ValueType.ANY or (expect is ValueType.NUMBER and kind == ValueType.INT)
