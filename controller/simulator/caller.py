"""Callers: who presses what and when, and when they hang up."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

REACTION_S = 0.5
"""From the end of a prompt to the first key of a caller who has listened to it."""
KEY_GAP_S = 0.2
"""Between the keys of one entry."""


class Press(msgspec.Struct, frozen=True, tag=True):
    """Press `keys` one after the other, once the flow listens, or at once after a `Wait`."""

    keys: str


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Do nothing for `seconds` after the act before (or the start); the next act comes then, whatever happens."""

    seconds: float


class Speak(msgspec.Struct, frozen=True, tag=True):
    """Speak for `seconds` when a message is recorded."""

    seconds: float


class HangUp(msgspec.Struct, frozen=True, tag=True):
    """Hang up, once the flow listens, or at once after a `Wait`."""


Act = Press | Wait | Speak | HangUp

HANG_UP = ""
"""What a caller does instead of pressing a key."""


class Caller(Protocol):
    """The far end of a simulated call."""

    def act(self, now: float, until: float, listening: bool, keys: str = "") -> tuple[float, str] | None:
        """Return the next thing the caller does from `now` until `until`, and when: a key, or `HANG_UP`.

        None if nothing happens in that time. `listening`: the flow waits for keys, and plays nothing, since `now`.
        `keys`: only these would be heard just now ("": any). What was returned has happened.
        """

    def speak(self, now: float, most_s: float) -> float:
        """Return for how long the caller speaks from `now`, after the tone; at most `most_s` are recorded."""


class ScriptedCaller:
    """Does what a scenario says, and then nothing more. `left` is what was never done."""

    def __init__(self, acts: Sequence[Act]) -> None:
        self._acts = deque(acts)
        self._keys: deque[str] = deque()
        self._last_s = 0.0
        self._due_s: float | None = None

    @property
    def left(self) -> tuple[Act, ...]:
        """The acts that have not begun."""
        return tuple(self._acts)

    def act(self, now: float, until: float, listening: bool, keys: str = "") -> tuple[float, str] | None:
        """See `Caller.act`; a key that would not be heard is kept for the next time the flow listens."""
        at = self._next_s(now, listening=listening, keys=keys)
        if at is None or at > until:
            return None
        self._due_s = None
        self._last_s = at
        if not self._keys:
            act = self._acts.popleft()
            if not isinstance(act, Press):
                return at, HANG_UP
            self._keys.extend(act.keys)
        return at, self._keys.popleft()

    def speak(self, now: float, most_s: float) -> float:
        """See `Caller.speak`: nothing, unless that is what comes next."""
        act = self._acts[0] if self._acts and self._due_s is None and not self._keys else None
        if not isinstance(act, Speak):
            return 0.0
        self._acts.popleft()
        self._last_s = now
        return min(act.seconds, most_s)

    def _next_s(self, now: float, *, listening: bool, keys: str) -> float | None:
        """Return when the next key or hang-up comes, as far as that is known now."""
        if self._keys:
            return max(now, self._last_s + KEY_GAP_S)
        while self._acts and isinstance(wait := self._acts[0], Wait):
            self._acts.popleft()
            self._due_s = (self._last_s if self._due_s is None else self._due_s) + wait.seconds
        if not self._acts:
            return None
        if self._due_s is not None:
            return max(now, self._due_s)
        act = self._acts[0]
        heard = not isinstance(act, Speak) and (not keys or not isinstance(act, Press) or act.keys[0] in keys)
        return now + REACTION_S if listening and heard else None


class RandomCaller:
    """Presses anything at any time, from a seed; sometimes listens, sometimes types whole entries or hangs up.

    After `patience` acts only silence is left, so that every call ends by the flow's own means.
    """

    def __init__(self, seed: int, *, patience: int = 60) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a test that can be repeated, not a secret
        self._left = patience
        self._mood = self._random.choice(("mashing", "calm", "calm", "silent"))
        self._keys: deque[str] = deque()

    def act(self, now: float, until: float, listening: bool, keys: str = "") -> tuple[float, str] | None:
        """See `Caller.act`."""
        if self._keys:
            at = now + KEY_GAP_S
            return (at, self._keys.popleft()) if at <= until else None
        eager = {"mashing": 0.9, "calm": 0.8 if listening else 0.1, "silent": 0.1}[self._mood]
        if self._left <= 0 or self._random.random() > eager:
            return None
        self._left -= 1
        at = now + self._random.choice((0.0, 0.05, 0.5, 2.0, 6.0, 30.0)) * self._random.random()
        if at > until:
            return None
        if self._random.random() < 0.01:  # noqa: PLR2004 - rarely
            self._left = 0
            return at, HANG_UP
        if self._random.random() < 0.3:  # noqa: PLR2004 - a whole entry
            self._keys.extend(self._random.choices("0123456789", k=self._random.randrange(3, 15)))
            self._keys.append("#")
        return at, self._random.choice(keys * 10 + "0123456789*#0123456789*#ABCD")

    def speak(self, _now: float, most_s: float) -> float:
        """See `Caller.speak`: nothing, a breath, a sentence, or more than anybody listens to."""
        return min(most_s, self._random.choice((0.0, 0.4, 5.0, 40.0, most_s)))
