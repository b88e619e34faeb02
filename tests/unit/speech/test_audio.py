"""Levels, trims and codecs: each against a figure that is known from elsewhere."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from controller import g711
from controller.speech.audio import LEVEL_DBFS, PEAK_DBFS, AudioError, level, read, resample, to_int16, trim

RATE = 16_000


def tone(seconds, amplitude=0.1, rate=RATE, frequency=440.0):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples, rate, **format_):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **format_)
    return file.getvalue()


def rms_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_a_law_of_the_standard():
    # G.711 table 1a: the ends of the scale, and the smallest steps.
    assert g711.encode(np.array([0, -1, 32767, -32768], np.int16)) == bytes([0xD5, 0x55, 0xAA, 0x2A])
    assert list(g711.decode(bytes([0xD5, 0x55, 0xAA, 0x2A]))) == [8, -8, 32256, -32256]


def test_a_law_decodes_and_encodes_to_itself():
    codes = bytes(range(256))
    assert g711.encode(g711.decode(codes)) == codes


def test_a_law_is_within_half_a_step():
    values = np.arange(-32768, 32768, dtype=np.int32)
    back = g711.decode(g711.encode(values.astype(np.int16))).astype(np.int32)
    # The step is 16 up to 512, then a sixteenth of the magnitude's octave.
    allowed = np.maximum(16, np.abs(values) // 16) + 1
    assert np.all(np.abs(back - values) <= allowed)


@pytest.mark.parametrize(
    "format_",
    [
        {"format": "WAV", "subtype": "PCM_16"},
        {"format": "WAV", "subtype": "ALAW"},
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "MP3"},
    ],
)
def test_usual_formats_are_read(format_):
    samples, rate = read(encoded(np.stack([tone(0.5), tone(0.5)], axis=1), RATE, **format_))
    assert samples.ndim == 1
    assert len(samples) / rate == pytest.approx(0.5, abs=0.1)
    assert rms_db(samples[rate // 10 : rate // 3]) == pytest.approx(rms_db(tone(0.5)), abs=1.0)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not audio at all" * 100, b"OggS" + bytes(200)])
def test_what_is_no_audio_says_so(data):
    with pytest.raises(AudioError, match="cannot be read as audio"):
        read(data)


def test_a_file_without_samples_says_so():
    with pytest.raises(AudioError, match="holds no sound"):
        read(encoded(np.zeros(0, np.float32), RATE, format="WAV"))


def test_a_file_of_hours_is_refused_by_its_header():
    with pytest.raises(AudioError, match="over 600 s"):
        read(encoded(np.zeros(601 * 8000, np.int16), 8000, format="WAV"))


def test_values_that_are_no_numbers_become_silence():
    samples = tone(0.2)
    samples[10] = np.nan
    read_back, _ = read(encoded(samples, RATE, format="WAV", subtype="FLOAT"))
    assert np.isfinite(read_back).all()


def test_long_silence_is_cut_and_a_breath_stays():
    quiet = np.zeros(RATE, np.float32)
    cut = trim(np.concatenate([quiet, tone(1.0), quiet, quiet]), RATE)
    assert len(cut) / RATE == pytest.approx(1.0 + 0.05 + 0.12, abs=0.03)


def test_a_pause_inside_stays():
    pause = np.zeros(RATE // 2, np.float32)
    assert len(trim(np.concatenate([tone(0.5), pause, tone(0.5)]), RATE)) >= 1.49 * RATE


@pytest.mark.parametrize("amplitude", [0.02, 0.1, 0.9])
def test_speech_is_brought_to_one_level(amplitude):
    samples = np.concatenate([tone(1.0, amplitude), np.zeros(RATE, np.float32)])
    assert rms_db(level(samples, RATE)[:RATE]) == pytest.approx(LEVEL_DBFS, abs=0.3)


def test_peaks_stay_below_full_scale():
    samples = tone(1.0, 0.01)
    samples[5000] = 0.9
    assert 20 * np.log10(np.abs(level(samples, RATE)).max()) <= PEAK_DBFS + 0.01


def test_noise_is_not_blown_up():
    assert rms_db(level(tone(1.0, 1e-4), RATE)) < -50


def test_resampling_keeps_the_band_and_drops_what_is_above():
    assert rms_db(resample(tone(1.0), RATE, 8000)) == pytest.approx(rms_db(tone(1.0)), abs=0.1)
    assert rms_db(resample(tone(1.0, frequency=6000.0), RATE, 8000)) < -70


def test_integers_are_clipped_not_wrapped():
    assert list(to_int16(np.array([1.5, -1.5, 0.0], np.float32))) == [32767, -32768, 0]
