"""The sign of our pages in a browser's tab: `/icon.svg`, and `/favicon.ico`, which browsers ask for unasked."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

PATHS: Final = ("/icon.svg", "/favicon.ico")
"""The same picture: browsers go by its type, not by its name."""


def add_icon(app: web.Application) -> None:
    """Add a route for each of `PATHS`."""
    body = (files("controller.web") / "assets" / "icon.svg").read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {hdrs.CONTENT_TYPE: "image/svg+xml", hdrs.CACHE_CONTROL: "public, max-age=86400", hdrs.ETAG: tag}

    async def serve(request: web.Request) -> web.Response:
        if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    for path in PATHS:
        app.router.add_get(path, serve)
