"""`rappel speak` without an engine's weight: what is spoken, where it goes, and the engine's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from controller.errors import SetupError
from controller.flow.spoken import FRAGMENTS
from controller.speech import engines
from controller.speech.speak import speak, speak_fragments, spoken_texts, unused

RATE = 24_000


class Humming:
    """Hums for a tenth of a second a word."""

    def __init__(self):
        self.said = []

    def synthesize(self, text, language):
        self.said.append((language, text))
        return (0.1 * np.sin(np.arange(len(text.split()) * RATE // 10) / 9)).astype(np.float32), RATE

    fragment = synthesize


TEXTS = [("fr", "Bonjour à tous", "fr/tts/bonjour.1"), ("en", "Hello", "en/tts/hello.2")]


def test_each_missing_text_is_spoken_once(tmp_path):
    engine, told = Humming(), []
    made = speak(tmp_path, TEXTS, engine, told.append)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "prompts/fr/tts/bonjour.1.ogg",
        "prompts/en/tts/hello.2.ogg",
    ]
    assert told == ["fr/tts/bonjour.1", "en/tts/hello.2"]
    assert soundfile.info(made[0]).duration == pytest.approx(0.3, abs=0.05)
    assert speak(tmp_path, TEXTS, engine, told.append) == []
    assert len(engine.said) == 2


def test_texts_that_no_flow_uses_any_more_are_named(tmp_path):
    speak(tmp_path, TEXTS, Humming(), lambda _: None)
    assert [path.name for path in unused(tmp_path, ["fr/tts/bonjour.1"])] == ["hello.2.ogg"]


def test_a_fragment_is_spoken_again_when_its_text_changes(tmp_path, monkeypatch):
    few = {"fr": {"n-1": "un", "excuse": "Pardon. Au revoir."}, "en": {"n-1": "one"}}
    monkeypatch.setattr("controller.speech.speak.FRAGMENTS", few)
    assert len(speak_fragments(tmp_path, Humming(), lambda _: None)) == 3
    assert speak_fragments(tmp_path, Humming(), lambda _: None) == []
    few["en"]["n-1"] = "won"
    assert [path.name for path in speak_fragments(tmp_path, Humming(), lambda _: None)] == ["n-1.ogg"]
    assert spoken_texts(tmp_path, "en") == {"n-1": "won"}


def test_without_the_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"pip install 'rappel\[speech\]'"):
        engines.Kokoro(tmp_path)


def test_voices_that_are_not_what_they_should_be_are_refused(tmp_path):
    with pytest.raises(SetupError, match="SHA-256"):
        engines._keep(tmp_path / "voice.bin", b"something else", "0" * 64, "fetch it again")
    assert list(tmp_path.iterdir()) == []


def test_without_npm_the_error_says_where_voices_go(tmp_path, monkeypatch):
    monkeypatch.setattr(engines.shutil, "which", lambda _: None)
    with pytest.raises(SetupError, match=r"ff_siwis\.bin, af_heart\.bin"):
        engines._fetch_voices(tmp_path)


def test_long_texts_are_cut_at_sentences():
    chunks = list(engines._chunks("a" * 300 + ". " + "b" * 300 + ". " + "c" * 1200))
    assert chunks[0] == "a" * 300 + "."
    assert chunks[1] == "b" * 300 + "."
    assert all(0 < len(chunk) <= 501 for chunk in chunks)
    assert "".join(chunks).count("c") == 1200


def test_the_vocabulary_is_kokoros():
    assert engines._tokens("bɔ̃ʒ\u02c8uʁ.") == [44, 76, 17, 147, 156, 63, 128, 4]
    assert max(engines._VOCABULARY.values()) == 177


def test_an_output_is_added_to_a_model_by_merging():
    assert engines._with_output(b"model", "x") == b"model" + bytes([0x3A, 5, 0x62, 3, 0x0A, 1]) + b"x"


def test_every_language_has_a_voice():
    assert set(FRAGMENTS) <= set(engines.VOICES)
