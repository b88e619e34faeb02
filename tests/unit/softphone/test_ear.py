"""The ear on made-up speech: which prompt, where, how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.softphone.ear import Ear, HeardPrompt, load_prompts
from controller.softphone.g711 import to_alaw
from tests.unit.softphone.sounds import RATE, silence, sine, speech

LENGTHS = {"short": 0.4, "menu": 3.0, "long": 6.0, "sorry": 1.5, "bye": 1.0}
PROMPTS = {name: speech(length, seed) for seed, (name, length) in enumerate(LENGTHS.items())}
EAR = Ear(PROMPTS)


def listen(*parts: np.ndarray) -> list[HeardPrompt]:
    return EAR.listen(np.concatenate(parts).astype(np.int16))


def test_whole_prompts_in_order():
    heard = listen(silence(1), PROMPTS["menu"], PROMPTS["short"], silence(0.7), PROMPTS["bye"], silence(1))
    assert [prompt.name for prompt in heard] == ["menu", "short", "bye"]
    assert [prompt.start_s for prompt in heard] == pytest.approx([1.0, 4.0, 5.1], abs=0.001)
    assert [prompt.end_s for prompt in heard] == pytest.approx([4.0, 4.4, 6.1], abs=0.03)
    assert all(prompt.complete and prompt.score > 0.99 for prompt in heard)


@pytest.mark.parametrize("cut_s", [0.15, 0.3, 0.7, 1.5, 2.5])
@pytest.mark.parametrize("after", [silence(0.5), PROMPTS["bye"], np.zeros(0, dtype=np.int16)])
def test_a_prompt_that_a_digit_cut(cut_s: float, after: np.ndarray):
    heard = listen(silence(0.3), PROMPTS["menu"][: int(cut_s * RATE)], after)
    assert heard[0].name == "menu"
    assert heard[0].start_s == pytest.approx(0.3, abs=0.001)
    assert heard[0].end_s == pytest.approx(0.3 + cut_s, abs=0.045)
    assert not heard[0].complete
    assert heard[0].fraction == pytest.approx(cut_s / 3.0, abs=0.03)
    assert [prompt.name for prompt in heard[1:]] == (["bye"] if len(after) == RATE else [])


@pytest.mark.parametrize("lead", [0, 1, 37, 80, 121, 159])
@pytest.mark.parametrize("length_s", [0.25, 0.42])
def test_two_cut_prompts_wherever_they_begin(lead: int, length_s: float):
    first, second = PROMPTS["menu"][: int(0.7 * RATE)], PROMPTS["sorry"][: int(length_s * RATE)]
    heard = listen(silence(0.1), silence(lead / RATE), first, silence(0.18), second)
    assert [prompt.name for prompt in heard] == ["menu", "sorry"]
    assert [prompt.start_s for prompt in heard] == pytest.approx([0.1 + lead / RATE, 0.98 + lead / RATE], abs=0.001)


def test_the_same_prompt_three_times():
    heard = listen(PROMPTS["sorry"], silence(0.2), PROMPTS["sorry"], PROMPTS["sorry"])
    assert [(prompt.name, prompt.start_s) for prompt in heard] == [("sorry", 0.0), ("sorry", 1.7), ("sorry", 3.2)]


def test_lost_packets_do_not_lose_the_prompt():
    long = PROMPTS["long"].copy()
    for start in range(RATE, len(long), RATE):
        long[start : start + 160] = 0
    (prompt,) = listen(silence(0.2), long)
    assert (prompt.name, prompt.complete) == ("long", True)


def test_a_shift_in_the_middle_does_not_lose_the_prompt():
    long = PROMPTS["long"]
    (prompt,) = listen(long[: 2 * RATE], silence(0.01), long[2 * RATE :])
    assert (prompt.name, prompt.complete) == ("long", True)


def test_quieter_and_with_noise():
    rng = np.random.default_rng(9)
    clean = np.concatenate([silence(0.4), PROMPTS["menu"]]) * 0.3
    (prompt,) = listen(clean + rng.normal(0, 120, size=len(clean)))
    assert (prompt.name, prompt.complete) == ("menu", True)


def test_one_prompt_that_begins_like_another():
    ear = Ear({"long": PROMPTS["long"], "start": PROMPTS["long"][: 2 * RATE]})
    assert [prompt.name for prompt in ear.listen(PROMPTS["long"])] == ["long"]
    assert [prompt.name for prompt in ear.listen(PROMPTS["long"][: 2 * RATE])] == ["start"]


@pytest.mark.parametrize(
    "sound", [silence(3), sine(440, 3), sine(425, 3) + sine(1209, 3), speech(4, 77), np.zeros(0, dtype=np.int16)]
)
def test_what_is_no_prompt_is_not_heard(sound: np.ndarray):
    assert listen(sound) == []


def test_noise_is_no_prompt():
    assert listen(np.random.default_rng(5).normal(0, 4000, size=4 * RATE)) == []


def test_silent_prompts_are_not_listened_for():
    assert Ear({"silence/500": silence(0.5), "menu": PROMPTS["menu"]}).names == ["menu"]
    assert EAR.only(lambda name: name.startswith("s")).names == ["short", "sorry"]


def test_a_minute_against_150_prompts():
    prompts = {str(seed): speech(0.4 + seed % 8, 1000 + seed) for seed in range(150)}
    order = ["7", "120", "33", "0", "64", "149", "78", "15", "5", "6", "100", "31", "23"]
    audio = np.concatenate([np.concatenate([prompts[name], silence(0.3)]) for name in order])
    heard = Ear(prompts).listen(audio[: 60 * RATE])
    assert [prompt.name for prompt in heard] == order[: len(heard)]
    assert len(heard) >= 11


def test_prompts_from_files(tmp_path: Path):
    (tmp_path / "menu.9f.alaw").write_bytes(to_alaw(PROMPTS["menu"]))
    PROMPTS["bye"].astype("<i2").tofile(tmp_path / "bye.sln")
    wide = np.interp(np.arange(2 * RATE) / 2, np.arange(RATE), PROMPTS["bye"])
    wide.astype("<i2").tofile(tmp_path / "bye.sln16")
    prompts = load_prompts(
        {"menu": tmp_path / "menu.9f", "bye": tmp_path / "bye.sln", "wide": tmp_path / "bye.sln16"}
    )
    assert np.array_equal(prompts["menu"], PROMPTS["menu"])
    assert np.array_equal(prompts["bye"], PROMPTS["bye"])
    (heard,) = Ear({"bye": PROMPTS["bye"]}).listen(prompts["wide"])
    assert heard.complete
