from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.flow.commands import CollectEnd, DigitRules
from controller.flow.digits import DigitCollector

KEYS = "0123456789*#ABCD"


def press_all(collector: DigitCollector, digits: str, *, start: float = 0.0, gap: float = 0.1):
    ends = [collector.press(digit, start + gap * i) for i, digit in enumerate(digits)]
    return next((end for end in ends if end is not None), None)


def test_max_digits_complete_the_entry():
    collector = DigitCollector(DigitRules(max=4))
    assert press_all(collector, "123") is None
    assert collector.press("4", 0.3) is CollectEnd.COMPLETE
    assert collector.digits == "1234"


def test_the_end_key_ends_the_entry_and_is_no_digit():
    collector = DigitCollector(DigitRules(min=2, max=10, end="#"))
    assert press_all(collector, "12#") is CollectEnd.TERMINATED
    assert collector.digits == "12"


def test_the_end_key_after_too_few_digits_ends_at_once():
    collector = DigitCollector(DigitRules(min=6, max=10, end="#"))
    assert press_all(collector, "12#") is CollectEnd.TERMINATED
    assert collector.digits == "12"


def test_a_leading_end_key_is_dropped_and_moves_no_clock():
    collector = DigitCollector(DigitRules(min=6, max=10, end="#", first_digit_s=5))
    assert collector.press("#", 1.0) is None
    assert collector.deadline() is None
    collector.prompt_done(2.0)
    assert collector.press("#", 4.0) is None
    assert collector.deadline() == 7.0
    assert collector.expire(7.0) is CollectEnd.NO_INPUT
    assert collector.digits == ""


def test_an_empty_entry_may_be_ended_when_none_is_required():
    collector = DigitCollector(DigitRules(min=0, max=10, end="#"))
    assert collector.press("#", 0) is CollectEnd.TERMINATED
    assert collector.digits == ""


def test_the_end_key_of_a_menu_without_one_is_a_digit():
    collector = DigitCollector(DigitRules(choices=("1", "#")))
    assert collector.press("#", 0) is CollectEnd.COMPLETE
    assert collector.digits == "#"


def test_an_unambiguous_choice_completes_at_once():
    collector = DigitCollector(DigitRules(max=2, choices=("1", "12", "2")))
    assert collector.press("2", 0) is CollectEnd.COMPLETE


def test_an_ambiguous_choice_waits_for_the_inter_digit_clock():
    collector = DigitCollector(DigitRules(max=2, choices=("1", "12"), inter_digit_s=2))
    assert collector.press("1", 10) is None
    assert collector.deadline() == 12
    assert collector.expire(12) is CollectEnd.INTER_DIGIT
    assert collector.digits == "1"


@pytest.mark.parametrize("digits", ["9", "19"])
def test_digits_that_no_choice_begins_with_end_the_entry(digits):
    collector = DigitCollector(DigitRules(max=5, choices=("1", "123")))
    assert press_all(collector, digits) is CollectEnd.COMPLETE
    assert collector.digits == digits


def test_no_input():
    collector = DigitCollector(DigitRules(first_digit_s=5, total_s=60))
    assert collector.deadline() is None
    assert collector.expire(1000) is None
    collector.prompt_done(3)
    assert collector.deadline() == 8
    assert collector.expire(7.999) is None
    assert collector.expire(8) is CollectEnd.NO_INPUT


def test_nothing_pressed_is_no_input_even_when_the_total_clock_is_the_shorter():
    collector = DigitCollector(DigitRules(first_digit_s=50, total_s=6))
    collector.prompt_done(0)
    assert collector.deadline() == 6
    assert collector.expire(6) is CollectEnd.NO_INPUT


def test_a_second_end_of_the_prompt_changes_nothing():
    collector = DigitCollector(DigitRules(first_digit_s=5))
    collector.prompt_done(0)
    collector.prompt_done(4)
    assert collector.deadline() == 5


def test_digits_typed_ahead_start_the_clocks():
    collector = DigitCollector(DigitRules(max=4, inter_digit_s=2, total_s=10))
    collector.press("1", 1)
    assert collector.deadline() == 3
    collector.prompt_done(2)
    assert collector.deadline() == 3


def test_the_total_clock_ends_a_slow_entry():
    collector = DigitCollector(DigitRules(max=20, inter_digit_s=2, total_s=5))
    collector.prompt_done(0)
    assert press_all(collector, "123", start=1, gap=1.5) is None
    assert collector.deadline() == 5
    assert collector.expire(5) is CollectEnd.TOTAL
    assert collector.digits == "123"


def test_a_digit_before_the_expiry_was_noticed_counts():
    collector = DigitCollector(DigitRules(max=2, inter_digit_s=2))
    collector.press("1", 0)
    assert collector.press("2", 2.004) is CollectEnd.COMPLETE
    assert collector.digits == "12"


def test_after_the_end_nothing_changes():
    collector = DigitCollector(DigitRules(max=1))
    assert collector.press("1", 0) is CollectEnd.COMPLETE
    assert collector.press("2", 1) is None
    collector.prompt_done(1)
    assert (collector.digits, collector.deadline(), collector.expire(99)) == ("1", None, None)


@pytest.mark.parametrize("noise", ["e", "f", "", "11", "é"])
def test_what_is_no_key_is_dropped(noise):
    collector = DigitCollector(DigitRules(max=2))
    assert collector.press(noise, 0) is None
    assert collector.digits == ""
    assert collector.deadline() is None


rules = st.builds(
    DigitRules,
    min=st.integers(0, 4),
    max=st.integers(1, 12),
    end=st.sampled_from(["", "#", "*"]),
    first_digit_s=st.floats(0.1, 20),
    inter_digit_s=st.floats(0.1, 10),
    total_s=st.floats(0.1, 60),
    choices=st.lists(st.text(KEYS, min_size=1, max_size=3), max_size=4).map(tuple),
)
presses = st.lists(st.tuples(st.sampled_from(KEYS), st.floats(0.0, 12)), max_size=40)


@given(rules=rules, presses=presses, prompt_s=st.floats(0, 10))
def test_every_entry_ends_within_its_total_clock(rules, presses, prompt_s):
    collector = DigitCollector(rules)
    now, pending, end = 0.0, [], None
    for key, gap in presses:
        now += gap
        pending.append((now, key))
    began, prompt_open = None, True
    for at, key in [*pending, (1e9, "")]:
        if prompt_open and at >= prompt_s:
            prompt_open = False
            collector.prompt_done(prompt_s)
            began = prompt_s if began is None else began
        deadline = collector.deadline()
        if deadline is not None and deadline <= at:
            end, ended_at = collector.expire(deadline), deadline
            break
        end, ended_at = collector.press(key, at), at
        if began is None and collector.digits:
            began = at
        if end:
            break
    assert end is not None
    assert len(collector.digits) <= rules.max
    assert rules.end == "" or rules.end not in collector.digits
    assert (end is CollectEnd.NO_INPUT) <= (collector.digits == "")
    if began is not None:
        assert ended_at <= began + rules.total_s


@given(rules=rules, keys=st.text(KEYS, min_size=1, max_size=14), prompt_after=st.integers(0, 14))
def test_the_digits_do_not_depend_on_when_the_prompt_ended(rules, keys, prompt_after):
    straight, interrupted = DigitCollector(rules), DigitCollector(rules)
    ends = []
    for i, key in enumerate(keys):
        if i == prompt_after:
            interrupted.prompt_done(i * 0.01)
        ends.append((straight.press(key, i * 0.01), interrupted.press(key, i * 0.01)))
    assert all(one == other for one, other in ends)
    assert straight.digits == interrupted.digits
