"""Which addresses of this machine a browser is told to send its sound to (ICE host candidates, RFC 8445)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from controller.runtime.settings import StackSettings

_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")


@dataclass(frozen=True, slots=True)
class Shown:
    """`only`: networks (CIDR) whose addresses are told, empty: all; `instead`: (own address, what is told for it)."""

    only: tuple[str, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()


def addresses(settings: StackSettings, proc: Path = Path("/proc")) -> Shown:
    """Return what browsers are told with `settings`.

    On loopback: that address alone, for all others of this machine. Behind a NAT: the external address for the one
    that media goes out by. Else the machine's addresses, or the one that is bound.
    """
    bound = ipaddress.ip_address(settings.bind)
    own = settings.media_address or ("" if bound.is_unspecified or bound.is_loopback else settings.bind)
    if bound.is_loopback:
        # Asterisk's own list leaves loopback out, so it is told in place of each address that is on the list.
        others = tuple((address, settings.bind) for address in _own_addresses(proc))
        return Shown((_network(settings.bind),), others)
    if own and settings.external_address:
        return Shown((_network(own), _network(settings.external_address)), ((own, settings.external_address),))
    return Shown((_network(own),)) if own else Shown()


def _network(address: str) -> str:
    return str(ipaddress.ip_network(address))


def _own_addresses(proc: Path) -> list[str]:
    """Return the machine's IPv4 addresses that are not loopback, as the kernel's routing table lists them."""
    try:
        table = (proc / "net/fib_trie").read_text(encoding="ascii")
    except OSError:
        return []
    found = {ipaddress.ip_address(text) for text in _LOCAL.findall(table)}
    return [str(address) for address in sorted(found) if not address.is_loopback]
