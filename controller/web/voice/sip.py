"""One SIP message, taken apart strictly: what is ambiguous is refused, never guessed (RFC 3261, RFC 7118).

Two programs that read one message differently are how filters are passed by. So: no folded lines, no short names, no
line that is not `name: value`, no control characters, and the length that is stated is the length that is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 16_384
"""A browser's offer has 2,000 to 7,000."""
_MAX_HEADERS: Final = 40
_MAX_LINE: Final = 1_024
_REQUEST: Final = re.compile(r"([A-Z]{3,10}) (sips?:[!-~]{1,200}) SIP/2\.0")
_RESPONSE: Final = re.compile(r"SIP/2\.0 ([1-6]\d\d) [^\r\n]{0,100}")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z-]{1,40}): ?(.*)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CSEQ: Final = re.compile(r"(\d{1,10}) ([A-Z]{3,10})")
_TAG: Final = re.compile(r";\s*tag=([\w.!%*+`'~-]{1,100})", re.ASCII)
_URI: Final = re.compile(r"<(sips?:[^<>\s]{1,200})>|(sips?:[^<>\s;]{1,200})", re.ASCII)


class BadMessage(Exception):  # noqa: N818 - it is the message that is bad
    """This is no message that anybody has to understand; the text says why."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request (`method`, `uri`) or a response (`status`). Header names are lower case."""

    method: str
    """Of a response: the one of the request that it answers (CSeq)."""
    uri: str
    status: int
    """0: a request."""
    headers: tuple[tuple[str, str], ...]
    body: str
    call_id: str
    sequence: int

    def all(self, name: str) -> list[str]:
        """Return the values of all headers `name`."""
        return [value for known, value in self.headers if known == name]

    def one(self, name: str) -> str:
        """Return the value of the only header `name`; raise `BadMessage` when there are none or several."""
        found = self.all(name)
        if len(found) != 1:
            raise BadMessage(f"{len(found)} headers {name}")
        return found[0]


def parse(text: str) -> SipMessage:
    """Return the message; raise `BadMessage`."""
    if len(text) > MAX_CHARS:
        raise BadMessage("too long")
    if _CONTROL.search(text):
        raise BadMessage("control characters")
    head, end, body = text.partition("\r\n\r\n")
    if not end:
        raise BadMessage("no end of the headers")
    lines = head.split("\r\n")
    if any("\r" in line or "\n" in line or len(line) > _MAX_LINE for line in lines):
        raise BadMessage("a line that is broken or too long")
    if len(lines) > _MAX_HEADERS:
        raise BadMessage("too many headers")
    headers = tuple(_header(line) for line in lines[1:])
    request, response = _REQUEST.fullmatch(lines[0]), _RESPONSE.fullmatch(lines[0])
    if not request and not response:
        raise BadMessage("neither a request nor a response")
    message = SipMessage(
        method=request[1] if request else "",
        uri=request[2] if request else "",
        status=int(response[1]) if response else 0,
        headers=headers,
        body=body,
        call_id="",
        sequence=0,
    )
    if message.one("content-length") != str(len(body.encode())):
        raise BadMessage("the length of the body is not what is stated")
    cseq = _CSEQ.fullmatch(message.one("cseq"))
    if cseq is None or (request and request[1] != cseq[2]):
        raise BadMessage("CSeq")
    return SipMessage(
        method=cseq[2],
        uri=message.uri,
        status=message.status,
        headers=headers,
        body=body,
        call_id=message.one("call-id"),
        sequence=int(cseq[1]),
    )


def tag_of(value: str) -> str:
    """Return the tag of a From or To header, "" when it has none."""
    found = _TAG.search(value)
    return found[1] if found else ""


def uri_of(value: str) -> str:
    """Return the only address in a From, To or Contact header; raise `BadMessage`."""
    found = _URI.findall(value)
    if len(found) != 1:
        raise BadMessage("an address that is none, or several")
    bracketed, bare = found[0]
    return str(bracketed or bare)


def user_of(uri: str) -> str:
    """Return the user part of an address, "" when it has none."""
    user, at, _ = uri.partition(":")[2].rpartition("@")
    return user if at else ""


def _header(line: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise BadMessage("a line that is no header")
    return found[1].lower(), found[2].strip()
