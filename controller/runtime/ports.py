"""Whether the ports that we want are free, and who holds them if not."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import SetupError
from controller.runtime.settings import StackSettings

_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
_LISTENING = "0A"
_UDP_BOUND = "07"
_INODE = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True)
class Door:
    """A port that the stack listens on: `name` as in the settings, `protocol` udp or tcp."""

    name: str
    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.name} ({self.protocol.upper()} {self.host}:{self.port})"


@dataclass(frozen=True)
class Holder:
    """The process that holds a port."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def asterisk_doors(settings: StackSettings) -> list[Door]:
    """Return the ports that Asterisk listens on, without the RTP range."""
    return [
        Door("sip_port", "udp", settings.bind, settings.sip_port),
        Door("sip_port", "tcp", settings.bind, settings.sip_port),
        *([Door("sip_tls_port", "tcp", settings.bind, settings.sip_tls_port)] if settings.sip_tls_port else []),
        Door("ari_port", "tcp", settings.control_bind, settings.ari_port),
        Door("ami_port", "tcp", settings.control_bind, settings.ami_port),
    ]


def controller_doors(settings: StackSettings) -> list[Door]:
    """Return the ports that the controller listens on."""
    return [
        Door("controller_port", "tcp", settings.controller_host, settings.controller_port),
        Door("agi_port", "tcp", settings.controller_host, settings.agi_port),
        Door("web_port", "tcp", settings.web_bind, settings.web_port),
    ]


def rtp_doors(settings: StackSettings) -> list[Door]:
    """Return every port of the RTP range."""
    return [Door("rtp", "udp", settings.bind, port) for port in range(settings.rtp_start, settings.rtp_end + 1)]


def is_free(door: Door) -> bool:
    """Whether the port could be bound now; an address that this machine does not have counts as not free."""
    kind = socket.SOCK_STREAM if door.protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if door.protocol == "tcp":
            # As servers do: the remains of closed connections do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((door.host, door.port))
        except OSError:
            return False
    return True


def holder(door: Door, proc: Path = Path("/proc")) -> Holder | None:
    """Return who holds the port, when the kernel lets us see it (other users' processes only root can)."""
    inodes = set(_inodes(door, proc))
    if not inodes:
        return None
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                match = _INODE.fullmatch(str(handle.readlink()))
                if match and match[1] in inodes:
                    return Holder(int(process.name), (process / "comm").read_text(encoding="utf-8").strip())
    return None


def _inodes(door: Door, proc: Path) -> Iterable[str]:
    for table in _TABLES[door.protocol]:
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if port == door.port and fields[3] in {_LISTENING, _UDP_BOUND}:
                yield fields[9]


def require_free(doors: Iterable[Door]) -> None:
    """Raise one `SetupError` that names every port of `doors` that is taken, its holder, and what to do."""
    problems = []
    for door in doors:
        if not is_free(door):
            who = holder(door)
            problems.append(f"  {door} is held by {who or 'another program'}")
    if problems:
        raise SetupError(
            "Ports are taken:\n" + "\n".join(problems) + "\nEnd what holds them, or configure other ports."
        )
