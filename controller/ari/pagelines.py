"""Lines for calls from web pages: a SIP endpoint each, in Asterisk's memory, for one call.

An endpoint that is deleted while it has a channel stays as a ghost until Asterisk starts anew, so the channel goes
first. What an earlier controller left is found by its name and cleared away at each connection: its page has lost
the relay, so nobody can use it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import structlog

from controller.ari.devices import Link
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.operation import Operation
from controller.ari.transport import Transport
from controller.calls.voice.ports import PREFIX, PageFacts, PageLine
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone, TelephonyError
from controller.ports import SIP_REALM

log = structlog.get_logger(__name__)

CONTEXT: Final = "from-page"
_CLASS: Final = "res_pjsip"
_TECHNOLOGY: Final = "PJSIP"
_NEEDED: Final = ("res_pjsip_transport_websocket.so", "res_srtp.so")
_READY_S: Final = 60.0
_LOOKS: Final = 40
_LOOK_AGAIN_S: Final = 0.05
_LOOK_AGAIN_MOST_S: Final = 1.0
_RETRY_S: Final = 2.0


class AriPageLines:
    """`controller.calls.voice.ports.PageLines`. `connected` is to be called at each (re)connection."""

    def __init__(self, transport: Transport, link: Link) -> None:
        self._transport = transport
        self._link = link
        self._lines: dict[str, PageFacts] = {}
        self._ready = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """See `PageLines.ready`."""
        return self._ready

    def facts(self, channel_name: str) -> PageFacts | None:
        """Return what is known of the call on a channel (`PJSIP/page-…-00000001`); None: not from a page of ours."""
        return self._lines.get(_line_of(channel_name))

    async def put(self, line: PageLine) -> None:
        """See `PageLines.put`."""
        self._lines[line.user] = line.facts
        for operation in _put(line):
            await self._transport.request(operation)

    async def drop(self, user: str) -> None:
        """See `PageLines.drop`."""
        self._lines.pop(user, None)  # a line that cannot be dropped now is found at the next connection
        await self._end_channels(user)
        for kind in ("endpoint", "auth"):
            with contextlib.suppress(AsteriskRefused):  # it was not there
                await self._transport.request(ari.asterisk_delete_object(_CLASS, kind, user))

    def connected(self) -> None:
        """Asterisk is there again: see what it can do, and clear away what an earlier controller left."""
        if self._worker is not None:
            self._worker.cancel()
        self._worker = asyncio.create_task(self._begin(), name="ari-page-lines")

    async def close(self) -> None:
        """Stop working."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _begin(self) -> None:
        while True:  # until it has worked once, or the driver ends
            try:
                await self._link.ready(_READY_S)
                self._ready = await self._has_modules()
                await self._clear()
            except TelephonyError as error:
                log.warning("ari_page_lines_interrupted", error=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _has_modules(self) -> bool:
        for name in _NEEDED:
            try:
                found = await self._transport.request(ari.asterisk_get_module(name))
            except AsteriskRefused:
                log.warning("ari_no_calls_from_pages", missing=name, advice="this Asterisk was built without it")
                return False
            if found.status != "Running":
                log.warning("ari_no_calls_from_pages", not_running=name)
                return False
        return True

    async def _clear(self) -> None:
        for found in await self._transport.request(ari.endpoints_list_by_tech(_TECHNOLOGY)):
            if found.resource.startswith(PREFIX) and found.resource not in self._lines:
                log.info("ari_page_line_left_over", line=found.resource, channels=len(found.channel_ids))
                await self.drop(found.resource)

    async def _end_channels(self, user: str) -> None:
        """Hang up what the line has, and return when Asterisk has let go of it."""
        wait_s = _LOOK_AGAIN_S
        for _ in range(_LOOKS):
            try:
                found = await self._transport.request(ari.endpoints_get(_TECHNOLOGY, user))
            except ChannelGone:
                return
            if not found.channel_ids:
                return
            for channel_id in found.channel_ids:
                with contextlib.suppress(AsteriskRefused):
                    await self._transport.request(ari.channels_hangup(channel_id))
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LOOK_AGAIN_MOST_S)
        raise AsteriskUnreachable(f"The channels of {user} do not end; look at: core show channels")


def _line_of(channel_name: str) -> str:
    technology, _, rest = channel_name.partition("/")
    return rest.rpartition("-")[0] if technology == _TECHNOLOGY else ""


def _put(line: PageLine) -> tuple[Operation[Any], ...]:
    auth = {"auth_type": "md5", "md5_cred": line.ha1, "realm": SIP_REALM, "username": line.user}
    endpoint = {"auth": line.user, "context": CONTEXT, **_ENDPOINT}
    return (_object("auth", line.user, auth), _object("endpoint", line.user, endpoint))


def _object(kind: str, name: str, fields: dict[str, str]) -> Operation[list[models.ConfigTuple]]:
    attributes = [{"attribute": attribute, "value": value} for attribute, value in fields.items()]
    return ari.asterisk_update_object(_CLASS, kind, name, fields=attributes)


_ENDPOINT: Final = {
    # By name alone: the relay's address is that of all pages.
    "identify_by": "username",
    "callerid": '"Web" <anonymous>',
    # Encrypted sound over ICE, the certificate made anew for each call and checked by its fingerprint.
    "webrtc": "yes",
    "disallow": "all",
    "allow": "opus,alaw,ulaw",
    "max_audio_streams": "1",
    "max_video_streams": "0",
    "dtmf_mode": "auto",
    "direct_media": "no",
    "rtp_symmetric": "yes",
    "force_rport": "yes",
    "rewrite_contact": "yes",
    # A page that sends no sound has been closed, or has lost its network.
    "rtp_timeout": "30",
    "rtp_timeout_hold": "60",
    "timers": "yes",
    "timers_min_se": "90",
    "timers_sess_expires": "1800",
    "inband_progress": "no",
    "trust_id_inbound": "no",
    "send_pai": "no",
    "send_rpid": "no",
    "allow_transfer": "no",
    "allow_subscribe": "no",
    "redirect_method": "user",
    "message_context": "page-none",
    "device_state_busy_at": "1",
}
