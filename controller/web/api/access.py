"""Who may do what over the API: tokens and their scopes.

A token is `rappel_` and 43 characters that encode 256 random bits. Only its SHA-256 is stored: a random secret of
that size needs no slow hash (OWASP ASVS 5.0, 6.5: lookup secrets of 112 bits and more). It is shown once, when it is
made.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from enum import StrEnum

from controller.acd.model import AgentId
from controller.ports import Clock, Token, TokenStore
from controller.web.api.problems import FORBIDDEN, TOO_MANY, UNAUTHORIZED, Problem

PREFIX = "rappel_"
_TRUST_S = 30.0
"""How long a token that was found is believed without asking again: so long a revoked one works at most."""
_REMEMBERED = 1000
_FAILURES = 20
"""Wrong tokens from one address within `_FAILURE_WINDOW_S` before it is made to wait."""
_FAILURE_WINDOW_S = 60.0


class Scope(StrEnum):
    """What a token allows."""

    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"  # accounts, skills, passwords
    AGENTS_ACT = "agents:act"  # login, pause, … of any agent; a token of an agent: of that agent only
    QUEUES_READ = "queues:read"
    CALLS_READ = "calls:read"
    CALLS_ACT = "calls:act"  # hold, transfer, …; a token of an agent: the agent's own call only
    CALLS_DIAL = "calls:dial"  # an agent calls a customer; a token of an agent: that agent only
    CALLBACKS_READ = "callbacks:read"  # requests to be called, their attempts, the slots
    CALLBACKS_WRITE = "callbacks:write"  # ask, change, cancel
    SUPERVISE = "supervise"  # listen, whisper, barge, move who waits
    RECORDINGS_READ = "recordings:read"
    RECORDINGS_ERASE = "recordings:erase"
    FIGURES_READ = "figures:read"
    EVENTS_READ = "events:read"
    WEBHOOKS_WRITE = "webhooks:write"


def new_secret() -> tuple[str, bytes]:
    """Return a fresh token and the digest to store."""
    text = PREFIX + secrets.token_urlsafe(32)
    return text, digest_of(text)


def digest_of(text: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(text.encode()).digest()


class Door:
    """Checks tokens; remembers those it found for a while, and addresses that bring wrong ones."""

    def __init__(self, store: TokenStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Token]] = OrderedDict()
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def open(self, header: str, address: str) -> Token:
        """Return the token in an `Authorization` header; raise `Problem` (401, 429), `StoreError`."""
        now = self._clock.monotonic()
        self._let_wait(address, now)
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text.startswith(PREFIX) or len(text) > 100:  # noqa: PLR2004
            raise self._failed(address, now)
        digest = digest_of(text.strip())
        since, token = self._known.get(digest, (0.0, None))
        if token is None or now - since > _TRUST_S:
            token = await self._store.find(digest)
        if token is None or (token.expires_at and token.expires_at <= self._clock.now()):
            self._known.pop(digest, None)
            raise self._failed(address, now)
        if now - since > _TRUST_S:
            self._known[digest] = (now, token)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return token

    def _let_wait(self, address: str, now: float) -> None:
        since, count = self._failures.get(address, (now, 0))
        if count >= _FAILURES and now - since < _FAILURE_WINDOW_S:
            wait_s = int(_FAILURE_WINDOW_S - (now - since)) + 1
            detail = f"{count} requests without a valid token came from your address"
            raise Problem(TOO_MANY, "too_many_failures", detail, "wait, then send a valid token", wait_s)

    def _failed(self, address: str, now: float) -> Problem:
        since, count = self._failures.get(address, (now, 0))
        if now - since >= _FAILURE_WINDOW_S:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        self._failures.move_to_end(address)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        advice = "send `Authorization: Bearer rappel_…`; `rappel tokens create` makes a token"
        return Problem(UNAUTHORIZED, "no_valid_token", "the token is missing, unknown, revoked or expired", advice)


def require(token: Token, scope: Scope) -> None:
    """Raise a `Problem` unless `token` has `scope`."""
    if scope.value not in token.scopes:
        advice = f"make a token with this scope: rappel tokens create --scope {scope.value}"
        raise Problem(FORBIDDEN, "scope_missing", f"this needs the scope {scope.value}", advice)


def require_self(token: Token, agent: AgentId) -> None:
    """Raise a `Problem` when `token` belongs to another agent than `agent`."""
    if token.agent is not None and token.agent != agent:
        raise Problem(FORBIDDEN, "not_yours", f"this token acts for {token.agent} only", "use a token of your own")
