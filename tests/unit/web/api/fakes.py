"""What the API stands on, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.acd.model import AgentAccount, AgentId, AgentState, AgentView, Presence, Refused
from controller.calls.desk import MonitorEvent, QueueView, TalkView, WaitingView
from controller.errors import StoreConflict, StoreError
from controller.ports import AgentSecret, Token
from controller.switchboard import Ask

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: float = 1000.0

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return self.at


@dataclass
class Tokens:
    """Tokens by digest."""

    known: dict[bytes, Token] = field(default_factory=dict)
    away: bool = False
    asked: int = 0

    async def find(self, digest: bytes) -> Token | None:
        self.asked += 1
        if self.away:
            raise StoreError("Postgres is away")
        return self.known.get(digest)

    async def create(
        self, digest: bytes, name: str, scopes: Sequence[str], agent: AgentId | None, expires_at: datetime | None
    ) -> Token:
        token = Token(
            token_id=str(len(self.known)), name=name, scopes=frozenset(scopes), agent=agent, expires_at=expires_at
        )
        self.known[digest] = token
        return token

    async def all(self) -> Sequence[Token]:
        return list(self.known.values())

    async def revoke(self, token_id: str) -> bool:
        found = [digest for digest, token in self.known.items() if token.token_id == token_id]
        for digest in found:
            del self.known[digest]
        return bool(found)


@dataclass
class Directory:
    """Accounts by id."""

    known: dict[AgentId, AgentAccount] = field(default_factory=dict)
    stored: dict[AgentId, str] = field(default_factory=dict)

    async def accounts(self) -> Sequence[AgentAccount]:
        return [self.known[each] for each in sorted(self.known)]

    async def secrets(self) -> Sequence[AgentSecret]:
        return [AgentSecret(agent, ha1) for agent, ha1 in self.stored.items()]

    async def put(self, accounts: Sequence[AgentAccount], secrets: Sequence[AgentSecret] = ()) -> None:
        new = {**self.known, **{each.agent: each for each in accounts}}
        if len({each.extension for each in new.values()}) < len(new):
            raise StoreConflict("extension 2001 is claire's: choose another")
        self.known = new
        self.stored |= {each.agent: each.ha1 for each in secrets}

    async def remove(self, agent: AgentId) -> bool:
        return self.known.pop(agent, None) is not None

    async def changes(self) -> AsyncIterator[None]:
        yield None


@dataclass
class FakeDesk:
    """Says what it was asked, and refuses what it is told to."""

    views: list[AgentView] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    refusal: Refused | None = None
    queue: asyncio.Queue[MonitorEvent | None] = field(default_factory=asyncio.Queue)

    def agents(self) -> Sequence[AgentView]:
        return self.views

    def queues(self) -> Sequence[QueueView]:
        return [
            QueueView(
                queue="ventes", title="Ventes", open=True, waiting=2, longest_wait_s=31.5, agents_logged_in=3,
                agents_free=0, agents_talking=3, estimate_s=90.0,
            )
        ]  # fmt: skip

    def waiting(self, queue: str = "") -> Sequence[WaitingView]:
        one = WaitingView(
            call_id="c1", queue="ventes", position=1, entered_at=AT, waited_s=31.5, priority=0, number="+33199001234"
        )
        return [one] if queue in ("", "ventes") else []

    def talks(self) -> Sequence[TalkView]:
        return [TalkView(call_id="c2", queue="ventes", agent=AgentId("claire"), number="+33199001235", since=AT)]

    def login(self, agent: AgentId, *, by: str) -> Refused | None:
        return self._do("login", agent, by)

    def logout(self, agent: AgentId, *, by: str) -> Refused | None:
        return self._do("logout", agent, by)

    def pause(self, agent: AgentId, reason: str, *, by: str, until_s: float | None = None) -> Refused | None:
        return self._do("pause", agent, reason, by, until_s)

    def resume(self, agent: AgentId, *, by: str) -> Refused | None:
        return self._do("resume", agent, by)

    def end_wrap_up(self, agent: AgentId, *, by: str) -> Refused | None:
        return self._do("end_wrap_up", agent, by)

    def extend_wrap_up(self, agent: AgentId, seconds: float, *, by: str) -> Refused | None:
        return self._do("extend_wrap_up", agent, seconds, by)

    def dispose(self, call_id: str, agent: AgentId, code: str, note: str = "") -> Refused | None:
        return self._do("dispose", call_id, agent, code, note)

    async def ask(self, call_id: str, ask: Ask, *, agent: AgentId | None, by: str) -> Refused | None:
        return self._do("ask", call_id, ask, agent, by)

    def events(self) -> AsyncIterator[MonitorEvent]:
        return self._events()

    async def _events(self) -> AsyncIterator[MonitorEvent]:
        while (event := await self.queue.get()) is not None:
            yield event

    def _do(self, *what: object) -> Refused | None:
        self.asked.append(what)
        return self.refusal


def view(agent: str, extension: str = "2001") -> AgentView:
    """Return an agent who is free."""
    return AgentView(
        agent=AgentId(agent), name=agent.title(), extension=extension, state=AgentState.FREE, since=AT,
        presence=Presence.READY,
    )  # fmt: skip
