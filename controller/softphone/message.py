"""SIP messages as text (RFC 3261, sections 7, 20 and 25): parse what came in, write what goes out.

Only what a telephone needs. The parser takes any bytes and either returns a message or raises
`SipSyntaxError`; it never raises anything else and its work is linear in the datagram's size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_DATAGRAM = 65_535
MAX_HEADERS = 200
_LONG_NAMES = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
}
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?")
_URI = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@\s<>]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[;?][^\s<>]*)?",
    re.IGNORECASE,
)
_MAX_PORT = 65_535


class SipSyntaxError(ValueError):
    """The datagram, header or URI is not SIP; the message names the part that is wrong."""


@dataclass(slots=True)
class Message:
    """One request (`method`, `uri` set) or response (`status`, `reason` set).

    `headers` keep their order; names are written as received, compact forms expanded. Look them up with
    `get` and `get_all`, which ignore case.
    """

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_request(self) -> bool:
        """Whether this is a request."""
        return self.status == 0

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of header `name`, or `default`."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of header `name`, in order, one for each header line."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a header."""
        self.headers.append((name, value))

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.get("Call-ID")

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of the CSeq header; `(0, "")` when it is missing or malformed."""
        number, _, method = self.get("CSeq").strip().partition(" ")
        if not (number.isascii() and number.isdigit() and len(number) <= len("4294967295")):
            return 0, ""
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        """The branch parameter of the topmost Via."""
        return parameter(self.get("Via"), "branch")

    def encode(self) -> bytes:
        """Return the message as it goes on the wire, with its Content-Length."""
        start = f"{self.method} {self.uri} SIP/2.0" if self.is_request else f"SIP/2.0 {self.status} {self.reason}"
        lines = [start, *(f"{name}: {_one_line(value)}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


def _one_line(value: str) -> str:
    """Keep a value from starting a header of its own: callers' names are data."""
    return value.replace("\r", " ").replace("\n", " ")


def parse(datagram: bytes) -> Message:
    """Return the message in `datagram`; raise `SipSyntaxError` if it is not one."""
    head, separator, body = datagram.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = datagram.partition(b"\n\n")
    if not separator:
        raise SipSyntaxError("no empty line between headers and body")
    lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    while lines and not lines[0].strip():  # keep-alives may stand before a message (RFC 3261, 7.5)
        lines.pop(0)
    if not lines:
        raise SipSyntaxError("empty message")
    message = _start_line(lines[0])
    for line in lines[1:]:
        if line[:1] in {" ", "\t"}:
            if not message.headers:
                raise SipSyntaxError("a folded line before the first header")
            name, value = message.headers[-1]
            message.headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if not colon or not _TOKEN.fullmatch(name):
            raise SipSyntaxError(f"not a header: {line[:60]!r}")
        if len(message.headers) >= MAX_HEADERS:
            raise SipSyntaxError(f"more than {MAX_HEADERS} headers")
        message.headers.append((_LONG_NAMES.get(name.lower(), name), value.strip()))
    message.body = _body(message, body)
    message.headers = [item for item in message.headers if item[0].lower() != "content-length"]
    return message


def _start_line(line: str) -> Message:
    status = _STATUS.fullmatch(line)
    if status:
        return Message(status=int(status[1]), reason=status[2] or "")
    parts = line.split(" ")
    if len(parts) != len(("method", "uri", "version")) or parts[2] != "SIP/2.0" or not parts[1]:
        raise SipSyntaxError(f"neither a request nor a status line: {line[:60]!r}")
    if not _TOKEN.fullmatch(parts[0]):
        raise SipSyntaxError(f"not a method: {parts[0][:60]!r}")
    return Message(method=parts[0], uri=parts[1])


def _body(message: Message, rest: bytes) -> bytes:
    length = message.get("Content-Length")
    if not length:
        return rest
    if not (length.isascii() and length.isdigit() and len(length) <= len(str(MAX_DATAGRAM))):
        raise SipSyntaxError(f"not a Content-Length: {length[:20]!r}")
    if int(length) > len(rest):
        raise SipSyntaxError(f"Content-Length {length}, but only {len(rest)} bytes follow the headers")
    return rest[: int(length)]


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP URI; `params` is everything after host and port, with its leading `;`."""

    user: str
    host: str
    port: int | None = None
    params: str = ""
    scheme: str = "sip"

    def __str__(self) -> str:
        """Return the URI as text."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.scheme}:{user}{self.host}{port}{self.params}"


def parse_uri(text: str) -> Uri:
    """Return the SIP URI in `text`; raise `SipSyntaxError` if it is none."""
    found = _URI.fullmatch(text.strip())
    if not found:
        raise SipSyntaxError(f"not a SIP URI: {text[:80]!r}; write it as sip:1000@127.0.0.1:5060")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port <= _MAX_PORT:
        raise SipSyntaxError(f"port {port} is outside 1-65535 in {text[:80]!r}")
    return Uri(found["user"] or "", found["host"], port, found["rest"] or "", found["scheme"].lower())


def address_uri(value: str) -> str:
    """Return the URI of a From, To, Contact, Route or Refer-To value, without the header's own parameters."""
    opening = _outside_quotes(value, "<")
    if opening < 0:
        return value.split(";", 1)[0].strip()
    closing = value.find(">", opening)
    if closing < 0:
        raise SipSyntaxError(f"'<' without '>' in {value[:80]!r}")
    return value[opening + 1 : closing].strip()


def parameter(value: str, name: str) -> str:
    """Return parameter `name` of a header value (outside any `<...>`), or an empty string."""
    opening = _outside_quotes(value, "<")
    tail = value[value.find(">", opening) + 1 :] if opening >= 0 else value
    for item in tail.split(";")[1:]:
        key, _, content = item.partition("=")
        if key.strip().lower() == name:
            return content.strip().strip('"')
    return ""


def split_list(value: str) -> list[str]:
    """Split a comma-separated header value; commas inside quotes or `<...>` do not count."""
    items: list[str] = []
    start, quoted, angled, escaped = 0, False, False, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            angled = char == "<"
        elif char == "," and not angled:
            items.append(value[start:index].strip())
            start = index + 1
    items.append(value[start:].strip())
    return [item for item in items if item]


def _outside_quotes(value: str, wanted: str) -> int:
    quoted = escaped = False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char == wanted:
            return index
    return -1
