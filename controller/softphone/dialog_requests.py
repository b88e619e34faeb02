"""What the other side asks inside a call: hang up, offer again, digits by INFO, progress of a transfer."""

from __future__ import annotations

from controller.softphone.answering import IncomingInvite
from controller.softphone.conversation import Conversation
from controller.softphone.message import Message
from controller.softphone.progress import CallState, EndedBy
from controller.softphone.transaction import ServerTransaction


class DialogRequests:
    """The `Dialog` that the endpoint hands the other side's requests of one call to."""

    def __init__(self, conversation: Conversation, invite: IncomingInvite) -> None:
        self._conversation = conversation
        self._progress = conversation.progress
        self._invite = invite

    def on_request(self, request: Message, transaction: ServerTransaction) -> None:
        """Answer a request inside the call."""
        if not self._conversation.dialog.accepts(request):
            self._reply(transaction, 500)
            return
        if self._progress.state is CallState.ENDED and request.method != "BYE":
            self._reply(transaction, 481)
            return
        handler = {
            "BYE": self._on_bye,
            "INVITE": self._invite.offered_again,
            "UPDATE": self._invite.offered_again,
            "INFO": self._on_info,
            "NOTIFY": self._on_notify,
            "OPTIONS": self._on_options,
            "REFER": self._on_refer,
        }.get(request.method)
        if handler is None:
            self._reply(transaction, 405)
        else:
            handler(request, transaction)

    def on_ack(self, request: Message) -> None:
        """Stop repeating our 2xx."""
        self._invite.acknowledged(request)

    def on_cancel(self, invite: ServerTransaction, cancel: Message) -> None:
        """The caller gave up."""
        self._invite.cancelled(invite, cancel)

    def on_unacknowledged(self) -> None:
        """No ACK came for our 200: the caller is gone."""
        if self._progress.state is CallState.ANSWERED:
            self._conversation.say_goodbye()
            self._conversation.end(EndedBy.TIMEOUT)

    def _on_bye(self, request: Message, transaction: ServerTransaction) -> None:
        self._progress.note_cause(request)
        self._reply(transaction, 200)
        self._conversation.end(EndedBy.REMOTE)

    def _on_info(self, request: Message, transaction: ServerTransaction) -> None:
        self._progress.note("info", request.body[:200].decode("utf-8", "replace"))
        self._reply(transaction, 200)

    def _on_notify(self, request: Message, transaction: ServerTransaction) -> None:
        self._reply(transaction, 200)
        if request.get("Event").startswith("refer"):
            first_line = request.body[:200].decode("utf-8", "replace").split("\r\n", 1)[0]
            self._progress.note("refer", first_line)

    def _on_options(self, _request: Message, transaction: ServerTransaction) -> None:
        self._reply(transaction, 200)

    def _on_refer(self, _request: Message, transaction: ServerTransaction) -> None:
        self._reply(transaction, 603)

    def _reply(self, transaction: ServerTransaction, status: int) -> None:
        transaction.respond(self._conversation.reply(transaction, status))
