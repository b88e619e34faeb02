"""G.711, level, tones and silence."""

from __future__ import annotations

import numpy as np
import pytest

from controller.softphone.g711 import from_alaw, from_ulaw, to_alaw, to_ulaw
from controller.softphone.sound import (
    SILENT_DBFS,
    Span,
    gaps,
    has_tone,
    level_dbfs,
    sounding,
    steady_tone,
    tone_level,
)
from tests.unit.softphone.sounds import silence, sine, speech

EVERY_CODE = bytes(range(256))


def test_alaw_by_known_values():
    # ITU-T G.711: D5 and 55 are the smallest steps, AA and 2A the greatest
    assert from_alaw(b"\xd5\x55\xaa\x2a").tolist() == [8, -8, 32256, -32256]


def test_ulaw_by_known_values():
    assert from_ulaw(b"\xff\x7f\x80\x00").tolist() == [0, 0, 32124, -32124]


def test_every_code_comes_back():
    assert to_alaw(from_alaw(EVERY_CODE)) == EVERY_CODE
    # mu-law has two zeros: 0x7F comes back as one of them
    assert from_ulaw(to_ulaw(from_ulaw(EVERY_CODE))).tolist() == from_ulaw(EVERY_CODE).tolist()


@pytest.mark.parametrize(("encode", "decode"), [(to_alaw, from_alaw), (to_ulaw, from_ulaw)])
def test_the_error_stays_under_a_sixteenth(encode, decode):
    samples = np.arange(-32768, 32768, dtype=np.int16)
    error = np.abs(decode(encode(samples)).astype(int) - samples.astype(int))
    assert (error <= np.maximum(8, np.abs(samples.astype(int)) / 16)).all()


def test_levels():
    assert level_dbfs(sine(1000, 1, 32767)) == pytest.approx(-3.01, abs=0.05)
    assert level_dbfs(np.zeros(100, dtype=np.int16)) == SILENT_DBFS
    assert level_dbfs(np.zeros(0, dtype=np.int16)) == SILENT_DBFS


def test_one_tone_among_others():
    both = sine(440, 1) + sine(880, 1, 800)
    assert tone_level(both, 440) == pytest.approx(level_dbfs(sine(440, 1)), abs=0.1)
    assert tone_level(both, 440) - tone_level(both, 880) == pytest.approx(20, abs=0.2)
    assert tone_level(both, 600) < -70
    assert has_tone(both, 440)
    assert not has_tone(both, 880)
    assert not has_tone(speech(1, 1), 440)
    assert not has_tone(silence(1), 440)


def test_a_tone_that_a_late_packet_shifted_against_itself_is_the_same_tone():
    half = sine(1300, 0.25)
    shifted = np.concatenate([half, -half])
    assert tone_level(shifted, 1300) < -60
    assert has_tone(shifted, 1300)
    assert not has_tone(shifted, 1350)


def test_a_tone_that_has_only_just_begun_is_none_yet():
    assert not has_tone(np.concatenate([silence(0.3), sine(1300, 0.2)]), 1300)
    assert has_tone(np.concatenate([silence(0.1), sine(1300, 0.4)]), 1300)


def test_a_steady_tone_is_told_from_speech_and_silence():
    for hz in (440, 801, 1700):
        assert steady_tone(sine(hz, 9)) == hz
    for other in (speech(1, 1), silence(1), sine(800, 0.05)):
        assert steady_tone(other) is None


def test_where_something_is_heard():
    samples = np.concatenate([silence(0.5), sine(440, 1), silence(0.1), sine(440, 0.4), silence(1)])
    assert sounding(samples) == [Span(0.5, 2.0)]
    assert sounding(samples, join_s=0.0) == [Span(0.5, 1.5), Span(1.6, 2.0)]
    assert gaps(samples, at_least_s=0.3) == [Span(0.0, 0.5), Span(2.0, 3.0)]
    assert sounding(silence(0.01)) == []
