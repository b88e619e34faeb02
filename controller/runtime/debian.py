"""A private apt: gets sets of Debian packages into a folder of the user's, without root and without a trace elsewhere.

The machine's own apt does the fetching and checks the signatures, with its own proxies and policy, but with a
source list, lists, cache and *status file* of ours. The status file lists the dependencies that we can do
without as installed, so that apt leaves them out. Packages are unpacked, not installed: no script of theirs
runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from controller.errors import SetupError
from controller.runtime import lockfile, mirrors
from controller.runtime.lockfile import Pin
from controller.runtime.progress import MEGABYTE, ByteMeter, Progress, to_stderr

SUITE = "forky"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

_HERE = Path(__file__).parent
_KEYRING = _HERE / "keys" / "debian-archive-keyring.gpg"
_TOOLS = ("apt-get", "apt-cache", "dpkg-deb")
_RECIPE = 1  # raise when what is done to an unpacked tree changes
_LISTS_FRESH_S = 6 * 3600
_UPDATE_LIMIT_S = 180
_RESOLVE_LIMIT_S = 120
_DOWNLOAD_LIMIT_S = 900
_LOCK_LIMIT_S = 900
_MAX_ROUNDS = 5
_SIMULATED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) .*\[(\w+)\]\)", re.MULTILINE)
# What no program needs at run time.
_DROPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/info",
    "usr/lib/systemd",
)

Finish = Callable[[Path, str], None]
"""Last touches to a freshly unpacked tree; gets the tree and its multiarch triplet."""


@dataclass(frozen=True)
class PackageSet:
    """Packages that are fetched and unpacked together.

    `unwanted` are regular expressions over whole package names: dependencies to leave out. `version` matches
    the version that the first of `packages` must have. `room` is the disk space needed in bytes.
    """

    name: str
    packages: tuple[str, ...]
    unwanted: tuple[str, ...] = ()
    version: str = r".*"
    room: int = 300 * MEGABYTE
    finish: Finish = field(default=lambda _tree, _triplet: None)

    @property
    def lock(self) -> Path:
        """Where the set's lock lies."""
        return _HERE / "locks" / f"{self.name}.lock"


def default_cache() -> Path:
    """Return the user's cache folder for Rappel: `$XDG_CACHE_HOME/rappel`, else `~/.cache/rappel`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "rappel"


def machine_architecture() -> str:
    """Return Debian's name of this machine's architecture; raise `SetupError` for one that we do not set up."""
    try:
        return ARCHITECTURES[platform.machine()]
    except KeyError:
        raise SetupError(
            f"Asterisk is set up for amd64 and arm64 only, and this machine is {platform.machine()}. Install"
            " Asterisk 22 or later yourself, or set RAPPEL_ARI_URL to a running one."
        ) from None


def install(packages: PackageSet, cache: Path | None = None, progress: Progress = to_stderr) -> Path:
    """Return the folder that `packages` are unpacked in, getting them first if they are not there yet.

    Safe to call from several processes at once: one does the work, the others wait for it (at most 15
    minutes). Nothing half done is ever left under the returned name. Raises `SetupError`, with what to do,
    when there is no apt, no mirror, no network or no room.
    """
    cache = cache if cache is not None else default_cache()
    architecture = machine_architecture()
    target = cache / "debian" / f"{packages.name}-{_fingerprint(packages, architecture)}"
    if target.is_dir():
        return target
    with _disk_errors(cache):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache / "debian" / "lock", progress):
            if not target.is_dir():
                _require_room(target.parent, packages.room)
                _build(packages, PrivateApt(cache / "apt", architecture, progress), target, progress)
    return target


def _fingerprint(packages: PackageSet, architecture: str) -> str:
    lock = packages.lock.read_bytes() if packages.lock.exists() else b""
    words = repr((_RECIPE, architecture, packages.packages, packages.unwanted, packages.version))
    return hashlib.sha256(words.encode() + lock).hexdigest()[:12]


def _build(packages: PackageSet, apt: PrivateApt, target: Path, progress: Progress) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{packages.name}-") as scratch:
        debs, tree = Path(scratch) / "debs", Path(scratch) / "tree"
        debs.mkdir()
        tree.mkdir()
        pins = _fetch(packages, apt, debs, progress)
        _unpack(sorted(debs.glob("*.deb")), tree)
        _tidy(tree)
        packages.finish(tree, TRIPLETS[apt.architecture])
        versions = {pin.package: pin.version for pin in pins}
        (tree / "manifest.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
        tree.rename(target)
    progress(f"{packages.name}: ready in {time.monotonic() - began:.0f} s, in {target}")


def _fetch(packages: PackageSet, apt: PrivateApt, debs: Path, progress: Progress) -> list[Pin]:
    """Download what the lock says, or what the mirror has now where the lock's versions are gone."""
    apt.update()
    pins = lockfile.read(packages.lock, apt.architecture)
    current = apt.known([pin.wanted for pin in pins]) if pins else {}
    gone = [pin.wanted for pin in pins if pin.wanted not in current]
    if pins and not gone:
        wanted = pins
    else:
        if gone:
            progress(
                f"{packages.name}: {len(gone)} of {len(pins)} locked packages have left the mirror (first:"
                f" {gone[0]}); taking its current, signed ones instead."
            )
        wanted = apt.resolve(packages)
    apt.download(wanted, debs, packages.name)
    by_name = {(pin.package, pin.version): pin.sha256 for pin in pins}
    for pin in wanted:
        locked = by_name.get((pin.package, pin.version), pin.sha256)
        if locked != pin.sha256 or (pins and not gone and current[pin.wanted].sha256 != locked):
            raise SetupError(
                f"{pin.wanted} on the mirror is not the file that was tested: its SHA-256 differs from the lock."
                " Do not use this mirror; set RAPPEL_DEBIAN_MIRROR to another one."
            )
    _verify(wanted, debs)
    return wanted


def _verify(pins: Sequence[Pin], debs: Path) -> None:
    """Check each file against its pin: apt checked the signature's chain, this checks the lock."""
    sums: set[str] = set()
    for deb in debs.glob("*.deb"):
        with deb.open("rb") as file:
            sums.add(hashlib.file_digest(file, "sha256").hexdigest())
    missing = [pin.wanted for pin in pins if pin.sha256 not in sums]
    if missing:
        raise SetupError(
            f"The download of {', '.join(missing[:3])} is not what it should be. Try again; if it stays so, set"
            " RAPPEL_DEBIAN_MIRROR to another mirror."
        )


def _unpack(debs: Sequence[Path], tree: Path) -> None:
    # base-files, which makes these links on a whole system, is not among the packages.
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in pool.map(lambda deb: _run(["dpkg-deb", "-x", str(deb), str(tree)], 120), debs):
            if done.returncode:
                raise SetupError(f"A package could not be unpacked: {_last_line(done.stderr)}. Is the disk full?")


def _tidy(tree: Path) -> None:
    for name in _DROPPED:
        shutil.rmtree(tree / name, ignore_errors=True)
    for folder, _names, files in os.walk(tree):
        for name in files:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            # Nothing of a private tree may carry somebody else's rights.
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & 0o777)


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

    def update(self) -> None:
        """Fetch the suite's signed index, from the first of the machine's mirrors that has it.

        An index younger than six hours is kept.
        """
        self._lay_out()
        addresses = mirrors.candidates()
        if self._is_fresh(addresses):
            return
        self._progress(f"Reading the package index of Debian {SUITE} ...")
        problem = ""
        for address in addresses:
            self._write_sources(address)
            done = self._apt("apt-get", "update", "-o", "APT::Update::Error-Mode=any", limit_s=_UPDATE_LIMIT_S)
            if done.returncode == 0:
                self._stamp.write_text(address, encoding="utf-8")
                return
            problem = _first_error(done.stderr)
        raise SetupError(
            f"The package index of Debian {SUITE} could not be fetched: {problem}. Check the network (and the proxy"
            f" in /etc/apt/apt.conf.d), or set {mirrors.MIRROR_SETTING} to a mirror that is reachable from here."
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

    def resolve(self, packages: PackageSet) -> list[Pin]:
        """Return `packages` and what they need, at the versions of the index, without what is unwanted."""
        unwanted = re.compile("|".join(packages.unwanted) or "(?!)")
        faked: dict[str, tuple[str, str]] = {}
        for _round in range(_MAX_ROUNDS):
            self._fake(faked)
            done = self._apt("apt-get", "install", "--simulate", *packages.packages)
            if done.returncode:
                raise SetupError(
                    f"apt finds no way to install {packages.name} from Debian {SUITE}: {_first_error(done.stderr)}."
                    " Try again later (the suite may be in transition), or set RAPPEL_ARI_URL to an Asterisk."
                )
            chosen = {name: (version, arch) for name, version, arch in _SIMULATED.findall(done.stdout)}
            more = {name: how for name, how in chosen.items() if unwanted.fullmatch(name)}
            if not more:
                break
            faked |= more
        self._fake({})
        main = packages.packages[0]
        version = chosen.get(main, ("none", ""))[0]
        if not re.fullmatch(packages.version, version):
            raise SetupError(
                f"Debian {SUITE} now has {main} {version}, which Rappel was not tested with. Update Rappel, or set"
                " RAPPEL_ARI_URL to an Asterisk 22."
            )
        names = [f"{name}={how[0]}" for name, how in chosen.items()]
        pins = self.known(names)
        if absent := [name for name in names if name not in pins]:
            raise SetupError(f"The package index has no SHA-256 for {absent[0]}. Try another mirror.")
        return list(pins.values())

    def download(self, pins: Sequence[Pin], into: Path, label: str) -> None:
        """Fetch the packages of `pins` into the folder `into`; apt checks them against the signed index."""
        total = sum(pin.size for pin in pins)
        _require_room(into, 3 * total)
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
                    f"{label} could not be downloaded: {_first_error(errors.read())}. Check the network and start again;"
                    f" {mirrors.MIRROR_SETTING} chooses another mirror."
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
        return _run([tool, "-c", str(self._config), "-q", *words], limit_s)


def _run(command: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
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


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _first_error(text: str) -> str:
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E:")]
    return (errors[0] if errors else _last_line(text)).rstrip(".")


def _size_of(folder: Path) -> int:
    total = 0
    for folder_path, _names, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder_path, name)).st_size
    return total


def _require_room(folder: Path, room: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < room:
        raise SetupError(
            f"{free / MEGABYTE:.0f} MB are free under {folder} and {room / MEGABYTE:.0f} MB are needed. Make room, or set"
            " XDG_CACHE_HOME to a folder on another disk."
        )


@contextlib.contextmanager
def _disk_errors(cache: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `SetupError`."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{error.filename or cache}: {error.strerror or error}. Rappel needs a writable folder with 500 MB of room"
            " for its cache; set XDG_CACHE_HOME to one."
        ) from error


@contextlib.contextmanager
def _one_at_a_time(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock at `path`; another process that sets up at the same time is waited for."""
    with path.open("a") as file:
        deadline = time.monotonic() + _LOCK_LIMIT_S
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"Another process has been setting up for {_LOCK_LIMIT_S / 60:.0f} minutes and holds {path}."
                        " Wait for it or end it, then start again."
                    ) from None
                if not told:
                    progress("Waiting for another process that is setting up ...")
                    told = True
                time.sleep(0.2)
        yield


def write_lock(packages: PackageSet, cache: Path | None = None, progress: Progress = to_stderr) -> None:
    """Write the set's lock for every architecture from the mirror's current, signed index."""
    home = (cache if cache is not None else default_cache()) / "apt"
    pins: list[Pin] = []
    for architecture in ARCHITECTURES.values():
        apt = PrivateApt(home, architecture, progress)
        apt.update()
        pins += apt.resolve(packages)
    lockfile.write(packages.lock, pins)
    progress(f"{packages.lock.name}: {len(pins)} packages")
