"""Preparing audio: what is made, what is not made twice, and what is said of files that are missing or broken."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from controller import g711
from controller.errors import ConfigError
from controller.flow.spoken import FRAGMENTS
from controller.speech.library import missing, prepare, sounds_folder, source
from controller.speech.speak import spoken_texts


def record(folder, media, suffix=".wav", seconds=1.0, rate=22_050):
    path = folder / "prompts" / f"{media}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.2 * np.sin(np.arange(int(seconds * rate)) / 10)
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture
def centre(tmp_path):
    folder = tmp_path / "centre"
    record(folder, "fr/menu")
    return folder


def test_a_recording_is_there_in_both_codecs(centre, tmp_path):
    audio = prepare(centre, tmp_path / "cache", ["fr/menu"])
    stem = audio.path("fr/menu")
    assert audio.problems == ()
    assert Path(stem).is_absolute()
    assert audio.duration_s("fr/menu") == pytest.approx(1.0, abs=0.05)
    narrow, wide = Path(f"{stem}.alaw").read_bytes(), Path(f"{stem}.sln16").read_bytes()
    assert len(wide) == pytest.approx(4 * len(narrow), rel=0.01)
    heard = g711.decode(narrow).astype(float)
    assert np.sqrt(np.mean(heard[800:-1600] ** 2)) == pytest.approx(32768 * 10 ** (-18 / 20), rel=0.05)


def test_what_is_there_is_not_made_again(centre, tmp_path):
    first = prepare(centre, tmp_path / "cache", ["fr/menu"]).path("fr/menu")
    written = Path(f"{first}.alaw").stat().st_mtime_ns
    assert prepare(centre, tmp_path / "cache", ["fr/menu"]).path("fr/menu") == first
    assert Path(f"{first}.alaw").stat().st_mtime_ns == written


def test_an_interrupted_preparation_is_completed(centre, tmp_path):
    stem = prepare(centre, tmp_path / "cache", ["fr/menu"]).path("fr/menu")
    Path(f"{stem}.alaw").unlink()
    prepare(centre, tmp_path / "cache", ["fr/menu"])
    assert Path(f"{stem}.alaw").stat().st_size > 0


def test_a_changed_recording_is_another_piece(centre, tmp_path):
    first = prepare(centre, tmp_path / "cache", ["fr/menu"]).path("fr/menu")
    record(centre, "fr/menu", seconds=2.0)
    second = prepare(centre, tmp_path / "cache", ["fr/menu"])
    assert second.path("fr/menu") != first
    assert Path(f"{first}.alaw").exists()  # calls on the old release go on playing it
    assert second.duration_s("fr/menu") == pytest.approx(2.0, abs=0.05)


def test_unknown_pieces_are_key_errors(centre, tmp_path):
    audio = prepare(centre, tmp_path / "cache", ["fr/menu"])
    with pytest.raises(KeyError):
        audio.path("fr/other")
    with pytest.raises(KeyError):
        audio.duration_s("fr/other")


def test_everything_wrong_is_told_at_once_and_what_to_do(centre, tmp_path):
    (centre / "prompts/fr/broken.wav").write_bytes(b"RIFF....")
    soundfile.write(centre / "prompts/fr/silent.wav", np.zeros(8000), 8000)
    wanted = ["fr/absent", "fr/broken", "fr/menu", "fr/silent", "fr/tts/bonjour.0123456789", "say/fr/absent"]
    audio = prepare(centre, tmp_path / "cache", wanted)
    told = {problem.media: problem.message for problem in audio.problems}
    assert list(told) == ["fr/absent", "fr/broken", "fr/silent", "fr/tts/bonjour.0123456789", "say/fr/absent"]
    assert "fr/absent.wav" in told["fr/absent"]
    assert "cannot be read as audio" in told["fr/broken"]
    assert "silent" in told["fr/silent"]
    assert "rappel speak" in told["fr/tts/bonjour.0123456789"]
    assert "reinstall" in told["say/fr/absent"]
    assert audio.duration_s("fr/menu") > 0


@pytest.mark.parametrize(
    "media", ["../../etc/passwd", "fr/../../secret", "/etc/passwd", "fr//menu", "fr/a b", "", "fr"]
)
def test_no_path_leads_out_of_the_folder(centre, tmp_path, media):
    record(tmp_path, "../secret")
    assert source(centre, media) is None


def test_a_link_out_of_the_folder_is_not_followed(centre, tmp_path):
    outside = record(tmp_path, "fr/outside")
    (centre / "prompts/fr/link.wav").symlink_to(outside)
    assert source(centre, "fr/link") is None


def test_missing_reads_no_audio(centre):
    (centre / "prompts/fr/broken.wav").write_bytes(b"")
    assert missing(centre, ["fr/menu", "fr/broken", "fr/absent", "silence/200", "say/fr/n-1"]) == ("fr/absent",)


@pytest.mark.parametrize(("media", "seconds"), [("silence/200", 0.2), ("silence/60000", 60.0), ("tone/beep", 0.3)])
def test_silence_and_tones_need_no_file(centre, tmp_path, media, seconds):
    audio = prepare(centre, tmp_path / "cache", [media])
    assert audio.duration_s(media) == pytest.approx(seconds, abs=0.002)
    heard = g711.decode(Path(f"{audio.path(media)}.alaw").read_bytes())
    assert (np.abs(heard).max() > 1000) == (media == "tone/beep")


def test_too_long_a_silence_is_a_problem(centre, tmp_path):
    assert prepare(centre, tmp_path / "cache", ["silence/99999", "tone/no"]).problems


@pytest.mark.parametrize("name", ["a,b", "a b", "é", "a&b", "a:b"])
def test_a_cache_folder_that_asterisk_cannot_name_is_refused(centre, tmp_path, name):
    with pytest.raises(ConfigError, match="RAPPEL_NODE_CACHE_DIR"):
        prepare(centre, tmp_path / name, ["fr/menu"])


def test_a_cache_folder_that_cannot_be_made_is_refused(centre, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be prepared"):
        prepare(centre, tmp_path / "file", ["fr/menu"])


def test_a_name_beyond_ascii_in_the_centre_is_no_matter(tmp_path):
    folder = tmp_path / "café, centre"
    record(folder, "fr/menu")
    assert prepare(folder, tmp_path / "cache", ["fr/menu"]).path("fr/menu").isascii()


@pytest.mark.parametrize("language", list(FRAGMENTS))
def test_every_fragment_was_spoken_with_its_present_text(language):
    assert spoken_texts(sounds_folder(), language) == dict(FRAGMENTS[language])


def test_all_fragments_are_prepared_in_seconds(tmp_path):
    every = [f"say/{language}/{name}" for language, names in FRAGMENTS.items() for name in names]
    began = time.monotonic()
    audio = prepare(tmp_path, tmp_path / "cache", every)
    assert audio.problems == ()
    assert len(audio) == len(every)
    assert time.monotonic() - began < 30
