"""Sites of centre.yaml: what is compiled, what is found wrong."""

from __future__ import annotations

import pytest

from controller.flow.findings import Finding, Severity
from controller.flow.loader import check_sources
from controller.flow.sitekinds import DEFAULT_CONSENT_VERSION, Site, Theme
from tests.unit.flow.centres import CENTRE, RECORDINGS, flow, release, sources

QUEUE = "q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}"
STEPS = f"{QUEUE}\nfin: {{type: hangup}}"
MENU = "m: {type: menu, prompt: p, choices: {1: q}, no_input: {then: fin}, invalid: {then: fin}}"
CLIENT = flow(f"{MENU}\n{STEPS}").replace("flow: accueil", "flow: rappel")
FULL = """
    queue: support
    title: {fr: Parlons, en: "Let's talk"}
    origins: ["https://www.shop.example", "http://localhost:8000"]
    languages: [en, fr]
    modes: [callback, slot, voice]
    voice_number: "100"
    countries: [FR, BE]
    kinds: [fixed]
    consent: {version: 2026-11, text: {fr: Oui., en: "Yes."}}
    privacy: https://www.shop.example/privacy
    telephone: "+33 1 23 45 67 89"
    theme: {colour: "#123456", position: left}
    per_day: 50
    without_script: false
"""


def centre(site: str, callback: str = "{flow: rappel, slots: {calendar: bureau}}") -> str:
    written = f"callback: {callback}" if callback else "title: Support"
    outbound = '\noutbound: {caller_id: "+33123456789"}\n'
    return f"{CENTRE}queues:\n  support:\n    {written}\nsites:\n  boutique: {site}\n{outbound}"


def found(site: str, callback: str = "{flow: rappel, slots: {calendar: bureau}}") -> list[Finding]:
    findings = check_sources(sources(flow(STEPS), centre(site, callback), rappel=CLIENT), RECORDINGS)
    return [finding for finding in findings if finding.severity is not Severity.NOTE]


def site_of(site: str) -> Site:
    return release(flow(STEPS), centre(site), rappel=CLIENT).sites["boutique"]


def test_everything_an_operator_writes_arrives() -> None:
    assert found(FULL) == []
    assert site_of(FULL) == Site(
        name="boutique",
        queue="support",
        title={"fr": "Parlons", "en": "Let's talk"},
        origins=("https://www.shop.example", "http://localhost:8000"),
        languages=("en", "fr"),
        modes=frozenset({"callback", "slot", "voice"}),
        country="FR",
        countries=("FR", "BE"),
        kinds=frozenset({"fixed"}),
        consent={"fr": "Oui.", "en": "Yes."},
        consent_version="2026-11",
        privacy="https://www.shop.example/privacy",
        telephone="+33 1 23 45 67 89",
        theme=Theme(colour="#123456", position="left"),
        voice_number="100",
        per_day=50,
        without_script=False,
    )


def test_only_the_queue_must_be_written() -> None:
    site = site_of("{queue: support}")
    assert (site.countries, site.languages, site.origins) == (("FR",), ("fr", "en"), ())
    assert site.consent_version == DEFAULT_CONSENT_VERSION
    assert set(site.consent) >= set(site.languages)
    assert site.title == {"fr": "support", "en": "support"}
    assert (site.language("en"), site.language("de")) == ("en", "fr")


def test_a_site_without_a_privacy_link_is_warned_of() -> None:
    assert [(each.rule, each.severity) for each in found("{queue: support}")] == [("site-privacy", Severity.WARNING)]


@pytest.mark.parametrize(
    ("more", "rule", "advice"),
    [
        ("queue: suport", "unknown-queue", "did you mean 'support'?"),
        ("queue: support, origins: ['https://x.example/']", "origin", "without a path"),
        ("queue: support, origins: ['*']", "origin", ""),
        ("queue: support, modes: [video]", "word", ""),
        ("queue: support, kinds: [moblie]", "word", "did you mean 'mobile'?"),
        ("queue: support, countries: [ZZ]", "word", ""),
        ("queue: support, consent: {version: 1, text: {fr: Oui.}}, languages: [fr, en]", "site-language", "add en:"),
        ("queue: support, title: {en: Talk}", "site-language", "add fr:"),
        ("queue: support, privacy: 'javascript:alert(1)'", "link", "https://"),
        ("queue: support, privacy: 'https://[x'", "link", "https://"),
        ("queue: support, theme: {colour: red}", "form", ""),
        ("queue: support, telephone: 12<b>", "form", ""),
        ("queue: support, modes: [voice]", "site-voice", "voice_number"),
        ("queue: support, modes: [voice], voice_number: 4444", "site-voice", "numbers:"),
        ("queue: support, voice_number: '*11'", "form", ""),
        ("queue: support, per_day: 0", "number", ""),
        ("queue: support, origin: x", "unknown-key", "did you mean 'origins'?"),
    ],
)
def test_what_is_wrong_is_told(more: str, rule: str, advice: str) -> None:
    errors = [each for each in found("{" + more + "}") if each.severity is Severity.ERROR]
    assert [each.rule for each in errors] == [rule]
    assert advice in errors[0].suggestion


def test_a_queue_that_calls_nobody_back_has_no_form() -> None:
    assert "site-queue" in [each.rule for each in found("{queue: support}", callback="")]
    assert "site-queue" not in [each.rule for each in found("{queue: support, modes: [voice]}", callback="")]
