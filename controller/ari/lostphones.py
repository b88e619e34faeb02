"""Telephones that went away in the middle of a conversation: unplugged, out of reach, out of power.

Nobody hangs up there, and a silent telephone is cut off by `rtp_timeout` only after a minute, for silence alone may
be a telephone that sends none. But Asterisk asks each agent's device every two seconds whether it is there
(`OPTIONS`, `controller.ari.accounts`). One that does not answer, or whose connection broke, and from which no sound
comes either, is gone: its legs are ended with the cause that `rtp_timeout` would give, and whoever has the call
decides what becomes of the customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, Protocol

import structlog

from controller.ari.generated import operations as ari
from controller.ari.transport import Transport
from controller.errors import AsteriskRefused, ChannelGone, TelephonyError

log = structlog.get_logger(__name__)

GONE: Final = frozenset({"Unreachable", "Removed"})
"""Words of AMI's ContactStatus after which a device may be gone."""
NO_SOUND: Final = 44
"""Q.850: requested circuit not available; what Asterisk hangs up with after `rtp_timeout`."""
LISTEN_S: Final = 0.4
"""In which 20 packets would have come."""
_TECHNOLOGY: Final = "PJSIP"
_MOST: Final = 200
"""Looks at once; a network that is down for all of them at once is cut off by `rtp_timeout`."""


class Accounts(Protocol):
    """Which endpoints are agents' (`controller.ari.devices.AriDevices`)."""

    def serves(self, endpoint: str) -> bool:
        """Tell whether `endpoint` is one of ours."""


class LostPhones:
    """Tell it of every change of a contact; it looks, listens, and ends what is lost."""

    def __init__(self, transport: Transport, accounts: Accounts) -> None:
        self._transport = transport
        self._accounts = accounts
        self._looks: dict[str, asyncio.Task[None]] = {}
        self.ended = 0
        """Legs ended so far."""

    def contact(self, endpoint: str, status: str) -> None:
        """Take note that a device of `endpoint` has become `status` (as AMI's ContactStatus says)."""
        if status not in GONE or endpoint in self._looks or not self._accounts.serves(endpoint):
            return
        if len(self._looks) >= _MOST:
            log.warning("ari_lost_phones_too_many", endpoint=endpoint, most=_MOST)
            return
        look = asyncio.create_task(self._look(endpoint), name=f"lost phone {endpoint}")
        self._looks[endpoint] = look
        look.add_done_callback(lambda _: self._looks.pop(endpoint, None))

    async def close(self) -> None:
        """Look no more."""
        looks = list(self._looks.values())
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _look(self, endpoint: str) -> None:
        try:
            found = await self._transport.request(ari.endpoints_get(_TECHNOLOGY, endpoint))
            silent = await self._silent(found.channel_ids)
            for channel in silent:
                log.warning("ari_phone_lost", endpoint=endpoint, channel=channel)
                await self._transport.request(ari.channels_hangup(channel, reason_code=str(NO_SOUND)))
                self.ended += 1
        except ChannelGone:
            return  # it was hung up meanwhile
        except TelephonyError as error:
            log.warning("ari_phone_not_looked_at", endpoint=endpoint, error=str(error))

    async def _silent(self, channels: Collection[str]) -> list[str]:
        """Return those of `channels` from which nothing comes."""
        before = {channel: await self._received(channel) for channel in channels}
        talking = {channel: count for channel, count in before.items() if count is not None}
        if not talking:
            return []
        await asyncio.sleep(LISTEN_S)
        return [channel for channel, count in talking.items() if await self._received(channel) == count]

    async def _received(self, channel: str) -> int | None:
        """Return how many packets of sound came from a channel; None without a stream: it rings, or is gone."""
        try:
            return (await self._transport.request(ari.channels_rtpstatistics(channel))).rxcount
        except (AsteriskRefused, ChannelGone):
            return None
