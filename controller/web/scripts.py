"""The scripts that pages include, served from the wheel: `/rappel.js` and what it loads."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

NAMES: Final = ("rappel.js", "rappel-dialog.js", "rappel-dial.js")
"""Built from `pages/` by `make pages`; `rappel-voice.js` is `controller.web.voice.bundle`'s."""
FRESH_S: Final = 300
"""A page may run yesterday's script for so long after an update: both sides understand each other's neighbours."""
_HEADERS: Final = {
    hdrs.CONTENT_TYPE: "text/javascript; charset=utf-8",
    hdrs.CACHE_CONTROL: f"public, max-age={FRESH_S}",
    # Any page may load them: they hold nothing secret, and what they ask is checked where it is asked.
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
}


def add_scripts(app: web.Application) -> None:
    """Add a route for each script."""
    folder = files("controller.web") / "assets"
    for name in NAMES:
        app.router.add_get(f"/{name}", _server_of((folder / name).read_bytes()))


def _server_of(body: bytes) -> Handler:
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'

    async def serve(request: web.Request) -> web.Response:
        if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            return web.Response(status=304, headers=_HEADERS | {hdrs.ETAG: tag})
        response = web.Response(body=body, headers=_HEADERS | {hdrs.ETAG: tag})
        response.enable_compression()
        return response

    return serve
