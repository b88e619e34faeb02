"""Calling: the INVITE that makes a call, from our side, until it is answered, refused, cancelled or timed out."""

from __future__ import annotations

import asyncio
import time

from controller.softphone.conversation import Conversation
from controller.softphone.endpoint import new_branch
from controller.softphone.message import Message
from controller.softphone.progress import MAX_EVENTS, CallState, EndedBy
from controller.softphone.session_timer import MIN_SESSION_S
from controller.softphone.transaction import ClientTransaction

_AUTHENTICATE = (401, 407)


class OutgoingInvite:
    """The INVITE of a call we place. `responses` are those that came to it, in order."""

    def __init__(self, conversation: Conversation) -> None:
        self.responses: list[Message] = []
        self._conversation = conversation
        self._endpoint = conversation.endpoint
        self._dialog = conversation.dialog
        self._progress = conversation.progress
        self._headers: dict[str, str] = {}
        self._transaction: ClientTransaction | None = None
        self._cseq = 0
        self._authorised = False
        self._ring_timer: asyncio.TimerHandle | None = None
        conversation.when_ended.insert(0, self._stop_ring_timer)

    def start(self, headers: dict[str, str], ring_timeout_s: float, session_expires_s: int | None) -> None:
        """Send the INVITE, once."""
        self._headers = dict(headers)
        if session_expires_s is not None:
            self._headers["Session-Expires"] = str(max(session_expires_s, MIN_SESSION_S))
        audio = self._conversation.audio
        audio.media.receive_with(audio.codecs)
        self._ring_timer = asyncio.get_running_loop().call_later(ring_timeout_s, self._ring_timed_out)
        self._send(None)

    def cancel(self) -> None:
        """CANCEL may follow only a provisional response (RFC 3261, 9.1); before that, `_on_provisional` sends it."""
        if self._transaction is not None and self._transaction.provisional:
            self._send_cancel()

    # --- the INVITE and what comes back -------------------------------------------------------------------

    def _send(self, challenged: Message | None) -> None:
        conversation = self._conversation
        request = self._dialog.request("INVITE", conversation.audio.mine.encode(), "application/sdp")
        for name, value in self._headers.items():
            request.add(name, value)
        if challenged is not None and not self._endpoint.authorise(request, challenged, conversation.credentials):
            self._on_refused(challenged)
            return
        self._cseq = request.cseq[0]
        request.headers.insert(0, ("Via", self._endpoint.via(self._dialog.first_hop, new_branch())))
        self._transaction = self._endpoint.start_client(
            request,
            self._dialog.first_hop,
            on_response=self._on_response,
            on_timeout=lambda: conversation.end(EndedBy.TIMEOUT, 408, "no answer from the server"),
        )

    def _on_response(self, response: Message) -> None:
        if len(self.responses) < MAX_EVENTS:
            self.responses.append(response)
        status = response.status
        if status < 200:  # noqa: PLR2004 - provisional
            self._on_provisional(response)
        elif status < 300:  # noqa: PLR2004 - success
            self._on_accepted(response)
        elif status in _AUTHENTICATE and not self._authorised and not self._progress.hanging_up:
            self._authorised = True
            self._send(response)
        else:
            self._on_refused(response)

    def _on_provisional(self, response: Message) -> None:
        progress = self._progress
        if progress.state is CallState.ENDED:
            return
        if progress.hanging_up:
            self._send_cancel()
            return
        if response.status > 100 and progress.state is CallState.DIALLING:  # noqa: PLR2004 - 100 only says "received"
            progress.ring()
            progress.note("ringing", str(response.status))
        if response.body:
            self._conversation.audio.accept(response.body)

    def _on_accepted(self, response: Message) -> None:
        conversation, progress = self._conversation, self._progress
        if progress.state is not CallState.ANSWERED:
            self._dialog.established(response)
        conversation.ack(self._cseq)
        if progress.answered_at is not None:  # a repeat
            return
        self._stop_ring_timer()
        progress.answered_at = time.monotonic()
        if progress.hanging_up or progress.state is CallState.ENDED:  # our CANCEL crossed the answer
            conversation.say_goodbye()
            conversation.end(EndedBy.LOCAL)
            return
        progress.connect(response.status, response.reason)
        if not conversation.audio.accept(response.body):
            conversation.say_goodbye()
            conversation.end(EndedBy.LOCAL, 488, "the answer has no codec we know")
            return
        conversation.session_timer.agreed(response)
        progress.announce_answer()

    def _on_refused(self, response: Message) -> None:
        self._progress.note_cause(response)
        by = EndedBy.LOCAL if self._progress.hanging_up else EndedBy.REMOTE
        self._conversation.end(by, response.status, response.reason)

    # --- giving up ----------------------------------------------------------------------------------------

    def _ring_timed_out(self) -> None:
        if self._progress.unanswered and not self._progress.hanging_up:
            self._progress.hanging_up = True
            self.cancel()
            self._conversation.end(EndedBy.TIMEOUT, 408, "nobody answered")

    def _stop_ring_timer(self) -> None:
        if self._ring_timer is not None:
            self._ring_timer.cancel()
            self._ring_timer = None

    def _send_cancel(self) -> None:
        if self._transaction is None or self._transaction.final:
            return
        invite, self._transaction = self._transaction.request, None
        cancel = Message(method="CANCEL", uri=invite.uri)
        cancel.add("Via", invite.get("Via"))
        for route in invite.get_all("Route"):
            cancel.add("Route", route)
        cancel.add("Max-Forwards", "70")
        cancel.add("From", invite.get("From"))
        cancel.add("To", invite.get("To"))
        cancel.add("Call-ID", invite.call_id)
        cancel.add("CSeq", f"{invite.cseq[0]} CANCEL")
        self._endpoint.start_client(
            cancel, self._dialog.first_hop, on_response=lambda _: None, on_timeout=lambda: None
        )
