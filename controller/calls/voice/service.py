"""Tickets and lines of calls from pages: who gets one, and that each is used once and cleared away."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from controller.acd.model import Refused
from controller.calls.callback.desk import Availability
from controller.calls.voice.desk import Admitted, Ticket, VoiceAsk
from controller.calls.voice.ports import PREFIX, PageFacts, PageLine, PageLines
from controller.errors import TelephonyError
from controller.ports import SIP_REALM, Clock

log = structlog.get_logger(__name__)

TICKET_S: Final = 60.0
_TICKETS: Final = 500
"""Tickets that are out at once; beyond, somebody only collects them."""
_OF_ONE_ADDRESS: Final = 4
"""Tickets and calls of one address: a family or a small office behind one router."""
_DROP_TRIES: Final = 5
_DROP_AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Out:
    """A ticket that is out."""

    ask: VoiceAsk
    until: float


class VoiceService:
    """`VoiceDesk`.

    `known_number` tells whether a number is one of the centre's; `availability` is `CallbackDesk.availability`, or
    the like; `possible` whether pages can have the script that calls. `most` calls at once; 0: none, ever. Close with
    `close`, which ends the calls' lines.
    """

    def __init__(
        self,
        lines: PageLines,
        clock: Clock,
        *,
        availability: Callable[[str], Availability | None],
        known_number: Callable[[str], bool],
        most: int,
        possible: Callable[[], bool] = lambda: True,
        max_s: float = 7200.0,
    ) -> None:
        self._lines = lines
        self._clock = clock
        self._availability = availability
        self._known_number = known_number
        self._possible = possible
        self._most = most
        self._max_s = max_s
        self._out: dict[bytes, _Out] = {}
        self._calls: dict[str, VoiceAsk] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def on(self) -> bool:
        """See `VoiceDesk.on`."""
        return self._most > 0 and self._lines.ready and self._possible()

    @property
    def calls(self) -> int:
        """How many lines are in use, or on their way out."""
        return len(self._calls)

    def availability(self, queue: str) -> Availability | None:
        """See `VoiceDesk.availability`."""
        return self._availability(queue) if self.on else None

    def open(self, ask: VoiceAsk) -> Ticket | Refused:
        """See `VoiceDesk.open`."""
        self._forget_expired()
        refused = self._refusal(ask)
        if refused is not None:
            log.info("voice.refused", site=ask.site, code=refused.code)
            return refused
        text = secrets.token_urlsafe(32)
        self._out[_digest(text)] = _Out(ask, self._clock.monotonic() + TICKET_S)
        return Ticket(text, self._clock.now() + timedelta(seconds=TICKET_S))

    async def admit(self, ticket: str, web_origin: str) -> Admitted | Refused:
        """See `VoiceDesk.admit`."""
        self._forget_expired()
        out = self._out.pop(_digest(ticket), None)
        if out is None or out.ask.web_origin != web_origin:
            if out is not None:
                log.warning("voice.ticket_of_another_site", site=out.ask.site, origin=web_origin[:100])
            return Refused("bad_ticket", "this ticket is unknown, used or expired", "ask for a call again")
        if len(self._calls) >= self._most:
            return _TOO_MANY
        ask = out.ask
        user, password = PREFIX + secrets.token_hex(12), secrets.token_urlsafe(24)
        target = dialled(ask.number)
        facts = PageFacts(
            site=ask.site,
            number=target,
            language=ask.language,
            customer=ask.customer,
            origin=ask.origin,
            consent=ask.consent,
        )
        self._calls[user] = ask
        try:
            await self._lines.put(PageLine(user=user, ha1=_ha1(user, password), facts=facts))
        except TelephonyError as error:
            log.warning("voice.line_failed", site=ask.site, error=str(error))
            self.leave(user)
            return _UNAVAILABLE
        except asyncio.CancelledError:
            self.leave(user)
            raise
        log.info("voice.line_made", site=ask.site, line=user, number=ask.number)
        return Admitted(user, password, target, self._max_s)

    def leave(self, user: str) -> None:
        """See `VoiceDesk.leave`."""
        if self._calls.get(user) is not None and not any(task.get_name() == user for task in self._tasks):
            task = asyncio.create_task(self._drop(user), name=user)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every call's line; what cannot be ended now, the next controller finds."""
        for user in list(self._calls):
            self.leave(user)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_DROP_AGAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drop(self, user: str) -> None:
        try:
            for _ in range(_DROP_TRIES):
                try:
                    await self._lines.drop(user)
                except TelephonyError as error:
                    log.warning("voice.line_not_dropped", line=user, error=str(error), again_in_s=_DROP_AGAIN_S)
                    await asyncio.sleep(_DROP_AGAIN_S)
                else:
                    return
        finally:
            self._calls.pop(user, None)

    def _refusal(self, ask: VoiceAsk) -> Refused | None:
        if not self.on:
            return Refused("no_voice", "calls from a page are not possible here", "ask to be called instead")
        if not self._known_number(ask.number):
            return Refused(
                "unknown_number", f"{ask.number} is none of the centre's numbers", "see numbers: in centre.yaml"
            )
        how = self._availability(ask.queue)
        if how is None:
            return Refused("unknown_queue", f"no queue {ask.queue} takes such calls", "see queues: in centre.yaml")
        if not how.now:
            return Refused("not_now", "nobody can answer now", "ask to be called, or choose a time")
        of_one = Counter(out.ask.address for out in self._out.values())
        of_one.update(call.address for call in self._calls.values())
        if len(self._calls) >= self._most or len(self._out) >= _TICKETS or of_one[ask.address] >= _OF_ONE_ADDRESS:
            return _TOO_MANY
        return None

    def _forget_expired(self) -> None:
        now = self._clock.monotonic()
        for digest in [digest for digest, out in self._out.items() if out.until <= now]:
            del self._out[digest]


_TOO_MANY: Final = Refused("too_many", "too many calls from pages at once", "ask to be called instead")
_UNAVAILABLE: Final = Refused("unavailable", "the telephone server cannot be reached", "try again in a minute")


def dialled(number: str) -> str:
    """Return a number of centre.yaml as it is dialled: `+33 3 53 01 47 00` is `+33353014700`."""
    return "".join(char for char in number if char.isalnum() or char == "+")


def _digest(ticket: str) -> bytes:
    """Tickets are kept as their hashes: neither a dump nor the time of a comparison tells one."""
    return hashlib.sha256(ticket.encode("utf-8", "replace")).digest()


def _ha1(user: str, password: str) -> str:
    return hashlib.md5(f"{user}:{SIP_REALM}:{password}".encode(), usedforsecurity=False).hexdigest()
