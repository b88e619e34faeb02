"""What `[sip] trunk…` says, understood: where calls go out, and what the carrier's causes mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from controller.callback.model import Outcome
from controller.config import Sip
from controller.errors import ConfigError

NONE: Final = "none"
_SIP: Final = re.compile(
    r"sip:(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:;transport=(?P<transport>udp|tcp|tls))?",
    re.IGNORECASE,
)
_SOFTPHONE: Final = re.compile(r"softphone:(?P<extension>[0-9]{1,9})")
_CAUSE: Final = re.compile(r"(?P<cause>[0-9]{1,3}) *= *(?P<outcome>[a-z_]+)")
_PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}
_CAUSES_TO: Final = 127


@dataclass(frozen=True, slots=True)
class Way:
    """Where calls go out: to a carrier's `host` (`sip.carrier.example:5060`), or to a `softphone`, whoever is called.

    Both empty: nowhere.
    """

    host: str = ""
    transport: str = "udp"
    softphone: str = ""


def way_out(sip: Sip) -> Way:
    """Return where calls go out; raises `ConfigError` for what cannot be understood or cannot work."""
    text = sip.trunk.strip()
    if not text:
        return Way(softphone=sip.softphones[-1] if sip.softphones and _is_loopback(sip.bind) else "")
    if text == NONE:
        return Way()
    if found := _SOFTPHONE.fullmatch(text):
        extension = found["extension"]
        if extension not in sip.softphones:
            raise ConfigError(
                f"[sip] trunk {text}: {extension} is not one of [sip] softphones ({', '.join(sip.softphones)})."
            )
        return Way(softphone=extension)
    found = _SIP.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"[sip] trunk {text!r} cannot be read: write sip:host:port;transport=udp (or tcp, tls), softphone:1002"
            " for a simulated carrier, or none."
        )
    return _to_carrier(sip, found["host"], found["port"], (found["transport"] or "udp").lower())


def _to_carrier(sip: Sip, host: str, port: str | None, transport: str) -> Way:
    if transport == "tls" and not sip.tls_port:
        raise ConfigError("[sip] trunk: transport=tls needs [sip] tls_port (usually 5061).")
    if not _is_address(host) and not sip.trunk_peers:
        raise ConfigError(
            f"[sip] trunk names {host}: also give its addresses in [sip] trunk_peers, or its hang-ups are dropped as"
            " a stranger's."
        )
    if (sip.trunk_register or sip.trunk_password) and not sip.trunk_user:
        raise ConfigError("[sip] trunk_password and trunk_register need trunk_user.")
    return Way(host=f"{host}:{port or _PORTS[transport]}", transport=transport)


def networks_of(sip: Sip) -> tuple[str, ...]:
    """Return from where the carrier may speak SIP to us: `trunk_peers`, and the trunk when it is an address."""
    host = way_out(sip).host.rpartition(":")[0]
    return (*sip.trunk_peers, *([host.strip("[]")] if _is_address(host) else []))


def outcomes_of(sip: Sip) -> Mapping[int, Outcome]:
    """Return what single causes of the trunk mean (`trunk_outcomes`)."""
    meant: dict[int, Outcome] = {}
    for text in sip.trunk_outcomes:
        found = _CAUSE.fullmatch(text)
        if found is None or int(found["cause"]) > _CAUSES_TO or found["outcome"] not in list(Outcome):
            raise ConfigError(
                f"[sip] trunk_outcomes {text!r}: write cause=outcome, such as 19=unreachable; the outcomes are"
                f" {', '.join(Outcome)}."
            )
        meant[int(found["cause"])] = Outcome(found["outcome"])
    return meant


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_loopback
