"""Which devices of an endpoint are registered: asked of Asterisk once, and again when a contact has changed.

A free agent's telephone rings one request sooner. AMI tells of every change of a contact; while it is away nothing is
believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

MOST = 10_000


class Contacts:
    """What was found, by endpoint, with the names that the looks were given."""

    def __init__(self) -> None:
        self._watching: Callable[[], int | None] = lambda: None
        self._watched: int | None = None
        self._found: dict[str, tuple[str, ...]] = {}
        self._changes = 0

    def watched_by(self, watching: Callable[[], int | None]) -> None:
        """Believe what was found as long as `watching` gives the same number: that of the connection with the news.

        None: there is no connection.
        """
        self._watching = watching

    def changed(self, endpoint: str) -> None:
        """Take note that a contact of `endpoint` has come, gone or changed."""
        self._changes += 1
        self._found.pop(endpoint, None)

    async def of(self, endpoint: str, look: Callable[[], Awaitable[tuple[str, ...]]]) -> tuple[str, ...]:
        """Return the contacts of `endpoint`, by `look` if none are known: that there is none is never believed."""
        watched = self._watching()
        if watched is None or watched != self._watched or len(self._found) >= MOST:
            self._watched = watched
            self._found.clear()
        known = self._found.get(endpoint)
        if known is not None:
            return known
        changes = self._changes
        found = await look()
        if found and watched is not None and (changes, watched) == (self._changes, self._watching()):
            self._found[endpoint] = found
        return found
