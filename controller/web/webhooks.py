"""Webhooks: events of the record, sent to other systems, signed, with retries.

The form is that of the Standard Webhooks specification: headers `webhook-id` (the event's id: the same at each
attempt, so that a receiver can drop what came twice), `webhook-timestamp` and `webhook-signature` (`v1,` and base64
of HMAC-SHA256 over `id.timestamp.body` with the webhook's secret). `seq` in the body grows by one for each event of
one webhook.

What is to be sent stands in Postgres, written in the same transaction as the record: an event is neither lost nor
invented when a controller dies. Any controller may send it; a claim holds for `LEASE_S`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp
import structlog

from controller.errors import StoreError
from controller.ports import Clock, Delivery, WebhookStore

log = structlog.get_logger(__name__)

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with, no secret
DELAYS_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Between attempts; after the last one the delivery is given up (some 31 hours after the event)."""
LEASE_S = 60.0
TIMEOUT_S = 10.0
_BATCH = 20
_LOOK_S = 1.0
_AWAY_S = 5.0
_OK = range(200, 300)
_GONE = 410


class WebhookSender:
    """Sends what is due. `hosts` are the only ones it talks to; `run` ends by cancellation."""

    def __init__(self, store: WebhookStore, clock: Clock, hosts: Collection[str]) -> None:
        self.sent = 0
        self.failed = 0
        self._store = store
        self._clock = clock
        self._hosts = frozenset(hosts)

    async def run(self) -> None:
        """Look for what is due once a second and send it, up to 20 at a time."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            while True:
                try:
                    due = await self._store.claim(_BATCH, LEASE_S)
                    await asyncio.gather(*(self._deliver(session, each) for each in due))
                except StoreError as error:
                    log.warning("webhooks.database_away", error=str(error))
                    await asyncio.sleep(_AWAY_S)
                    continue
                if len(due) < _BATCH:
                    await asyncio.sleep(_LOOK_S)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        reason, final = await self._post(session, delivery)
        if not reason:
            self.sent += 1
            await self._store.delivered(delivery.delivery_id)
            return
        self.failed += 1
        given_up = final or delivery.attempt > len(DELAYS_S)
        again_at = None if given_up else self._clock.now() + timedelta(seconds=DELAYS_S[delivery.attempt - 1])
        log.warning(
            "webhook.failed", event_id=delivery.event_id, attempt=delivery.attempt, reason=reason, final=given_up
        )
        await self._store.failed(delivery.delivery_id, reason, again_at)

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> tuple[str, bool]:
        """Return why it failed ("" if not) and whether to give up."""
        if not permitted(delivery.url, self._hosts):
            return "the host is not among [web] webhook_hosts", True
        stamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(delivery.secret, delivery.event_id, stamp, delivery.body),
        }
        try:
            async with session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{type(error).__name__}: {error}"[:200], False
        if status in _OK:
            return "", False
        return f"answered {status}", status == _GONE


def new_secret() -> str:
    """Return a fresh secret for signatures."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, event_id: str, stamp: str, body: bytes) -> str:
    """Return the signature header; raise `ValueError` for a secret that is none of ours."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("this is no secret of a webhook") from error
    signed = b".".join((event_id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def permitted(url: str, hosts: Collection[str]) -> bool:
    """Tell whether `url` is one we may send to: https, or http to a host that is written with its scheme."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.hostname is None or parts.fragment:
        return False
    name = parts.hostname if port is None else f"{parts.hostname}:{port}"
    return (parts.scheme == "https" and name in hosts) or f"{parts.scheme}://{name}" in hosts
