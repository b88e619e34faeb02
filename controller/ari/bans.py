"""Addresses that may not speak SIP to us for a while.

Asterisk has no list of banned addresses that could be changed while it runs (its `acl` objects are read from files
only). But an endpoint can be recognised by a header, and Asterisk itself writes into the topmost `Via` of every
request the address that it came from: `;received=`. A request from a banned address is recognised as the endpoint
`banned`, which lets nobody in (pjsip.conf), and is refused before any password is looked at. Calls that are up, and
their requests, go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from typing import Final

import structlog

from controller.ari.devices import Link
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.operation import Operation
from controller.ari.transport import Transport
from controller.errors import AsteriskRefused, TelephonyError

log = structlog.get_logger(__name__)

SLOTS: Final = 64
"""Addresses that are banned at once; one more takes the place of the one that would be free first."""
_READY_S: Final = 60.0
_RETRY_S: Final = 2.0


class AriBans:
    """Bans addresses for a time. `connected` is to be called at each (re)connection.

    The places in Asterisk have fixed names, so that what an earlier controller left there is found and freed.
    """

    def __init__(self, transport: Transport, link: Link) -> None:
        self._transport = transport
        self._link = link
        self._until: dict[str, float] = {}
        self._places: dict[str, int] = {}
        self._known = False
        self._there: dict[int, str] = {}
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses that are banned now."""
        return frozenset(self._until)

    def ban(self, address: str, seconds: float) -> bool:
        """Refuse everything from an IP address for `seconds`, or for longer than so far; False: not an address."""
        try:
            name = str(ipaddress.ip_address(address))
        except ValueError:
            return False
        if name not in self._until and len(self._until) >= SLOTS:
            self._lift(min(self._until, key=self._until.__getitem__))
        if name not in self._places:
            self._places[name] = next(place for place in range(SLOTS) if place not in self._places.values())
        self._until[name] = max(self._until.get(name, 0.0), asyncio.get_running_loop().time() + seconds)
        self._work()
        return True

    def connected(self) -> None:
        """Asterisk is there again: free what an earlier controller banned, put what is to be banned."""
        self._known = False
        self._work()

    async def close(self) -> None:
        """Stop; Asterisk keeps refusing until the next controller connects."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _lift(self, address: str) -> None:
        self._until.pop(address, None)
        self._places.pop(address, None)

    def _work(self) -> None:
        self._wake.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._run(), name="ari-bans")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:  # ends with the driver
            next_end = min(self._until.values(), default=None)
            try:
                async with asyncio.timeout_at(next_end):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            for address in [address for address, until in self._until.items() if until <= loop.time()]:
                self._lift(address)
                log.warning("sip_ban_over", address=address)
            try:
                await self._link.ready(_READY_S)
                await self._apply()
            except TelephonyError as error:
                log.warning("sip_bans_interrupted", error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _apply(self) -> None:
        wanted = {place: address for address, place in self._places.items()}
        if not self._known:
            self._there = dict.fromkeys(range(SLOTS), "?")
            self._known = True
        for place in [place for place, address in self._there.items() if wanted.get(place) != address]:
            await self._free(place)
        for place in sorted(wanted.keys() - self._there.keys()):
            await self._transport.request(_put(place, wanted[place]))
            self._there[place] = wanted[place]

    async def _free(self, place: int) -> None:
        with contextlib.suppress(AsteriskRefused):  # nothing was there
            await self._transport.request(ari.asterisk_delete_object("res_pjsip", "identify", _name(place)))
        self._there.pop(place, None)


def _name(place: int) -> str:
    return f"ban-{place}"


def _put(place: int, address: str) -> Operation[list[models.ConfigTuple]]:
    pattern = rf"Via: /;received=\[?{re.escape(address)}\]?(;|$)/"
    fields = [{"attribute": "endpoint", "value": "banned"}, {"attribute": "match_header", "value": pattern}]
    return ari.asterisk_update_object("res_pjsip", "identify", _name(place), fields=fields)
