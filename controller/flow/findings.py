"""What a load finds wrong with a centre: every finding at once, each with its place and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum

import msgspec

MAX_FINDINGS = 500
"""A hostile file must not make the list of its faults a burden of its own."""


class Severity(StrEnum):
    """How much a finding weighs: only errors keep a release from running."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Mark(msgspec.Struct, frozen=True, order=True):
    """A place in a source file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1


class Finding(msgspec.Struct, frozen=True):
    """One fault, doubt or remark. `rule` is its stable name, `suggestion` a phrase such as "did you mean 'menu'?"."""

    file: str
    line: int
    column: int
    rule: str
    message: str
    suggestion: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        weight = "" if self.severity is Severity.ERROR else f"{self.severity}: "
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return printable(f"{self.file}:{self.line}:{self.column}: {weight}{self.rule}: {self.message}{hint}")


class Findings:
    """Collects findings; beyond `MAX_FINDINGS` it only counts them."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._seen: set[Finding] = set()
        self._dropped = 0

    def error(self, mark: Mark, rule: str, message: str, suggestion: str = "") -> None:
        """Add what keeps the release from running."""
        self._add(mark, rule, message, suggestion, Severity.ERROR)

    def warning(self, mark: Mark, rule: str, message: str, suggestion: str = "") -> None:
        """Add what is probably not meant."""
        self._add(mark, rule, message, suggestion, Severity.WARNING)

    def note(self, mark: Mark, rule: str, message: str, suggestion: str = "") -> None:
        """Add what is meant, and worth knowing."""
        self._add(mark, rule, message, suggestion, Severity.NOTE)

    def _add(self, mark: Mark, rule: str, message: str, suggestion: str, severity: Severity) -> None:
        finding = Finding(
            mark.file, mark.line, mark.column, rule, clipped(message, 400), clipped(suggestion, 200), severity
        )
        if finding in self._seen:
            return
        if len(self._found) >= MAX_FINDINGS:
            self._dropped += 1
            return
        self._seen.add(finding)
        self._found.append(finding)

    @property
    def is_full(self) -> bool:
        """Whether more would not be kept, so that work on their wording is wasted."""
        return len(self._found) >= MAX_FINDINGS

    @property
    def has_errors(self) -> bool:
        """Whether anything found keeps the release from running."""
        return any(finding.severity is Severity.ERROR for finding in self._found)

    def sorted(self) -> tuple[Finding, ...]:
        """Return all findings in file order; the last one says how many more were not kept, if any were not."""
        found = sorted(self._found, key=lambda f: (f.file, f.line, f.column, f.rule, f.message))
        if self._dropped:
            last = found[-1]
            message = f"{self._dropped} more findings are not shown; mend these first"
            found.append(Finding(last.file, last.line, last.column, "too-many-findings", message))
        return tuple(found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean '…'?" with the known name nearest to `name`, or the choice if it is short, or ""."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name[:64], names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    short = 8
    if 0 < len(names) <= short:
        return "there is " + ", ".join(f"'{clipped(n, 32)}'" for n in names)
    return ""


def clipped(text: str, length: int) -> str:
    """Return `text`, cut to `length` characters with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def printable(text: str) -> str:
    """Return `text` with every character that could move a terminal's cursor or hide text escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
