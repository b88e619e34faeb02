"""Digest access authentication for SIP (RFC 3261 section 22, RFC 7616, RFC 8760): MD5 and SHA-256."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_PAIR = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_ALGORITHMS = {"md5": "md5", "sha-256": "sha256"}


class DigestError(ValueError):
    """The challenge cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value. `qop` is `auth` or empty (RFC 2069 style)."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: str = ""
    opaque: str = ""
    stale: bool = False


def parse_challenge(value: str) -> Challenge:
    """Return the challenge in a header value; raise `DigestError` if we cannot answer it."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise DigestError(f"authentication scheme {scheme[:20]!r} is not Digest")
    fields = _pairs(rest)
    algorithm = fields.get("algorithm", "MD5")
    if algorithm.lower() not in _ALGORITHMS:
        raise DigestError(f"digest algorithm {algorithm[:20]!r} is neither MD5 nor SHA-256")
    if "realm" not in fields or not fields.get("nonce"):
        raise DigestError("a challenge without realm or nonce")
    offered = [item.strip().lower() for item in fields.get("qop", "").split(",") if item.strip()]
    if offered and "auth" not in offered:
        raise DigestError(f"quality of protection {fields['qop'][:20]!r} without plain auth")
    return Challenge(
        realm=fields["realm"],
        nonce=fields["nonce"],
        algorithm=algorithm,
        qop="auth" if offered else "",
        opaque=fields.get("opaque", ""),
        stale=fields.get("stale", "").lower() == "true",
    )


def choose_challenge(values: list[str]) -> Challenge:
    """Return the first challenge we can answer (RFC 8760: the server lists its preferred one first)."""
    refused: list[str] = []
    for value in values:
        try:
            return parse_challenge(value)
        except DigestError as error:
            refused.append(str(error))
    raise DigestError("; ".join(refused) or "401 or 407 without a challenge")


def authorization(
    challenge: Challenge, *, user: str, password: str, method: str, uri: str, cnonce: str, count: int = 1
) -> str:
    """Return the value of an Authorization or Proxy-Authorization header that answers `challenge`.

    `cnonce` is a fresh random token; `count` numbers the requests made with the same nonce, from 1.
    """
    if '"' in user or "\\" in user:
        raise DigestError("a user name with a quote or a backslash cannot be sent")
    response = _response(challenge, user=user, password=password, method=method, uri=uri, cnonce=cnonce, count=count)
    parts = [
        f'username="{user}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{uri}"',
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.qop:
        parts += [f"qop={challenge.qop}", f"nc={count:08x}", f'cnonce="{cnonce}"']
    if challenge.opaque:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Digest " + ", ".join(parts)


def _response(
    challenge: Challenge, *, user: str, password: str, method: str, uri: str, cnonce: str, count: int
) -> str:
    name = _ALGORITHMS[challenge.algorithm.lower()]
    ha1 = _hash(name, f"{user}:{challenge.realm}:{password}")
    ha2 = _hash(name, f"{method}:{uri}")
    if not challenge.qop:
        return _hash(name, f"{ha1}:{challenge.nonce}:{ha2}")
    return _hash(name, f"{ha1}:{challenge.nonce}:{count:08x}:{cnonce}:{challenge.qop}:{ha2}")


def _hash(name: str, text: str) -> str:
    return hashlib.new(name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _pairs(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if not found:
            raise DigestError(f"cannot read the challenge at {text[position : position + 30]!r}")
        quoted = found[2]
        fields[found[1].lower()] = found[3] if quoted is None else quoted
        position = found.end()
    return fields
