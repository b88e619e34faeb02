"""The gate: each rule by itself, their order, clocks of the people called, and that nothing else gets through."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.numbering.model import NumberFacts, NumberKind
from controller.numbering.numbers import understand
from controller.numbering.tariffs import Tariff, TariffTable
from controller.outbound import gate
from controller.outbound.gate import judge
from controller.outbound.model import Ceilings, Number, OutboundAsk, OutboundRules, Purpose, Usage
from controller.outbound.national import national_rules

OURS = Number("+33353014700")
ALSO_OURS = Number("+33199004700")
OUR_MOBILE = Number("+33639984700")
STAFF = Number("+33639984701")
SOMEBODY = Number("+33639981234")
RULES = OutboundRules(
    off=False,
    caller_id=OURS,
    owned=frozenset({OURS, ALSO_OURS, OUR_MOBILE}),
    staff=frozenset({STAFF}),
    countries=frozenset({"FR", "GP", "RE", "US"}),
    kinds=frozenset({NumberKind.FIXED, NumberKind.MOBILE, NumberKind.VOIP}),
    ceilings=Ceilings(hour=10.0, day=20.0, number=3.0, calls=6),
    tariffs=TariffTable(
        "EUR", {each: Tariff(0.2) for each in ("FR", "GP", "RE", "US")} | {"FR voip": Tariff(0.5)}, {}
    ),
)
PARIS = ZoneInfo("Europe/Paris")
TUESDAY = datetime(2026, 11, 24, 11, 0, tzinfo=PARIS)
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def verdict(number=SOMEBODY, purpose=Purpose.REQUESTED, usage=None, at=TUESDAY, rules=RULES, **more):
    ask = OutboundAsk(number=number, purpose=purpose, **{"consent": True, **more})
    return judge(rules, ask, usage if usage is not None else Usage(), at.astimezone(UTC))


def selling(**more):
    return verdict(purpose=Purpose.PROSPECTING, **more)


def paris(text):
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def test_a_call_that_somebody_asked_for_is_allowed_with_its_price():
    found = verdict(expected_s=300.0)
    assert (found.allowed, found.code, found.caller_id) == (True, "", OURS)
    assert (found.rate_per_min, found.cost, found.currency) == (0.2, pytest.approx(1.0), "EUR")
    assert found.facts.number == SOMEBODY


def test_without_rules_nobody_is_called():
    assert verdict(rules=OutboundRules()).code == "off"
    assert "outbound:" in verdict(rules=OutboundRules()).advice


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+33353014700;ext=1", "unreadable"),
        ("+33639981234&PJSIP/1", "unreadable"),
        ("+333530147", "invalid"),
        ("112", "kind"),
        ("3639", "kind"),
        ("+252 61 2345678", "country"),  # valid mobile numbers, says the library
        ("+674 555 1234", "country"),
        ("+881 612 345 678", "country"),
        ("+870 773 111 632", "country"),
        ("+979 1 2345 6789", "country"),
        ("+44 20 7946 0958", "country"),
        ("+262 639 12 34 56", "invalid"),
        ("0 899 12 34 56", "kind"),
        ("0 810 12 34 56", "kind"),
        ("0 800 12 34 56", "kind"),
        ("09 37 12 34 56", "kind"),
        ("01 62 12 34 56", "kind"),
        ("06 08 08 08 08", "kind"),
        (OURS, "own_number"),
        (ALSO_OURS, "own_number"),
    ],
)
def test_numbers_that_are_not_called(number, code):
    found = verdict(number)
    assert (found.allowed, found.code) == (False, code)
    assert found.message
    assert found.advice
    assert found.rule


def test_what_is_never_called_is_refused_even_if_the_country_is_allowed():
    everything = msgspec.structs.replace(RULES, countries=RULES.countries | {""})
    for number in ("+881 612 345 678", "+979 1 2345 6789", "+808 1234 5678"):
        assert verdict(number, rules=everything).code == "kind"


def test_a_number_that_may_be_fixed_or_mobile_needs_both():
    assert verdict("+1 415 555 0100").allowed
    fixed = msgspec.structs.replace(RULES, kinds=frozenset({NumberKind.FIXED}))
    assert verdict("+1 415 555 0100", rules=fixed).code == "kind"


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ("", ""),
        ("01 99 00 47 00", ""),
        (ALSO_OURS, ""),
        ("01 99 00 47 01", "caller_id"),
        ("anonymous", "caller_id"),
        ("06 39 98 47 00", "caller_id"),  # ours, but a mobile number (Arcep)
    ],
)
def test_only_our_own_numbers_are_shown_and_no_mobile_ones(shown, code):
    assert verdict(caller_id=shown).code == code


def test_the_default_number_is_one_of_ours_too():
    assert verdict(rules=msgspec.structs.replace(RULES, caller_id=Number("+33353014701"))).code == "caller_id"
    assert verdict(rules=msgspec.structs.replace(RULES, caller_id=Number(""))).code == "caller_id"
    mobile = verdict(rules=msgspec.structs.replace(RULES, caller_id=OUR_MOBILE))
    assert (mobile.code, "Arcep" in mobile.rule) == ("caller_id", True)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_who_is_on_the_list_for_a_purpose_is_not_called_for_it(purpose):
    number = STAFF if purpose is Purpose.INTERNAL else SOMEBODY
    assert verdict(number, purpose, Usage(opted_out=True)).code == "opted_out"
    assert verdict(number, purpose).allowed


def test_who_wants_no_calls_at_all_may_still_ask_for_one_later():
    said_at = TUESDAY.astimezone(UTC) - timedelta(hours=1)
    usage = Usage(silent_since=said_at)
    assert verdict(usage=usage).allowed
    assert verdict(usage=usage, asked_at=said_at + timedelta(seconds=1)).allowed
    assert verdict(usage=usage, asked_at=said_at).code == "opted_out"
    assert verdict(usage=usage, asked_at=said_at - timedelta(days=1)).code == "opted_out"
    assert verdict(purpose=Purpose.SERVICE, usage=usage).code == "opted_out"
    assert selling(usage=usage).code == "opted_out"


@pytest.mark.parametrize("purpose", [Purpose.REQUESTED, Purpose.PROSPECTING])
def test_consent_must_be_on_record(purpose):
    found = verdict(purpose=purpose, consent=False)
    assert found.code == "consent"
    assert "L. 223-1" in found.rule
    assert verdict("+1 415 555 0100", Purpose.REQUESTED, consent=False).code == "consent"


def test_a_contract_in_force_needs_none_and_has_no_hours():
    sunday = paris("2026-11-22T22:00")
    assert verdict(purpose=Purpose.SERVICE, consent=False, at=sunday).allowed
    assert verdict(at=sunday).allowed  # nor has a call that was asked for
    assert verdict("+1 415 555 0100", Purpose.SERVICE, consent=False, at=sunday).allowed


def test_internal_calls_go_to_our_own_people_alone():
    assert verdict(STAFF, Purpose.INTERNAL, consent=False, at=paris("2026-12-25T03:00")).allowed
    assert verdict(SOMEBODY, Purpose.INTERNAL).code == "purpose"


def test_nothing_is_sold_where_the_rules_are_not_known():
    assert verdict("+1 415 555 0100", Purpose.PROSPECTING).code == "purpose"


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-24T09:59:59", "2026-11-24T10:00"),
        ("2026-11-24T10:00:00", None),
        ("2026-11-24T12:59:59", None),
        ("2026-11-24T13:00:00", "2026-11-24T14:00"),
        ("2026-11-24T14:00:00", None),
        ("2026-11-24T19:59:59", None),
        ("2026-11-24T20:00:00", "2026-11-25T10:00"),
        ("2026-11-27T20:00:00", "2026-11-30T10:00"),  # a Friday
        ("2026-11-28T11:00:00", "2026-11-30T10:00"),
        ("2026-11-29T11:00:00", "2026-11-30T10:00"),
        ("2026-12-25T11:00:00", "2026-12-28T10:00"),
        ("2026-11-11T11:00:00", "2026-11-12T10:00"),
        ("2027-03-29T11:00:00", "2027-03-30T10:00"),  # Easter Monday, a day after the clocks changed
        ("2027-05-06T11:00:00", "2027-05-07T10:00"),  # Ascension
        ("2026-12-31T20:00:00", "2027-01-04T10:00"),  # New Year's Day is a Friday
        ("2026-10-25T02:30:00", "2026-10-26T10:00"),  # the hour that comes twice
        ("2027-03-28T02:30:00", "2027-03-30T10:00"),  # the hour that does not come, before Easter Monday
    ],
)
def test_people_are_sold_to_in_the_hours_of_the_law(at, opens):
    found = selling(at=paris(at))
    if opens is None:
        assert found.allowed
    else:
        assert (found.code, found.not_before) == ("window", paris(opens).astimezone(UTC))
        assert "decree 2022-1313" in found.rule


def test_the_hours_are_those_of_the_person_called():
    at = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)  # 13:30 in Paris, 08:30 in Guadeloupe, 16:30 on Réunion
    assert selling(at=at).not_before == datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    guadeloupe = verdict("+590 590 12 34 56", Purpose.PROSPECTING, at=at)
    assert (guadeloupe.code, guadeloupe.not_before) == ("window", datetime(2026, 11, 24, 14, 0, tzinfo=UTC))
    assert verdict("+262 262 12 34 56", Purpose.PROSPECTING, at=at).allowed
    assert selling(at=at, zone="Nowhere/City").code == "window"


def test_where_people_say_they_are_counts_and_so_does_their_number_unless_it_says_the_same():
    at = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)  # 13:30 in Paris, 16:30 on Réunion
    assert selling(at=at, zone="Indian/Reunion").not_before == datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)  # 10:30 and 13:30
    assert selling(at=at).allowed
    assert selling(at=at, zone="Europe/Paris").allowed
    assert selling(at=at, zone="Indian/Reunion").not_before == datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_a_number_that_may_be_in_two_zones_is_called_in_the_hours_of_both(monkeypatch):
    facts = NumberFacts(SOMEBODY, "FR", NumberKind.MOBILE, "", ("Indian/Mayotte", "Indian/Reunion"))  # an hour apart
    monkeypatch.setattr(gate, "understand", lambda text, _: facts if text == SOMEBODY else understand(text, "FR"))
    at = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)  # 09:30 and 10:30
    found = selling(at=at)
    assert (found.code, found.not_before) == ("window", datetime(2026, 11, 24, 7, 0, tzinfo=UTC))
    assert selling(at=at + timedelta(minutes=30)).allowed
    at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)  # 12:30 and 13:30, then 13:30 and 14:30
    assert selling(at=at).not_before == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert selling(at=at, zone="Indian/Mayotte").allowed  # they said which


def test_the_holidays_are_those_of_the_place():
    abolition = datetime(2026, 5, 27, 15, 0, tzinfo=UTC)  # a Wednesday, a holiday in Guadeloupe alone
    assert verdict("+590 590 12 34 56", Purpose.PROSPECTING, at=abolition).code == "window"
    assert selling(at=abolition).allowed


def test_four_calls_in_thirty_days():
    days_ago = [1, 5, 10, 29]
    recent = tuple(TUESDAY.astimezone(UTC) - timedelta(days=each) for each in days_ago)
    found = selling(usage=Usage(recent=recent))
    assert found.code == "frequency"
    assert "four calls" in found.rule
    assert found.not_before == paris("2026-11-25T10:00").astimezone(UTC)
    assert selling(usage=Usage(recent=recent[:3])).allowed
    assert selling(usage=Usage(recent=recent), at=paris("2026-11-25T10:00")).allowed
    assert verdict(usage=Usage(recent=recent)).allowed  # asked for: no such limit


def test_the_period_counts_calendar_days_of_the_person():
    first = paris("2026-10-26T23:50").astimezone(UTC)
    usage = Usage(recent=(first,) * 4)
    assert selling(usage=usage, at=paris("2026-11-24T19:59")).code == "frequency"
    assert selling(usage=usage, at=paris("2026-11-25T10:00")).allowed


def test_sixty_days_of_silence_after_a_refusal():
    refused_at = paris("2026-09-21T11:00").astimezone(UTC)
    usage = Usage(refused_at=refused_at)
    found = selling(usage=usage, at=paris("2026-11-20T19:00"))
    assert (found.code, found.not_before) == (
        "frequency",
        paris("2026-11-23T10:00").astimezone(UTC),
    )  # after a weekend
    assert selling(usage=usage, at=paris("2026-11-23T10:00")).allowed
    assert verdict(usage=usage, purpose=Purpose.SERVICE, at=paris("2026-10-01T11:00")).allowed


@pytest.mark.parametrize(
    ("usage", "which", "frees"),
    [
        (Usage(spent_hour=9.1, hour_frees_at=TUESDAY), "hour", TUESDAY),
        (Usage(spent_day=19.5, day_frees_at=TUESDAY), "day", TUESDAY),
        (Usage(spent_number_day=2.5), "number", None),
    ],
)
def test_ceilings_stop_calls_by_themselves(usage, which, frees):
    found = verdict(usage=usage, expected_s=300.0)
    assert (found.code, found.not_before, found.cost) == ("cost", frees, pytest.approx(1.0))
    assert f"ceilings: {which}:" in found.rule
    assert verdict(usage=usage, expected_s=60.0).allowed


def test_exactly_what_is_left_may_be_spent():
    assert verdict(usage=Usage(spent_hour=9.0), expected_s=300.0).allowed
    assert verdict(usage=Usage(spent_hour=9.0 + 1e-6), expected_s=300.0).code == "cost"


def test_one_number_is_called_only_so_often():
    found = verdict(usage=Usage(calls_number_day=6, number_frees_at=TUESDAY))
    assert (found.code, found.not_before) == ("frequency", TUESDAY)


def test_what_has_no_price_is_not_called():
    priceless = msgspec.structs.replace(RULES, tariffs=TariffTable("EUR", {"US": Tariff(0.1)}, {}))
    found = verdict(rules=priceless)
    assert (found.code, "tariffs:" in found.advice) == ("cost", True)


def test_the_first_rule_that_says_no_decides():
    everything = Usage(opted_out=True, spent_hour=100.0, calls_number_day=100)
    refusals = [
        verdict("nonsense", usage=everything),
        verdict("+44 909 879 0000", usage=everything),
        verdict("0 899 12 34 56", usage=everything, caller_id="1"),
        verdict(caller_id="1", usage=everything),
        verdict(usage=everything, consent=False),
        verdict(usage=Usage(spent_hour=100.0), consent=False),
        selling(usage=Usage(spent_hour=100.0, refused_at=TUESDAY), at=paris("2026-11-28T11:00")),
        selling(usage=Usage(spent_hour=100.0), at=paris("2026-11-28T11:00")),
        verdict(usage=Usage(spent_hour=100.0)),
    ]
    assert [each.code for each in refusals] == [
        *("unreadable", "country", "kind", "caller_id", "opted_out", "consent", "frequency", "window", "cost")
    ]


def test_every_rule_of_the_law_names_it():
    rules = national_rules("FR")
    assert national_rules("GP") is rules
    assert national_rules("DE") is None
    told = [rules.caller_id, rules.opposition, rules.requested.consent, rules.prospecting.consent]
    told += [rules.prospecting.windows, rules.prospecting.frequency, rules.prospecting.silence]
    assert all(re.search(r"L\. 223-1|D\. 223-9|Arcep|art\. 21", each.law) for each in told)
    assert "11 August 2026" in rules.prospecting.consent.law


NUMBERS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"(\+33|0|0033|\+|\+262|\+1|\+881)[0-9 ]{5,14}", fullmatch=True),
    st.sampled_from(["+33639981234", "06 39 98 12 34", "+1 415 555 0100", OURS, STAFF]),
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by `timezones`


@settings(max_examples=400)
@given(
    NUMBERS, st.sampled_from(Purpose), MOMENTS, st.booleans(), st.integers(0, 8), st.sampled_from(["", "FR", "US"])
)
def test_what_passes_is_always_allowed_to(number, purpose, at, consent, recent, country):
    usage = Usage(recent=tuple(at - timedelta(days=each) for each in range(recent)))
    found = verdict(number, purpose, usage, at, consent=consent, country=country)
    if not found.allowed:
        assert found.code
        assert found.message
        assert found.not_before is None or found.not_before > at
        return
    assert E164.fullmatch(found.facts.number)
    assert found.facts.country in RULES.countries
    assert found.facts.kind in RULES.kinds | {NumberKind.FIXED_OR_MOBILE}
    assert found.caller_id in RULES.owned
    assert found.facts.number not in RULES.owned
    assert purpose is not Purpose.REQUESTED or consent
    if purpose is Purpose.PROSPECTING:
        local = at.astimezone(ZoneInfo(found.facts.zones[0]))
        assert consent
        assert recent < 5
        assert local.weekday() < 5
        assert 10 <= local.hour < 20
        assert local.hour != 13


@settings(max_examples=200)
@given(MOMENTS, st.sampled_from(["+33639981234", "+262692123456", "+590590123456"]))
def test_the_time_that_a_refusal_names_is_one_at_which_it_is_allowed(at, number):
    found = verdict(number, Purpose.PROSPECTING, at=at)
    if found.code == "window":
        assert verdict(number, Purpose.PROSPECTING, at=found.not_before).allowed
        before = found.not_before - timedelta(seconds=1)
        assert before < at or verdict(number, Purpose.PROSPECTING, at=before).code == "window"
    else:
        assert found.allowed
