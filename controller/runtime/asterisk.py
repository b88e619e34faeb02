"""Asterisk on this machine: where it is, its rendered configuration, and one running server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.errors import SetupError
from controller.runtime import certificates, debian, ice, sets
from controller.runtime.paths import socket_dir
from controller.runtime.processes import pid_in
from controller.runtime.progress import Progress, to_stderr
from controller.runtime.render import render_folder
from controller.runtime.secrets import Secrets
from controller.runtime.settings import StackSettings

OLDEST_MAJOR = 22
_BOOT_LIMIT_S = 30.0
_CLI_LIMIT_S = 10.0
_POLL_S = 0.02
_VERSION = re.compile(r"Asterisk (?:certified[/-])?(\d+)\.\S+")
_HOST_MODULES = ("usr/lib/*/asterisk/modules", "usr/lib/asterisk/modules", "usr/lib64/asterisk/modules")
_HOST_DATA = ("usr/share/asterisk", "var/lib/asterisk")
_TAIL_LINES = 15


@dataclass(frozen=True)
class AsteriskInstall:
    """An Asterisk that can be run: `command` starts it (arguments follow), `modules` and `data` are its folders.

    `data` holds sounds, music and the REST interface's description. `fetched` tells ours from the host's.
    """

    command: tuple[str, ...]
    modules: Path
    data: Path
    version: str
    fetched: bool
    environment: Mapping[str, str] = field(default_factory=dict)


def find(cache: Path | None = None, progress: Progress = to_stderr, root: Path = Path("/")) -> AsteriskInstall:
    """Return the host's own Asterisk when it is 22 or later, else ours, fetching it the first time.

    Blocks: seconds the first time, milliseconds later. Raises `SetupError` with what to do.
    """
    return _host(root) or fetch(cache, progress)


def find_present(cache: Path | None = None, root: Path = Path("/")) -> AsteriskInstall | None:
    """Return what `find` would, or None when it would have to fetch first."""
    if own := _host(root):
        return own
    return fetch(cache) if debian.present(sets.ASTERISK, cache) else None


def fetch(cache: Path | None = None, progress: Progress = to_stderr) -> AsteriskInstall:
    """Return our own private Asterisk, fetching it the first time."""
    tree = debian.install(sets.ASTERISK, cache, progress)
    libraries = tree / "usr/lib" / debian.TRIPLETS[debian.machine_architecture()]
    if ":" in str(tree) or ";" in str(tree):
        raise SetupError(f"{tree} has a colon or a semicolon in its path. Set XDG_CACHE_HOME to a folder without.")
    command = run_in(tree, "asterisk", "usr/sbin/asterisk")
    environment = {"GCONV_PATH": str(libraries / "gconv"), "OPENSSL_MODULES": str(libraries / "ossl-modules")}
    return AsteriskInstall(
        command=command,
        modules=libraries / "asterisk/modules",
        data=tree / "usr/share/asterisk",
        version=_version(command),
        fetched=True,
        environment=environment,
    )


def run_in(tree: Path, name: str, program: str) -> tuple[str, ...]:
    """Return the command that runs `program` of an unpacked tree with the tree's own loader and libraries."""
    libraries = tree / "usr/lib" / debian.TRIPLETS[debian.machine_architecture()]
    return (str(tree / "run" / name), "--inhibit-cache", "--library-path", str(libraries), str(tree / program))


def _host(root: Path) -> AsteriskInstall | None:
    program = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if program is None:
        return None
    version = _version((program,))
    match = re.match(r"\d+", version)
    modules = next((path for pattern in _HOST_MODULES for path in sorted(root.glob(pattern))), None)
    data = next((root / name for name in _HOST_DATA if (root / name / "documentation").is_dir()), None)
    if match is None or int(match[0]) < OLDEST_MAJOR or modules is None or data is None:
        return None
    return AsteriskInstall(command=(program,), modules=modules, data=data, version=version, fetched=False)


def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*command, "-V"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - ours or the host's Asterisk
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _VERSION.search(done.stdout)
    return match[0].split()[-1] if match else ""


@dataclass(frozen=True)
class AsteriskPaths:
    """The folders of one Asterisk; all but `modules` and `data` are its own."""

    etc: Path
    lib: Path
    log: Path
    run: Path
    spool: Path
    modules: Path
    data: Path

    @classmethod
    def under(cls, home: Path, install: AsteriskInstall) -> AsteriskPaths:
        """Return the folders under `home`, with a control socket whose path is short enough."""
        return cls(
            etc=home / "etc",
            lib=home / "lib",
            log=home / "log",
            run=socket_dir(home / "run", "asterisk.ctl"),
            spool=home / "spool",
            modules=install.modules,
            data=install.data,
        )

    @classmethod
    def system(cls) -> AsteriskPaths:
        """Return the folders of an Asterisk that has a machine or a container to itself."""
        return cls(
            etc=Path("/etc/asterisk"),
            lib=Path("/var/lib/asterisk"),
            log=Path("/var/log/asterisk"),
            run=Path("/run/asterisk"),
            spool=Path("/var/spool/asterisk"),
            modules=Path("/usr/lib/asterisk/modules"),
            data=Path("/usr/share/asterisk"),
        )

    def make(self) -> None:
        """Make the folders that are missing, for the owner only."""
        folders = [self.etc, self.lib, self.lib / "agi-bin", self.lib / "keys", self.log, self.run, self.spool]
        folders += [self.log / "cdr-custom", self.log / "cel-custom", self.spool / "recording", self.spool / "tmp"]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def template_values(settings: StackSettings, secrets: Secrets, paths: AsteriskPaths) -> dict[str, object]:
    """Return what the templates in `asterisk-conf/` can name."""
    certificate, key = certificates.for_sip(settings) if settings.sip_tls_port else ("", "")
    shown = ice.addresses(settings)
    return {
        "ice_only": shown.only,
        "ice_shown": shown.instead,
        "paths": paths,
        "sip_tls_port": settings.sip_tls_port,
        "sip_certificate": certificate,
        "sip_key": key,
        "app": settings.app,
        "language": settings.language,
        "system_name": settings.system_name,
        "max_files": settings.max_files,
        "bind_host": f"[{settings.bind}]" if ":" in settings.bind else settings.bind,
        "sip_port": settings.sip_port,
        "sip_permit": settings.sip_permit,
        "external_address": settings.external_address,
        "local_networks": settings.local_networks,
        "trunk": settings.trunk,
        "softphones": [
            {"extension": phone.extension, "name": phone.name, "password": secrets.softphones[phone.extension]}
            for phone in settings.softphones
        ],
        "rtp_start": settings.rtp_start,
        "rtp_end": settings.rtp_end,
        "rtp_timeout_s": settings.rtp_timeout_s,
        "rtp_timeout_hold_s": settings.rtp_timeout_hold_s,
        "ari_bind": settings.control_bind,
        "ari_port": settings.ari_port,
        "ari_permit": settings.control_permit,
        "ari_user": secrets.ari_user,
        "ari_password": secrets.ari_password,
        "ami_bind": settings.control_bind,
        "ami_port": settings.ami_port,
        "ami_permit": settings.control_permit,
        "ami_user": secrets.ami_user,
        "ami_password": secrets.ami_password,
        "controller_host": settings.controller_host,
        "controller_port": settings.controller_port,
        "controller_user": secrets.controller_user,
        "controller_password": secrets.controller_password,
        "agi_host": settings.controller_host,
        "agi_port": settings.agi_port,
        "log_file": settings.log_file,
        "controller_patience_s": settings.controller_patience_s,
    }


class AsteriskServer:
    """One Asterisk under `home`, with its own configuration, ports, records and logs.

    `start` adopts an Asterisk that already runs there (it outlives a controller and a supervisor that were
    killed), so that its calls go on.
    """

    def __init__(
        self, install: AsteriskInstall, settings: StackSettings, secrets: Secrets, home: Path | None = None
    ) -> None:
        self.install = install
        self.settings = settings
        self.secrets = secrets
        self.home = (home if home is not None else settings.asterisk_dir).absolute()
        self.paths = AsteriskPaths.under(self.home, install)
        self.adopted = False
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, as its own file says."""
        return pid_in(self.paths.run / "asterisk.pid", "asterisk")

    @property
    def console_log(self) -> Path:
        """Where the server's standard output goes; `messages.log` beside it is Asterisk's own log."""
        return self.paths.log / "console.log"

    @property
    def cdr_csv(self) -> Path:
        """Asterisk's call records, one line a channel (columns: asterisk-conf/cdr_custom.conf.j2)."""
        return self.paths.log / "cdr-custom" / "cdr.csv"

    @property
    def cel_csv(self) -> Path:
        """Asterisk's channel events, one line an event (columns: asterisk-conf/cel_custom.conf.j2)."""
        return self.paths.log / "cel-custom" / "cel.csv"

    def render(self) -> None:
        """Write the configuration files anew from the templates."""
        self.paths.make()
        render_folder(self.paths.etc, template_values(self.settings, self.secrets, self.paths))

    async def start(self) -> None:
        """Render, start, and return once every module is ready (a third of a second, 30 s at most).

        Raises `SetupError` with the end of the log when Asterisk ends or is not ready in time.
        """
        if await self.is_running():
            self.adopted = True
            return
        self.adopted = False
        self.render()
        (self.paths.run / "asterisk.ctl").unlink(missing_ok=True)
        with self.console_log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command("-f"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.paths.run,
                env={**os.environ, **self.install.environment},
                # Ctrl-C in the terminal must reach the supervisor alone, which stops things in order.
                start_new_session=True,
            )
        try:
            await self._wait_until_booted()
        except BaseException:
            await self.kill()
            raise

    async def is_running(self) -> bool:
        """Whether an Asterisk answers on this home's control socket."""
        if not (self.paths.run / "asterisk.ctl").exists():
            return False
        try:
            return "System uptime" in await self.cli("core show uptime")
        except SetupError:
            return False

    async def cli(self, command: str, limit_s: float = _CLI_LIMIT_S) -> str:
        """Run one command of Asterisk's console and return what it printed; `SetupError` if it cannot be reached."""
        process = await asyncio.create_subprocess_exec(
            *self._command("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.install.environment},
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), limit_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise SetupError(
                f"Asterisk did not answer {command!r} within {limit_s:.0f} s; see {self.console_log}."
            ) from None
        text = output.decode(errors="replace")
        if process.returncode:
            raise SetupError(f"Asterisk cannot be reached for {command!r}: {text.strip()[-200:]}. Is it running?")
        return text

    async def stop(self, grace_s: float = 10.0) -> None:
        """Stop taking calls, wait up to `grace_s` for the running ones, then end them and Asterisk."""
        if self.pid is None:
            await self._reap(0)
            return
        deadline = time.monotonic() + grace_s
        with contextlib.suppress(SetupError):
            await self.cli("core stop gracefully", grace_s)  # comes back only when the last call has ended
        if await self._ended(max(1.0, deadline - time.monotonic())):
            return
        with contextlib.suppress(SetupError):
            await self.cli("core stop now")
        if not await self._ended(5):
            await self.kill()

    async def kill(self) -> None:
        """End it at once with SIGKILL: every call is lost."""
        pid = self._process.pid if self._process is not None and self._process.returncode is None else self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._ended(5)

    async def wait(self) -> None:
        """Return when it has ended, however that came."""
        if self._process is not None:
            await self._process.wait()
            return
        while self.pid is not None:  # noqa: ASYNC110 - not our child: its end can only be looked for
            await asyncio.sleep(0.5)

    def log_tail(self) -> str:
        """Return the last lines of its logs, for an error message."""
        lines: list[str] = []
        for path in (self.paths.log / "messages.log", self.console_log):
            with contextlib.suppress(OSError):
                lines += path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])

    def _command(self, *words: str) -> tuple[str, ...]:
        return (*self.install.command, "-C", str(self.paths.etc / "asterisk.conf"), *words)

    async def _wait_until_booted(self) -> None:
        deadline = time.monotonic() + _BOOT_LIMIT_S
        control = self.paths.run / "asterisk.ctl"
        while time.monotonic() < deadline:
            if self._process is not None and self._process.returncode is not None:
                raise SetupError(
                    f"Asterisk ended while it started. Its last words ({self.paths.log}):\n{self.log_tail()}"
                )
            if control.exists():
                with contextlib.suppress(SetupError):
                    answer = await self.cli("core waitfullybooted", max(1.0, deadline - time.monotonic()))
                    if "fully booted" in answer:
                        return
            await asyncio.sleep(_POLL_S)
        raise SetupError(
            f"Asterisk was not ready within {_BOOT_LIMIT_S:.0f} s. Its last words ({self.paths.log}):\n"
            + self.log_tail()
        )

    async def _ended(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        if self._process is not None:
            return await self._reap(limit_s)
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def _reap(self, limit_s: float) -> bool:
        if self._process is None:
            return True
        try:
            await asyncio.wait_for(self._process.wait(), limit_s)
        except TimeoutError:
            return False
        return True
