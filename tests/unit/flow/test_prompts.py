from __future__ import annotations

import pytest

from controller.flow.entrychecks import EntryCheck
from controller.flow.findings import Findings, Mark
from controller.flow.prompts import speak, tts_id
from controller.flow.reading import Bad, Context
from controller.flow.spoken import FRAGMENTS
from controller.flow.yamltext import TextNode


def test_a_text_has_one_name_however_it_is_spaced() -> None:
    assert tts_id("fr", "Je n'ai  pas\n compris.") == tts_id("fr", "Je n'ai pas compris.")
    assert tts_id("fr", "e\u0301te\u0301") == tts_id("fr", "été")
    assert tts_id("fr", "Oui.") != tts_id("en", "Oui.")


@pytest.mark.parametrize(
    ("text", "slug"),
    [("À bientôt !", "a-bientot"), ("!!!", "text"), ("../../etc", "etc"), ("x" * 200, "x" * 32), ("Œuvre", "uvre")],
)
def test_a_name_is_safe_as_a_path(text: str, slug: str) -> None:
    language, folder, name = tts_id("fr", text).split("/")
    assert (language, folder, name.partition(".")[0]) == ("fr", "tts", slug)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", 12),
        ("number", "12.5"),
        ("number", -3.25),
        ("digits", "0612"),
        ("digits", 42),
        ("phone", "+33123456789"),
        ("amount", "12.30"),
        ("amount", 7),
        ("date", "2026-12-24"),
        ("date", "2026-12-24T10:00:00Z"),
        ("time", "18:30"),
        ("time", "2026-12-24T18:30:00"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_values_are_spoken_from_fragments_that_exist(kind: str, value: object, language: str) -> None:
    fragments = speak(kind, value, language, "EUR")
    assert fragments
    assert set(fragments) <= FRAGMENTS[language].keys()


@pytest.mark.parametrize("kind", ["number", "amount", "date", "time"])
@pytest.mark.parametrize("value", [None, [], {}, "4321 secret", "", True, float("nan"), float("inf"), "9" * 40])
def test_what_cannot_be_spoken_is_an_error_that_quotes_nothing(kind: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^a value that cannot be spoken as {kind}$"):
        speak(kind, value, "fr", "EUR")


def check(source: str, digits: str) -> bool | str:
    findings = Findings()
    found = EntryCheck().read(TextNode(Mark("x.yaml"), source), Context(findings), ("check",))
    if isinstance(found, Bad):
        return findings.sorted()[0].rule
    return bool(found.passes(digits))


@pytest.mark.parametrize(
    ("source", "digits", "passes"),
    [
        ("luhn", "79927398713", True),
        ("luhn", "79927398714", False),
        ("iban", "7630006000011234567890189", True),
        ("iban", "7630006000011234567890188", False),
        ("iban:DE", "89370400440532013000", True),
        ("phone", "0123456789", True),
        ("phone", "0023", False),
        ("phone:BE", "025551212", True),
        ("date", "29022028", True),
        ("date", "29022027", False),
        ("date", "2902", False),
        ("regex:[1-4][0-9]{3}", "1234", True),
        ("regex:[1-4][0-9]{3}", "5234", False),
        ("regex:1|2", "12", False),
        ("regex:(a+)+$", "1" * 64, False),
        ("regex:([", "", "check"),
        ("regex:", "", "check"),
        ("lunh", "", "check"),
        ("iban:xx", "", "check"),
        ("phone:XX", "", "check"),
    ],
)
def test_checks_of_entries(source: str, digits: str, passes: bool | str) -> None:
    assert check(source, digits) == passes
