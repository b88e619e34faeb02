"""When an entry by DTMF ends: the three clocks, the end key and the choices of a menu.

Pure: the driver hands in every digit and the passing of time, on any clock that never goes back, and asks
`DigitCollector.deadline` when to come back. One collector serves one `Collect` command.
"""

from __future__ import annotations

from controller.flow.commands import CollectEnd, DigitRules

_KEYS = frozenset("0123456789*#ABCD")


class DigitCollector:
    """Collects the digits of one entry and says when it has ended, and why.

    Call `press` for each digit, `prompt_done` when the prompt has ended or a digit has stopped it, and `expire` once
    `deadline` has come. The first `CollectEnd` that `press` or `expire` returns is final: afterwards every
    call returns None and changes nothing, so that surplus digits stay the driver's, for the next entry.

    - The inter-digit clock starts anew with each digit. The total clock starts with the first digit or the end
      of the prompt, whichever comes first, so that every entry that has begun is bounded.
    - A digit that is pressed before `expire` was called counts, even if its clock ran out a moment ago.
    - The end key with some digits in, but fewer than `min`, ends the entry as TERMINATED: the caller said that
      this was all, and hears at once that it was too short. With no digit in, and `min` above 0, it is dropped
      and moves no clock: it is nearly always the end key of the entry before, which `max` had already completed.
    - With `choices`, digits that no choice begins with end as COMPLETE: whether an entry is valid is for the
      interpreter to judge.
    - Anything that is not a key (Asterisk reports fax tones as `e` and `f`) is dropped.
    """

    __slots__ = ("_digits", "_ended", "_first_until", "_inter_until", "_rules", "_total_until")

    def __init__(self, rules: DigitRules) -> None:
        self._rules = rules
        self._digits = ""
        self._ended = False
        self._first_until: float | None = None
        self._inter_until: float | None = None
        self._total_until: float | None = None

    @property
    def digits(self) -> str:
        """The digits so far, in the order pressed, without the end key."""
        return self._digits

    def press(self, digit: str, at: float) -> CollectEnd | None:
        """Take one digit pressed at `at` (seconds); return why the entry ended, if it did."""
        if self._ended or digit not in _KEYS:
            return None
        rules = self._rules
        if digit == rules.end:
            if not self._digits and rules.min > 0:
                return None
            return self._end(CollectEnd.TERMINATED)
        digits = self._digits = self._digits + digit
        if len(digits) >= rules.max or (rules.choices and self._is_decided(digits)):
            return self._end(CollectEnd.COMPLETE)
        self._first_until = None
        self._inter_until = at + rules.inter_digit_s
        if self._total_until is None:
            self._total_until = at + rules.total_s
        return None

    def prompt_done(self, at: float) -> None:
        """Start the first-digit and total clocks at `at`, unless a digit or an earlier call already has."""
        if self._ended or self._total_until is not None:
            return
        self._first_until = at + self._rules.first_digit_s
        self._total_until = at + self._rules.total_s

    def deadline(self) -> float | None:
        """Return when the earliest running clock runs out; None while the prompt plays, and after the end."""
        if self._ended or self._total_until is None:
            return None
        nearest = self._inter_until if self._first_until is None else self._first_until
        return self._total_until if nearest is None else min(nearest, self._total_until)

    def expire(self, at: float) -> CollectEnd | None:
        """Return why the entry ended if a clock has run out by `at`, else None.

        NO_INPUT when nothing was pressed, whichever clock it was; TOTAL when both clocks ran out together.
        """
        deadline = self.deadline()
        if deadline is None or at < deadline:
            return None
        if not self._digits:
            return self._end(CollectEnd.NO_INPUT)
        return self._end(CollectEnd.TOTAL if deadline == self._total_until else CollectEnd.INTER_DIGIT)

    def _is_decided(self, digits: str) -> bool:
        """Tell whether further digits could not change which choice this is, if it is one at all."""
        return not any(len(choice) > len(digits) and choice.startswith(digits) for choice in self._rules.choices)

    def _end(self, reason: CollectEnd) -> CollectEnd:
        self._ended = True
        return reason
