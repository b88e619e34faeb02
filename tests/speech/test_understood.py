"""Is the example centre understood on a telephone? Every prompt and a sample of spoken values, by recognition.

`python -m tests.speech.everything` listens to every fragment as well, for a release.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.speech.release import prepare_release
from tests.speech.recognition import Listener, Piece, word_errors
from tests.speech.samples import CENTRE, SEQUENCES, notices, promises, prompts, release, sequence

EACH = 0.4
"""No prompt has more words wrong than this (names of streets and of the company are not in Whisper's head)."""
ALTOGETHER = 0.08
VALUES_ALTOGETHER = 0.15
"""Spoken values: Whisper writes `8h15` for a clear `8 h 05` now and then, and is not asked to be perfect."""


@pytest.fixture(scope="module")
def listener():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Listener(cache / "rappel" / "recognition")


@pytest.fixture(scope="module")
def centre():
    return release()


@pytest.fixture(scope="module")
def audio(centre, tmp_path_factory):
    return prepare_release(CENTRE, tmp_path_factory.mktemp("cache"), centre)


def understood(listener, audio, samples, language):
    pieces = [Piece(one.name, tuple(audio[media][0] for media in one.media), one.text) for one in samples]
    return listener.check_all(pieces, language)


def report(heard, limit):
    return "\n".join(
        f"{one.errors:.2f} {one.media}: {one.text!r} was heard as {one.heard!r}"
        for one in heard
        if one.errors > limit
    )


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_prompt_is_understood(listener, centre, audio, language):
    samples = [sample for sample in (*prompts(centre), *notices()) if sample.language == language]
    heard = understood(listener, audio, samples, language)
    assert len(heard) > 30
    assert not report(heard, EACH), report(heard, EACH)
    assert sum(one.errors for one in heard) / len(heard) <= ALTOGETHER, report(heard, 0)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_spoken_values_are_understood(listener, audio, language):
    samples = [*(sequence(*one) for one in SEQUENCES if one[0] == language), *promises(language)]
    heard = understood(listener, audio, samples, language)
    assert sum(one.errors for one in heard) / len(heard) <= VALUES_ALTOGETHER, report(heard, 0)


def test_silence_and_a_wrong_prompt_are_not_understood(listener, audio):
    stem = audio["fr/" + next(media for media in audio if media.startswith("fr/tts/"))[3:]][0]
    assert listener.check("wrong", [stem], "Une tout autre phrase que celle de ce fichier.", "fr").errors > EACH


@pytest.mark.parametrize(
    ("language", "text", "heard", "errors"),
    [
        ("fr", "deux mille vingt-six euros", "2026 euros", 0),
        ("fr", "le premier décembre", "le 1er décembre", 0),
        ("fr", "dix-huit heures trente", "18h30", 0),
        ("fr", "tapez 1", "tapé un", 0),
        ("fr", "tapez deux", "tapez trois", 0.5),
        ("en", "seventy-one thousand two hundred and thirty-four", "71,234", 0),
        ("en", "the first of December twenty twenty-six", "the 1st of December, 2026", 0),
        ("en", "six thirty p.m.", "6:30 PM", 0),
        ("en", "one two three", "", 1),
    ],
)
def test_words_are_compared_as_they_sound(language, text, heard, errors):
    assert word_errors(text, heard, language) == pytest.approx(errors)
