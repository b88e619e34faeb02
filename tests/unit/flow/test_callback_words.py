"""What is said of a call-back: days, times, whose clock it is, and the promise, in French and English."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from controller.callback.model import RequestId, When
from controller.flow import callbackwords as said
from controller.flow.events import CallbackNote
from controller.flow.spoken import FRAGMENTS
from controller.flow.spoken.callbacks import BACK, CALLBACKS, CHOICES, MORE

PARIS, LONDON = "Europe/Paris", "Europe/London"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SLOT = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "now", "text"),
    [
        (
            "fr",
            NOW,
            "nous vous rappellerons le mardi vingt-quatre novembre entre quatorze heures et quatorze heures trente",
        ),
        ("fr", SLOT, "nous vous rappellerons aujourd'hui entre quatorze heures et quatorze heures trente"),
        (
            "fr",
            SLOT - timedelta(days=1),
            "nous vous rappellerons demain entre quatorze heures et quatorze heures trente",
        ),
        (
            "en",
            NOW,
            "we will call you back on Tuesday the twenty-fourth of November between two p.m. and two thirty p.m.",
        ),
        ("en", SLOT, "we will call you back today between two p.m. and two thirty p.m."),
    ],
)
def test_a_time_is_promised_as_people_say_it(language: str, now: datetime, text: str) -> None:
    assert said.words(said.promise(language, SLOT, 1800.0, PARIS, now)) == text


def test_tomorrow_is_the_customers_tomorrow() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # the 24th in Paris, still the 23rd in London
    assert "aujourd'hui" in said.words(said.promise("fr", SLOT, 1800.0, PARIS, late))
    assert "demain" in said.words(said.promise("fr", SLOT, 1800.0, LONDON, late))


def test_in_the_night_the_clocks_go_back_a_slot_is_told_by_the_wall() -> None:
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two, in summer time
    assert said.words(said.hours("fr", twice, 1800.0, PARIS)) == "entre deux heures trente et deux heures"
    again = twice + timedelta(hours=1)
    assert said.words(said.hours("fr", again, 1800.0, PARIS)) == "entre deux heures trente et trois heures"


def test_in_the_night_the_clocks_go_forward_no_time_is_told_that_does_not_occur() -> None:
    last = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half past one; an hour later it is half past three
    assert said.words(said.hours("fr", last, 1800.0, PARIS)) == "entre une heure trente et trois heures"


@pytest.mark.parametrize(
    ("phone", "zone", "remark"),
    [
        ("+33612345678", PARIS, ""),
        ("+442079460958", LONDON, said.LOCAL),
        ("+4930901820", PARIS, ""),  # Berlin's clock is Paris's
        ("+12125550123", "America/New_York", said.LOCAL),
        ("+18005550123", PARIS, said.OURS),  # a free number in many zones
        ("anonymous", PARIS, ""),
    ],
)
def test_times_are_told_by_the_customers_clock_where_it_is_known(phone: str, zone: str, remark: str) -> None:
    assert said.zone_of(phone, "FR", PARIS, (NOW, SLOT)) == (zone, remark)


def test_a_clock_that_differs_only_after_the_change_is_another_clock() -> None:
    winter, summer = datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    tunis = "+21671123456"  # UTC+1 all the year, as Paris in winter
    assert said.zone_of(tunis, "FR", PARIS, (winter, winter)) == (PARIS, "")
    assert said.zone_of(tunis, "FR", PARIS, (winter, summer)) == ("Africa/Tunis", said.LOCAL)


def test_days_are_the_customers_days() -> None:
    slots = [datetime(2026, 11, 24, 23, 30, tzinfo=UTC), datetime(2026, 11, 25, 9, 0, tzinfo=UTC)]
    assert said.days_of(slots, PARIS) == [date(2026, 11, 25)]
    assert said.days_of(slots, LONDON) == [date(2026, 11, 24), date(2026, 11, 25)]
    assert said.on_day(slots, date(2026, 11, 25), LONDON) == slots[1:]


def test_days_to_choose_are_near_or_named() -> None:
    day = SLOT.date()
    assert said.words(said.day("fr", day, SLOT, PARIS)) == "aujourd'hui"
    assert said.words(said.day("en", day, SLOT - timedelta(days=1), PARIS)) == "tomorrow"
    assert said.words(said.day("fr", date(2026, 12, 1), SLOT, PARIS)) == "mardi premier décembre"


def note(slot_at: datetime | None = None, number: str = "+33612345678") -> CallbackNote:
    return CallbackNote(RequestId("1" * 32), "support", number, When.ASAP, slot_at=slot_at, slot_s=1800.0)


@pytest.mark.parametrize(
    ("kept", "estimate_s", "text"),
    [
        (False, None, "We will call you back as soon as an adviser is free."),
        (
            True,
            240.0,
            (
                "We will call you back as soon as an adviser is free. Your place in the line is kept."
                " The estimated waiting time is about four minutes."
            ),
        ),
        (False, 7200.0, "We will call you back as soon as an adviser is free."),  # nobody can say so far ahead
    ],
)
def test_as_soon_as_possible_is_promised_without_a_time(kept: bool, estimate_s: float | None, text: str) -> None:
    centre = said.Centre("en", "FR", PARIS, NOW)
    assert said.words(said.promised(centre, note(), kept=kept, estimate_s=estimate_s)) == text


def test_a_promise_to_another_zone_says_whose_time_it_is() -> None:
    centre = said.Centre("en", "FR", PARIS, NOW)
    heard = said.words(said.promised(centre, note(SLOT, "+442079460958")))
    assert heard.endswith("between one p.m. and one thirty p.m. This is your local time.")


def test_words_pass_over_what_is_not_spoken_by_us() -> None:
    assert said.words(("silence/300", "fr/menu", "say/fr/today", "say/xx/today", "say/fr/no-such")) == "aujourd'hui"


def test_both_languages_have_the_same_notices_and_a_key_for_each_choice() -> None:
    assert set(CALLBACKS["fr"]) == set(CALLBACKS["en"])
    for language in ("fr", "en"):
        assert f"callback-press-{CHOICES}" in CALLBACKS[language]
        assert not set(CALLBACKS[language]) - set(FRAGMENTS[language])
    assert not {MORE, BACK} & {str(key) for key in range(1, CHOICES + 1)}


@pytest.mark.parametrize(
    ("language", "phone", "text"),
    [
        ("fr", "+33612345678", "zéro six douze trente-quatre cinquante-six soixante-dix-huit"),
        ("en", "+33612345678", "zero six one two three four five six seven eight"),
        ("en", "+442079460958", "plus four four two zero seven nine four six zero nine five eight"),
    ],
)
def test_a_number_is_read_back_as_it_is_dialled_here(language: str, phone: str, text: str) -> None:
    assert said.words(said.number(language, phone, "FR")).endswith(f". {text}")
