"""One call of the softphone, from either end: signalling, digits, audio, and how it ended.

A `Call` is put together from parts that work on one `Conversation`: `OutgoingInvite` when we call, `IncomingInvite`
when we are called, `DialogRequests` for what the other side asks once the call exists.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from controller.softphone import sdp
from controller.softphone.answering import IncomingInvite
from controller.softphone.calling import OutgoingInvite
from controller.softphone.conversation import Conversation
from controller.softphone.dialog import DialogState
from controller.softphone.dialog_requests import DialogRequests
from controller.softphone.endpoint import Credentials, Endpoint
from controller.softphone.heard import HeardAudio
from controller.softphone.media import DigitSent, MediaSession
from controller.softphone.message import Message
from controller.softphone.negotiation import Negotiation
from controller.softphone.progress import CallEvent, CallState, EndedBy
from controller.softphone.rtp import DIGITS
from controller.softphone.transaction import ServerTransaction

__all__ = ["Call", "CallEvent", "CallState", "EndedBy"]


class Call:
    """A call of a `Phone`; make one with `Phone.call`, `Phone.dial` or by answering.

    All times are monotonic seconds, None until they happened.
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
        self._on_ended = on_ended
        self._conversation = Conversation(endpoint, dialog, Negotiation(media, codecs), credentials, self._when_ended)
        self._progress = self._conversation.progress
        self._outgoing = OutgoingInvite(self._conversation)
        self._invited = IncomingInvite(self._conversation)
        self.incoming = incoming
        self.started_at = media.heard.origin
        self.digits: list[DigitSent] = []
        self.events: list[CallEvent] = self._progress.events
        self.responses: list[Message] = self._outgoing.responses
        self.media = media
        self.dialog = dialog
        self.session_timer = self._conversation.session_timer
        endpoint.dialogs[dialog.call_id, dialog.local_tag] = DialogRequests(self._conversation, self._invited)

    # --- how far it has come ------------------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """Where the call stands."""
        return self._progress.state

    @property
    def ringing_at(self) -> float | None:
        """When the called side began to ring."""
        return self._progress.ringing_at

    @property
    def answered_at(self) -> float | None:
        """When the call was answered."""
        return self._progress.answered_at

    @property
    def ended_at(self) -> float | None:
        """When the call ended."""
        return self._progress.ended_at

    @property
    def ended_by(self) -> EndedBy | None:
        """Who ended the call; None before its end."""
        return self._progress.ended_by

    @property
    def status(self) -> int:
        """The final SIP status of the INVITE; 0 before there is one."""
        return self._progress.status

    @property
    def reason(self) -> str:
        """The reason phrase of `status`, or our own reason for ending the call."""
        return self._progress.reason

    @property
    def cause(self) -> int:
        """The Q.850 cause the other side gave in a Reason header; 0 when it gave none."""
        return self._progress.cause

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

    # --- what a script does -------------------------------------------------------------------------------

    async def wait_answered(self, timeout_s: float = 60.0) -> bool:
        """Wait until the call is answered; false when it ended or `timeout_s` passed first."""
        return await self._progress.wait_answered(timeout_s)

    async def wait_ended(self, timeout_s: float = 60.0) -> bool:
        """Wait until the call has ended; false when `timeout_s` passed first."""
        return await self._progress.wait_ended(timeout_s)

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
            self._progress.note("digit", digit)
        return sent

    async def hangup(self, *, status: int = 603) -> None:
        """End the call whatever its state: CANCEL, BYE, or `status` to a caller we have not answered."""
        if self.state is CallState.ENDED or self._progress.hanging_up:
            return
        self._progress.hanging_up = True
        if self.state is CallState.ANSWERED:
            self._conversation.end(EndedBy.LOCAL)
            await self._conversation.request("BYE")
        elif self.incoming:
            self.reject(status)
        else:
            self._outgoing.cancel()
            await self.wait_ended(self._conversation.endpoint.timers.give_up)
            self._conversation.end(EndedBy.LOCAL)

    async def reinvite(self, direction: sdp.Direction = sdp.Direction.SENDRECV) -> int:
        """Offer again (hold with `sendonly`, back with `sendrecv`); return the final status."""
        conversation = self._conversation
        offer = conversation.audio.offer(direction)
        request = self.dialog.request("INVITE", offer.encode(), "application/sdp")
        answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def responded(response: Message) -> None:
            if response.status >= 200:  # noqa: PLR2004 - the first final status
                if response.status < 300:  # noqa: PLR2004 - each 2xx wants an ACK
                    conversation.ack(request.cseq[0])
                if not answered.done():
                    answered.set_result(response)

        conversation.start_invite(request, responded, lambda: responded(Message(status=408)))
        response = await asyncio.wait_for(answered, conversation.endpoint.timers.give_up)
        if 200 <= response.status < 300:  # noqa: PLR2004 - success
            conversation.audio.mine = offer
            conversation.audio.accept(response.body)
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

        response = await self._conversation.request_built(build)
        return response.status

    async def send_request(self, method: str, body: bytes = b"", content_type: str = "") -> Message:
        """Send any request inside the call (INFO, UPDATE, OPTIONS, MESSAGE…) and return its final response."""
        return await self._conversation.request(method, body, content_type)

    # --- what the phone does ------------------------------------------------------------------------------

    def start(self, headers: dict[str, str], ring_timeout_s: float, session_expires_s: int | None) -> None:
        """Send the INVITE (called by the phone, once)."""
        self._outgoing.start(headers, ring_timeout_s, session_expires_s)

    def offered(self, transaction: ServerTransaction, offer: sdp.Audio) -> None:
        """Take the INVITE that made this call (called by the phone, once)."""
        self._invited.take(transaction, offer)

    def ring(self) -> None:
        """Say that we are ringing (180)."""
        self._invited.ring()

    def answer(self) -> bool:
        """Answer (200) and start the audio; false when the caller has gone or no codec is common."""
        return self._invited.answer()

    def reject(self, status: int) -> None:
        """Refuse a call that is not answered: 486 busy, 603 declined and so on."""
        self._invited.reject(status)

    def abandon(self) -> None:
        """Drop the call without a word (the process is closing)."""
        self._conversation.end(EndedBy.LOCAL)

    # --- parts --------------------------------------------------------------------------------------------

    async def _press_info(self, digit: str, duration_ms: int, wait_ms: int) -> DigitSent | None:
        if wait_ms and not await self.wait_for(wait_ms / 1000):
            return None
        started = time.monotonic()
        body = f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
        await self.send_request("INFO", body, "application/dtmf-relay")
        return DigitSent(digit, "info", started, started)

    def _when_ended(self) -> None:
        if self._on_ended is not None:
            self._on_ended(self)
