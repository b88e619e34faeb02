"""The agents' accounts (`controller.ports.AgentDirectory`): every controller hears of a change within moments.

A change is told by `NOTIFY` from triggers on the tables, whoever makes it, SQL by hand included; a look every
30 seconds makes up for whatever was missed while a connection was down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import msgspec

from controller.acd.model import AgentAccount, AgentId
from controller.errors import StoreConflict
from controller.ports import AgentSecret
from controller.postgres.connection import (
    AWAY,
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    away,
    blames_the_row,
)
from controller.postgres.statements import statement
from controller.postgres.store import PostgresStore

POLL_S = 30.0
RETRY_S = 2.0
"""Wait before a lost connection for notifications is opened again."""

_CHANNEL = "rappel_agents"
_encode = msgspec.json.encode
_decode_grades = msgspec.json.Decoder(dict[str, int]).decode

_PROBLEMS = {
    "agents_id_is_short": "an agent's id is 1 to 64 small letters, digits, dots, dashes: write it like claire.d",
    "agents_extension_can_be_dialled": "an extension is 1 to 40 digits or small letters: write it like 201",
    "agents_name_is_told": "an agent has a name of at most 200 characters: give one",
    "agent_skills_grade_is_one_to_five": "a skill's grade is 1 to 5: correct it",
    "agent_skills_skill_is_named": "a skill has a name: give one",
    "agent_queues_rank_counts_from_one": "the rank in a queue is 1 to 32767: correct it",
    "agent_queues_queue_is_named": "a queue has a name: give one",
    "agent_secrets_ha1_is_md5": "a secret is the MD5 of user:realm:password in hexadecimal: make it anew",
    "agent_secrets_agent_fkey": "a secret is of an agent without an account: put the account first",
}


class PostgresAgents:
    """Accounts of the agents in the database of `store`. Every method raises `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore, *, poll_s: float = POLL_S, retry_s: float = RETRY_S) -> None:
        self._store = store
        self._poll_s = poll_s
        self._retry_s = retry_s

    async def accounts(self) -> Sequence[AgentAccount]:
        """Return all accounts, by id."""
        return [_account(row) for row in await self._store.fetch("read/agents")]

    async def secrets(self) -> Sequence[AgentSecret]:
        """Return the devices' secrets of all enabled accounts, by id."""
        return [AgentSecret(AgentId(agent), ha1) for agent, ha1 in await self._store.fetch("read/agent_secrets")]

    async def put(self, accounts: Sequence[AgentAccount], secrets: Sequence[AgentSecret] = ()) -> None:
        """Create or change `accounts`, each as a whole, and the devices' `secrets`: all or none.

        Raises `StoreConflict` when an extension is another agent's, or something cannot be stored. Agents may
        swap extensions in one call. Of an account that is named twice the last one stands.
        """
        wanted = {account.agent: account for account in accounts}
        told = _encode(list(wanted.values())).decode()
        ha1s = _encode({secret.agent: secret.ha1 for secret in secrets}).decode()
        pool = await self._store.pool()
        try:
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                try:
                    async with connection.transaction():
                        await connection.execute("set constraints agents_extension_taken deferred")
                        await connection.execute(statement("write/agents.sql"), told)
                        await connection.execute(statement("write/agent_secrets.sql"), ha1s)
                        await connection.execute("set constraints agents_extension_taken immediate")
                except asyncpg.UniqueViolationError as error:
                    raise StoreConflict(await _taken(connection, wanted)) from error
        except AWAY as error:
            if blames_the_row(error):
                raise StoreConflict(_problem(error)) from error
            raise away(error) from error

    async def remove(self, agent: AgentId) -> bool:
        """Delete an account; False when there was none. Records keep the id."""
        return bool(await self._store.fetch("write/agent_removed", agent))

    async def changes(self) -> AsyncIterator[None]:
        """Yield at once, whenever accounts have changed on any node, and at least every `poll_s`.

        Never raises for a database that is away: it goes on polling and connects again. Close it (`aclose`) to
        give the connection back.
        """
        changed = asyncio.Event()
        listening = asyncio.create_task(self._listen(changed))
        try:
            while True:
                yield
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), self._poll_s)
                changed.clear()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, changed: asyncio.Event) -> None:
        """Keep a connection that sets `changed`; open it again when it is lost."""
        while True:
            with contextlib.suppress(*AWAY):
                await self._listen_once(changed)
            await asyncio.sleep(self._retry_s)

    async def _listen_once(self, changed: asyncio.Event) -> None:
        # A connection of its own: one from the pool would be away from the batches for good.
        connection = await asyncpg.connect(
            self._store.dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings={"application_name": "rappel agents"},
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(_CHANNEL, lambda *_: changed.set())
            changed.set()  # whatever was changed while nobody listened
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), self._poll_s)
                if not lost.is_set():
                    await connection.execute("select 1")  # a connection that only listens does not notice its end
        finally:
            connection.terminate()


def _account(row: asyncpg.Record) -> AgentAccount:
    return AgentAccount(
        agent=AgentId(row["agent"]),
        name=row["name"],
        extension=row["extension"],
        skills=_decode_grades(row["skills"]),
        languages=tuple(row["languages"]),
        queues=_decode_grades(row["queues"]),
        supervisor=row["supervisor"],
        enabled=row["enabled"],
    )


async def _taken(connection: Any, wanted: dict[AgentId, AgentAccount]) -> str:
    """Say whose extension it is: of an account that is not to be changed, or of another that is to be."""
    owners = {account.extension: agent for agent, account in wanted.items()}
    for agent, extension in await connection.fetch("select agent, extension from agents order by agent"):
        if agent not in wanted and extension in owners:
            return f"extension {extension} is {agent}'s; give {owners[extension]} another one"
    seen: dict[str, AgentId] = {}
    for agent, account in wanted.items():
        if account.extension in seen:
            return f"extension {account.extension} is {seen[account.extension]}'s; give {agent} another one"
        seen[account.extension] = agent
    return "an extension is another agent's already; give each agent one of their own"


def _problem(error: BaseException) -> str:
    constraint = getattr(error, "constraint_name", None) or ""
    if constraint in _PROBLEMS:
        return _PROBLEMS[constraint]
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"an account cannot be stored: {said}; correct it"
