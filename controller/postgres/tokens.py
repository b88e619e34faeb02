"""Tokens of the API (`controller.ports.TokenStore`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from controller.acd.model import AgentId
from controller.ports import Token
from controller.postgres.store import PostgresStore


class PostgresTokens:
    """See `controller.ports.TokenStore`. Every method raises `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def find(self, digest: bytes) -> Token | None:
        """Return the token with this SHA-256 that is neither revoked nor expired, and note that it was used.

        A token of an agent is void while the account is disabled. `last_used_at` is that of the time before.
        """
        found = await self._store.fetch("read/token", digest)
        return _token(found[0]) if found else None

    async def create(
        self, digest: bytes, name: str, scopes: Sequence[str], agent: AgentId | None, expires_at: datetime | None
    ) -> Token:
        """Store a new token; `StoreConflict` when there is no such agent, or no name."""
        rows = await self._store.change("write/token", digest, name, sorted(set(scopes)), agent, expires_at)
        return _token(rows[0])

    async def all(self) -> Sequence[Token]:
        """Return the tokens that are not revoked, newest first."""
        return [_token(row) for row in await self._store.fetch("read/tokens")]

    async def revoke(self, token_id: str) -> bool:
        """End a token; False when there is none."""
        return bool(await self._store.fetch("write/token_revoked", token_id))


def _token(row: asyncpg.Record) -> Token:
    return Token(
        token_id=row["token_id"],
        name=row["name"],
        scopes=frozenset(row["scopes"]),
        agent=AgentId(row["agent"]) if row["agent"] is not None else None,
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
