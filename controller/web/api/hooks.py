"""Webhooks over the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec

from controller.cdr.kinds import EVENT_KINDS
from controller.ports import Webhook, WebhookStore
from controller.web.api.access import Scope
from controller.web.api.problems import NOT_FOUND, UNPROCESSABLE, Problem
from controller.web.api.routes import ApiRequest, Nothing, Route, missing
from controller.web.webhooks import new_secret, permitted

MAX_WEBHOOKS = 50

Kind = Annotated[str, msgspec.Meta(max_length=40, description="the name of an event, `talk.*`, or `*`")]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to send which events."""

    url: Annotated[str, msgspec.Meta(min_length=8, max_length=500)]
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1, max_length=20)]
    queue: Annotated[str, msgspec.Meta(max_length=60, description="only events of this queue")] = ""


class WebhookWithSecret(msgspec.Struct, frozen=True):
    """A new webhook. The secret that signs its events is shown here and never again."""

    webhook: Webhook
    secret: str


class WebhookRoutes:
    """The handlers; `hosts` is the setting `[web] webhook_hosts`."""

    def __init__(self, store: WebhookStore, hosts: Collection[str]) -> None:
        self._store = store
        self._hosts = hosts

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        scope = Scope.WEBHOOKS_WRITE
        return (
            Route("GET", "/webhooks", "listWebhooks", "All webhooks", scope, self.all, answer=list[Webhook]),
            Route(
                "POST",
                "/webhooks",
                "createWebhook",
                "Send events to another system",
                scope,
                self.create,
                body=NewWebhook,
                answer=WebhookWithSecret,
                status=201,
                problems=(UNPROCESSABLE,),
                note="Signed as the Standard Webhooks specification says; retried for some 31 hours. Events: "
                + ", ".join(f"`{kind}`" for kind in EVENT_KINDS),
            ),
            Route(
                "DELETE",
                "/webhooks/{webhook}",
                "deleteWebhook",
                "Stop sending",
                scope,
                self.delete,
                problems=(NOT_FOUND,),
            ),
        )

    async def all(self, _: ApiRequest[Nothing, None]) -> list[Webhook]:
        """All of them."""
        return list(await self._store.webhooks())

    async def create(self, request: ApiRequest[Nothing, NewWebhook]) -> WebhookWithSecret:
        """Store one and show its secret."""
        body = request.body
        if not permitted(body.url, self._hosts):
            advice = "name the host under [web] webhook_hosts in rappel.toml (https, or http://host for a test)"
            raise Problem(UNPROCESSABLE, "host_not_allowed", "events are not sent to this host", advice)
        for kind in body.kinds:
            if not any(matches(kind, each) for each in EVENT_KINDS):
                raise Problem(
                    UNPROCESSABLE, "invalid", f"there is no event '{kind}'", "one of " + ", ".join(EVENT_KINDS)
                )
        if len(await self._store.webhooks()) >= MAX_WEBHOOKS:
            detail = f"there are {MAX_WEBHOOKS} webhooks already"
            raise Problem(UNPROCESSABLE, "too_many_webhooks", detail, "delete one that is not needed any more")
        secret = new_secret()
        return WebhookWithSecret(await self._store.create(body.url, body.kinds, body.queue, secret), secret)

    async def delete(self, request: ApiRequest[Nothing, None]) -> None:
        """Remove one."""
        if not await self._store.remove(request.path["webhook"]):
            raise missing("webhook", request.path["webhook"])


def matches(pattern: str, kind: str) -> bool:
    """Tell whether an event of `kind` is meant by `pattern`: its name, `talk.*`, or `*`."""
    return pattern in ("*", kind) or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
