"""The versions of the centre: one in force, older ones for as long as a call runs on them.

A change of the operators' files is compiled and its audio prepared as a whole, then swapped in; a change with
findings leaves the version in force as it is. Every version that came into force is kept on disk (sources and
index of its audio), so that a restarted controller resumes a call on the very version it began with.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from controller.errors import FlowError, RappelError, StoreError
from controller.flow.commands import MediaId
from controller.flow.loader import MAX_FLOWS, compile_release
from controller.flow.release import Release
from controller.flow.yamltext import MAX_FILE_BYTES
from controller.ports import ReleaseArchive

log = structlog.get_logger(__name__)

AudioIndex = Mapping[MediaId, tuple[str, float]]
"""Where each piece lies (absolute path without extension) and how long it lasts in seconds."""
PrepareAudio = Callable[[Path, Release], AudioIndex]
"""Makes everything a release plays ready for Asterisk; raises `FlowError` for what is missing or broken."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3")
"""What a recording's file may end with; the first one found counts."""
_MAX_FILES = MAX_FLOWS + 1  # enough for the loader to see that there are too many
_KEPT_ON_DISK = 20
NOTICES = frozenset({"excuse", "overload", "unknown-number"})
"""Fragments (`say/<lang>/…`) that the controller itself may have to say, whatever the centre contains."""


class _Stored(msgspec.Struct):
    """A version as it is kept on disk."""

    sources: dict[str, str]
    recordings: dict[str, str]
    audio: dict[str, tuple[str, float]]
    edition: str = ""
    """Which recordings of Rappel's own the audio was made from."""


class IndexedAudio:
    """`AudioLibrary` over the audio index of one release."""

    def __init__(self, index: AudioIndex) -> None:
        self._index = index

    def path(self, media: MediaId) -> str:
        """Return the absolute path, without extension, that Asterisk plays; raise `KeyError` if unknown."""
        return self._index[media][0]

    def duration_s(self, media: MediaId) -> float:
        """Return how long it lasts; raise `KeyError` if unknown."""
        return self._index[media][1]


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """A compiled version with its audio ready."""

    release: Release
    audio: IndexedAudio
    stored: _Stored

    def endpoint_for(self, extension: str) -> str:
        """Return what Asterisk dials for an extension of the centre; raise `KeyError` if there is none."""
        return f"PJSIP/{self.release.extensions[extension].endpoint}"

    def notice(self, language: str, name: str) -> MediaId:
        """Return the media of one of `NOTICES` in `language`."""
        return f"say/{language}/{name}"


class Releases:
    """All versions this controller knows. `load` once before use; `reload` on every change."""

    def __init__(
        self,
        folder: Path,
        store: Path,
        prepare: PrepareAudio,
        *,
        archive: ReleaseArchive | None = None,
        edition: str = "",
        in_force: Callable[[LiveRelease], None] = lambda _: None,
    ) -> None:
        self.reloads = 0
        self.failures = 0
        self.last_error = ""
        self._folder = folder
        self._store = store
        self._prepare = prepare
        self._archive = archive
        self._edition = edition
        self._in_force = in_force
        self._live: dict[str, LiveRelease] = {}
        self._holds: Counter[str] = Counter()
        self._current = ""
        self._reloading = asyncio.Lock()

    @property
    def folder(self) -> Path:
        """Where the operators' files are."""
        return self._folder

    @property
    def current_hash(self) -> str:
        """The hash of the version in force."""
        return self._current

    @property
    def current(self) -> LiveRelease:
        """The version in force."""
        return self._live[self._current]

    def load(self, *, last_good: bool = False) -> LiveRelease:
        """Compile the folder and put it in force; raise `FlowError` with all findings.

        `last_good`: when the folder has findings, put the version that was in force last in force again, loudly;
        a broken file must not keep a restarted controller from answering calls.
        """
        try:
            live = self._compile_folder()
        except FlowError as error:
            previous = self._newest_kept() if last_good else None
            if previous is None:
                raise
            self._refused(error, previous.release.hash)
            live = previous
        self._put_in_force(live)
        return live

    def _refused(self, error: RappelError, kept: str) -> None:
        self.failures += 1
        self.last_error = str(error)
        findings = error.findings if isinstance(error, FlowError) else ()
        log.error("release.refused", findings=[str(each) for each in findings] or [str(error)], kept=kept)

    async def reload(self) -> bool:
        """Compile the folder beside the running version and swap; return whether a new version is in force.

        Findings are logged and counted; they never disturb a call.
        """
        async with self._reloading:
            try:
                live = await asyncio.to_thread(self._compile_folder)
            except RappelError as error:
                self._refused(error, self._current)
                return False
            mended, self.last_error = bool(self.last_error), ""
            if live.release.hash == self._current:
                if mended:
                    log.info("release.mended", release=self._current)
                return False
            self.reloads += 1
            previous = self._current
            self._put_in_force(live)
            log.info("release.in_force", release=live.release.hash, previous=previous)
            return True

    async def fetch(self, release: str) -> None:
        """Bring a version that this node does not know from the archive to its disk, if it is there.

        Its recordings are taken from the folder as it is: where one has changed, the version stays unknown.
        """
        if self._archive is None or release in self._live or self._path(release).exists():
            return
        try:
            sources = await self._archive.load_release(release)
        except StoreError as error:
            log.warning("release.not_fetched", release=release, error=str(error))
            return
        if sources is not None:
            self._keep(release, _Stored(dict(sources), read_recordings(self._folder), {}))
            with suppress(OSError):  # not kept: said so already
                os.utime(self._path(release), (0, 0))  # it was not in force here: never the last good one

    @contextmanager
    def hold(self, release: str | None = None) -> Iterator[LiveRelease]:
        """Keep a version (default: the one in force) in memory for the length of a call.

        Raises `FlowError` when that version is known nowhere any more.
        """
        name = release or self._current
        live = self._live.get(name) or self._revive(name)
        self._live[name] = live
        self._holds[name] += 1
        try:
            yield live
        finally:
            self._holds[name] -= 1
            if self._holds[name] <= 0:
                del self._holds[name]
                if name != self._current:
                    self._live.pop(name, None)

    # --- compiling ----------------------------------------------------------------------------------------

    def _compile_folder(self) -> LiveRelease:
        sources = read_sources(self._folder)
        recordings = read_recordings(self._folder)
        release = compile_release(sources, recordings)
        index = self._ready_audio(release) or self._prepare(self._folder, release)
        stored = _Stored(
            sources={name: text.decode("utf-8", "replace") for name, text in sources.items()},
            recordings=recordings,
            audio=dict(index),
            edition=self._edition,
        )
        return LiveRelease(release, IndexedAudio(index), stored)

    def _put_in_force(self, live: LiveRelease) -> None:
        previous, self._current = self._current, live.release.hash
        self._live[self._current] = live
        if previous and previous != self._current and not self._holds[previous]:
            self._live.pop(previous, None)
        self._keep(self._current, live.stored)
        self._forget_oldest()
        self._in_force(live)

    def _path(self, release: str) -> Path:
        return self._store / f"{release}.json"

    def _keep(self, release: str, stored: _Stored) -> None:
        path = self._path(release)
        try:
            self._store.mkdir(parents=True, exist_ok=True)
            data = msgspec.json.encode(stored)
            if not path.exists() or path.read_bytes() != data:
                scratch = path.with_suffix(".new")
                scratch.write_bytes(data)
                scratch.replace(path)
            path.touch()
        except OSError as error:
            log.error(  # noqa: TRY400 - the message says it all
                "release.not_kept",
                path=str(path),
                error=error.strerror,
                do="free disk space: a restart would lose calls",
            )

    def _ready_audio(self, release: Release) -> AudioIndex | None:
        """Return the index of a version that was prepared before, if all of its audio is still in the cache."""
        try:
            stored = msgspec.json.decode(self._path(release.hash).read_bytes(), type=_Stored)
        except (OSError, msgspec.MsgspecError):
            return None
        # An update of Rappel may play more, or something else, than it did when the index was made.
        if stored.edition != self._edition or not stored.audio.keys() >= release.media():
            return None
        whole = all(Path(f"{file}.alaw").exists() for file, _ in stored.audio.values())
        return stored.audio if whole else None

    def _newest_kept(self) -> LiveRelease | None:
        paths = sorted(self._store.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in paths:
            try:
                return self._revive(path.stem)
            except FlowError as error:
                log.warning("release.not_usable", release=path.stem, error=str(error))
        return None

    def _forget_oldest(self) -> None:
        kept = sorted(self._store.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[_KEPT_ON_DISK:]:
            if path.stem not in self._live:
                with suppress(OSError):  # tried again with the next version
                    path.unlink(missing_ok=True)

    def _revive(self, name: str) -> LiveRelease:
        path = self._path(name)
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        except (OSError, msgspec.MsgspecError) as error:
            raise FlowError(f"release {name} is not kept on this node any more ({path.name}: {error})") from error
        release = compile_release({k: v.encode() for k, v in stored.sources.items()}, stored.recordings)
        index = self._ready_audio(release) or self._prepare(self._folder, release)
        return LiveRelease(release, IndexedAudio(index), stored)


def read_sources(folder: Path) -> dict[str, bytes]:
    """Return the YAML files directly in `folder` (not the scenarios) by name.

    Raises `FlowError` when the folder cannot be read. Sizes are the loader's business.
    """
    try:
        names = sorted(p for p in folder.iterdir() if p.suffix in {".yaml", ".yml"} and ".test." not in p.name)
        return {path.name: _read_bounded(path) for path in names[:_MAX_FILES]}
    except OSError as error:
        raise FlowError(
            f"{folder}: cannot be read ({error.strerror}). Give the folder of your centre.yaml."
        ) from error


def _read_bounded(path: Path) -> bytes:
    """Read no more than makes the loader refuse the file for its size."""
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def read_recordings(folder: Path) -> dict[str, str]:
    """Return the prompts below `folder`/prompts: relative path without extension → digest of its content.

    Raises `FlowError` when one cannot be read, or went away while it was.
    """
    root = folder / "prompts"
    found: dict[str, str] = {}
    try:
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
                found[path.relative_to(root).with_suffix("").as_posix()] = digest
    except OSError as error:
        raise FlowError(
            f"{error.filename}: cannot be read ({error.strerror}). Make the prompts readable for the controller."
        ) from error
    return found
