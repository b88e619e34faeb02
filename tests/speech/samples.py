"""What the prompts of the example centre and the spoken values are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.calls.releases import read_recordings, read_sources
from controller.flow.callbackwords import hours, number, promise, words
from controller.flow.commands import MediaId
from controller.flow.loader import compile_release
from controller.flow.prompts import SpokenValue, speak
from controller.flow.release import Release
from controller.flow.spoken import FRAGMENTS

CENTRE = Path(__file__).parents[2] / "ivr_flows"
VALUES = {"amount": "123.45", "date": "2026-12-01", "time": "14:30"}
"""What is spoken where the example centre's prompts have values."""
SPOKEN_FOREIGN = {
    "fr/for_english": ("en", "For English, press star."),
    "en/pour_le_francais": ("fr", "Pour le français, tapez étoile."),
}
"""Recordings of one language's prompts that are spoken in the other."""

SEQUENCES: tuple[tuple[str, str, str], ...] = (
    ("fr", "amount", "71.80"),
    ("fr", "amount", "2386.00"),
    ("fr", "amount", "600.00"),
    ("fr", "date", "2027-02-28"),
    ("fr", "phone", "+33353014710"),
    ("fr", "number", "46912"),
    ("fr", "time", "08:05"),
    ("en", "amount", "71.80"),
    ("en", "amount", "2386.00"),
    ("en", "date", "2027-02-28"),
    ("en", "digits", "504718"),
    ("en", "number", "46912"),
    ("en", "time", "18:05"),
)
"""A sample of spoken values: language, kind, value."""


@dataclass(frozen=True)
class Sample:
    """Pieces that are played one after another, and the words they make."""

    name: str
    language: str
    media: tuple[MediaId, ...]
    text: str


def release() -> Release:
    """Return the example centre."""
    return compile_release(read_sources(CENTRE), read_recordings(CENTRE))


def prompts(centre: Release) -> Iterator[Sample]:
    """Yield every prompt of the centre in each language, values and all, each once."""
    seen: set[tuple[MediaId, ...]] = set()
    for flow in centre.flows.values():
        for prompt in flow.prompts.values():
            texts = {media: text for _, text, media in prompt.texts}
            for language, segments in prompt.segments.items():
                media: list[MediaId] = []
                said: list[str] = []
                for segment in segments:
                    if isinstance(segment, SpokenValue):
                        fragments = speak(segment.kind, VALUES[segment.kind], language, segment.currency)
                        media += [f"say/{language}/{fragment}" for fragment in fragments]
                        said += [FRAGMENTS[language][fragment] for fragment in fragments]
                    else:
                        own = [one for one in segment if one not in SPOKEN_FOREIGN]
                        media += own
                        said += [texts[one] for one in own if one in texts]
                if tuple(media) not in seen:
                    seen.add(tuple(media))
                    yield Sample(f"{flow.name}.{prompt.name}.{language}", language, tuple(media), " ".join(said))
    for one, (language, text) in SPOKEN_FOREIGN.items():
        yield Sample(one, language, (one,), text)


def sequence(language: str, kind: str, value: str) -> Sample:
    """Return a spoken value as a sample."""
    fragments = speak(kind, value, language, "EUR")
    media = tuple(f"say/{language}/{fragment}" for fragment in fragments)
    return Sample(f"{kind} {value}.{language}", language, media, " ".join(FRAGMENTS[language][f] for f in fragments))


def promises(language: str) -> Iterator[Sample]:
    """Yield what is promised to somebody who is to be called back, and how the number is read back."""
    zone, slot = "Europe/Paris", datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    said = {
        "promise": promise(language, slot, 1800.0, zone, slot - timedelta(days=4)),
        "today": promise(language, slot, 1800.0, zone, slot),
        "tomorrow": promise(language, slot, 1800.0, zone, slot - timedelta(days=1)),
        "hours": hours(language, slot - timedelta(hours=4, minutes=30), 2700.0, zone),
        "number": number(language, "+33639980127", "FR"),
    }
    for name, media in said.items():
        yield Sample(f"{name}.{language}", language, media, words(media))


def notices() -> Iterator[Sample]:
    """Yield the fragments that are whole sentences."""
    for language, fragments in FRAGMENTS.items():
        for name, text in fragments.items():
            if text.endswith(".") and " " in text:
                yield Sample(f"say/{language}/{name}", language, (f"say/{language}/{name}",), text)
