"""What the embedded stack needs to know; the configuration file fills it in, the defaults run on one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from controller.runtime.debian import default_cache

LOOPBACK = ("127.0.0.0/8", "::1/128")


def default_state(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what must survive a restart: `$XDG_STATE_HOME/rappel`, else `~/.local/state/rappel`."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "rappel"


@dataclass(frozen=True)
class Softphone:
    """A SIP account for a softphone: `extension` is its user name and its number."""

    extension: str
    name: str


@dataclass(frozen=True)
class Trunk:
    """The carrier's way in and out.

    `networks` are the addresses or networks that its calls come from. The rest is for calls that we place, `calls`
    at once at most: `host` is where to (`sip.carrier.example:5060`; empty: nowhere) by `transport` (udp, tcp, tls),
    `username` and `password` what a challenge is answered with, `register` whether to register there with them,
    `domain` and `from_user` what the From header shows (empty: our address and the number). `softphone` is the
    simulated carrier: the extension of the softphone that rings whoever is called.
    """

    networks: tuple[str, ...] = ("127.0.0.0/8",)
    host: str = ""
    transport: str = "udp"
    username: str = ""
    password: str = field(default="", repr=False)
    register: bool = False
    domain: str = ""
    from_user: str = ""
    calls: int = 100
    softphone: str = ""


@dataclass(frozen=True)
class StackSettings:
    """Addresses, ports and folders of the embedded stack.

    SIP and RTP bind to `bind`, the pages to `web_bind`: loopback unless told otherwise. ARI and AMI bind to
    `control_bind` and let `control_permit` in; what Asterisk reaches the controller by is `controller_host`: all
    three stay on loopback whatever `bind` is. Asterisk logs to `log_file`, in its log folder or absolute. RTP
    uses the ports from `rtp_start` to `rtp_end`, both included. `sip_permit` are the networks that may speak SIP
    to us; over TLS on `sip_tls_port` (0: not at all), with the certificate and key of these files or a pair of our
    own making. `external_address` is what the far side sees behind a NAT, with `local_networks` on this side of it.
    A call is offered to the controllers for `controller_patience_s` before the caller hears an apology. Durations are
    seconds.
    """

    bind: str = "127.0.0.1"
    web_bind: str = "127.0.0.1"
    external_address: str = ""
    local_networks: tuple[str, ...] = ()
    media_address: str = ""
    sip_permit: tuple[str, ...] = LOOPBACK
    sip_port: int = 5060
    sip_tls_port: int = 0
    sip_certificate: str = ""
    sip_key: str = ""
    rtp_start: int = 10000
    rtp_end: int = 10999
    control_bind: str = "127.0.0.1"
    control_permit: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    ari_port: int = 8088
    ami_port: int = 5038
    controller_host: str = "127.0.0.1"
    controller_port: int = 8089
    agi_port: int = 4573
    web_port: int = 8080
    state_dir: Path = field(default_factory=default_state)
    cache_dir: Path = field(default_factory=default_cache)
    app: str = "rappel"
    language: str = "fr"
    system_name: str = "rappel"
    trunk: Trunk = Trunk()
    softphones: tuple[Softphone, ...] = (Softphone("1001", "Alice"), Softphone("1002", "Bob"))
    controller_patience_s: int = 15
    rtp_timeout_s: int = 60
    rtp_timeout_hold_s: int = 600
    max_files: int = 16384
    log_file: str = "messages.log"
    database: str = "rappel"
    database_url: str = field(default="", repr=False)
    ari_url: str = ""

    @property
    def on_loopback(self) -> bool:
        """Whether SIP and RTP can be reached from this machine only."""
        return ip_address(self.bind).is_loopback

    @property
    def asterisk_dir(self) -> Path:
        """Where the embedded Asterisk keeps its rendered configuration, records and logs."""
        return self.state_dir / "asterisk"

    @property
    def postgres_dir(self) -> Path:
        """Where the embedded Postgres keeps its data."""
        return self.state_dir / "postgres"

    @property
    def secrets_file(self) -> Path:
        """The generated secrets, mode 0600."""
        return self.state_dir / "secrets.json"

    @property
    def asterisk_ari_url(self) -> str:
        """The base address of ARI over HTTP."""
        base = self.ari_url or f"http://127.0.0.1:{self.ari_port}"
        return f"{base.rstrip('/')}/ari"
