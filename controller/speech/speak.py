"""Make the audio of text prompts and of the spoken fragments: the work of `rappel speak`.

What is made is committed beside the flows, so that a release and a caller never depend on an engine.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import soundfile

from controller.flow.commands import MediaId
from controller.flow.spoken import FRAGMENTS
from controller.speech.audio import Samples, level, trim
from controller.speech.engines import Engine
from controller.speech.library import PROMPTS, source

EXTENSION = ".ogg"
"""Opus in Ogg: 3 kB a second, read by libsndfile on every platform."""

TEXTS = "texts.json"

_DIGIT = re.compile(r"n-[0-9]")
_BITRATE_LEVEL = 0.9  # libsndfile's compression level: about 30 kbit/s for one channel
_FRAGMENT_LEAD_S = 0.02
_FRAGMENT_TAIL_S = 0.05
_DIGIT_TAIL_S = 0.1

Progress = Callable[[MediaId], None]


def speak(folder: Path, texts: Iterable[tuple[str, str, MediaId]], engine: Engine, progress: Progress) -> list[Path]:
    """Speak every (language, text, media id) that has no audio yet into `folder`; return the new files.

    `Release.texts()` gives the texts. `progress` is called with each id before it is spoken. Raises `SetupError`
    for a language without a voice.
    """
    written: list[Path] = []
    for language, text, media in texts:
        if source(folder, media) is not None:
            continue
        progress(media)
        samples, rate = engine.synthesize(text, language)
        path = folder / PROMPTS / f"{media}{EXTENSION}"
        _write(path, level(trim(samples, rate), rate), rate)
        written.append(path)
    return written


def unused(folder: Path, media_ids: Iterable[MediaId]) -> list[Path]:
    """Return the spoken texts in `folder` that no flow uses any more: a text was changed or taken out."""
    wanted = {f"{media}{EXTENSION}" for media in media_ids}
    prompts = folder / PROMPTS
    found = sorted(prompts.glob(f"*/tts/*{EXTENSION}"))
    return [path for path in found if path.relative_to(prompts).as_posix() not in wanted]


def speak_fragments(folder: Path, engine: Engine, progress: Progress) -> list[Path]:
    """Speak every fragment of `controller.flow.spoken` that `folder` does not hold with its present text.

    `<lang>/<fragment>.ogg`, and `<lang>/texts.json` that says what was spoken.
    """
    written: list[Path] = []
    for language, fragments in FRAGMENTS.items():
        spoken = spoken_texts(folder, language)
        for name, text in fragments.items():
            path = folder / language / f"{name}{EXTENSION}"
            if spoken.get(name) == text and path.exists():
                continue
            progress(f"say/{language}/{name}")
            _write(path, *_fragment(name, text, language, engine))
            written.append(path)
            spoken[name] = text
        kept = {name: spoken[name] for name in sorted(fragments)}
        (folder / language / TEXTS).write_text(
            json.dumps(kept, ensure_ascii=False, indent=0) + "\n", encoding="utf-8"
        )
    return written


def spoken_texts(folder: Path, language: str) -> dict[str, str]:
    """Return fragment → the text that its audio in `folder` was spoken from."""
    path = folder / language / TEXTS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _fragment(name: str, text: str, language: str, engine: Engine) -> tuple[Samples, int]:
    if text.endswith("."):
        # A sentence stands alone; anything else is heard between other fragments.
        samples, rate = engine.synthesize(text, language)
        return level(trim(samples, rate), rate), rate
    samples, rate = engine.fragment(text, language)
    tail = _DIGIT_TAIL_S if _DIGIT.fullmatch(name) else _FRAGMENT_TAIL_S
    return level(trim(samples, rate, lead_s=_FRAGMENT_LEAD_S, tail_s=tail), rate), rate


def _write(path: Path, samples: Samples, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=EXTENSION, delete=False) as file:
        soundfile.write(file, samples, rate, format="OGG", subtype="OPUS", compression_level=_BITRATE_LEVEL)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
