"""`rappel doctor`: looks at everything that a call needs on this machine and says what to do about it.

Looks only: fetches nothing, starts nothing, changes nothing. Works beside a running stack and without one.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal

import aiohttp
import asyncpg

from controller.errors import SetupError
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import ports, sets
from controller.runtime import postgres as postgres_runtime
from controller.runtime import secrets as secrets_runtime
from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.runtime.progress import MEGABYTE
from controller.runtime.secrets import Secrets
from controller.runtime.settings import LOOPBACK, StackSettings
from controller.runtime.stack import controller_pid

Verdict = Literal["ok", "warn", "fail"]

_LIMIT_S = 5.0
_FEW_RTP_PORTS = 40
_LOW_DISK = 2000 * MEGABYTE
_NO_DISK = 300 * MEGABYTE
_FILES_PER_CALL = 5
_FEW_FILES = 1024
_OLDEST_PYTHON = (3, 11)
_HTTP_OK = 200
_PROMPTS = ("im-sorry", "please-try-call-later", "goodbye")


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was seen, and what to do when the verdict is not ok."""

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


async def examine(settings: StackSettings, *, ari_user: str = "", ari_password: str = "") -> list[Check]:
    """Return every check, in a fixed order. A check that itself breaks is a failed check, never an exception.

    `ari_user` and `ari_password` are for an Asterisk that is not ours (`settings.ari_url`).
    """
    examination = _Examination(settings, ari_user, ari_password)
    checks: list[Check] = []
    for name, look in examination.looks():
        try:
            async with asyncio.timeout(4 * _LIMIT_S):
                checks += await look()
        except TimeoutError:
            checks.append(Check(name, "fail", "no answer in time", "Look at the machine's load and logs."))
        except SetupError as error:
            checks.append(Check(name, "fail", str(error), "See the message."))
        except OSError as error:
            checks.append(Check(name, "fail", str(error), "Make it readable for the user who runs Rappel."))
    return checks


class _Examination:
    def __init__(self, settings: StackSettings, ari_user: str, ari_password: str) -> None:
        self._settings = settings
        self._ari_login = (ari_user, ari_password)
        self._install = _find_asterisk(settings.cache_dir)

    def looks(self) -> list[tuple[str, Callable[[], Awaitable[list[Check]]]]]:
        return [
            ("versions", self._versions),
            ("disk", self._disk),
            ("files", self._files),
            ("ports", self._ports),
            ("rtp", self._rtp),
            ("nat", self._nat),
            ("database", self._database),
            ("asterisk", self._asterisk),
            ("ari", self._ari),
            ("ami", self._ami),
            ("sounds", self._sounds),
        ]

    async def _versions(self) -> list[Check]:
        version = platform.python_version()
        old = tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_PYTHON
        checks = [
            Check("python", "fail" if old else "ok", version, "Install Python 3.11 or later." if old else ""),
        ]
        if self._settings.ari_url:
            checks.append(Check("asterisk program", "ok", "not embedded: RAPPEL_ARI_URL is set"))
        elif self._install is None:
            checks.append(Check("asterisk program", "warn", "not fetched yet", "`rappel run` fetches it (50 MB)."))
        else:
            whose = "fetched" if self._install.fetched else "the host's own"
            checks.append(Check("asterisk program", "ok", f"{self._install.version}, {whose}"))
        if self._settings.database_url:
            checks.append(Check("postgres program", "ok", "not embedded: DATABASE_URL is set"))
        else:
            install = await asyncio.to_thread(postgres_runtime.find)
            checks.append(Check("postgres program", "ok", f"{install.version}, {install.bin}"))
        return checks

    async def _disk(self) -> list[Check]:
        checks = []
        for name, folder in (("state", self._settings.state_dir), ("cache", self._settings.cache_dir)):
            there = _existing(folder)
            free = shutil.disk_usage(there).free
            seen = f"{free / MEGABYTE:.0f} MB free under {folder}"
            advice = "Make room: call records and the database stop when the disk is full."
            if not os.access(there, os.W_OK):
                checks.append(Check(f"disk: {name}", "fail", f"{there} is not writable", "Change its owner."))
            elif free < _LOW_DISK:
                checks.append(Check(f"disk: {name}", "fail" if free < _NO_DISK else "warn", seen, advice))
            else:
                checks.append(Check(f"disk: {name}", "ok", seen))
        return checks

    async def _files(self) -> list[Check]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = hard if hard != resource.RLIM_INFINITY else self._settings.max_files
        seen = f"{soft} open files (at most {limit}): about {limit // _FILES_PER_CALL} calls at once"
        if limit < _FEW_FILES:
            return [Check("open files", "warn", seen, "Raise it: ulimit -n 16384, or LimitNOFILE= in systemd.")]
        return [Check("open files", "ok", seen)]

    async def _ports(self) -> list[Check]:
        settings = self._settings
        ours = await self._own_processes()
        doors = ports.controller_doors(settings)
        if not settings.ari_url:
            doors += ports.asterisk_doors(settings)
        checks = []
        for door in doors:
            name = f"port {door.name} {door.protocol}"
            if ports.is_free(door):
                checks.append(Check(name, "ok", f"{door.port} is free"))
                continue
            who = ports.holder(door)
            if who is not None and who.pid in ours:
                checks.append(Check(name, "ok", f"{door.port} is held by our own {who}"))
            else:
                seen = f"{door.host}:{door.port} is held by {who or 'a process that you may not see'}"
                checks.append(Check(name, "fail", seen, "End it, or configure another port."))
        return checks

    async def _rtp(self) -> list[Check]:
        settings = self._settings
        size = settings.rtp_end - settings.rtp_start + 1
        span = f"{settings.rtp_start}-{settings.rtp_end}"
        if size < _FEW_RTP_PORTS:
            advice = "Widen it: a call needs two ports, four with an agent."
            return [Check("rtp range", "fail" if size < 2 else "warn", f"{span}: {max(size, 0) // 2} calls", advice)]  # noqa: PLR2004 - RTP and RTCP
        inside = [d for d in ports.asterisk_doors(settings) if settings.rtp_start <= d.port <= settings.rtp_end]
        if any(door.protocol == "udp" for door in inside):
            return [Check("rtp range", "fail", f"{span} contains the SIP port", "Move one of them.")]
        ours = await self._own_processes()
        taken = [door for door in ports.rtp_doors(settings) if not ports.is_free(door)]
        holders = [ports.holder(door) for door in taken[:5]]
        foreign = [holder for holder in holders if holder is None or holder.pid not in ours]
        if foreign:
            seen = f"{span}: {len(taken)} of {size} ports are held by others ({foreign[0] or 'unseen'})"
            return [Check("rtp range", "warn", seen, "Move the range to where nothing else listens.")]
        return [Check("rtp range", "ok", f"{span} UDP: about {size // 4} calls with an agent at once")]

    async def _nat(self) -> list[Check]:
        settings = self._settings
        if settings.on_loopback:
            return [Check("nat", "ok", f"bound to {settings.bind}: reachable from this machine only")]
        checks = []
        if all(network in LOOPBACK for network in settings.sip_permit):
            advice = "Add your telephones' and carrier's networks to sip_permit."
            checks.append(Check("sip permit", "warn", "only loopback may speak SIP", advice))
        address = ip_address(settings.bind)
        private = address.is_private or address.is_unspecified
        if settings.external_address and not settings.local_networks:
            advice = "List the networks on this side of the NAT in local_networks."
            checks.append(Check("nat", "warn", "external_address without local_networks", advice))
        elif private and not settings.external_address and self._permits_public():
            advice = "Behind a NAT set external_address: otherwise callers hear nothing."
            checks.append(Check("nat", "warn", f"bound to {settings.bind}, no external_address", advice))
        else:
            checks.append(Check("nat", "ok", settings.external_address or settings.bind))
        return checks

    def _permits_public(self) -> bool:
        networks = [*self._settings.sip_permit, *self._settings.trunk.networks]
        return any(not ip_network(network, strict=False).is_private for network in networks)

    async def _database(self) -> list[Check]:
        settings = self._settings
        dsn = settings.database_url
        if not dsn:
            server = PostgresServer(await asyncio.to_thread(postgres_runtime.find), settings.postgres_dir)
            if server.pid is None:
                return [Check("database", "warn", "the embedded Postgres is not running", "`rappel run` starts it.")]
            dsn = server.dsn(settings.database)
        try:
            connection = await asyncpg.connect(dsn, timeout=_LIMIT_S)
        except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
            # The address may hold a password: the error alone is shown.
            seen = f"{type(error).__name__}: {error}"
            return [Check("database", "fail", seen, "Check DATABASE_URL, the server and its pg_hba.conf.")]
        try:
            version = await connection.fetchval("show server_version", timeout=_LIMIT_S)
        finally:
            await connection.close(timeout=_LIMIT_S)
        return [Check("database", "ok", f"logged in, PostgreSQL {version}")]

    async def _asterisk(self) -> list[Check]:
        server = self._server()
        if server is None:
            return []
        if not await server.is_running():
            return [Check("asterisk", "warn", "not running", "`rappel run` starts it.")]
        uptime = (await server.cli("core show uptime")).splitlines()[0]
        sessions = await server.cli("ari show websocket sessions")
        connected = any("controller" in line and " Up " in line for line in sessions.splitlines())
        checks = [Check("asterisk", "ok", uptime)]
        if connected:
            checks.append(Check("controller link", "ok", "Asterisk is connected to the controller"))
        else:
            seen = "Asterisk is not connected to the controller: callers hear an apology"
            checks.append(Check("controller link", "fail", seen, "Start the controller, or look at its log."))
        return checks

    async def _ari(self) -> list[Check]:
        settings = self._settings
        if not settings.ari_url:
            server = self._server()
            if server is None or server.pid is None:
                return []
        user, password = (
            self._ari_login if settings.ari_url else (self._secrets().ari_user, self._secrets().ari_password)
        )
        timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
        url = f"{settings.asterisk_ari_url}/asterisk/info"
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout, headers={"Authorization": aiohttp.encode_basic_auth(user, password)}
                ) as session,
                session.get(url, params={"only": "system"}) as answer,
            ):
                status = answer.status
                version = (await answer.json())["system"]["version"] if status == _HTTP_OK else ""
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            seen = f"{settings.asterisk_ari_url}: {type(error).__name__}"
            return [Check("ari login", "fail", seen, "Check that Asterisk runs, and http.conf.")]
        if status != _HTTP_OK:
            advice = "Check the user and password in ari.conf." if status in {401, 403} else "Look at Asterisk's log."
            return [Check("ari login", "fail", f"answered {status}", advice)]
        return [Check("ari login", "ok", f"logged in, Asterisk {version}")]

    async def _ami(self) -> list[Check]:
        server = self._server()
        if server is None or server.pid is None:
            return []
        secrets = self._secrets()
        try:
            async with asyncio.timeout(_LIMIT_S):
                said = await _ami_ping(self._settings.ami_port, secrets.ami_user, secrets.ami_password)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            seen = f"127.0.0.1:{self._settings.ami_port}: {type(error).__name__}"
            return [Check("ami login", "fail", seen, "Check that Asterisk runs, and manager.conf.")]
        if "Success" not in said:
            return [Check("ami login", "fail", said, "Check manager.conf.")]
        return [Check("ami login", "ok", "logged in")]

    async def _sounds(self) -> list[Check]:
        if self._install is None:
            return []
        checks = []
        for language in sets.SOUNDS:
            folder = self._install.data / "sounds" / language
            missing = [name for name in _PROMPTS if not any(folder.glob(f"{name}.*"))]
            if missing:
                advice = f"Install asterisk-core-sounds-{language}-g722: the apology needs it."
                checks.append(Check(f"sounds {language}", "warn", f"{missing[0]} is missing in {folder}", advice))
            else:
                checks.append(Check(f"sounds {language}", "ok", str(folder)))
        if not any((self._install.data / "moh").glob("*.*")):
            advice = "Install asterisk-moh-opsound-g722: callers on hold hear nothing."
            checks.append(Check("music on hold", "warn", "no music", advice))
        return checks

    async def _own_processes(self) -> set[int]:
        """The processes whose holding a port is right: Asterisk, and the controller that the supervisor named."""
        server = self._server()
        pids = {server.pid} if server is not None else set()
        return {pid for pid in (*pids, controller_pid(self._settings)) if pid is not None}

    def _secrets(self) -> Secrets:
        return secrets_runtime.load(self._settings.secrets_file, [p.extension for p in self._settings.softphones])

    def _server(self) -> AsteriskServer | None:
        """Our Asterisk, if it was ever started; looking makes no file."""
        settings = self._settings
        if settings.ari_url or self._install is None or not (settings.asterisk_dir / "etc").is_dir():
            return None
        return AsteriskServer(self._install, settings, self._secrets())


def _find_asterisk(cache: Path) -> AsteriskInstall | None:
    """The Asterisk that would run, without fetching it."""
    try:
        return asterisk_runtime.find_present(cache)
    except SetupError:
        return None


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


async def _ami_ping(port: int, user: str, password: str) -> str:
    """Log in, and return Asterisk's answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readuntil(b"\r\n")
        writer.write(f"Action: Login\r\nUsername: {user}\r\nSecret: {password}\r\nEvents: off\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"Action: Logoff\r\n\r\n")
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()
    return answer.decode(errors="replace").strip().replace("\r\n", ", ")
