"""`outbound:` of centre.yaml: what is compiled, and what is found wrong, each with its place and advice."""

from __future__ import annotations

import pytest

from controller.flow.findings import Finding, Severity
from controller.flow.loader import check_sources
from controller.flow.schema import centre_schema
from controller.numbering.model import NumberKind
from controller.numbering.numbers import understand
from controller.numbering.tariffs import Tariff
from controller.outbound.model import Ceilings, OutboundRules
from tests.unit.flow.centres import CENTRE, RECORDINGS, release, sources

FULL = """
  caller_id: 01 23 45 67 89
  countries: [FR, BE]
  kinds: [mobile, shared_cost]
  staff: ["06 39 98 00 01", "+32 470 12 34 56"]
  ceilings: {hour: 2.5, day: 12, number: 1, calls: 3}
  tariffs:
    FR mobile: {per_min: 0.5, connection: 0.1, step: 30s, least: 1m}
    "+324": {per_min: 2}
  classes: {green: {caller: nothing, company: {per_min: 0.04}}}
"""


def centre(section: str = FULL) -> str:
    return f"{CENTRE.rstrip()}\noutbound:{section}"


def rules_of(section: str = FULL) -> OutboundRules:
    return release(centre=centre(section)).outbound


def found(section: str, whole: str = "") -> Finding:
    findings = check_sources(sources(centre=whole or centre(section)), RECORDINGS)
    first: Finding = next(each for each in findings if each.rule != "tariff-class")
    return first


def test_all_of_it_is_compiled():
    rules = rules_of()
    assert (rules.off, rules.country, rules.zone) == (False, "FR", "Europe/Paris")
    assert (rules.caller_id, rules.owned) == ("+33123456789", {"+33123456789"})
    assert rules.staff == {"+33639980001", "+32470123456"}
    assert rules.countries == {"FR", "BE"}
    assert rules.kinds == {NumberKind.MOBILE, NumberKind.SHARED_COST}
    assert rules.ceilings == Ceilings(2.5, 12.0, 1.0, 3)
    assert rules.tariffs.of(understand("06 39 98 00 01", "FR")) == Tariff(0.5, 0.1, 30.0, 60.0)
    assert rules.tariffs.of(understand("+32470123456", "FR")) == Tariff(2.0)
    assert rules.tariffs.of(understand("+33353014700", "FR")) == Tariff(0.012)
    assert rules.tariffs.incoming["green"].company == Tariff(0.04)
    assert "free" in rules.tariffs.incoming


def test_without_a_section_nobody_may_be_called():
    assert release().outbound.off
    assert release().outbound.owned == {"+33123456789"}


def test_the_shortest_section_calls_ordinary_numbers_of_the_country():
    rules = rules_of(' {caller_id: "+33123456789"}')
    assert (rules.countries, rules.kinds) == ({"FR"}, {NumberKind.FIXED, NumberKind.MOBILE, NumberKind.VOIP})
    assert not rules.off
    assert rules_of(" {off: true}").off


def test_another_currency_leaves_nothing_of_the_table():
    rules = rules_of(' {caller_id: "+33123456789", currency: CHF, tariffs: {CH: {per_min: 0.05}}, countries: [CH]}')
    assert rules.tariffs.currency == "CHF"
    assert set(rules.tariffs.outgoing) == {"CH"}


@pytest.mark.parametrize(
    ("section", "rule", "line", "hint"),
    [
        ("\n  countries: [FR]", "no-caller-id", 13, "add caller_id:"),
        ('\n  caller_id: "01 23 45 67 88"', "unknown-number", 13, "+33 1 23 45 67 89"),
        ('\n  caller_id: "100"', "caller-id", 13, "country code"),
        ("\n  caller_id: 01 23 45 67 89\n  countries: [FRA]", "word", 14, "FR"),
        ("\n  caller_id: 01 23 45 67 89\n  kinds: [premium]", "number-kind", 14, "delete it"),
        ("\n  caller_id: 01 23 45 67 89\n  kinds: [fixed_or_mobile]", "number-kind", 14, "fixed and mobile"),
        ("\n  caller_id: 01 23 45 67 89\n  kinds: [mobil]", "word", 14, "mobile"),
        ("\n  caller_id: 01 23 45 67 89\n  staff:\n    - '0639980001'\n    - '15'", "staff", 16, "telephone"),
        ("\n  caller_id: 01 23 45 67 89\n  ceilings: {hour: 200}", "ceilings", 14, "raise day:"),
        ("\n  caller_id: 01 23 45 67 89\n  ceilings: {hour: '2,5'}", "amount", 14, "write 2.5"),
        ("\n  caller_id: 01 23 45 67 89\n  ceilings: {hour: -1}", "amount", 14, ""),
        ("\n  caller_id: 01 23 45 67 89\n  currency: CHF", "tariff", 14, "your carrier"),
        ("\n  caller_id: 01 23 45 67 89\n  countries: [FR, JP]", "tariff", 14, "add JP:"),
        ("\n  caller_id: 01 23 45 67 89\n  tariffs: {France: {per_min: 1}}", "form", 14, ""),
        ("\n  caller_id: 01 23 45 67 89\n  tariffs: {FR: {}}", "missing-key", 14, "per_min"),
        ("\n  caller_id: 01 23 45 67 89\n  colour: red", "unknown-key", 14, ""),
        (" [1]", "structure", 12, ""),
    ],
)
def test_what_is_wrong_has_its_place_and_advice(section, rule, line, hint):
    finding = found(section)
    assert (finding.rule, finding.line) == (rule, line), str(finding)
    assert hint in finding.suggestion


def test_a_mobile_number_may_not_be_shown():
    whole = centre('\n  caller_id: "06 39 98 00 02"').replace('"100":', '"06 39 98 00 02":')
    finding = found("", whole)
    assert finding.rule == "caller-id"
    assert "Arcep" in finding.suggestion


def test_a_class_without_a_tariff_is_noted():
    whole = CENTRE.replace("tariff_class: free", "tariff_class: lilac")
    findings = check_sources(sources(centre=whole), RECORDINGS)
    assert [(each.rule, each.severity) for each in findings] == [("tariff-class", Severity.NOTE)]


def test_an_extension_is_never_the_carrier():
    found = check_sources(sources(centre=CENTRE.replace("endpoint: alice", "endpoint: Trunk")), RECORDINGS)
    assert [each.rule for each in found if each.severity is Severity.ERROR] == ["trunk"]


@pytest.mark.parametrize(("key", "hint"), [("tariffs", "under outbound:"), ("callbacks", "callback:")])
def test_keys_that_stand_elsewhere_say_where(key, hint):
    findings = check_sources(sources(centre=f"{CENTRE}\n{key}: {{}}"), RECORDINGS)
    assert hint in findings[0].message


def test_the_schema_knows_it():
    outbound = centre_schema()["properties"]["outbound"]
    assert set(outbound["properties"]) >= {"off", "caller_id", "countries", "kinds", "ceilings", "tariffs"}


def test_nor_may_a_queue_show_a_mobile_number():
    whole = centre(' {caller_id: "+33123456789"}').replace('"100":', '"06 39 98 00 02":')
    whole += '\nqueues: {support: {calendar: bureau, callback: {flow: accueil, caller_id: "06 39 98 00 02"}}}'
    findings = check_sources(sources(centre=whole), RECORDINGS)
    assert [each.message for each in findings if each.rule == "caller-id"] == [
        "calls of a call centre may not show a number of the kind 'mobile'"
    ]
