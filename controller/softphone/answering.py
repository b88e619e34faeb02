"""Answering: the other side's INVITE that makes a call, and its later offers inside it."""

from __future__ import annotations

import time

from controller.softphone import sdp
from controller.softphone.conversation import Conversation
from controller.softphone.message import Message
from controller.softphone.progress import CallState, EndedBy
from controller.softphone.transaction import ServerTransaction


class IncomingInvite:
    """The other side's last INVITE: the one that rings here, later the one that changes the audio."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._progress = conversation.progress
        self._transaction: ServerTransaction | None = None
        self._offer: sdp.Audio | None = None

    def take(self, transaction: ServerTransaction, offer: sdp.Audio) -> None:
        """Take the INVITE that makes the call, once."""
        self._transaction = transaction
        self._offer = offer
        self._conversation.audio.media.receive_with(offer.codecs)

    # --- what we say to it --------------------------------------------------------------------------------

    def ring(self) -> None:
        """Say that we are ringing (180)."""
        if self._transaction is not None and self._progress.state is CallState.DIALLING:
            self._progress.ring()
            self._transaction.respond(self._conversation.reply(self._transaction, 180))
            self._progress.note("ringing")

    def answer(self) -> bool:
        """Answer (200) and start the audio; false when the caller has gone or no codec is common."""
        conversation, progress = self._conversation, self._progress
        server, offer = self._transaction, self._offer
        if server is None or offer is None or not progress.unanswered:
            return False
        try:
            conversation.audio.answer(offer)
        except sdp.SdpError:
            self.reject(488)
            return False
        progress.connect(200, "")
        progress.answered_at = time.monotonic()
        response = conversation.reply(server, 200, with_sdp=True)
        conversation.session_timer.agree(server.request, response)
        server.respond(response)
        conversation.audio.follow(offer)
        progress.announce_answer()
        return True

    def reject(self, status: int) -> None:
        """Refuse a call that is not answered: 486 busy, 603 declined and so on."""
        if self._transaction is not None and self._progress.unanswered:
            self._transaction.respond(self._conversation.reply(self._transaction, status))
            self._conversation.end(EndedBy.LOCAL, status)

    # --- what the other side goes on with -----------------------------------------------------------------

    def acknowledged(self, ack: Message) -> None:
        """Stop repeating our 2xx."""
        server = self._transaction
        if server is not None and server.request.cseq[0] == ack.cseq[0]:
            server.acknowledged()

    def cancelled(self, invite: ServerTransaction, cancel: Message) -> None:
        """The caller gave up: 487 to the INVITE."""
        if invite is self._transaction:
            self._progress.note_cause(cancel)
            invite.respond(self._conversation.reply(invite, 487))
            self._conversation.end(EndedBy.REMOTE, 487)

    def offered_again(self, request: Message, transaction: ServerTransaction) -> None:
        """Answer an offer inside the call: INVITE or UPDATE, which may also only refresh the session."""
        conversation = self._conversation
        if self._progress.state is not CallState.ANSWERED:
            transaction.respond(conversation.reply(transaction, 491))
            return
        changed = bool(request.body)
        if changed:
            try:
                conversation.audio.answer_again(request.body)
            except sdp.SdpError:
                transaction.respond(conversation.reply(transaction, 488))
                return
        if request.method == "INVITE":
            self._transaction = transaction
        with_sdp = changed or request.method == "INVITE"
        response = conversation.reply(transaction, 200, with_sdp=with_sdp)
        conversation.session_timer.agree(request, response)
        transaction.respond(response)
        self._progress.note(request.method.lower())
