"""Who is measured: the dialplan alone, Rappel both ways, and what a user would write instead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.processes import Program
from bench.stand import HERE, NUMBER, Stand
from controller.errors import SetupError
from controller.runtime.debian import default_cache
from tests.rig.centre import environment_of

PEERS = HERE / "peers"
_INSTALL_LIMIT_S = 300


@dataclass
class Contender:
    """One way to serve the call: `number` reaches it; `program` is its controller (None: there is none)."""

    name: str
    title: str
    number: str
    program: Program | None = None
    records: bool = False
    web_port: int = 0

    async def start(self) -> None:
        """Start its controller and wait until it serves."""
        if self.program is not None:
            await self.program.start(self._is_ready if self.web_port else None)

    async def stop(self) -> None:
        """End its controller."""
        if self.program is not None:
            await self.program.stop()

    async def _is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(f"http://127.0.0.1:{self.web_port}/readyz") as reply,
            ):
                return reply.status == 200  # noqa: PLR2004 - OK
        except (aiohttp.ClientError, TimeoutError):
            return False


NAMES = ("native", "rappel-ari", "rappel-agi", "bare-ari", "asyncari", "ari-client", "panoramisk")


def make(name: str, stand: Stand) -> Contender:
    """Return the contender, its libraries installed; raises `SetupError` with the reason when it cannot be had."""
    settings, secrets = stand.asterisk.settings, stand.asterisk.secrets
    log = stand.folder / f"{name}.log"
    ari = f"http://127.0.0.1:{settings.ari_port}"
    login = [ari, secrets.ari_user, secrets.ari_password]
    sounds = [f"sound:{stand.menu}", f"sound:{stand.done}"]
    match name:
        case "native":
            return Contender(name, "native dialplan", "native")
        case "rappel-ari" | "rappel-agi":
            words = [sys.executable, "-m", "controller", "controller"]
            program = Program(words, log, environment_of(stand.config))
            agi = name == "rappel-agi"
            title = "Rappel on FastAGI" if agi else "Rappel on ARI"
            number = f"agi{NUMBER}" if agi else NUMBER
            return Contender(name, title, number, program, records=True, web_port=settings.web_port)
        case "bare-ari":
            words = [sys.executable, str(PEERS / "bare_ari_loop.py"), *login, "bench-bare-ari", *sounds]
            return Contender(name, "bare ARI loop", "bareari", Program(words, log))
        case "asyncari":
            python = _python_with(name)
            words = [python, str(PEERS / "asyncari_ivr.py"), f"{ari}/", *login[1:], "bench-asyncari", *sounds]
            return Contender(name, "asyncari", "asyncari", Program(words, log))
        case "ari-client":
            node, modules = _node_with_ari_client()
            words = [node, str(PEERS / "ari_client_ivr.js"), *login, "bench-ari-client", *sounds]
            return Contender(name, "Node's ari-client", "ariclient", Program(words, log, {"NODE_PATH": modules}))
        case "panoramisk":
            python = _python_with(name)
            words = [python, str(PEERS / "panoramisk_ivr.py"), str(stand.peer_agi_port), stand.menu, stand.done]
            return Contender(name, "panoramisk FastAGI", "panoramisk", Program(words, log))
    raise SetupError(f"No contender {name!r}; there are {', '.join(NAMES)}.")


def _cache() -> Path:
    return default_cache() / "bench"


def _python_with(name: str) -> str:
    """Return the Python of an environment that holds the library pinned in `peers/<name>.txt`."""
    wanted = PEERS / f"{name}.txt"
    home = _cache() / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    done = home / "installed.txt"
    python = home / "bin" / "python"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted.read_text(encoding="utf-8"):
        shutil.rmtree(home, ignore_errors=True)
        _install([sys.executable, "-m", "venv", str(home)])
        _install([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(wanted)])
        shutil.copy(wanted, done)
    return str(python)


def _node_with_ari_client() -> tuple[str, str]:
    """Return the path of node and of the folder that holds ari-client."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SetupError("node and npm are not on this machine")
    wanted, home = PEERS / "package.json", _cache() / "ari-client"
    done = home / "installed.json"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted.read_text(encoding="utf-8"):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shutil.copy(wanted, home)
        _install([npm, "install", "--no-audit", "--no-fund", "--omit=dev", "--prefix", str(home)])
        shutil.copy(wanted, done)
    return node, str(home / "node_modules")


def _install(words: list[str]) -> None:
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{words[0]}: {error}") from error
    if done.returncode:
        raise SetupError(f"{' '.join(words[:4])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
