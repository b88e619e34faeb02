"""The HTTP client of `http` steps: reaches listed hosts only, and turns every failure into an event.

The callers' words are in these requests and a foreign server's in the answers, so nothing of either gets into a
log line or an error text: details name the host, a status or a kind of fault, never a path, a query or a body.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import Iterable
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from controller.flow.commands import LookedUp, Lookup, LookupFailed
from controller.flow.release import HttpHost

log = structlog.get_logger(__name__)

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
MAX_TIMEOUT_S: Final = 60.0
POOL: Final = 64
POOL_PER_HOST: Final = 16
_OWN_HEADERS: Final = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that frame the message or choose the host: not for a flow to set."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BOM: Final = b"\xef\xbb\xbf"
_PIECE: Final = 65_536
_GZIP: Final = 16 + zlib.MAX_WBITS
_METADATA: Final = frozenset({
    ipaddress.ip_address("100.100.100.200"),
    ipaddress.ip_address("168.63.129.16"),
    ipaddress.ip_address("192.0.0.192"),
    ipaddress.ip_address("fd00:ec2::254"),
    ipaddress.ip_address("fd20:ce::254"),
})  # fmt: skip
"""Addresses of cloud metadata services outside the link-local ranges."""


class Refused(Exception):  # noqa: N818 - a decision, not a fault
    """The request was not sent, or its answer not used; carries the event to report."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.event = LookupFailed(reason, detail)


class HttpLookupClient:
    """`controller.ports.LookupClient` over one pool of connections without cookies, proxies or environment.

    `hosts` are those of the centre, with scheme and port, checked here once more: `permit` replaces them when a new
    version is in force. A name must not lead to a link-local or metadata address; one that the centre lists as
    an address is meant.
    """

    def __init__(self, hosts: Iterable[HttpHost] = ()) -> None:
        self._hosts = frozenset(hosts)
        self._session: aiohttp.ClientSession | None = None

    def permit(self, hosts: Iterable[HttpHost]) -> None:
        """Reach `hosts` from now on, and no others."""
        self._hosts = frozenset(hosts)

    def permits(self, url: URL) -> bool:
        """Tell whether `url` leads to a listed host."""
        host, port = (url.raw_host or "").lower().rstrip("."), url.port
        return port is not None and HttpHost(url.scheme, host, port) in self._hosts

    async def close(self) -> None:
        """Close every connection; requests under way fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(self, request: Lookup) -> LookedUp | LookupFailed:
        """Make one request; every failure is a `LookupFailed`, never an exception."""
        timeout_s = min(max(request.timeout_s, 0.001), MAX_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._fetch(request)
        except Refused as refused:
            return refused.event
        except TimeoutError:
            return LookupFailed("timeout", f"no whole answer within {timeout_s:g} s")
        except aiohttp.ClientConnectorCertificateError:
            return LookupFailed("unreachable", "the server's certificate is not valid for this host")
        except (aiohttp.ClientError, OSError) as error:
            return LookupFailed("unreachable", _kind(error))
        except Exception as error:  # noqa: BLE001 - the contract: a flow goes on, whatever a server sends
            # Neither the text nor the traceback: both can hold the URL.
            log.error("lookup.crashed", step=request.step, kind=_kind(error))  # noqa: TRY400
            return LookupFailed("unreachable", _kind(error))

    async def _fetch(self, request: Lookup) -> LookedUp:
        url = self._checked_url(request.url)
        if request.method not in METHODS:
            raise Refused("refused", f"method {request.method[:16]!r} is none of {', '.join(sorted(METHODS))}")
        headers = _checked_headers(request.headers)
        body = None
        if request.body is not None:
            body = msgspec.json.encode(request.body)
            headers.setdefault("Content-Type", "application/json")
        response = await self._pool().request(
            request.method, url, headers=headers, data=body, allow_redirects=False, timeout=_NO_OTHER_CLOCK
        )
        async with response:
            if response.status in _REDIRECTS:
                raise Refused("redirect", f"status {response.status}: redirects are not followed, give the final URL")
            content = await _read(response, request.max_bytes)
            return LookedUp(response.status, _decode(content, response.status))

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=POOL, limit_per_host=POOL_PER_HOST, ttl_dns_cache=30, resolver=_GuardedResolver()
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": "Rappel", "Accept": "application/json", "Accept-Encoding": "gzip"},
            )
        return self._session

    def _checked_url(self, text: str) -> URL:
        try:
            url = URL(text)
            permitted = self.permits(url)
        except ValueError:
            raise Refused("refused", "the URL cannot be read") from None
        if url.user is not None or url.password is not None:
            raise Refused("refused", "a URL with a user name: put credentials into a header")
        if not permitted:
            raise Refused("refused", f"host {(url.host or '')[:100]!r} is not among the centre's http hosts")
        return url


_NO_OTHER_CLOCK: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""`fetch` runs the one clock there is: over names, connection, headers and body together."""


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise Refused("refused", f"header {name} is the client's own")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused("refused", "a header's name has a character that is none of letters, digits, - and _")
        if any(char < " " or char == "\x7f" for char in value):
            raise Refused("refused", f"the value of header {name} has a control character")
    return dict(headers)


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body, unpacked, of at most `max_bytes`."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip", ""}:
        raise Refused("not_json", "the answer is packed in a way that was not asked for")
    if (response.content_length or 0) > max_bytes:
        raise Refused("too_large", f"more than {max_bytes} bytes")
    unpack = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
    content = bytearray()
    try:
        async for piece in response.content.iter_chunked(_PIECE):
            # Asks for one byte more than may come, so that a bomb stops right there.
            content += unpack.decompress(piece, max_bytes + 1 - len(content)) if unpack else piece
            if len(content) > max_bytes:
                raise Refused("too_large", f"more than {max_bytes} bytes")
    except zlib.error:
        raise Refused("not_json", "the answer's gzip is broken") from None
    except aiohttp.ClientPayloadError:
        raise Refused("unreachable", "the answer broke off before its end") from None
    if unpack is not None and not unpack.eof and (content or response.content.total_bytes):
        raise Refused("unreachable", "the answer's gzip broke off before its end")
    return bytes(content)


def _decode(content: bytes, status: int) -> Any:
    content = content.removeprefix(_BOM)
    if not content.strip():
        return None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("not_json", f"status {status}, and the body is no JSON") from None


def _kind(error: BaseException) -> str:
    """Name a fault without its text; a refused address is ours to tell."""
    cause = error.__cause__
    return str(cause) if isinstance(cause, ForbiddenAddressError) else type(error).__name__


class ForbiddenAddressError(OSError):
    """A name leads to an address that no lookup may reach."""


def is_forbidden(address: str) -> bool:
    """Tell whether `address` is link-local, unspecified, multicast or a metadata service's."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip in _METADATA


class _GuardedResolver(AbstractResolver):
    """Resolves names and refuses one that leads anywhere forbidden. A literal address never comes here."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._resolver.resolve(host, port, family)
        if any(is_forbidden(result["host"]) for result in results):
            raise ForbiddenAddressError(f"{host} leads to a link-local or metadata address")
        return results

    async def close(self) -> None:
        await self._resolver.close()
