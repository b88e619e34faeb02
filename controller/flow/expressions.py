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

from controller.flow.celreports import ExpressionError, compile_fault, run_time_reason
from controller.flow.findings import clipped

__all__ = ["EvaluationError", "Expression", "ExpressionError", "ValueType", "compile_expression"]

MAX_SOURCE = 2000
"""Characters of one expression."""
MAX_TEXT = 16_384
"""Characters of one text in a result."""
MAX_ITEMS = 1000
"""Values in a result, nested ones included."""
MAX_NESTING = 200
"""Levels of a value that is copied because CEL does not know a part of it."""
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
            failed, result = self._run({name: _tamed(value, MAX_NESTING) for name, value in data.items()})
        if failed:
            raise EvaluationError(run_time_reason(result))
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
        raise compile_fault(str(error), source, names) from None
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

_MATCHES = re.compile(r"""\bmatches\s*\(\s*([rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))\s*\)""")


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


def _look_up(values: Mapping[str, object], name: str) -> object:
    if name in values:
        return values[name]
    found: object = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _NOTHING
        found = found[part]
    return found


def _tamed(value: object, levels: int) -> object:
    """Return a copy in which whole numbers beyond 64 bits are floats and halves of characters question marks.

    What is nested deeper than `levels` is None.
    """
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return float(value) if abs(value) < _HUGE else math.inf
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if not isinstance(value, list | dict):
        return value
    if levels == 0:
        return None
    if isinstance(value, list):
        return [_tamed(item, levels - 1) for item in value]
    return {_tamed(key, 0): _tamed(item, levels - 1) for key, item in value.items()}


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
