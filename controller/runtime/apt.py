"""The machine's own apt, at work for us alone: its proxies and policy, our sources, lists, cache and status file."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from controller.errors import SetupError
from controller.runtime import mirrors
from controller.runtime.lockfile import Pin
from controller.runtime.progress import MEGABYTE, ByteMeter, Progress, to_stderr

SUITE = "forky"

_KEYRING = Path(__file__).parent / "keys" / "debian-archive-keyring.gpg"
_TOOLS = ("apt-get", "apt-cache", "dpkg-deb")
_LISTS_FRESH_S = 6 * 3600
_UPDATE_LIMIT_S = 180
_RESOLVE_LIMIT_S = 120
_DOWNLOAD_LIMIT_S = 900
_MAX_ROUNDS = 5
_SIMULATED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) .*\[(\w+)\]\)", re.MULTILINE)


class PrivateApt:
    """The machine's apt with lists, cache and status of its own under `home`."""

    def __init__(self, home: Path, architecture: str, progress: Progress = to_stderr) -> None:
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            raise SetupError(
                f"{' and '.join(missing)} not found: this is not a Debian machine, so Asterisk cannot be fetched."
                " Install Asterisk 22 or later, set RAPPEL_ARI_URL to a running one, or use docker compose."
            )
        self.architecture = architecture
        self._home = home / f"{SUITE}-{architecture}"
        self._progress = progress
        self._config = self._home / "apt.conf"
        self._status = self._home / "state" / "status"
        self._sources = self._home / "sources" / "rappel.sources"
        self._stamp = self._home / "updated"

    def update(self, *, again: bool = False) -> bool:
        """Fetch the suite's signed index, from the first of the machine's mirrors that has it.

        An index younger than six hours is kept, unless `again`. Returns whether one was fetched.
        """
        self._lay_out()
        addresses = mirrors.candidates()
        if not again and self._is_fresh(addresses):
            return False
        self._progress(f"Reading the package index of Debian {SUITE} ...")
        problem = ""
        for address in addresses:
            self._write_sources(address)
            done = self._apt("apt-get", "update", "-o", "APT::Update::Error-Mode=any", limit_s=_UPDATE_LIMIT_S)
            if done.returncode == 0:
                self._stamp.write_text(address, encoding="utf-8")
                return True
            problem = _first_error(done.stderr)
        advice = "Check the network (and the proxy in /etc/apt/apt.conf.d)"
        if "expired" in problem or "not valid yet" in problem:
            advice = "Check this machine's clock; if it is right, the mirror is out of date: try later"
        raise SetupError(
            f"The package index of Debian {SUITE} could not be fetched: {problem.rstrip('.')}. {advice}, or set"
            f" {mirrors.MIRROR_SETTING} to another mirror."
        )

    def known(self, wanted: Sequence[str]) -> dict[str, Pin]:
        """Return what the index says about each ``package=version`` of `wanted` that it still has."""
        done = self._apt("apt-cache", "show", "--no-all-versions", *(name.split("=")[0] for name in wanted))
        found: dict[str, Pin] = {}
        for stanza in done.stdout.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|SHA256|Size): (\S+)$", stanza, re.MULTILINE))
            if len(fields) == 4:  # noqa: PLR2004 - the four names above
                pin = Pin(
                    self.architecture, fields["Package"], fields["Version"], fields["SHA256"], int(fields["Size"])
                )
                found[pin.wanted] = pin
        return {name: found[name] for name in wanted if name in found}

    def resolve(self, packages: Sequence[str], unwanted: Sequence[str], version: str) -> list[Pin]:
        """Return `packages` and what they need, at the versions of the index, without what is unwanted.

        `unwanted` are regular expressions over whole names; `version` is one that the version of the first
        package must match. Raises `SetupError` when that or the whole cannot be had.
        """
        left_out = re.compile("|".join(unwanted) or "(?!)")
        faked: dict[str, tuple[str, str]] = {}
        for _round in range(_MAX_ROUNDS):
            self._fake(faked)
            done = self._apt("apt-get", "install", "--simulate", *packages)
            if done.returncode:
                raise SetupError(
                    f"apt finds no way to install {packages[0]} from Debian {SUITE}: {_first_error(done.stderr)}."
                    " Try again later (the suite may be in transition), or set RAPPEL_ARI_URL to an Asterisk."
                )
            chosen = {name: (version, arch) for name, version, arch in _SIMULATED.findall(done.stdout)}
            more = {name: how for name, how in chosen.items() if left_out.fullmatch(name)}
            if not more:
                break
            faked |= more
        self._fake({})
        found = chosen.get(packages[0], ("none", ""))[0]
        if not re.fullmatch(version, found):
            raise SetupError(
                f"{packages[0]} is at {found} in Debian {SUITE} now, which Rappel was not tested with. Install a"
                " newer Rappel, or set RAPPEL_ARI_URL to an Asterisk 22."
            )
        names = [f"{name}={how[0]}" for name, how in chosen.items()]
        pins = self.known(names)
        if absent := [name for name in names if name not in pins]:
            raise SetupError(f"The package index has no SHA-256 for {absent[0]}. Try another mirror.")
        return list(pins.values())

    def download(self, pins: Sequence[Pin], into: Path, label: str) -> None:
        """Fetch the packages of `pins` into the folder `into`; apt checks them against the signed index."""
        total = sum(pin.size for pin in pins)
        require_room(into, 3 * total)
        self._progress(f"{label}: downloading {len(pins)} packages, {total / MEGABYTE:.0f} MB ...")
        meter = ByteMeter(label, total)
        command = ["apt-get", "-c", str(self._config), "-qq", "download", *(pin.wanted for pin in pins)]
        with tempfile.TemporaryFile("w+") as errors:
            # S603: a fixed program; the names come from a signed index or from our lock.
            child = subprocess.Popen(  # noqa: S603
                command,
                cwd=into,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_environment(),
            )
            deadline = time.monotonic() + _DOWNLOAD_LIMIT_S
            try:
                while child.poll() is None and time.monotonic() < deadline:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(0.2)
                    meter.show(_size_of(into))
            finally:
                meter.close()
                if child.poll() is None:
                    child.terminate()
                    child.wait(10)
            errors.seek(0)
            if child.returncode:
                raise SetupError(
                    f"{label} could not be downloaded: {_first_error(errors.read())}. Check the network and start"
                    f" again; {mirrors.MIRROR_SETTING} chooses another mirror."
                )

    def _lay_out(self) -> None:
        home = self._home
        for name in ("sources", "state", "lists/partial", "cache/archives/partial", "log", "empty"):
            (home / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_KEYRING, home / "keyring.gpg")
        self._fake({})
        # Read after the machine's own files (-c), so that proxies and policy stay and only places change.
        self._config.write_text(
            "\n".join(
                [
                    "#clear APT::Architectures;",
                    "#clear APT::Update;",
                    "#clear DPkg::Pre-Invoke;",
                    "#clear DPkg::Post-Invoke;",
                    "#clear DPkg::Pre-Install-Pkgs;",
                    f'APT::Architecture "{self.architecture}";',
                    f'APT::Architectures {{ "{self.architecture}"; }};',
                    'APT::Default-Release "";',
                    'APT::Install-Recommends "false";',
                    'APT::Install-Suggests "false";',
                    'APT::Get::Assume-Yes "true";',
                    # Root would otherwise fetch as a user who may not write to this folder.
                    'APT::Sandbox::User "root";',
                    'Acquire::Languages "none";',
                    'Acquire::Retries "2";',
                    'Acquire::http::Timeout "20";',
                    'Acquire::https::Timeout "20";',
                    'Dir::Etc::SourceList "/dev/null";',
                    f'Dir::Etc::SourceParts "{home}/sources";',
                    'Dir::Etc::Preferences "/dev/null";',
                    f'Dir::Etc::PreferencesParts "{home}/empty";',
                    f'Dir::State "{home}/state";',
                    f'Dir::State::Lists "{home}/lists";',
                    f'Dir::State::Status "{self._status}";',
                    f'Dir::State::Extended_States "{home}/state/extended";',
                    f'Dir::Cache "{home}/cache";',
                    f'Dir::Cache::Archives "{home}/cache/archives";',
                    f'Dir::Cache::PkgCache "{home}/cache/pkgcache.bin";',
                    'Dir::Cache::SrcPkgCache "";',
                    f'Dir::Log "{home}/log";',
                    "",
                ]
            ),
            encoding="utf-8",
        )

    def _write_sources(self, address: str) -> None:
        self._stamp.unlink(missing_ok=True)
        self._sources.write_text(
            f"Types: deb\nURIs: {address}\nSuites: {SUITE}\nComponents: main\nSigned-By: {self._home}/keyring.gpg\n",
            encoding="utf-8",
        )

    def _is_fresh(self, addresses: Sequence[str]) -> bool:
        try:
            age = time.time() - self._stamp.stat().st_mtime
            return 0 <= age < _LISTS_FRESH_S and self._stamp.read_text(encoding="utf-8") in addresses
        except OSError:
            return False

    def _fake(self, faked: dict[str, tuple[str, str]]) -> None:
        self._status.write_text(
            "\n".join(
                f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: {architecture}\n"
                "Multi-Arch: foreign\nMaintainer: none\nDescription: left out on purpose\n"
                for name, (version, architecture) in faked.items()
            ),
            encoding="utf-8",
        )

    def _apt(self, tool: str, *words: str, limit_s: int = _RESOLVE_LIMIT_S) -> subprocess.CompletedProcess[str]:
        return run([tool, "-c", str(self._config), "-q", *words], limit_s)


def run(command: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; `SetupError` when that takes longer than `limit_s` seconds."""
    try:
        return subprocess.run(  # noqa: S603 - fixed programs with names of ours
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        raise SetupError(
            f"{command[0]} did not finish within {limit_s:.0f} s. Check the network and start again."
        ) from None


def _environment() -> dict[str, str]:
    """The caller's environment, in the language that we can read."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def last_line(text: str) -> str:
    """Return the last line of a program's output that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _first_error(text: str) -> str:
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E:")]
    return (errors[0] if errors else last_line(text)).rstrip(".")


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def require_room(folder: Path, room: int) -> None:
    """Raise `SetupError` unless `room` bytes are free under `folder`."""
    free = shutil.disk_usage(folder).free
    if free < room:
        raise SetupError(
            f"{free / MEGABYTE:.0f} MB are free under {folder} and {room / MEGABYTE:.0f} MB are needed. Make"
            " room, or set XDG_CACHE_HOME to a folder on another disk."
        )
