"""Session descriptions (RFC 4566, offers and answers by RFC 3264): one audio stream with telephone events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

MAX_LINES = 500
EVENT = "telephone-event"
_MAX_PAYLOAD_TYPE = 127
_MAX_PORT = 65_535
_STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}


class SdpError(ValueError):
    """The description cannot be used; the message names the line or what is missing."""


class Direction(StrEnum):
    """Which way audio flows, from the describing side's view."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


_MIRROR = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}


@dataclass(frozen=True, slots=True)
class Codec:
    """A payload type and what it means."""

    payload_type: int
    name: str
    rate: int = 8000


PCMA = Codec(8, "PCMA")
PCMU = Codec(0, "PCMU")
G722 = Codec(9, "G722")  # 16 kHz audio under an 8 kHz RTP clock (RFC 3551, 4.5.2)
TELEPHONE_EVENT = Codec(101, EVENT)


@dataclass(frozen=True, slots=True)
class Audio:
    """One side's audio stream: where it listens, which codecs in order of preference, which direction."""

    host: str
    port: int
    codecs: tuple[Codec, ...]
    direction: Direction = Direction.SENDRECV
    session: tuple[int, int] = (1, 1)  # id and version of the origin line

    def encode(self) -> bytes:
        """Return the description as SDP."""
        family = "IP6" if ":" in self.host else "IP4"
        identity, version = self.session
        types = " ".join(str(codec.payload_type) for codec in self.codecs)
        lines = [
            "v=0",
            f"o=rappel {identity} {version} IN {family} {self.host}",
            "s=rappel",
            f"c=IN {family} {self.host}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {types}",
        ]
        for codec in self.codecs:
            lines.append(f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.rate}")
            if codec.name == EVENT:
                lines.append(f"a=fmtp:{codec.payload_type} 0-16")
        lines += ["a=ptime:20", f"a={self.direction}"]
        return ("\r\n".join(lines) + "\r\n").encode()


@dataclass(slots=True)
class _Stream:
    port: int
    types: list[int]
    host: str = ""
    direction: Direction | None = None
    maps: dict[int, tuple[str, int]] = field(default_factory=dict)


def parse(body: bytes) -> Audio:
    """Return the first usable audio stream of an SDP body; raise `SdpError` if there is none."""
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise SdpError(f"more than {MAX_LINES} lines")
    session = _Stream(0, [])
    current: _Stream | None = session
    audio: _Stream | None = None
    for line in lines:
        kind, _, value = line.partition("=")
        if kind == "m":
            if audio is not None:
                break  # only the first audio stream counts
            current = audio = _media(value)
        elif kind == "c" and current is not None:
            current.host = _connection(value)
        elif kind == "a" and current is not None:
            _attribute(current, value)
    if audio is None:
        raise SdpError("no audio stream over RTP/AVP")
    if not (audio.host or session.host):
        raise SdpError("no connection (c=) line")
    codecs = tuple(codec for codec in (_codec(audio, number) for number in audio.types) if codec)
    direction = audio.direction or session.direction or Direction.SENDRECV
    return Audio(audio.host or session.host, audio.port, codecs, direction)


def negotiate(ours: tuple[Codec, ...], theirs: Audio) -> tuple[Codec, Codec | None]:
    """Return the voice codec and the event codec to send with, in `theirs` numbering and preference.

    Raises `SdpError` when no voice codec is common.
    """
    names = {codec.name.upper() for codec in ours}
    voice = next((c for c in theirs.codecs if c.name.upper() in names and c.name != EVENT), None)
    if voice is None:
        offered = ", ".join(codec.name for codec in theirs.codecs) or "nothing known"
        raise SdpError(f"no common codec: they offer {offered}, we know {', '.join(sorted(names))}")
    event = next((c for c in theirs.codecs if c.name == EVENT and EVENT.upper() in names), None)
    return voice, event


def answer(mine: Audio, offer: Audio) -> Audio:
    """Return our answer to `offer`: their numbering, one voice codec, the direction mirrored."""
    voice, event = negotiate(mine.codecs, offer)
    codecs = (voice, event) if event else (voice,)
    return replace(mine, codecs=codecs, direction=_MIRROR.get(offer.direction, offer.direction))


def _media(value: str) -> _Stream | None:
    parts = value.split()
    if len(parts) < len(("audio", "port", "profile", "type")) or parts[0] != "audio":
        return None
    if parts[2] not in {"RTP/AVP", "RTP/AVPF"}:
        return None
    port, types = parts[1].split("/")[0], parts[3:]
    if not _number(port, _MAX_PORT) or not all(_number(item, _MAX_PAYLOAD_TYPE) for item in types):
        raise SdpError(f"not a media line: {value[:60]!r}")
    return _Stream(int(port), [int(item) for item in types])


def _connection(value: str) -> str:
    parts = value.split()
    if len(parts) != len(("IN", "IP4", "host")) or parts[1] not in {"IP4", "IP6"}:
        raise SdpError(f"not a connection line: {value[:60]!r}")
    return parts[2].split("/")[0]


def _attribute(stream: _Stream, value: str) -> None:
    name, _, content = value.partition(":")
    if name in Direction.__members__.values():
        stream.direction = Direction(name)
    elif name == "rtpmap":
        number, _, encoding = content.strip().partition(" ")
        parts = encoding.strip().split("/")
        if _number(number, _MAX_PAYLOAD_TYPE) and len(parts) > 1 and _number(parts[1], 10**6):
            stream.maps[int(number)] = (parts[0], int(parts[1]))


def _codec(stream: _Stream, number: int) -> Codec | None:
    name, rate = stream.maps.get(number) or _STATIC.get(number, ("", 0))
    if not name:
        return None
    return Codec(number, EVENT if name.lower() == EVENT else name.upper(), rate)


def _number(text: str, top: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(top)) and int(text) <= top
