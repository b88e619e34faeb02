"""A running centre for tests: real Asterisk, real Postgres, the controller in this process or in one of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from controller.app import Parts, assembled
from controller.ari.generated import operations as ari
from controller.ari.http import HttpTransport
from controller.calls.releases import Releases
from controller.config import Asterisk, Calls, CentreSection, Config, Log, Node, Postgres, Web
from controller.flow.commands import MediaId
from controller.postgres import queries
from controller.postgres.queries import CallRecord
from controller.postgres.store import PostgresStore
from controller.runtime.asterisk import AsteriskServer
from controller.softphone.ear import Ear, load_prompts
from controller.softphone.phone import Phone
from controller.speech.release import prepare_release
from tests.rig.prompts import write_prompts

SOURCES = Path(__file__).parents[1] / "integration" / "centre"
WAIT_S = 15.0


def copy_centre(folder: Path, service_port: int = 1) -> Path:
    """Copy the tests' centre into `folder`, with prompts, its http steps pointing at `service_port`."""
    for path in SOURCES.glob("*.yaml"):
        text = path.read_text("utf-8").replace("http://127.0.0.1:1", f"http://127.0.0.1:{service_port}")
        (folder / path.name).write_text(text, "utf-8")
    write_prompts(folder)
    return folder


def config_for(asterisk: AsteriskServer, database: str, folder: Path, cache: Path, **calls: int) -> Config:
    """Return the configuration of a controller for `asterisk` that runs the centre in `folder`."""
    settings, secrets = asterisk.settings, asterisk.secrets
    return Config(
        node=Node(name="test", state_dir=str(settings.state_dir / "controller"), cache_dir=str(cache)),
        centre=CentreSection(folder=str(folder), watch=False),
        asterisk=Asterisk(
            app=settings.app,
            ari_url=f"http://127.0.0.1:{settings.ari_port}",
            ari_user=secrets.ari_user,
            ari_password=secrets.ari_password,
            ami_host="127.0.0.1",
            ami_port=settings.ami_port,
            ami_user=secrets.ami_user,
            ami_password=secrets.ami_password,
            socket_user=secrets.controller_user,
            socket_password=secrets.controller_password,
        ),
        web=Web(port=settings.web_port, socket_port=settings.controller_port, agi_port=settings.agi_port),
        postgres=Postgres(url=database),
        log=Log(format="console", level="info"),
        calls=Calls(shutdown_s=2.0, **calls),
    )


class Centre:
    """What a test uses of a running centre."""

    def __init__(self, config: Config, asterisk: AsteriskServer, parts: Parts | None) -> None:
        self.config = config
        self.asterisk = asterisk
        self.parts = parts
        self.store = PostgresStore(config.postgres.url)
        folder, cache = Path(config.centre.folder), Path(config.node.cache_dir)
        releases = Releases(folder, Path(config.node.state_dir) / "tests", lambda f, r: prepare_release(f, cache, r))
        audio = releases.load().stored.audio
        prompts = {media: Path(path).with_suffix(".alaw") for media, (path, _) in audio.items()}
        self._ear_paths = {name: path for name, path in prompts.items() if not name.startswith("silence/")}
        self.ear = self.ear_for(lambda media: not media.startswith(("say/", "tone/")))

    def ear_for(self, wanted: object) -> Ear:
        """Return an ear for the media that `wanted` accepts."""
        chosen = {name: path for name, path in self._ear_paths.items() if wanted(name)}  # type: ignore[operator]
        return Ear(load_prompts(chosen))

    def uri(self, number: str) -> str:
        """Return what to dial for `number`."""
        return f"sip:{number}@127.0.0.1:{self.asterisk.settings.sip_port}"

    def account(self, extension: str, **options: object) -> Phone:
        """Return a phone with the account of `extension`, not yet open."""
        password = self.asterisk.secrets.softphones[extension]
        return Phone(user=extension, password=password, **options)  # type: ignore[arg-type]

    async def record(self, caller: str, *, ended: bool = True, timeout_s: float = WAIT_S) -> CallRecord:
        """Return the newest record of a call from `caller`, waiting until it is there (and has ended)."""
        pool = await self.store.pool()
        async with asyncio.timeout(timeout_s):
            while True:
                for row in await queries.recent_calls(pool, 500):
                    if row.caller_number == caller and (row.ended_at or not ended):
                        record = await queries.call_record(pool, row.call_id)
                        if record is not None:
                            return record
                await asyncio.sleep(0.05)

    def heard(self, call: object) -> list[MediaId]:
        """Return the prompts that `call` heard, in order."""
        return [each.name for each in self.ear.listen(call.heard.samples)]  # type: ignore[attr-defined]

    async def asked(self, call: object, prompt: str) -> None:
        """Wait until `call` hears `prompt` begin, in whatever language."""

        async def begun() -> bool:
            return any(name.partition("/")[2] == prompt for name in self.heard(call))

        await until(begun, WAIT_S)

    async def channels(self) -> list[str]:
        """Return the channels Asterisk has."""
        text = await self.asterisk.cli("core show channels concise")
        return [line for line in text.splitlines() if "!" in line]

    async def endpoints(self) -> list[str]:
        """Return the names of the SIP endpoints Asterisk has, in order.

        Over ARI: `pjsip show endpoints` ends Asterisk 22.10.1 when it meets one that is being deleted.
        """
        config = self.config.asterisk
        async with HttpTransport(f"{config.ari_url}/ari", config.ari_user, config.ari_password) as transport:
            found = await transport.request(ari.endpoints_list_by_tech("PJSIP"))
        return sorted(each.resource for each in found)


@asynccontextmanager
async def running(
    asterisk: AsteriskServer, database: str, folder: Path, cache: Path, **calls: int
) -> AsyncIterator[Centre]:
    """Run the controller in this process."""
    config = config_for(asterisk, database, folder, cache, **calls)
    async with assembled(config) as parts:
        await parts.driver.connection.ready(WAIT_S)
        centre = Centre(config, asterisk, parts)
        try:
            yield centre
        finally:
            await centre.store.close()


class Process:
    """The controller in a process of its own, for tests that kill it."""

    def __init__(
        self, config: Config, log: Path, *, module: str = "controller", more: Mapping[str, str] | None = None
    ) -> None:
        self._config = config
        self._log = log
        self._module = module
        self._more = dict(more or {})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; returns when the process exists, not when it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAPPEL_")}
        environment |= environment_of(self._config) | self._more
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, "controller", env=environment, stdout=log, stderr=log
            )

    def show_log(self) -> None:
        """Print the end of its log: pytest shows it where a test has failed."""
        print("\n".join(self._log.read_text("utf-8").splitlines()[-60:]))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.returncode is None

    async def ended_whenever(self) -> int:
        """Wait for its end, however long it lives."""
        return 0 if self._process is None else await self._process.wait()

    async def ended(self) -> int:
        """Wait for its end; return the exit code."""
        if self._process is None:
            return 0
        async with asyncio.timeout(WAIT_S):
            return await self._process.wait()


async def readiness(centre: Centre) -> tuple[int, dict[str, dict[str, object]]]:
    """Return the status of `/readyz` and its checks by name."""
    url = f"http://127.0.0.1:{centre.config.web.port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        body = await answer.json()
        return answer.status, {check["name"]: check for check in body["checks"]}


async def ready(centre: Centre, limit_s: float = 20.0) -> None:
    """Wait until the controller says that it is ready."""
    seen: object = None

    async def is_ready() -> bool:
        nonlocal seen
        try:
            status, seen = await readiness(centre)
        except aiohttp.ClientError as error:
            seen = error
            return False
        return status == 200

    try:
        await until(is_ready, limit_s)
    except TimeoutError:
        pytest.fail(f"not ready after {limit_s} s: {seen!r}")


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = 10.0) -> None:
    """Wait until `condition` is true."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.05)


def environment_of(config: Config) -> dict[str, str]:
    """Return the environment variables that make a controller with `config`."""
    found = {}
    for section in config.__struct_fields__:
        values = getattr(config, section)
        for key in values.__struct_fields__:
            value = getattr(values, key)
            if value not in ([], ""):
                text = ",".join(value) if isinstance(value, list) else str(value)
                found[f"RAPPEL_{section}_{key}".upper()] = text
    return found
