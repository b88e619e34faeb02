"""One call of the softphone, from either end: signalling, digits, audio, and how it ended."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.softphone import sdp
from controller.softphone.dialog import DialogState
from controller.softphone.endpoint import Credentials, Endpoint, new_branch, response_to
from controller.softphone.heard import HeardAudio
from controller.softphone.media import DigitSent, MediaSession
from controller.softphone.message import Message
from controller.softphone.rtp import DIGITS
from controller.softphone.session_timer import MIN_SESSION_S, SessionTimer
from controller.softphone.transaction import ClientTransaction, ServerTransaction

_Q850 = re.compile(r"Q\.850\s*;\s*cause\s*=\s*([0-9]{1,3})", re.IGNORECASE)
_MAX_EVENTS = 10_000
_AUTHENTICATE = (401, 407)


class CallState(StrEnum):
    """Where a call stands; it only moves downwards."""

    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class EndedBy(StrEnum):
    """Who ended a call."""

    LOCAL = "local"  # we hung up, cancelled or declined
    REMOTE = "remote"  # the other side hung up, cancelled or refused
    TIMEOUT = "timeout"  # nobody answered in time, or the other side is gone


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happened in a call, `at` monotonic seconds: ringing, answered, digit, refer and so on."""

    at: float
    name: str
    detail: str = ""


class Call:
    """A call of a `Phone`; make one with `Phone.call`, `Phone.dial` or by answering.

    All times are monotonic seconds, None until they happened. `status` is the final SIP status of the
    INVITE, `cause` the Q.850 cause the other side gave in a Reason header (0 when it gave none).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: DialogState,
        media: MediaSession,
        codecs: tuple[sdp.Codec, ...],
        *,
        incoming: bool,
        credentials: Credentials | None = None,
        on_ended: Callable[[Call], None] | None = None,
    ) -> None:
        self.state = CallState.DIALLING
        self.incoming = incoming
        self.started_at = media.heard.origin
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.status = 0
        self.reason = ""
        self.cause = 0
        self.digits: list[DigitSent] = []
        self.events: list[CallEvent] = []
        self.responses: list[Message] = []
        self.media = media
        self.dialog = dialog
        self._endpoint = endpoint
        self._codecs = codecs
        self._credentials = credentials
        self._on_ended = on_ended
        self._answered = asyncio.Event()
        self._ended = asyncio.Event()
        self._description = sdp.Audio(*media.address, codecs)
        self._headers: dict[str, str] = {}
        self._offer: sdp.Audio | None = None
        self._invite: ClientTransaction | None = None
        self._invite_cseq = 0
        self._server_invite: ServerTransaction | None = None
        self._ack: Message | None = None
        self._hanging_up = False
        self._authorised = False
        self._ring_timer: asyncio.TimerHandle | None = None
        self.session_timer = SessionTimer(self._refresh_soon, self._session_expired)
        endpoint.dialogs[dialog.call_id, dialog.local_tag] = self

    # --- what a script does -------------------------------------------------------------------------------

    @property
    def heard(self) -> HeardAudio:
        """The audio received so far."""
        return self.media.heard

    @property
    def duration_s(self) -> float:
        """Seconds from the answer to the end (or now); 0 when unanswered."""
        if self.answered_at is None:
            return 0.0
        return (self.ended_at or time.monotonic()) - self.answered_at

    async def wait_answered(self, timeout_s: float = 60.0) -> bool:
        """Wait until the call is answered; false when it ended or `timeout_s` passed first."""
        waiting = {asyncio.ensure_future(event.wait()) for event in (self._answered, self._ended)}
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return self.state is CallState.ANSWERED

    async def wait_ended(self, timeout_s: float = 60.0) -> bool:
        """Wait until the call has ended; false when `timeout_s` passed first."""
        try:
            await asyncio.wait_for(self._ended.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def wait_for(self, seconds: float) -> bool:
        """Let `seconds` pass; false when the call ended meanwhile."""
        return not await self.wait_ended(seconds)

    async def press(
        self, digits: str, *, method: str = "rfc4733", duration_ms: int = 100, gap_ms: int = 60
    ) -> list[DigitSent]:
        """Press `digits` one after the other and return what was sent, short when the call ended.

        `method` is `rfc4733` (telephone events in RTP) or `info` (SIP INFO, application/dtmf-relay).
        """
        digits = digits.upper()
        unknown = sorted(set(digits) - set(DIGITS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} cannot be pressed; use {DIGITS}")
        if method not in {"rfc4733", "info"}:
            raise ValueError(f"unknown method {method!r}; use 'rfc4733' or 'info'")
        sent: list[DigitSent] = []
        queued: list[asyncio.Future[DigitSent | None]] = []
        if method == "rfc4733" and self.state is not CallState.ENDED:
            queued = [self.media.press(digit, duration_ms, gap_ms) for digit in digits]
        for index, digit in enumerate(digits):
            if self.state is CallState.ENDED:
                break
            gap = gap_ms if index else 0
            pressed = await (queued[index] if queued else self._press_info(digit, duration_ms, gap))
            if pressed is None:
                break
            sent.append(pressed)
            self.digits.append(pressed)
            self._note("digit", digit)
        return sent

    async def hangup(self, *, status: int = 603) -> None:
        """End the call whatever its state: CANCEL, BYE, or `status` to a caller we have not answered."""
        if self.state is CallState.ENDED or self._hanging_up:
            return
        self._hanging_up = True
        if self.state is CallState.ANSWERED:
            self._end(EndedBy.LOCAL)
            await self._endpoint.request(self._request_maker("BYE"), self.dialog.next_hop, self._credentials)
        elif self.incoming:
            self.reject(status)
        else:
            self._cancel_when_allowed()
            await self.wait_ended(self._endpoint.timers.give_up)
            self._end(EndedBy.LOCAL)

    async def reinvite(self, direction: sdp.Direction = sdp.Direction.SENDRECV) -> int:
        """Offer again (hold with `sendonly`, back with `sendrecv`); return the final status."""
        identity, version = self._description.session
        offer = replace(self._description, direction=direction, session=(identity, version + 1))
        answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def responded(response: Message) -> None:
            if response.status >= 200:  # noqa: PLR2004 - the first final status
                if response.status < 300:  # noqa: PLR2004 - each 2xx wants an ACK
                    self._send_ack(request.cseq[0])
                if not answered.done():
                    answered.set_result(response)

        request = self.dialog.request("INVITE", offer.encode(), "application/sdp")
        request.headers.insert(0, ("Via", self._endpoint.via(self.dialog.next_hop, new_branch())))
        self._endpoint.start_client(
            request,
            self.dialog.next_hop,
            on_response=responded,
            on_timeout=lambda: responded(Message(status=408)),
        )
        response = await asyncio.wait_for(answered, self._endpoint.timers.give_up)
        if 200 <= response.status < 300:  # noqa: PLR2004 - success
            self._description = offer
            self._start_media(response.body)
            self.session_timer.agreed(response)
        return response.status

    async def refer(self, target: str) -> int:
        """Ask the other side to call `target` (blind transfer); return the status of the REFER.

        The progress arrives as events named `refer` with the status line as detail.
        """

        def build() -> Message:
            request = self.dialog.request("REFER")
            request.add("Refer-To", f"<{target}>")
            return request

        response = await self._endpoint.request(build, self.dialog.next_hop, self._credentials)
        return response.status

    async def send_request(self, method: str, body: bytes = b"", content_type: str = "") -> Message:
        """Send any request inside the call (INFO, UPDATE, OPTIONS, MESSAGE…) and return its final response."""
        maker = self._request_maker(method, body, content_type)
        return await self._endpoint.request(maker, self.dialog.next_hop, self._credentials)

    # --- calling ------------------------------------------------------------------------------------------

    def start(self, headers: dict[str, str], ring_timeout_s: float, session_expires_s: int | None) -> None:
        """Send the INVITE (called by the phone, once)."""
        self._headers = dict(headers)
        if session_expires_s is not None:
            self._headers["Session-Expires"] = str(max(session_expires_s, MIN_SESSION_S))
        self.media.receive_with(self._codecs)
        self._ring_timer = asyncio.get_running_loop().call_later(ring_timeout_s, self._ring_timed_out)
        self._send_invite(None)

    def _send_invite(self, challenged: Message | None) -> None:
        request = self.dialog.request("INVITE", self._description.encode(), "application/sdp")
        for name, value in self._headers.items():
            request.add(name, value)
        if challenged is not None and not self._endpoint.authorise(request, challenged, self._credentials):
            self._refused(challenged)
            return
        self._invite_cseq = request.cseq[0]
        request.headers.insert(0, ("Via", self._endpoint.via(self.dialog.first_hop, new_branch())))
        self._invite = self._endpoint.start_client(
            request,
            self.dialog.first_hop,
            on_response=self._on_invite_response,
            on_timeout=lambda: self._end(EndedBy.TIMEOUT, 408, "no answer from the server"),
        )

    def _on_invite_response(self, response: Message) -> None:
        if len(self.responses) < _MAX_EVENTS:
            self.responses.append(response)
        status = response.status
        if status < 200:  # noqa: PLR2004 - provisional
            self._progress(response)
        elif status < 300:  # noqa: PLR2004 - success
            self._accepted(response)
        elif status in _AUTHENTICATE and not self._authorised and not self._hanging_up:
            self._authorised = True
            self._send_invite(response)
        else:
            self._refused(response)

    def _progress(self, response: Message) -> None:
        if self.state is CallState.ENDED:
            return
        if self._hanging_up:
            self._send_cancel()
            return
        if response.status > 100 and self.state is CallState.DIALLING:  # noqa: PLR2004 - 100 only says "received"
            self.state = CallState.RINGING
            self.ringing_at = time.monotonic()
            self._note("ringing", str(response.status))
        if response.body:
            self._start_media(response.body)

    def _accepted(self, response: Message) -> None:
        if self._ack is None or self.state is not CallState.ANSWERED:
            self.dialog.established(response)
        self._send_ack(self._invite_cseq)
        if self.answered_at is not None:
            return
        self._stop_ring_timer()
        self.answered_at = time.monotonic()
        if self._hanging_up or self.state is CallState.ENDED:  # our CANCEL crossed the answer
            self._endpoint.spawn(self._bye())
            self._end(EndedBy.LOCAL)
            return
        self.state = CallState.ANSWERED
        self.status, self.reason = response.status, response.reason
        if not self._start_media(response.body):
            self._endpoint.spawn(self._bye())
            self._end(EndedBy.LOCAL, 488, "the answer has no codec we know")
            return
        self.session_timer.agreed(response)
        self._note("answered")
        self._answered.set()

    def _refused(self, response: Message) -> None:
        self._note_cause(response)
        by = EndedBy.LOCAL if self._hanging_up else EndedBy.REMOTE
        self._end(by, response.status, response.reason)

    def _ring_timed_out(self) -> None:
        if self.state in {CallState.DIALLING, CallState.RINGING} and not self._hanging_up:
            self._hanging_up = True
            self._cancel_when_allowed()
            self._end(EndedBy.TIMEOUT, 408, "nobody answered")

    def _cancel_when_allowed(self) -> None:
        """CANCEL may follow only a provisional response (RFC 3261, 9.1); before that, `_progress` sends it."""
        if self._invite is not None and self._invite.provisional:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._invite is None or self._invite.final:
            return
        invite, self._invite = self._invite, None
        cancel = Message(method="CANCEL", uri=invite.request.uri)
        cancel.add("Via", invite.request.get("Via"))
        for route in invite.request.get_all("Route"):
            cancel.add("Route", route)
        cancel.add("Max-Forwards", "70")
        cancel.add("From", invite.request.get("From"))
        cancel.add("To", invite.request.get("To"))
        cancel.add("Call-ID", invite.request.call_id)
        cancel.add("CSeq", f"{invite.request.cseq[0]} CANCEL")
        self._endpoint.start_client(
            cancel, self.dialog.first_hop, on_response=lambda _: None, on_timeout=lambda: None
        )

    def _send_ack(self, cseq: int) -> None:
        ack = self.dialog.ack(cseq)
        ack.headers.insert(0, ("Via", self._endpoint.via(self.dialog.next_hop, new_branch())))
        self._ack = ack
        self._endpoint.send(ack, self.dialog.next_hop)

    # --- being called -------------------------------------------------------------------------------------

    def offered(self, transaction: ServerTransaction, offer: sdp.Audio) -> None:
        """Take the INVITE that made this call (called by the phone, once)."""
        self._server_invite = transaction
        self._offer = offer
        self.media.receive_with(offer.codecs)

    def ring(self) -> None:
        """Say that we are ringing (180)."""
        if self._server_invite is not None and self.state is CallState.DIALLING:
            self.state = CallState.RINGING
            self.ringing_at = time.monotonic()
            self._server_invite.respond(self._reply(self._server_invite, 180))
            self._note("ringing")

    def answer(self) -> bool:
        """Answer (200) and start the audio; false when the caller has gone or no codec is common."""
        server = self._server_invite
        offer = self._offer
        if server is None or offer is None or self.state not in {CallState.DIALLING, CallState.RINGING}:
            return False
        try:
            self._description = sdp.answer(self._description, offer)
        except sdp.SdpError:
            self.reject(488)
            return False
        self.state = CallState.ANSWERED
        self.status, self.answered_at = 200, time.monotonic()
        response = self._reply(server, 200, with_sdp=True)
        self.session_timer.agree(server.request, response)
        server.respond(response)
        self._send_media_to(offer)
        self._note("answered")
        self._answered.set()
        return True

    def reject(self, status: int) -> None:
        """Refuse a call that is not answered: 486 busy, 603 declined and so on."""
        if self._server_invite is not None and self.state in {CallState.DIALLING, CallState.RINGING}:
            self._server_invite.respond(self._reply(self._server_invite, status))
            self._end(EndedBy.LOCAL, status)

    def _reply(self, server: ServerTransaction, status: int, *, with_sdp: bool = False) -> Message:
        response = response_to(server.request, status, tag=self.dialog.local_tag)
        response.add("Contact", self.dialog.contact)
        if with_sdp:
            response.add("Content-Type", "application/sdp")
            response.body = self._description.encode()
        return response

    # --- what the other side does (Dialog) ----------------------------------------------------------------

    def on_request(self, request: Message, transaction: ServerTransaction) -> None:
        """Answer a request inside the call."""
        if not self.dialog.accepts(request):
            transaction.respond(self._reply(transaction, 500))
            return
        if self.state is CallState.ENDED and request.method != "BYE":
            transaction.respond(self._reply(transaction, 481))
            return
        handler = {
            "BYE": self._on_bye,
            "INVITE": self._on_offer,
            "UPDATE": self._on_offer,
            "INFO": self._on_info,
            "NOTIFY": self._on_notify,
            "OPTIONS": self._on_harmless,
            "REFER": self._on_refer,
        }.get(request.method)
        if handler is None:
            transaction.respond(self._reply(transaction, 405))
        else:
            handler(request, transaction)

    def on_ack(self, request: Message) -> None:
        """Stop repeating our 2xx."""
        server = self._server_invite
        if server is not None and server.request.cseq[0] == request.cseq[0]:
            server.acknowledged()

    def on_cancel(self, invite: ServerTransaction, cancel: Message) -> None:
        """The caller gave up: 487 to the INVITE."""
        if invite is self._server_invite:
            self._note_cause(cancel)
            invite.respond(self._reply(invite, 487))
            self._end(EndedBy.REMOTE, 487)

    def on_unacknowledged(self) -> None:
        """No ACK came for our 200: the caller is gone."""
        if self.state is CallState.ANSWERED:
            self._endpoint.spawn(self._bye())
            self._end(EndedBy.TIMEOUT)

    def _on_bye(self, request: Message, transaction: ServerTransaction) -> None:
        self._note_cause(request)
        transaction.respond(self._reply(transaction, 200))
        self._end(EndedBy.REMOTE)

    def _on_offer(self, request: Message, transaction: ServerTransaction) -> None:
        if self.state is not CallState.ANSWERED:
            transaction.respond(self._reply(transaction, 491))
            return
        changed = bool(request.body)
        if changed:
            try:
                offer = sdp.parse(request.body)
                identity, version = self._description.session
                mine = replace(self._description, codecs=self._codecs, session=(identity, version + 1))
                self._description = sdp.answer(mine, offer)
            except sdp.SdpError:
                transaction.respond(self._reply(transaction, 488))
                return
            self.media.receive_with((*self._codecs, *self._description.codecs))
            self._send_media_to(offer)
        if request.method == "INVITE":
            self._server_invite = transaction
        with_sdp = changed or request.method == "INVITE"
        response = self._reply(transaction, 200, with_sdp=with_sdp)
        self.session_timer.agree(request, response)
        transaction.respond(response)
        self._note(request.method.lower())

    def _on_info(self, request: Message, transaction: ServerTransaction) -> None:
        self._note("info", request.body[:200].decode("utf-8", "replace"))
        transaction.respond(self._reply(transaction, 200))

    def _on_notify(self, request: Message, transaction: ServerTransaction) -> None:
        transaction.respond(self._reply(transaction, 200))
        if request.get("Event").startswith("refer"):
            first_line = request.body[:200].decode("utf-8", "replace").split("\r\n", 1)[0]
            self._note("refer", first_line)

    def _on_harmless(self, _request: Message, transaction: ServerTransaction) -> None:
        transaction.respond(self._reply(transaction, 200))

    def _on_refer(self, _request: Message, transaction: ServerTransaction) -> None:
        transaction.respond(self._reply(transaction, 603))

    # --- session timers (RFC 4028) ------------------------------------------------------------------------

    def _refresh_soon(self, interval: int) -> None:
        self._endpoint.spawn(self._refresh(interval))

    async def _refresh(self, interval: int) -> None:
        def build() -> Message:
            request = self.dialog.request("UPDATE")
            request.add("Session-Expires", f"{interval};refresher=uac")
            return request

        response = await self._endpoint.request(build, self.dialog.next_hop, self._credentials)
        self._note("refreshed", str(response.status))
        if response.status in {408, 481}:
            self._session_expired()
        elif self.state is CallState.ANSWERED:
            self.session_timer.start(interval, ours=True)

    def _session_expired(self) -> None:
        if self.state is CallState.ANSWERED:
            self._endpoint.spawn(self._bye())
            self._end(EndedBy.TIMEOUT, reason="the session was not refreshed")

    # --- parts --------------------------------------------------------------------------------------------

    def _request_maker(self, method: str, body: bytes = b"", content_type: str = "") -> Callable[[], Message]:
        return lambda: self.dialog.request(method, body, content_type)

    async def _bye(self) -> None:
        await self._endpoint.request(self._request_maker("BYE"), self.dialog.next_hop, self._credentials)

    async def _press_info(self, digit: str, duration_ms: int, wait_ms: int) -> DigitSent | None:
        if wait_ms and not await self.wait_for(wait_ms / 1000):
            return None
        started = time.monotonic()
        body = f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
        await self.send_request("INFO", body, "application/dtmf-relay")
        return DigitSent(digit, "info", started, started)

    def _start_media(self, body: bytes) -> bool:
        try:
            theirs = sdp.parse(body)
            self._send_media_to(theirs)
        except sdp.SdpError:
            return False
        return True

    def _send_media_to(self, theirs: sdp.Audio) -> None:
        voice, event = sdp.negotiate(self._codecs, theirs)
        silent = {sdp.Direction.SENDONLY, sdp.Direction.INACTIVE}
        sending = theirs.direction not in silent and theirs.port != 0
        self.media.send_to((theirs.host, theirs.port), voice, event, sending=sending)

    def _note(self, name: str, detail: str = "") -> None:
        if len(self.events) < _MAX_EVENTS:
            self.events.append(CallEvent(time.monotonic(), name, detail))

    def _note_cause(self, message: Message) -> None:
        for value in message.get_all("Reason"):
            found = _Q850.search(value)
            if found:
                self.cause = int(found[1])

    def _stop_ring_timer(self) -> None:
        if self._ring_timer is not None:
            self._ring_timer.cancel()
            self._ring_timer = None

    def _end(self, by: EndedBy, status: int = 0, reason: str = "") -> None:
        if self.state is CallState.ENDED:
            return
        self.state = CallState.ENDED
        self.ended_at = time.monotonic()
        self.ended_by = by
        self.status = status or self.status
        self.reason = reason or self.reason
        self._stop_ring_timer()
        self.session_timer.stop()
        self.media.close()
        self._note("ended", by)
        self._ended.set()
        # Late repeats (2xx, BYE) still find the dialog for as long as they may come.
        asyncio.get_running_loop().call_later(self._endpoint.timers.give_up, self._forget)
        if self._on_ended is not None:
            self._on_ended(self)

    def _forget(self) -> None:
        self._endpoint.dialogs.pop((self.dialog.call_id, self.dialog.local_tag), None)

    def abandon(self) -> None:
        """Drop the call without a word (the process is closing)."""
        if self.state is not CallState.ENDED:
            self._end(EndedBy.LOCAL)
