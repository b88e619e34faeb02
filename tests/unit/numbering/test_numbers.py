"""What is taken for a telephone number, and what is not: the traps, one by one, and any text at all."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.numbering.model import NotANumber, NumberFacts, NumberKind
from controller.numbering.numbers import MAX_TEXT, understand

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def kind_of(text: str, country: str = "FR") -> NumberKind:
    return understand(text, country).kind


@pytest.mark.parametrize(
    "text",
    [
        "+33353014700",
        "+33 3 53 01 47 00",
        "+33 (0)3 53 01 47 00",
        "+33.3.53.01.47.00",
        "0033 3 53 01 47 00",
        "03 53 01 47 00",
        "03-53-01-47-00",
        "(03) 53/01/47/00",
        " 0353014700 ",
        "03\u00a053\u202f01\u00a047\u202f00",
        "33353014700",
    ],
)
def test_one_number_is_written_in_many_ways(text):
    assert understand(text, "FR") == NumberFacts(
        "+33353014700", "FR", NumberKind.FIXED, "03 53 01 47 00", ("Europe/Paris",)
    )


@pytest.mark.parametrize(
    ("text", "country", "number", "where", "zone"),
    [
        ("06 39 98 47 01", "FR", "+33639984701", "FR", "Europe/Paris"),
        ("0590 12 34 56", "GP", "+590590123456", "GP", "America/Guadeloupe"),
        ("+262 692 12 34 56", "FR", "+262692123456", "RE", "Indian/Reunion"),
        ("020 7946 0958", "GB", "+442079460958", "GB", "Europe/London"),
        ("(415) 555-0100", "US", "+14155550100", "US", "America/Los_Angeles"),
        ("+39 06 1234 5678", "FR", "+390612345678", "IT", "Europe/Rome"),
        ("+39 06 6982", "FR", "+39066982", "VA", "Europe/Vatican"),
        ("+41 44 668 18 00", "FR", "+41446681800", "CH", "Europe/Zurich"),
    ],
)
def test_a_number_has_a_country_and_a_zone(text, country, number, where, zone):
    facts = understand(text, country)
    assert (facts.number, facts.country) == (number, where)
    assert zone in facts.zones


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "0", "()", "-" * 20, "+++33353014700", "+33+353014700", "33353014700+"),
        *("+33353014700;ext=5", "+33353014700;phone-context=+33", "tel:+33353014700", "sip:+33353014700@host"),
        *("+33353014700x12", "+33353014700 ext. 12", "+33353014700,,12", "+33353014700#12", "+33353014700p12"),
        *("+33353014700w1", "*21*0353014700#", "+33353014700&PJSIP/attacker", "+33353014700@trunk", "0353014700/n\\"),
        *(
            "+33353014700\r\nX-Evil: 1",
            "+33353014700\n",
            "+33353014700\x00",
            "\t0353014700",
            "${EXTEN}",
            "0353014700'",
        ),
        *("+33353O147OO", "+33353014700\u200b", "\u202e0353014700", "\ufeff0353014700", "+33 3 53 01 47 00 ☎"),
        *(
            "٠٣٥٣٠١٤٧٠٠",
            "+33\uff1353014700",
            "०३५३०१४७००",
            "+33353014⑦00",
            "+3335301470⁰",
            "Ⅶ353014700",
            "零三五三零一四七",
        ),
        *("\uff0b33353014700", "0353014700" * 5, "9" * 18, "0 3 5 3 0 1 4 7 0 0" + " " * 40, "VELOMIRABELLE"),
    ],
)
def test_what_is_not_written_like_a_number_never_reaches_a_library(text, monkeypatch):
    def no_parse(*_: object) -> None:
        pytest.fail("the text was parsed")

    monkeypatch.setattr(phonenumbers, "parse", no_parse)
    understand.cache_clear()
    found = understand(text, "FR")
    assert isinstance(found, NotANumber)
    assert found.code == "unreadable"
    assert found.message
    assert found.advice
    assert (found.message + found.advice).isprintable()


@pytest.mark.parametrize("digits", ["15", "17", "18", "112", "114", "115", "119", "+33 15", "0033112", "911", "999"])
def test_emergency_numbers_are_told_from_short_ones(digits):
    found = understand(digits, "FR")
    assert (found.code, found.kind) == ("kind", NumberKind.EMERGENCY)


@pytest.mark.parametrize("digits", ["3639", "+33 3639", "1014", "118712", "36179", "888", "123"])
def test_short_numbers_are_none_that_can_be_called(digits):
    found = understand(digits, "FR")
    assert (found.code, found.kind) == ("kind", NumberKind.SHORT)


@pytest.mark.parametrize(
    "text", ["+3335301470", "+333530147000", "+999123456789", "+210123456", "01 23", "+0353014700"]
)
def test_numbers_that_do_not_exist_are_invalid(text):
    assert isinstance(understand(text, "FR"), NotANumber)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # phonenumbers calls the first three valid mobile numbers.
        ("+881 612 345 678", NumberKind.SATELLITE),
        ("+870 773 111 632", NumberKind.SATELLITE),
        ("+882 16 1234567", NumberKind.SATELLITE),
        ("+878 10 1234567890", NumberKind.SATELLITE),
        ("+979 1 2345 6789", NumberKind.PREMIUM),
        ("+800 1234 5678", NumberKind.FREE),
        ("+808 1234 5678", NumberKind.SHARED_COST),
        ("0 899 12 34 56", NumberKind.PREMIUM),
        ("0 892 12 34 56", NumberKind.PREMIUM),
        ("0 810 12 34 56", NumberKind.SHARED_COST),
        ("0 825 12 34 56", NumberKind.SHARED_COST),
        ("0 800 12 34 56", NumberKind.FREE),
        ("0 806 12 34 56", NumberKind.COMPANY),
        ("09 77 12 34 56", NumberKind.VOIP),
        *(
            (f"0{prefix} 12 34 56", NumberKind.PLATFORM)
            for prefix in ("9 37", "9 38", "9 39", "1 62", "1 63", "2 70")
        ),
        *((f"0{prefix} 12 34 56", NumberKind.PLATFORM) for prefix in ("2 71", "3 77", "3 78", "4 24", "4 25")),
        *((f"0{prefix} 12 34 56", NumberKind.PLATFORM) for prefix in ("5 68", "5 69", "9 48", "9 49")),
        ("09 47 51 23 45", NumberKind.PLATFORM),
        ("06 08 08 08 08", NumberKind.VOICEMAIL),
        ("+44 909 879 0000", NumberKind.PREMIUM),
        ("+44 7012 345678", NumberKind.PERSONAL),
        ("+44 76 4012 3456", NumberKind.PAGER),
        ("+1 900 555 0100", NumberKind.PREMIUM),
        ("+49 900 1 123456", NumberKind.PREMIUM),
    ],
)
def test_kinds_of_numbers(text, kind):
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("text", "country"),
    [("+252 61 2345678", "SO"), ("+674 555 1234", "NR"), ("+881 612 345 678", ""), ("+870 773 111 632", "")],
)
def test_far_mobile_numbers_are_of_their_country_or_of_none(text, country):
    assert understand(text, "FR").country == country


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+213 551 23 45 67", ("Africa/Algiers",)),  # the library says Europe/Paris, whose clock changes
        ("+353 85 012 3456", ("Europe/Dublin",)),
        ("+372 5123 4567", ("Europe/Tallinn",)),
        ("+91 81234 56789", ("Asia/Kolkata",)),
        ("+262 692 12 34 56", ("Indian/Reunion",)),
        ("+383 43 201 234", ("Europe/Belgrade",)),
        ("+33 6 39 98 47 01", ("Europe/Paris",)),
        ("+881 612 345 678", ()),
    ],
)
def test_zones_are_those_of_the_country(number, zones):
    assert understand(number, "FR").zones == zones


def test_a_number_of_a_large_country_may_be_in_several_zones():
    zones = understand("+1 800 555 0100", "FR").zones
    assert {"America/New_York", "America/Los_Angeles"} <= set(zones)
    assert "America/Toronto" not in zones


def test_the_mobile_numbers_of_films_are_known_here():
    assert not phonenumbers.is_valid_number(phonenumbers.parse("+33639984701"))
    assert kind_of("+33639984701") is NumberKind.MOBILE


@given(st.text(max_size=MAX_TEXT + 5), st.sampled_from(["FR", "US", "DE", "IT", "GP", "XX", ""]))
@example("+33353014700", "FR")
@example("0" * 17, "FR")
@example("+" + "9" * 15, "FR")
def test_any_text_is_a_number_fit_to_be_dialled_or_a_refusal(text, country):
    found = understand(text, country)
    if isinstance(found, NumberFacts):
        assert E164.fullmatch(found.number)
        assert found.number.isascii()
    else:
        assert found.code in ("unreadable", "invalid", "kind")
        assert found.message.isprintable()


@given(st.from_regex(r"(\+|00|0)?[0-9 .()/-]{2,20}", fullmatch=True), st.sampled_from(["FR", "GB", "US"]))
def test_digits_of_any_number_are_a_number_or_a_refusal(text, country):
    found = understand(text, country)
    if isinstance(found, NumberFacts):
        assert E164.fullmatch(found.number)
        assert understand(found.number, "XX") == found


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from([0, 1, 3, 4, 6, 7]))
def test_example_numbers_of_all_countries_are_understood(region, kind):
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None:
        return
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    found = understand(written, "FR")
    if E164.fullmatch(written):
        assert found.number == written
    else:
        assert isinstance(found, NotANumber)
