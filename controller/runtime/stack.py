"""The embedded stack: Postgres, Asterisk and the controller as children of one supervisor.

Asterisk and Postgres outlive a controller that dies: the supervisor starts it again, and the calls go on. They
outlive a supervisor that is killed, too: the next start finds and adopts them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from controller.errors import SetupError
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import ports
from controller.runtime import postgres as postgres_runtime
from controller.runtime import secrets as secrets_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.runtime.processes import command_of
from controller.runtime.progress import Progress, to_stderr
from controller.runtime.secrets import Secrets
from controller.runtime.settings import StackSettings

PERMANENT_EXITS = frozenset({2, 78})
"""Exit codes of a controller that cannot help itself by starting again: wrong usage, wrong configuration."""

_POLL_S = 0.05
_CONTROLLER_FILE = "controller.json"


@dataclass(frozen=True)
class Backoff:
    """How often a child is started again: `first_s`, then doubled up to `longest_s`, given up after `tries`.

    A child that lived for `healthy_s` begins anew.
    """

    first_s: float = 0.1
    longest_s: float = 10.0
    healthy_s: float = 30.0
    tries: int = 12

    def delay_s(self, failures: int) -> float:
        """Return the wait before the start that follows `failures` deaths in a row (from 1)."""
        return float(min(self.first_s * 2 ** (failures - 1), self.longest_s))


class AlreadyRunning(SetupError):  # noqa: N818 - named after the state it reports
    """A supervisor already runs this state folder; `what` tells what it serves."""

    def __init__(self, what: Mapping[str, object]) -> None:
        lines = "\n".join(f"  {name}: {value}" for name, value in what.items())
        super().__init__(
            f"Rappel already runs here:\n{lines}\nUse that one, or end it with Ctrl-C in its terminal (or: kill"
            f" {what.get('process', '')}), or set XDG_STATE_HOME for a second installation with other ports."
        )
        self.what = dict(what)


class EmbeddedStack:
    """Starts what is embedded, in order, and stops it in the opposite order.

    As a context manager, or with `start` and `stop`. With `database_url` or `ari_url` set, Postgres or
    Asterisk is somebody else's and `postgres` or `asterisk` stays None.
    """

    def __init__(
        self, settings: StackSettings, progress: Progress = to_stderr, backoff: Backoff | None = None
    ) -> None:
        self.settings = settings
        self.asterisk: AsteriskServer | None = None
        self.postgres: PostgresServer | None = None
        self.secrets: Secrets | None = None
        self._progress = progress
        self._backoff = backoff if backoff is not None else Backoff()
        self._lock: IO[str] | None = None
        self._controller_file = settings.state_dir / _CONTROLLER_FILE

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def dsn(self) -> str:
        """The address of the database: the configured one, else the embedded one."""
        if self.postgres is not None:
            return self.postgres.dsn(self.settings.database)
        return self.settings.database_url

    async def start(self) -> None:
        """Get, check and start everything. Raises `AlreadyRunning`, or `SetupError` with what to do."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop Asterisk (letting calls end for ten seconds), then Postgres. Safe to call twice."""
        if self.asterisk is not None:
            await self.asterisk.stop()
            self.asterisk = None
        if self.postgres is not None:
            await self.postgres.stop()
            self.postgres = None
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    async def supervise(
        self, command: Sequence[str], stop: asyncio.Event, environment: Mapping[str, str] | None = None
    ) -> int:
        """Run the controller `command` until `stop` is set or it ends for good; return its last exit code.

        A controller that dies is started again with growing waits; so are Asterisk and Postgres. It ends for
        good with code 0 or one of `PERMANENT_EXITS`. Raises `SetupError` when a part dies again and again.
        Calls go on while the controller is away.
        """
        stopped = asyncio.create_task(stop.wait())
        controller = asyncio.create_task(self._keep_controller(command, environment or {}, stopped))
        servers = {"Asterisk": self.asterisk, "Postgres": self.postgres}
        keepers = [
            asyncio.create_task(self._keep(name, server, stopped)) for name, server in servers.items() if server
        ]
        try:
            await asyncio.wait([controller, *keepers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            ended = await asyncio.gather(controller, *keepers, stopped, return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        return controller.result()

    async def _start(self) -> None:
        settings = self.settings
        self._take_lock()
        self.secrets = secrets_runtime.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
        await self._end_orphan()
        if not settings.ari_url:
            install = await asyncio.to_thread(asterisk_runtime.find, settings.cache_dir, self._progress)
            self.asterisk = AsteriskServer(install, settings, self.secrets)
        doors = ports.controller_doors(settings)
        if self.asterisk is not None and not await self.asterisk.is_running():
            doors += ports.asterisk_doors(settings)
        ports.require_free(doors)
        if not settings.database_url:
            self.postgres = PostgresServer(await asyncio.to_thread(postgres_runtime.find), settings.postgres_dir)
            await self.postgres.start()
            await self.postgres.create_database(settings.database)
        if self.asterisk is not None:
            await self.asterisk.start()
        self._tell_lock()
        for name, server in (("Asterisk", self.asterisk), ("Postgres", self.postgres)):
            if server is not None and server.adopted:
                self._progress(f"{name} was still running (process {server.pid}) and goes on.")

    def _take_lock(self) -> None:
        path = self.settings.state_dir / "rappel.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise SetupError(
                f"{path} cannot be written: {error.strerror}. Make the folder writable or set XDG_STATE_HOME."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            text = lock.read()
            lock.close()
            try:
                raise AlreadyRunning(json.loads(text)) from None
            except ValueError:
                raise AlreadyRunning({"state": f"starting, in {path.parent}"}) from None
        self._lock = lock
        self._tell_lock()

    def _tell_lock(self) -> None:
        """Write down what runs, for whoever starts a second one."""
        if self._lock is None:
            return
        settings = self.settings
        what: dict[str, object] = {"process": os.getpid(), "state folder": str(settings.state_dir)}
        what["SIP"] = f"{settings.bind}:{settings.sip_port}"
        what["pages"] = f"http://{settings.web_bind}:{settings.web_port}/"
        what["Asterisk"] = settings.ari_url or (f"process {self.asterisk.pid}" if self.asterisk else "starting")
        what["Postgres"] = "the configured one" if settings.database_url else "starting"
        if self.postgres is not None:
            what["Postgres"] = f"process {self.postgres.pid}"
        self._lock.seek(0)
        self._lock.truncate()
        json.dump(what, self._lock)
        self._lock.flush()

    async def _end_orphan(self) -> None:
        """End a controller whose supervisor was killed: two of them would fight for the same calls."""
        pid = controller_pid(self.settings)
        if pid is None:
            return
        self._progress(f"Ending a controller that was left over (process {pid}).")
        for number, limit_s in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + limit_s
            while controller_pid(self.settings) == pid and time.monotonic() < deadline:  # noqa: ASYNC110 - not our child
                await asyncio.sleep(_POLL_S)

    async def _keep_controller(
        self, command: Sequence[str], environment: Mapping[str, str], stopped: asyncio.Task[bool]
    ) -> int:
        failures = 0
        while True:
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops things in order
            )
            told = {"pid": process.pid, "command": shlex.join(command)}
            self._controller_file.write_text(json.dumps(told), encoding="utf-8")
            ended = asyncio.create_task(process.wait())
            try:
                await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                code = await self._finish(process, ended)
                self._controller_file.unlink(missing_ok=True)
            if stopped.done() or code == 0 or code in PERMANENT_EXITS:
                return code
            failures = 1 if time.monotonic() - began > self._backoff.healthy_s else failures + 1
            how = f"signal {-code}" if code < 0 else f"code {code}"
            if failures >= self._backoff.tries:
                raise SetupError(
                    f"The controller ended {failures} times in a row (last with {how}). Its messages above say why."
                )
            wait_s = self._backoff.delay_s(failures)
            self._progress(f"The controller ended with {how}; starting it again in {wait_s:.1f} s. Calls go on.")
            await asyncio.wait({stopped}, timeout=wait_s)
            if stopped.done():
                return code

    @staticmethod
    async def _finish(process: asyncio.subprocess.Process, ended: asyncio.Task[int], grace_s: float = 20.0) -> int:
        """Let the controller drain, and end it when it takes longer than `grace_s`."""
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait({ended}, timeout=grace_s)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return await ended

    async def _keep(self, name: str, server: AsteriskServer | PostgresServer, stopped: asyncio.Task[bool]) -> None:
        """Start a server again when it dies, until `stopped`."""
        failures = 0
        problem = ""
        while True:
            began = time.monotonic()
            ended = asyncio.create_task(server.wait())
            try:
                await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
            if stopped.done():
                return
            failures = 1 if time.monotonic() - began > self._backoff.healthy_s else failures + 1
            if failures >= self._backoff.tries:
                raise SetupError(f"{name} ended {failures} times in a row. {problem or self.settings.state_dir}")
            wait_s = self._backoff.delay_s(failures)
            self._progress(f"{name} ended; starting it again in {wait_s:.1f} s.")
            await asyncio.wait({stopped}, timeout=wait_s)
            if stopped.done():
                return
            try:
                await server.start()
            except SetupError as error:
                problem = str(error)


def controller_pid(settings: StackSettings) -> int | None:
    """Return the process id of the controller that a supervisor runs in this state folder, if it lives."""
    try:
        left = json.loads((settings.state_dir / _CONTROLLER_FILE).read_text(encoding="utf-8"))
        pid, command = int(left["pid"]), str(left["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    words = command_of(pid)
    return pid if words and shlex.join(words) == command else None
