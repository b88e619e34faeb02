from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from controller.acd.model import AgentAccount, AgentId
from controller.errors import StoreConflict, StoreError
from controller.ports import TokenStore
from controller.postgres.agents import PostgresAgents
from controller.postgres.store import PostgresStore
from controller.postgres.tokens import PostgresTokens

CLAIRE = AgentAccount(agent=AgentId("claire.d"), name="Claire", extension="201")


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def test_a_token_is_found_by_its_digest_until_it_is_revoked(store: PostgresStore):
    tokens: TokenStore = PostgresTokens(store)
    made = await tokens.create(digest(1), "crm", ["queues:read", "calls:read"], None, None)
    other = await tokens.create(digest(2), "board", ["queues:read"], None, None)
    assert (made.scopes, made.agent, made.last_used_at) == (frozenset({"queues:read", "calls:read"}), None, None)
    assert await tokens.find(digest(1)) == made
    assert await tokens.find(digest(3)) is None
    newest, oldest = await tokens.all()
    assert newest == other
    assert oldest.last_used_at is not None
    assert await tokens.revoke(made.token_id)
    assert not await tokens.revoke(made.token_id)
    assert await tokens.find(digest(1)) is None
    assert await tokens.all() == [other]


async def test_use_is_noted_once_a_minute(store: PostgresStore):
    tokens = PostgresTokens(store)
    await tokens.create(digest(1), "crm", [], None, None)
    await tokens.find(digest(1))
    pool = await store.pool()
    await pool.execute("update api_tokens set last_used_at = last_used_at - interval '30 seconds'")
    before = (await tokens.all())[0].last_used_at
    await tokens.find(digest(1))
    assert (await tokens.all())[0].last_used_at == before
    await pool.execute("update api_tokens set last_used_at = last_used_at - interval '31 seconds'")
    await tokens.find(digest(1))
    (token,) = await tokens.all()
    assert token.last_used_at is not None
    assert before is not None
    assert token.last_used_at > before


async def test_an_expired_token_is_not_found(store: PostgresStore):
    tokens = PostgresTokens(store)
    now = datetime.now(UTC)
    await tokens.create(digest(1), "old", [], None, now - timedelta(seconds=1))
    lasting = await tokens.create(digest(2), "new", [], None, now + timedelta(hours=1))
    assert await tokens.find(digest(1)) is None
    assert await tokens.find(digest(2)) == lasting


async def test_an_agents_token_goes_with_the_account(store: PostgresStore):
    tokens, agents = PostgresTokens(store), PostgresAgents(store)
    with pytest.raises(StoreConflict, match="cannot be stored"):
        await tokens.create(digest(1), "desk", ["agents:act"], CLAIRE.agent, None)
    await agents.put([CLAIRE])
    made = await tokens.create(digest(1), "desk", ["agents:act"], CLAIRE.agent, None)
    assert made.actor == "agent:claire.d"
    await agents.put([msgspec.structs.replace(CLAIRE, enabled=False)])
    assert await tokens.find(digest(1)) is None
    await agents.put([CLAIRE])
    assert await tokens.find(digest(1)) is not None
    await agents.remove(CLAIRE.agent)
    assert await tokens.all() == []


async def test_a_digest_is_stored_once_and_whole(store: PostgresStore):
    tokens = PostgresTokens(store)
    await tokens.create(digest(1), "crm", [], None, None)
    for bad, name in ((digest(1), "again"), (b"short", "crm"), (digest(2), "")):
        with pytest.raises(StoreConflict):
            await tokens.create(bad, name, [], None, None)


async def test_postgres_away_is_a_store_error(tmp_path):
    store = PostgresStore(f"postgresql://u@/x?host={tmp_path}")
    with pytest.raises(StoreError, match="check that it runs"):
        await PostgresTokens(store).find(digest(1))
    await store.close()
