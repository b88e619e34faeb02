"""Webhooks and what is to be sent to them (`controller.ports.WebhookStore`).

The record store notes events in the transaction that stores what they tell (`controller.postgres.hookevents`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from controller.ports import Delivery, Webhook
from controller.postgres.store import PostgresStore

_MAX_REASON = 500


class PostgresWebhooks:
    """See `controller.ports.WebhookStore`. Every method raises `StoreError` while Postgres is away."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def create(self, url: str, kinds: Sequence[str], queue: str, secret: str) -> Webhook:
        """Store a webhook; what is recorded from now on is sent to it. `StoreConflict` when it cannot be stored."""
        rows = await self._store.change("write/webhook", url, list(kinds), queue, secret)
        return _webhook(rows[0])

    async def webhooks(self) -> Sequence[Webhook]:
        """Return all, oldest first."""
        return [_webhook(row) for row in await self._store.fetch("read/webhooks")]

    async def remove(self, webhook_id: str) -> bool:
        """Delete one and what was still to be sent to it; False when there is none."""
        return bool(await self._store.fetch("write/webhook_removed", webhook_id))

    async def claim(self, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Return up to `limit` deliveries that are due, not to be claimed again for `lease_s`; attempts count up."""
        return [
            Delivery(delivery_id=number, url=url, secret=secret, event_id=event, body=body.encode(), attempt=attempt)
            for number, url, secret, event, body, attempt in await self._store.fetch(
                "write/claim_deliveries", limit, lease_s
            )
        ]

    async def delivered(self, delivery_id: int) -> None:
        """It was taken."""
        await self._store.fetch("write/delivered", delivery_id)

    async def failed(self, delivery_id: int, reason: str, again_at: datetime | None) -> None:
        """It was not: try again then, or (None) give it up."""
        reason = reason.replace("\0", "")[:_MAX_REASON]
        await self._store.fetch("write/delivery_failed", delivery_id, reason, again_at)


def _webhook(row: asyncpg.Record) -> Webhook:
    return Webhook(
        webhook_id=row["webhook_id"],
        url=row["url"],
        kinds=tuple(row["kinds"]),
        queue=row["queue"],
        enabled=row["enabled"],
        created_at=row["created_at"],
        problem=row["problem"],
    )
