"""Assembles the API from the running parts and mounts it beside the pages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import web

from controller.calls.desk import Desk
from controller.ports import AgentDirectory, Clock
from controller.postgres.store import PostgresStore
from controller.postgres.tokens import PostgresTokens
from controller.postgres.webhooks import PostgresWebhooks
from controller.web.api.agents import AgentRoutes
from controller.web.api.events import EventRoutes
from controller.web.api.floor import FloorRoutes
from controller.web.api.hooks import WebhookRoutes
from controller.web.api.server import PREFIX, make_api
from controller.web.webhooks import WebhookSender


@dataclass(frozen=True, slots=True)
class Api:
    """The mounted API: run `sender.run()` in a task of its own, and let watchers go with `events.close()`."""

    sender: WebhookSender
    events: EventRoutes


def mount_api(
    pages: web.Application,
    *,
    desk: Desk,
    directory: AgentDirectory,
    store: PostgresStore,
    clock: Clock,
    webhook_hosts: Collection[str],
) -> Api:
    """Add the API to `pages` under `/api/v1`."""
    webhooks = PostgresWebhooks(store)
    events = EventRoutes(desk)
    routes = (
        *AgentRoutes(directory, desk).routes(),
        *FloorRoutes(desk, directory).routes(),
        *WebhookRoutes(webhooks, webhook_hosts).routes(),
        *events.routes(),
    )
    pages.add_subapp(PREFIX, make_api(routes, PostgresTokens(store), clock, version("rappel")))
    return Api(WebhookSender(webhooks, clock, webhook_hosts), events)
