"""The API as an aiohttp application, to be mounted under `/api/v1` of the public listener."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from controller.ports import Clock, TokenStore
from controller.web.api.access import Door
from controller.web.api.openapi import document
from controller.web.api.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Problem
from controller.web.api.routes import MAX_BODY_BYTES, Route, serve

PREFIX = "/api/v1"


def make_api(routes: Sequence[Route], tokens: TokenStore, clock: Clock, version: str) -> web.Application:
    """Return the application that serves `routes`, and `/openapi.json` to anybody."""
    door = Door(tokens, clock)
    described = msgspec.json.encode(document(routes, version))

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app = web.Application(middlewares=[_in_json], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/openapi.json", openapi)
    for route in routes:
        app.router.add_route(route.method, route.path, serve(route, door))
    return app


@web.middleware
async def _in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What aiohttp refuses by itself is said like every other refusal."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        advice = f"{PREFIX}/openapi.json lists the addresses"
        return Problem(NOT_FOUND, "unknown_address", f"there is no {request.path[:100]}", advice).response()
    except web.HTTPMethodNotAllowed as refusal:
        allowed = ", ".join(sorted(refusal.allowed_methods))
        detail = f"{request.method[:10]} cannot be used here"
        return Problem(METHOD_NOT_ALLOWED, "wrong_method", detail, f"use {allowed}").response()
