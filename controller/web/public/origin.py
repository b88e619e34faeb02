"""Where a request comes from: the visitor's address behind proxies that we know, and the page's origin."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_HOPS = 16


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks from addresses and CIDRs; raise `ValueError` naming the first that is neither."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def client_address(request: web.Request, proxies: Collection[Network]) -> str:
    """Return the visitor's address.

    `X-Forwarded-For` counts only when the connection comes from one of `proxies`, and is read from its right end, as
    each proxy adds to it: the first address that is no proxy of ours is the visitor's. What stands further left,
    anybody can have written.
    """
    address = _address(request.remote or "")
    if address is None or not _within(address, proxies):
        return request.remote or ""
    lines = request.headers.getall("X-Forwarded-For", [])
    hops = ",".join(lines)[-1024:].split(",")
    for hop in reversed(hops[-_MAX_HOPS:]):
        found = _address(hop.strip())
        if found is None:
            break
        address = found
        if not _within(found, proxies):
            break
    return str(address)


def origin_of(request: web.Request) -> str:
    """Return the `Origin` header, "" when there is none."""
    return request.headers.get(hdrs.ORIGIN, "")


def may_use(request: web.Request, origins: Collection[str]) -> bool:
    """Tell whether the page that asks is one of a site's, or our own. Requests without an origin are no page's.

    That keeps other companies' pages from using the site's button; it is no protection against programs, which
    can send any header: limits and proof of work are.
    """
    origin = origin_of(request)
    if not origin or origin in origins:
        return True
    return request.headers.get("Sec-Fetch-Site") == "same-origin" or urlsplit(origin).netloc == request.host


def cors(request: web.Request, origins: Collection[str]) -> dict[str, str]:
    """Return the CORS headers of an answer. Never credentials: there is no cookie that could be sent."""
    headers: dict[str, str] = {hdrs.VARY: "Origin, Accept-Language"}
    origin = origin_of(request)
    if origin in origins:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Retry-After"
    return headers


def preflight(request: web.Request, origins: Collection[str]) -> web.Response:
    """Answer a browser's question whether a page may ask."""
    headers = cors(request, origins)
    if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in headers:
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, PATCH, DELETE"
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, Content-Type, Idempotency-Key"
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "7200"
    return web.Response(status=204, headers=headers)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, nets: Collection[Network]) -> bool:
    return any(address.version == net.version and address in net for net in nets)
