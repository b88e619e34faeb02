"""Assembles calls from web pages from the running parts, and mounts them beside the pages."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from controller.calls.callback.desk import Availability
from controller.calls.voice.ports import PageLines
from controller.calls.voice.service import VoiceService
from controller.ports import Clock
from controller.web.voice.bundle import Bundle
from controller.web.voice.relay import VoiceRelay


class PageVoice:
    """The parts of calls from pages; `desk` is for who gives tickets.

    `asterisk` is the address of its HTTP server, `most` how many calls at once; for the rest see `VoiceService`.
    """

    def __init__(
        self,
        *,
        lines: PageLines,
        clock: Clock,
        asterisk: str,
        most: int,
        availability: Callable[[str], Availability | None],
        known_number: Callable[[str], bool],
    ) -> None:
        self._bundle = Bundle()
        self._asterisk = asterisk
        self._relay: VoiceRelay | None = None
        self.desk = VoiceService(
            lines,
            clock,
            availability=availability,
            known_number=known_number,
            possible=lambda: self._bundle.there,
            most=most,
        )

    def mount(self, pages: web.Application, address: Callable[[web.Request], str]) -> None:
        """Add `/rappel-voice.js` and the relay to `pages`; `address` returns a visitor's."""
        self._bundle.mount(pages)
        self._relay = VoiceRelay(self.desk, self._asterisk, address=address)
        self._relay.mount(pages)

    async def close(self) -> None:
        """End the sessions, then their calls: while Asterisk can be reached and the record is kept."""
        if self._relay is not None:
            await self._relay.close()
        await self.desk.close()
