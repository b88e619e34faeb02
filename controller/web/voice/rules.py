"""What a page may say to Asterisk over the relay: one call, by one user, to one address.

A page is a stranger's program: whatever it sends that an honest page would not send ends the session. No I/O here;
`controller.web.voice.relay` moves the messages.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from controller.web.voice.sip import BadMessage, SipMessage, parse, tag_of, uri_of, user_of

DOMAIN: Final = "rappel.invalid"
"""Stands for this centre in the page's addresses; never looked up."""
_TRIES: Final = 2
"""The call, and the same with credentials once Asterisk has asked for them."""
_METHODS: Final = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE"})
_ASKED: Final = frozenset({401, 407})
_HEADERS: Final = frozenset(
    {
        "via",
        "max-forwards",
        "to",
        "from",
        "call-id",
        "cseq",
        "contact",
        "content-type",
        "content-length",
        "allow",
        "supported",
        "user-agent",
        "authorization",
        "proxy-authorization",
        "session-expires",
        "min-se",
        "reason",
        "accept",
        "record-route",
    }
)
"""What JsSIP sends. Not among them: Route, Refer-To, Replaces, P-Asserted-Identity and what else steers a call."""
_BODIES: Final = {"INVITE": "application/sdp", "UPDATE": "application/sdp", "INFO": "application/dtmf-relay"}
_DTMF: Final = re.compile(r"Signal=[0-9A-D*#]\r\n(Duration=\d{1,4}(\r\n)?)?")
_SDP_LINE: Final = re.compile(r"[a-z]=[^\r\n]{0,500}")
_CANDIDATES: Final = 40


class Phase(StrEnum):
    """How far the call has come."""

    NEW = "new"  # nothing said yet
    CALLING = "calling"
    UP = "up"
    OVER = "over"


class Forbidden(Exception):  # noqa: N818 - it is the message that is forbidden
    """The page said something that it may not say; the text says what, for our log."""


class Rules:
    """The rules for one session. Feed every message through; `phase` tells when it is over."""

    def __init__(self, user: str, target: str) -> None:
        self.phase = Phase.NEW
        self._user = user
        self._target = target
        self._address = f"sip:{target}@{DOMAIN}"
        self._call_id = ""
        self._tag = ""
        self._tries = 0
        self._contacts: set[str] = set()
        """Where Asterisk wants the requests inside the call sent."""
        self._asked: set[tuple[int, str]] = set()
        """Asterisk's requests that the page may answer."""
        self._bye = 0
        """Number of the page's BYE; 0: it has sent none."""

    def from_page(self, text: str) -> None:
        """Return when `text` may go on to Asterisk; raise `Forbidden`."""
        try:
            message = parse(text)
            self._common(message)
            if message.status:
                self._response(message)
            else:
                self._request(message)
        except BadMessage as error:
            raise Forbidden(str(error)) from None

    def from_asterisk(self, text: str) -> bool:
        """Return whether `text` is for this page, and note what it means."""
        try:
            message = parse(text)
        except BadMessage:
            return False
        if not self._call_id or message.call_id != self._call_id:
            return False
        if message.status:
            self._answered(message)
        else:
            self._asked.add((message.sequence, message.method))
            self._contacts.update(uri_of(value) for value in message.all("contact"))
        return True

    # --- from the page ----------------------------------------------------------------------------------------

    def _common(self, message: SipMessage) -> None:
        strange = {name for name, _ in message.headers} - _HEADERS
        if strange:
            raise Forbidden(f"header {min(strange)}")
        if message.method not in _METHODS:
            raise Forbidden(f"method {message.method}")
        if self._call_id and message.call_id != self._call_id:
            raise Forbidden("a second call")
        if not message.status and len(message.all("via")) != 1:
            raise Forbidden("more than one hop")
        if message.body:
            self._body(message)

    def _body(self, message: SipMessage) -> None:
        kind = message.one("content-type")
        wanted = "application/sdp" if message.status else _BODIES.get(message.method)
        if kind != wanted:
            raise Forbidden("a body of this kind")
        if kind == "application/sdp":
            _audio_only(message.body)
        elif not _DTMF.fullmatch(message.body):
            raise Forbidden("a key that is none")

    def _request(self, message: SipMessage) -> None:
        if user_of(uri_of(message.one("from"))) != self._user:
            raise Forbidden("another user")
        to = message.one("to")
        if uri_of(to) != self._address:
            raise Forbidden("another destination")
        tag = tag_of(message.one("from"))
        if not tag or (self._tag and tag != self._tag):
            raise Forbidden("another tag")
        if message.method == "INVITE" and not tag_of(to):
            self._invite(message, tag)
            return
        if self.phase is Phase.NEW:
            raise Forbidden(f"{message.method} before the call")
        if message.method == "CANCEL" or (message.method == "ACK" and message.uri == self._address):
            if message.uri != self._address:
                raise Forbidden("another destination")
            return
        if not tag_of(to) or message.uri not in self._contacts:
            raise Forbidden(f"{message.method} outside the call")
        if message.method == "BYE":
            self._bye = message.sequence

    def _invite(self, message: SipMessage, tag: str) -> None:
        if message.uri != self._address:
            raise Forbidden("another destination")
        if self.phase not in {Phase.NEW, Phase.CALLING} or self._tries >= _TRIES:
            raise Forbidden("another call")
        if not message.body:
            raise Forbidden("a call without an offer")
        self._call_id, self._tag = message.call_id, tag
        self._tries += 1
        self.phase = Phase.CALLING

    def _response(self, message: SipMessage) -> None:
        if (message.sequence, message.method) not in self._asked:
            raise Forbidden("an answer to no question")
        if 300 <= message.status < 400:  # noqa: PLR2004 - the class of redirections
            raise Forbidden("a redirection")
        if message.status >= 200:  # noqa: PLR2004 - final
            self._asked.discard((message.sequence, message.method))
            if message.method == "BYE":
                self.phase = Phase.OVER

    # --- from Asterisk ----------------------------------------------------------------------------------------

    def _answered(self, message: SipMessage) -> None:
        self._contacts.update(uri_of(value) for value in message.all("contact") if message.status < 300)  # noqa: PLR2004
        if message.method == "INVITE" and self.phase is Phase.CALLING:
            if 200 <= message.status < 300:  # noqa: PLR2004 - the class of successes
                self.phase = Phase.UP
            elif message.status >= 300 and not (message.status in _ASKED and self._tries < _TRIES):  # noqa: PLR2004
                self.phase = Phase.OVER
        elif message.method == "BYE" and self._bye and message.status >= 200:  # noqa: PLR2004 - final
            self.phase = Phase.OVER


def _audio_only(sdp: str) -> None:
    lines = sdp.removesuffix("\r\n").split("\r\n")
    if not all(_SDP_LINE.fullmatch(line) for line in lines):
        raise Forbidden("a description that is none")
    media = [line for line in lines if line.startswith("m=")]
    if len(media) != 1 or not media[0].startswith("m=audio "):
        raise Forbidden("more than sound")
    if sum(line.startswith("a=candidate:") for line in lines) > _CANDIDATES:
        raise Forbidden("too many candidates")
