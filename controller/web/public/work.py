"""Proof of work: what a browser computes before a request is taken, so that thousands cost thousands of seconds.

A challenge is `v1.<issued>.<bits>.<puzzles>.<site>.<salt>.<mac>`, signed, so that nothing is kept while it is solved.
To solve it, find for each puzzle `i` from 0 on a text `n` of at most 20 characters [0-9a-z] such that

    SHA-256("<challenge>:<idempotency key>:<i>:<n>")

begins with `bits` zero bits; the solution is these texts, joined by dots. Several small puzzles instead of one large
one make the time nearly the same for everybody. The work belongs to the request's idempotency key: it is worth one
request only, on whatever node it arrives, because the key is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from enum import StrEnum
from typing import Protocol

import msgspec

LIFETIME_S = 600
PUZZLES = 8
BASE_BITS = 13
"""8 puzzles of 13 bits: 65,536 hashes on average, some tenths of a second in a telephone's browser."""
MAX_BITS = 18
CALM = 30
"""Pieces of work done in a minute up to which it stays at its least; each doubling adds a bit. Challenges that nobody
solves count for nothing: making it harder for all others must cost whoever tries."""
USES = 5
"""How often one piece of work may be shown: retries, and a number that is mistyped."""
MAX_USED = 50_000
FORM_PATIENCE_S = 3
"""Nobody fills a form in in less."""
FORM_LIFETIME_S = 3600
_SKEW_S = 30
_SECONDS_DIGITS = 10
_TEXT = re.compile(r"[0-9a-z]{1,20}")


class Challenge(msgspec.Struct, frozen=True):
    """What a page gets: solve it with SHA-256 as `controller.web.public.work` says."""

    challenge: str
    bits: int
    puzzles: int
    expires_s: int


class Flaw(StrEnum):
    """What is wrong with a piece of work; the values are codes of refusals."""

    MISSING = "work_missing"
    WRONG = "work_wrong"
    EXPIRED = "work_expired"
    USED = "work_used"


class Captcha(Protocol):
    """Another way to tell people from programs, asked after the proof of work when there is one."""

    async def passed(self, token: str, address: str) -> bool:
        """Tell whether `token`, which the page got from the service, stands for a person."""


class Work:
    """Issues challenges and checks solutions. Times are seconds since 1970."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"rappel work", "sha256")
        self._window = 0
        self._now = 0
        self._before = 0
        self._used: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def challenge(self, site: str, at: float, suspicion: float = 0.0) -> Challenge:
        """Return a challenge for `site`. `suspicion`, 0 to 1, adds up to three bits for this asker alone."""
        bits = min(MAX_BITS, self.bits(at) + round(3 * suspicion))
        body = f"v1.{int(at)}.{bits}.{PUZZLES}.{_site(site)}.{secrets.token_hex(8)}"
        return Challenge(f"{body}.{self._mac(body)}", bits, PUZZLES, LIFETIME_S)

    def bits(self, at: float) -> int:
        """Return how hard a puzzle is now: it follows the work done in this minute and the last one."""
        self._turn(at)
        return min(MAX_BITS, BASE_BITS + (max(self._before, self._now) // CALM).bit_length())

    def _turn(self, at: float) -> None:
        window = int(at // 60)
        if window != self._window:
            self._before = self._now if window == self._window + 1 else 0
            self._window, self._now = window, 0

    def flaw(self, challenge: str, solution: str, key: str, site: str, at: float) -> Flaw | None:
        """Return what is wrong with a solution; None: nothing, and it is counted as used once."""
        if not challenge or not solution:
            return Flaw.MISSING
        parts = challenge.split(".")
        if not self._ours(challenge, parts, site):
            return Flaw.WRONG
        issued, bits, puzzles = int(parts[1]), int(parts[2]), int(parts[3])  # signed: they are what we wrote
        if not issued - _SKEW_S <= at <= issued + LIFETIME_S:
            return Flaw.EXPIRED
        if not _solved(challenge, solution, key, bits, puzzles):
            return Flaw.WRONG
        return self._use(parts[6], issued + LIFETIME_S, at)

    def _ours(self, challenge: str, parts: list[str], site: str) -> bool:
        if len(challenge) > 200 or len(parts) != 7 or not challenge.isascii():  # noqa: PLR2004 - as written above
            return False
        expected = self._mac(challenge.rpartition(".")[0])
        return hmac.compare_digest(expected, parts[6]) and parts[4] == _site(site)

    def form_token(self, key: str, site: str, at: float) -> str:
        """Return what a form for browsers without JavaScript carries: when it was made, and for which key."""
        body = f"f1.{int(at)}.{_site(site)}.{key}"
        return f"{int(at)}.{self._mac(body)}"

    def form_flaw(self, token: str, key: str, site: str, at: float) -> str | None:
        """Return what is wrong with a form; None: nothing. Under load there are no such forms."""
        issued, _, mac = token.partition(".")
        if len(issued) != _SECONDS_DIGITS or not (issued.isascii() and issued.isdecimal()) or not mac.isascii():
            return Flaw.WRONG.value
        if not hmac.compare_digest(self._mac(f"f1.{issued}.{_site(site)}.{key}"), mac):
            return Flaw.WRONG.value
        if at < int(issued) + FORM_PATIENCE_S:
            return "too_fast"
        if at > int(issued) + FORM_LIFETIME_S:
            return Flaw.EXPIRED.value
        return Flaw.MISSING.value if self.bits(at) > BASE_BITS else None

    def _use(self, mac: str, ends: float, at: float) -> Flaw | None:
        while self._used and next(iter(self._used.values()))[0] < at:
            self._used.popitem(last=False)
        _, uses = self._used.get(mac, (ends, 0))
        if uses >= USES or (not uses and len(self._used) >= MAX_USED):
            return Flaw.USED
        self._used[mac] = (ends, uses + 1)
        self._turn(at)
        self._now += not uses
        return None

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()[:32]


def _solved(challenge: str, solution: str, key: str, bits: int, puzzles: int) -> bool:
    texts = solution.split(".")
    if len(solution) > puzzles * 21 or len(texts) != puzzles or not all(_TEXT.fullmatch(text) for text in texts):
        return False
    return all(_fits(f"{challenge}:{key}:{i}:{text}", bits) for i, text in enumerate(texts))


def _fits(text: str, bits: int) -> bool:
    return not int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> (32 - bits)


def solve(challenge: str, key: str) -> str:
    """Return a solution, as a browser finds it; for tests and for programs that use the public endpoints."""
    parts = challenge.split(".")
    bits, puzzles = int(parts[2]), int(parts[3])
    found = []
    for i in range(puzzles):
        head = hashlib.sha256(f"{challenge}:{key}:{i}:".encode())
        n = 0
        while True:
            tried = head.copy()
            tried.update(b"%x" % n)
            if not int.from_bytes(tried.digest()[:4], "big") >> (32 - bits):
                found.append(f"{n:x}")
                break
            n += 1
    return ".".join(found)


def _site(site: str) -> str:
    return hashlib.sha256(site.encode()).hexdigest()[:8]
