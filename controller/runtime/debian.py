"""Sets of Debian packages in a folder of the user's, got without root and without a trace elsewhere.

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
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from controller.errors import SetupError
from controller.runtime import lockfile
from controller.runtime.apt import PrivateApt, last_line, require_room, run
from controller.runtime.lockfile import Pin
from controller.runtime.progress import MEGABYTE, Progress, to_stderr

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

_HERE = Path(__file__).parent
_RECIPE = 1  # raise when what is done to an unpacked tree changes
_LOCK_LIMIT_S = 900
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
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "rappel"


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
    target = _target(packages, cache, architecture)
    if target.is_dir():
        return target
    with _disk_errors(cache):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache / "debian" / "lock", progress):
            if not target.is_dir():
                require_room(target.parent, packages.room)
                _build(packages, PrivateApt(cache / "apt", architecture, progress), target, progress)
    return target


def present(packages: PackageSet, cache: Path | None = None) -> Path | None:
    """Return the folder that `packages` are unpacked in, or None when they have not been fetched."""
    target = _target(packages, cache if cache is not None else default_cache(), machine_architecture())
    return target if target.is_dir() else None


def _target(packages: PackageSet, cache: Path, architecture: str) -> Path:
    return cache / "debian" / f"{packages.name}-{_fingerprint(packages, architecture)}"


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
        fetched = apt.update()
        try:
            pins = _fetch(packages, apt, debs, progress)
        except SetupError:
            # A kept index can name files that the mirror has since replaced.
            if fetched or not apt.update(again=True):
                raise
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
        wanted = apt.resolve(packages.packages, packages.unwanted, packages.version)
    for pin in pins:
        if pin.wanted in current and current[pin.wanted].sha256 != pin.sha256:
            raise SetupError(
                f"{pin.wanted} on the mirror is not the file that was tested: its SHA-256 differs from the lock."
                " Do not use this mirror; set RAPPEL_DEBIAN_MIRROR to another one."
            )
    apt.download(wanted, debs, packages.name)
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
        for done in pool.map(lambda deb: run(["dpkg-deb", "-x", str(deb), str(tree)], 120), debs):
            if done.returncode:
                raise SetupError(f"A package could not be unpacked: {last_line(done.stderr)}. Is the disk full?")


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


@contextlib.contextmanager
def _disk_errors(cache: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `SetupError`."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{error.filename or cache}: {error.strerror or error}. Rappel needs a writable folder with 500 MB of"
            " room for its cache; set XDG_CACHE_HOME to one."
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
        pins += apt.resolve(packages.packages, packages.unwanted, packages.version)
    lockfile.write(packages.lock, pins)
    progress(f"{packages.lock.name}: {len(pins)} packages")
