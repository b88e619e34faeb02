"""`/rappel-voice.js`: what a page loads when a visitor wants to talk from it. Built, not in the repository."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

FILE: Final = Path(__file__).parents[1] / "assets" / "rappel-voice.js"
PATH: Final = "/rappel-voice.js"


class Bundle:
    """The built file, read anew when it has changed."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._known: tuple[float, int] = (0.0, 0)
        self._body = b""
        self._etag = ""

    @property
    def there(self) -> bool:
        """Whether it has been built."""
        return self._file.is_file()

    def mount(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(PATH, self.serve)

    async def serve(self, request: web.Request) -> web.Response:
        """Serve it to any page: scripts of other origins are loaded without cookies and tell nothing secret."""
        try:
            self._read()
        except OSError:
            raise web.HTTPNotFound(text="Calls from pages are off here: run `rappel setup`.\n") from None
        headers = {
            hdrs.ETAG: self._etag,
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if request.headers.get(hdrs.IF_NONE_MATCH) == self._etag:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=self._body, content_type="text/javascript", charset="utf-8", headers=headers)
        response.enable_compression()
        return response

    def _read(self) -> None:
        found = self._file.stat()
        if (found.st_mtime, found.st_size) != self._known:
            self._body = self._file.read_bytes()
            self._etag = f'"{hashlib.sha256(self._body).hexdigest()[:16]}"'
            self._known = (found.st_mtime, found.st_size)
