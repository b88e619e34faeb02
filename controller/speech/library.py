"""Prepared audio: every piece a release can play, in the callers' codecs, before the first caller hears it.

A piece is decoded, levelled, trimmed and written as 8 kHz A-law and as 16 kHz signed linear into the cache, under
a name made of its content. Asterisk picks what fits the channel: A-law goes out byte for byte, the other serves
wideband callers. Nothing is prepared while a call runs, and nothing already there is made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path

import msgspec

from controller import g711
from controller.calls.releases import AUDIO_SUFFIXES
from controller.errors import ConfigError
from controller.flow.commands import MediaId
from controller.speech import tones
from controller.speech.audio import AudioError, Samples, level, read, resample, to_int16, trim

"""What a recording may be; where several stand beside each other, the first of these counts."""
MAX_BYTES = 64 * 1024 * 1024
PROMPTS = "prompts"

# Part of every name: another treatment of the same recording is another piece.
_TREATMENT = "1"
_WIDE_RATE = 16_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){1,6}")
# Asterisk separates arguments by these, so that no folder of ours may hold them.
_UNSAFE = re.compile(r"[^\x21-\x7e]|[,&|:;'\"\\]")


class Piece(msgspec.Struct, frozen=True):
    """One prepared piece: the absolute path without extension, and how long it lasts."""

    stem: str
    duration_s: float


class AudioProblem(msgspec.Struct, frozen=True):
    """A piece that cannot be played, and what to do about it."""

    media: MediaId
    message: str


class PreparedAudio:
    """The audio of one release; implements `controller.ports.AudioLibrary`. Immutable."""

    def __init__(self, pieces: Mapping[MediaId, Piece], problems: tuple[AudioProblem, ...] = ()) -> None:
        self._pieces = dict(pieces)
        self.problems = problems
        """Pieces that are missing or broken, in the order of their ids; a release with any is not put in force."""

    def path(self, media: MediaId) -> str:
        """Return the absolute path, without extension, that Asterisk plays; raise `KeyError` if unknown."""
        return self._pieces[media].stem

    def duration_s(self, media: MediaId) -> float:
        """Return how long it lasts, in seconds; raise `KeyError` if unknown."""
        return self._pieces[media].duration_s

    def __len__(self) -> int:
        return len(self._pieces)

    def __contains__(self, media: object) -> bool:
        return media in self._pieces


def prepare(folder: Path, cache_dir: Path, media_ids: Iterable[MediaId]) -> PreparedAudio:
    """Prepare every piece of `media_ids` that is not yet in `cache_dir`.

    `folder` is the centre's (it holds `prompts/<lang>/`). What is missing or broken is in `problems` of the
    result, all at once. Raises `ConfigError` when the cache folder cannot be written or its path holds
    a character that Asterisk takes for a separator.
    """
    target = cache_dir.absolute() / "audio"
    if _UNSAFE.search(str(target)):
        raise ConfigError(
            f"The cache folder {target} has a blank, a comma or another character that Asterisk cannot have in "
            "the path of a sound: set another one (node.cache_dir, RAPPEL_NODE_CACHE_DIR)."
        )
    pieces: dict[MediaId, Piece] = {}
    problems: list[AudioProblem] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for media in sorted(set(media_ids)):
            try:
                pieces[media] = _piece(folder, target, media)
            except AudioError as error:
                problems.append(AudioProblem(media, str(error)))
    except OSError as error:
        raise ConfigError(
            f"Audio cannot be prepared in {target} ({error}): free space, or check its rights."
        ) from error
    return PreparedAudio(pieces, tuple(problems))


def source(folder: Path, media: MediaId) -> Path | None:
    """Return the file that `media` is made from, or None; only recordings, texts and fragments have one."""
    if not _ID.fullmatch(media) or ".." in media:
        return None
    if media.startswith("say/"):
        base, inside = sounds_folder(), media.removeprefix("say/")
    else:
        base, inside = folder / PROMPTS, media
    for extension in AUDIO_SUFFIXES:
        path = base / f"{inside}{extension}"
        if path.is_file() and path.resolve().is_relative_to(base.resolve()):
            return path
    return None


def sounds_folder() -> Path:
    """Return the folder of the spoken fragments that come with Rappel."""
    return Path(str(resources.files("controller.speech"))) / "sounds"


def missing(folder: Path, media_ids: Iterable[MediaId]) -> tuple[MediaId, ...]:
    """Return the ids that need a file and have none, sorted. Reads no audio: for `rappel check`."""
    return tuple(
        sorted(m for m in set(media_ids) if tones.made(m) is None and source(folder, m) is None),
    )


def advice(folder: Path, media: MediaId) -> str:
    """Return what to tell the operator about a piece without a file."""
    if media.startswith("say/"):
        return f"the spoken fragment {media} is missing from this installation: reinstall Rappel"
    if "/tts/" in media:
        return f"no audio was made for the text of {media}: run `rappel speak {folder}` and commit what it writes"
    wanted = f"{folder / PROMPTS / media}.wav"
    return f"there is no recording {media}: put it at {wanted} (or {', '.join(AUDIO_SUFFIXES[1:])})"


def _piece(folder: Path, target: Path, media: MediaId) -> Piece:
    made = tones.made(media)
    if made is not None:
        return _write(target, media.encode(), lambda: (made, tones.RATE))
    path = source(folder, media)
    if path is None:
        raise AudioError(advice(folder, media))
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise AudioError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB: shorten or compress it")
    data = path.read_bytes()
    try:
        return _write(target, data, lambda: _treated(data))
    except AudioError as error:
        raise AudioError(f"{path} is not usable: {error}. Export it again as a mono WAV file") from error


def _treated(data: bytes) -> tuple[Samples, int]:
    samples, rate = read(data)
    if not samples.any():
        raise AudioError("it is silent from start to end")
    return level(trim(samples, rate), rate), rate


def _write(target: Path, content: bytes, make: Callable[[], tuple[Samples, int]]) -> Piece:
    digest = hashlib.sha256(_TREATMENT.encode() + b"\0" + content).hexdigest()[:32]
    stem = target / digest[:2] / digest
    narrow, wide = stem.with_suffix(".alaw"), stem.with_suffix(".sln16")
    # The narrow file is written last: with it, the piece is complete.
    if not (narrow.is_file() and wide.is_file()):
        samples, rate = make()
        stem.parent.mkdir(exist_ok=True)
        _replace(wide, to_int16(resample(samples, rate, _WIDE_RATE)).astype("<i2").tobytes())
        _replace(narrow, g711.encode(to_int16(resample(samples, rate, g711.RATE))))
    return Piece(str(stem), narrow.stat().st_size / g711.RATE)


def _replace(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(data)
    # Asterisk may run as another user than the controller.
    os.chmod(file.name, 0o644)  # noqa: PTH101 - the name is a string
    Path(file.name).replace(path)
