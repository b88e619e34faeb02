from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from controller.postgres.store import PostgresStore


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    """A store on a migrated database of the test's own."""
    store = PostgresStore(database)
    yield store
    await store.close()
