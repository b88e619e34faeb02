from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from controller.acd.model import AgentAccount, AgentId
from controller.errors import StoreConflict, StoreError
from controller.ports import AgentDirectory, AgentSecret
from controller.postgres.agents import PostgresAgents
from controller.postgres.store import PostgresStore


@pytest.fixture
def agents(store: PostgresStore) -> PostgresAgents:
    return PostgresAgents(store, retry_s=0.05)


def account(name: str, extension: str, **more: object) -> AgentAccount:
    return msgspec.structs.replace(AgentAccount(agent=AgentId(name), name=name.title(), extension=extension), **more)


CLAIRE = account(
    "claire.d", "201", skills={"english": 4, "billing": 2}, languages=("fr", "en"), queues={"sales": 1, "support": 2}
)
BRUNO = account("bruno.m", "202", supervisor=True)


async def test_accounts_are_kept_whole(agents: PostgresAgents):
    directory: AgentDirectory = agents
    await directory.put([CLAIRE, BRUNO], [AgentSecret(CLAIRE.agent, "a" * 32), AgentSecret(BRUNO.agent, "b" * 32)])
    assert await directory.accounts() == [BRUNO, CLAIRE]
    changed = msgspec.structs.replace(CLAIRE, skills={"english": 5}, queues={}, languages=("en",), extension="209")
    await directory.put([changed, msgspec.structs.replace(BRUNO, enabled=False)])
    assert (await directory.accounts())[1] == changed
    assert await directory.secrets() == [AgentSecret(CLAIRE.agent, "a" * 32)]
    await directory.put([], [AgentSecret(CLAIRE.agent, "c" * 32)])
    assert await directory.secrets() == [AgentSecret(CLAIRE.agent, "c" * 32)]
    assert await directory.remove(CLAIRE.agent)
    assert not await directory.remove(CLAIRE.agent)
    assert await directory.secrets() == []


async def test_an_account_that_is_as_it_should_be_is_left_alone(agents: PostgresAgents, store: PostgresStore):
    pool = await store.pool()

    async def changed() -> object:
        return await pool.fetchval("select changed_at from agents where agent = 'claire.d'")

    await agents.put([CLAIRE])
    first = await changed()
    await agents.put([CLAIRE])
    assert await changed() == first
    await agents.put([msgspec.structs.replace(CLAIRE, queues={"sales": 1})])
    assert await changed() != first


async def test_a_taken_extension_leaves_everything_as_it_was(agents: PostgresAgents):
    await agents.put([CLAIRE])
    with pytest.raises(StoreConflict, match=r"extension 201 is claire\.d's; give bruno\.m another one"):
        await agents.put([account("anna", "203"), msgspec.structs.replace(BRUNO, extension="201")])
    with pytest.raises(StoreConflict, match=r"extension 203 is anna's; give bruno\.m another one"):
        await agents.put([account("anna", "203"), msgspec.structs.replace(BRUNO, extension="203")])
    assert await agents.accounts() == [CLAIRE]


async def test_agents_swap_extensions(agents: PostgresAgents):
    await agents.put([CLAIRE, BRUNO])
    swapped = [msgspec.structs.replace(BRUNO, extension="201"), msgspec.structs.replace(CLAIRE, extension="202")]
    await agents.put(swapped)
    assert await agents.accounts() == swapped


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"skills": {"english": 6}}, "grade is 1 to 5"),
        ({"skills": {"english": 99_999}}, "cannot be stored"),
        ({"queues": {"sales": 0}}, "rank in a queue"),
        ({"extension": "../201"}, "write it like 201"),
        ({"agent": AgentId("Claire D")}, "claire.d"),
        ({"name": ""}, "has a name"),
        ({"name": "a\0b"}, "cannot be stored"),
    ],
)
async def test_what_cannot_be_is_refused_with_what_to_do(
    agents: PostgresAgents, change: dict[str, object], said: str
):
    with pytest.raises(StoreConflict, match=said):
        await agents.put([BRUNO, msgspec.structs.replace(CLAIRE, **change)])
    assert await agents.accounts() == []


async def test_secrets_are_of_accounts_and_look_like_secrets(agents: PostgresAgents):
    with pytest.raises(StoreConflict, match="put the account first"):
        await agents.put([], [AgentSecret(CLAIRE.agent, "a" * 32)])
    with pytest.raises(StoreConflict, match="MD5 of user:realm:password") as caught:
        await agents.put([CLAIRE], [AgentSecret(CLAIRE.agent, "secret in clear")])
    assert "in clear" not in str(caught.value)


async def test_a_thousand_agents(agents: PostgresAgents):
    many = [account(f"agent.{number:04}", str(1000 + number), queues={"sales": 1}) for number in range(1000)]
    await agents.put(many)
    assert await agents.accounts() == many


async def next_within(changes: AsyncIterator[None], limit_s: float) -> bool:
    try:
        await asyncio.wait_for(anext(changes), limit_s)
    except TimeoutError:
        return False
    return True


async def test_changes_are_told_whoever_makes_them(agents: PostgresAgents, database: str):
    changes = agents.changes()
    assert await next_within(changes, 1)  # at once
    assert await next_within(changes, 2)  # it listens now: something may have been missed before
    for change in (
        lambda: agents.put([CLAIRE]),
        lambda: agents.put([msgspec.structs.replace(CLAIRE, skills={})]),
        lambda: agents.put([], [AgentSecret(CLAIRE.agent, "a" * 32)]),
        lambda: agents.remove(CLAIRE.agent),
    ):
        waiting = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)
        await change()
        await asyncio.wait_for(waiting, 2)
    by_hand = await asyncpg.connect(database, timeout=5)
    waiting = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    await by_hand.execute("insert into agents (agent, name, extension) values ('x', 'X', '299')")
    await by_hand.close(timeout=5)
    await asyncio.wait_for(waiting, 2)
    await changes.aclose()


async def test_a_lost_connection_is_opened_again(agents: PostgresAgents, store: PostgresStore):
    changes = agents.changes()
    assert await next_within(changes, 1)
    assert await next_within(changes, 2)
    waiting = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    pool = await store.pool()
    killed = await pool.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where application_name = 'rappel agents' and datname = current_database()"
    )
    assert killed == 1
    await asyncio.wait_for(waiting, 5)  # told by itself once it listens again
    waiting = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    await agents.put([CLAIRE])
    await asyncio.wait_for(waiting, 5)
    await changes.aclose()


async def test_without_postgres_it_polls_and_says_so_elsewhere(tmp_path):
    store = PostgresStore(f"postgresql://u:sekret@/x?host={tmp_path}")
    agents = PostgresAgents(store, poll_s=0.05, retry_s=0.01)
    changes = agents.changes()
    for _ in range(3):
        assert await next_within(changes, 1)
    await changes.aclose()
    for attempt in (
        agents.accounts,
        agents.secrets,
        lambda: agents.put([CLAIRE]),
        lambda: agents.remove(CLAIRE.agent),
    ):
        with pytest.raises(StoreError, match="check that it runs") as caught:
            await attempt()
        assert "sekret" not in str(caught.value)
    await store.close()
