"""One end of a call, as every part of it needs it: dialog, audio, progress, requests and replies, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.softphone.dialog import DialogState
from controller.softphone.endpoint import Credentials, Endpoint, new_branch, response_to
from controller.softphone.message import Message
from controller.softphone.negotiation import Negotiation
from controller.softphone.progress import CallState, EndedBy, Progress
from controller.softphone.session_timer import SessionTimer
from controller.softphone.transaction import ClientTransaction, ServerTransaction


class Conversation:
    """What the parts of a call share. `when_ended` holds what is to be stopped when the call ends, in order.

    `on_ended` is called once, after everything else has stopped.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: DialogState,
        audio: Negotiation,
        credentials: Credentials | None,
        on_ended: Callable[[], None],
    ) -> None:
        self.endpoint = endpoint
        self.dialog = dialog
        self.audio = audio
        self.credentials = credentials
        self.progress = Progress()
        self.session_timer = SessionTimer(self._refresh_soon, self._session_expired)
        self.when_ended: list[Callable[[], None]] = [self.session_timer.stop, audio.media.close]
        self._on_ended = on_ended

    # --- requests and replies -----------------------------------------------------------------------------

    async def request(self, method: str, body: bytes = b"", content_type: str = "") -> Message:
        """Send a request inside the dialog and return its final response."""
        return await self.request_built(lambda: self.dialog.request(method, body, content_type))

    async def request_built(self, build: Callable[[], Message]) -> Message:
        """Send the request that `build` makes (once for each try) and return its final response."""
        return await self.endpoint.request(build, self.dialog.next_hop, self.credentials)

    def start_invite(
        self, request: Message, on_response: Callable[[Message], None], on_timeout: Callable[[], None]
    ) -> ClientTransaction:
        """Send an INVITE inside the dialog; every 2xx to it wants an `ack`."""
        hop = self.dialog.next_hop
        request.headers.insert(0, ("Via", self.endpoint.via(hop, new_branch())))
        return self.endpoint.start_client(request, hop, on_response=on_response, on_timeout=on_timeout)

    def ack(self, cseq: int) -> None:
        """Acknowledge a 2xx to our INVITE numbered `cseq`."""
        ack = self.dialog.ack(cseq)
        ack.headers.insert(0, ("Via", self.endpoint.via(self.dialog.next_hop, new_branch())))
        self.endpoint.send(ack, self.dialog.next_hop)

    def reply(self, server: ServerTransaction, status: int, *, with_sdp: bool = False) -> Message:
        """Return the response to a request of the other side, `with_sdp` with our description."""
        response = response_to(server.request, status, tag=self.dialog.local_tag)
        response.add("Contact", self.dialog.contact)
        if with_sdp:
            response.add("Content-Type", "application/sdp")
            response.body = self.audio.mine.encode()
        return response

    # --- the end ------------------------------------------------------------------------------------------

    def say_goodbye(self) -> None:
        """Send BYE without waiting for its answer."""
        self.endpoint.spawn(self._bye())

    def end(self, by: EndedBy, status: int = 0, reason: str = "") -> None:
        """End the call here, once: nothing is sent, timers and audio stop, those who wait are woken."""
        if self.progress.state is CallState.ENDED:
            return
        self.progress.end(by, status, reason)
        for stop in self.when_ended:
            stop()
        self.progress.announce_end(by)
        # Late repeats (2xx, BYE) still find the dialog for as long as they may come.
        asyncio.get_running_loop().call_later(self.endpoint.timers.give_up, self._forget)
        self._on_ended()

    async def _bye(self) -> None:
        await self.request("BYE")

    def _forget(self) -> None:
        self.endpoint.dialogs.pop((self.dialog.call_id, self.dialog.local_tag), None)

    # --- session timers (RFC 4028) ------------------------------------------------------------------------

    def _refresh_soon(self, interval: int) -> None:
        self.endpoint.spawn(self._refresh(interval))

    async def _refresh(self, interval: int) -> None:
        def build() -> Message:
            request = self.dialog.request("UPDATE")
            request.add("Session-Expires", f"{interval};refresher=uac")
            return request

        response = await self.request_built(build)
        self.progress.note("refreshed", str(response.status))
        if response.status in {408, 481}:
            self._session_expired()
        elif self.progress.state is CallState.ANSWERED:
            self.session_timer.start(interval, ours=True)

    def _session_expired(self) -> None:
        if self.progress.state is CallState.ANSWERED:
            self.say_goodbye()
            self.end(EndedBy.TIMEOUT, reason="the session was not refreshed")
