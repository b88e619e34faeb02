"""What every contender is measured on: one Asterisk, one Postgres, the prompts in the callers' codec, SIPp."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import soundfile

from controller.calls.releases import Releases
from controller.config import Asterisk, Calls, CentreSection, Config, Log, Node, Postgres, Web
from controller.errors import SetupError
from controller.postgres import migrations
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.runtime.secrets import load
from controller.runtime.settings import StackSettings
from controller.speech.release import prepare_release
from tests.rig import freeports
from tests.rig import sipp as sipp_rig
from tests.rig.prompts import RATE, sound
from tests.rig.sipp import Sipp

HERE = Path(__file__).parent
NUMBER = "2000"
MENU_S, DONE_S = 2.0, 0.4
_RTP_PORTS = 2400
_SETTLE_LIMIT_S = 20.0
_POLL_S = 0.2
_ACTIVE = re.compile(r"^(\d+) active channel", re.MULTILINE)


class BenchAsterisk(AsteriskServer):
    """Rappel's Asterisk with the bench's own dialplan beside Rappel's."""

    dialplan = ""

    def render(self) -> None:
        """Write the configuration, the bench's contexts at the end of the dialplan, and room for app_queue."""
        super().render()
        with (self.paths.etc / "extensions.conf").open("a", encoding="utf-8") as file:
            file.write("\n" + self.dialplan)
        # app_queue cannot be loaded without these; nobody sends any here.
        stasis = self.paths.etc / "stasis.conf"
        lines = stasis.read_text(encoding="utf-8").splitlines(keepends=True)
        stasis.write_text("".join(line for line in lines if "ast_channel_agent_log" not in line), encoding="utf-8")


@dataclass
class Stand:
    """The running parts. `menu` and `done` are the prompts' paths without extension."""

    asterisk: BenchAsterisk
    postgres: PostgresServer
    sipp: Sipp
    config: Config
    folder: Path
    menu: str
    done: str
    peer_agi_port: int

    @property
    def sip_port(self) -> int:
        """Where calls go."""
        return self.asterisk.settings.sip_port

    @property
    def asterisk_pid(self) -> int:
        """Asterisk's process."""
        return _running(self.asterisk.pid, "Asterisk")

    @property
    def postgres_pid(self) -> int:
        """Postgres' first process."""
        return _running(self.postgres.pid, "Postgres")

    async def channels(self) -> int:
        """Return how many channels Asterisk has."""
        found = _ACTIVE.search(text := await self.asterisk.cli("core show channels count"))
        if found is None:
            raise SetupError(f"Asterisk does not say how many channels it has: {text.strip()[-200:]}")
        return int(found[1])

    async def settle(self) -> None:
        """Wait until no channel is left; hang up what stays."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_LIMIT_S):
                while await self.channels():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(_POLL_S)
                return
        await self.asterisk.cli("channel request hangup all")
        await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def stand(rtp_ports: int = _RTP_PORTS, *, rtp_timeout_s: int = 60) -> AsyncIterator[Stand]:
    """Boot everything in a scratch folder on free loopback ports, and end it all.

    A caller of whom nothing is heard for `rtp_timeout_s` is hung up on.
    """
    folder = Path(tempfile.mkdtemp(prefix="rappel-bench-"))
    postgres = PostgresServer(postgres_runtime.find(), folder / "postgres")
    settings = _settings(folder, rtp_ports, rtp_timeout_s)
    secrets = load(settings.secrets_file, [phone.extension for phone in settings.softphones])
    asterisk = BenchAsterisk(asterisk_runtime.fetch(), settings, secrets)
    try:
        await postgres.start()
        database = await postgres.create_database("rappel")
        await migrations.upgrade(database)
        config = _config(asterisk, database, _centre(folder), folder)
        menu, done = _prompts(config)
        peer_agi_port = freeports.block()
        dialplan = (HERE / "extensions.conf").read_text(encoding="utf-8")
        for mark, value in {"@MENU@": menu, "@DONE@": done, "@PEER_AGI_PORT@": str(peer_agi_port)}.items():
            dialplan = dialplan.replace(mark, value)
        asterisk.dialplan = dialplan
        await asterisk.start()
        yield Stand(asterisk, postgres, sipp_rig.install(), config, folder, menu, done, peer_agi_port)
    finally:
        await asterisk.kill()
        await postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
        _release(settings, rtp_ports)


def _settings(folder: Path, rtp_ports: int, rtp_timeout_s: int) -> StackSettings:
    rtp_start = freeports.block(rtp_ports)
    return StackSettings(
        sip_port=freeports.block(),
        rtp_start=rtp_start,
        rtp_end=rtp_start + rtp_ports - 1,
        ari_port=freeports.block(),
        ami_port=freeports.block(),
        controller_port=freeports.block(),
        agi_port=freeports.block(),
        web_port=freeports.block(),
        state_dir=folder / "state",
        rtp_timeout_s=rtp_timeout_s,
    )


def _release(used: StackSettings, rtp_ports: int) -> None:
    """Give the ports back: another stand may follow."""
    freeports.release(used.rtp_start, rtp_ports)
    for port in (used.sip_port, used.ari_port, used.ami_port, used.controller_port, used.agi_port, used.web_port):
        freeports.release(port)


def _centre(folder: Path) -> Path:
    """Write the bench's centre with its prompts."""
    centre = folder / "centre"
    prompts = centre / "prompts" / "en"
    prompts.mkdir(parents=True)
    for path in (HERE / "centre").glob("*.yaml"):
        shutil.copy(path, centre)
    for name, seconds in {"menu": MENU_S, "done": DONE_S}.items():
        soundfile.write(prompts / f"{name}.wav", sound(f"bench/{name}", seconds), RATE, subtype="PCM_16")
    return centre


def _config(asterisk: AsteriskServer, database: str, centre: Path, folder: Path) -> Config:
    """Return a configuration as `rappel run` would make it: defaults, addresses and secrets."""
    settings, secrets = asterisk.settings, asterisk.secrets
    return Config(
        node=Node(name="bench", state_dir=str(folder / "controller"), cache_dir=str(folder / "cache")),
        centre=CentreSection(folder=str(centre)),
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
        log=Log(format="json"),
        calls=Calls(max_calls=2000),
    )


def _prompts(config: Config) -> tuple[str, str]:
    """Prepare the audio and return the paths of both prompts, without extension."""
    folder, cache = Path(config.centre.folder), Path(config.node.cache_dir)
    releases = Releases(folder, cache / "releases", lambda where, release: prepare_release(where, cache, release))
    audio = releases.load().stored.audio
    found = {name.rpartition("/")[2]: path for name, (path, _) in audio.items() if not name.startswith("say/")}
    return found["menu"], found["done"]


def _running(pid: int | None, name: str) -> int:
    if pid is None:
        raise SetupError(f"{name} has ended in the middle of the bench.")
    return pid
