"""One request to ARI as data: built by the generated functions, carried by any transport."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from controller.errors import AsteriskRefused, ChannelGone

T_co = TypeVar("T_co", covariant=True)

_NOT_FOUND = 404
_CONFLICT = 409
ERRORS_FROM = 400
_PLAIN = re.compile(r"[A-Za-z0-9_.~:,@-]*", re.ASCII).fullmatch
_GONE_WORDS = ("channel not found", "channel not in stasis", "bridge not found", "bridge not in stasis")


class Operation(msgspec.Struct, Generic[T_co], frozen=True):
    """A request: `path` has no leading slash and its parts are percent-encoded already.

    `query` holds decoded pairs in the order of the description; `body` is anything that msgspec encodes as JSON,
    or None; `response` is the type of the answer's body (`NoneType` when there is none); `template` is the path
    with its parameters' names, for policies and logs.
    """

    name: str
    method: str
    template: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    response: type[T_co]

    @property
    def uri(self) -> str:
        """The path with its query string, percent-encoded."""
        if not self.query:
            return self.path
        return f"{self.path}?{'&'.join(f'{name}={escape(value)}' for name, value in self.query)}"


class Refusal(msgspec.Struct):
    """Body of an error answer: Asterisk uses one of the two members."""

    message: str = ""
    error: str = ""


_refusal_decoder = msgspec.json.Decoder(Refusal)


def escape(value: str) -> str:
    """Percent-encode one path part or query value. Asterisk decodes %-escapes, and `+` as a plus sign or a blank."""
    return value if _PLAIN(value) else _quoted(value)


@lru_cache(maxsize=1024)  # a centre's sounds are few; ids, which are many, need no quoting
def _quoted(value: str) -> str:
    return quote(value, safe="~:,@")


def answer(operation: Operation[T_co], status: int, phrase: str, body: bytes | str | None) -> T_co:
    """Return the decoded body of an answer, or raise what its status means.

    Raises `ChannelGone` when what the path names no longer exists, `AsteriskRefused` for every other error
    status and for a body that is not what Asterisk's description promises.
    """
    if status >= ERRORS_FROM:
        raise _refused(operation, status, phrase, body)
    if operation.response is type(None):
        return None
    if operation.response is bytes:
        return body  # type: ignore[return-value]  # a recording, and T_co is bytes
    try:
        decoded: T_co = _decoder(operation.response).decode(body or b"")
    except msgspec.DecodeError as error:
        raise AsteriskRefused(
            f"{operation.name}: Asterisk's answer is not what its description promises ({error}); "
            "regenerate controller/ari/generated with tools/generate_ari.py from the Asterisk in use",
            status=status,
            reason=str(error),
        ) from error
    return decoded


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def _decoder(response: object) -> msgspec.json.Decoder[Any]:
    """Return the decoder for a response type; there are as many as Asterisk has models."""
    decoder = _decoders.get(response)
    if decoder is None:
        decoder = _decoders[response] = msgspec.json.Decoder(response)
    return decoder


def _refused(operation: Operation[Any], status: int, phrase: str, body: bytes | str | None) -> AsteriskRefused:
    reason = phrase
    try:
        refusal = _refusal_decoder.decode(body or b"{}")
        reason = refusal.message or refusal.error or phrase
    except msgspec.DecodeError:
        pass  # an error page that is not JSON: the phrase says enough
    gone = operation.template != operation.path and (
        status == _NOT_FOUND
        or (status == _CONFLICT and operation.name not in CREATES)
        or reason.lower().startswith(_GONE_WORDS)
    )
    kind = ChannelGone if gone else AsteriskRefused
    return kind(
        f"{operation.method} {operation.path}: {status} {reason}; see Asterisk's log for the reason",
        status=status,
        reason=reason,
    )


CREATES = frozenset(
    {
        "channels.create",
        "channels.originate",
        "channels.originateWithId",
        "bridges.create",
        "bridges.createWithId",
        "channels.snoopChannelWithId",
        "channels.playWithId",
        "bridges.playWithId",
    }
)
"""Operations whose 409 means that the id is taken, not that something is on its way out."""
