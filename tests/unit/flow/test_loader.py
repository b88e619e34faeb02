"""What a load finds, by rule; and that a whole centre has nothing to find."""

import pytest

from controller.errors import FlowError
from controller.flow.findings import Severity
from controller.flow.loader import check_sources, compile_release
from tests.unit.flow.centres import ACCUEIL, CENTRE, NOBODY, RECORDINGS, flow, release, rules, sources


def test_a_sound_centre_has_no_findings() -> None:
    assert rules() == []


def test_a_release_knows_its_numbers_in_every_form() -> None:
    found = release()
    for called in ("+33123456789", "33123456789", "0123456789", "01 23 45 67 89", "+33 1 23 45 67 89"):
        number = found.number(called)
        assert number is not None
        assert (number.flow, number.language, number.tariff_class) == ("accueil", "fr", "free")
    assert found.number("100") is not None
    assert found.number("0199999999") is None
    assert found.number("") is None
    assert found.number("';--") is None


def test_equal_content_equal_hash() -> None:
    assert release().hash == release().hash
    assert release().hash != release(ACCUEIL.replace("Bonjour.", "Bonsoir.")).hash
    changed = compile_release(sources(), {**RECORDINGS, "fr/menu": "another take"})
    assert changed.hash != release().hash


def test_texts_and_media() -> None:
    found = release()
    texts = {(language, text) for language, text, _ in found.texts()}
    assert ("fr", "Bonjour.") in texts
    assert ("en", "Sorry, a fault.") in texts
    media = found.media()
    assert "fr/menu" in media
    assert "say/fr/n-3" in media
    assert "en/menu" not in media
    assert {media_id for _, _, media_id in found.texts()} <= media


def test_findings_say_where_what_and_what_instead() -> None:
    broken = ACCUEIL.replace("next: menu}\n  menu:", "next: meun}\n  menu:")
    with pytest.raises(FlowError) as caught:
        release(broken)
    first = next(finding for finding in caught.value.findings if finding.rule == "unknown-step")
    written = "  salut: {type: say, prompt: salut, next: meun}"
    line, column = broken.splitlines().index(written) + 1, written.index("meun") + 1
    assert str(first) == f"accueil.yaml:{line}:{column}: unknown-step: there is no step 'meun' (did you mean 'menu'?)"
    assert str(first) in str(caught.value)


def test_all_findings_at_once() -> None:
    broken = (
        ACCUEIL.replace("calendar: bureau", "calendar: buro")
        .replace("first_digit: 4s", "first_digit: 4")
        .replace("{when: vip,", "{when: vipp,")
        .replace("{file: menu}", "{file: ../menu.wav}")
    )
    assert {"unknown-calendar", "duration", "expression", "recording-path"} <= set(rules(broken))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("type: say,", "type: sey,", "step-type"),
        ("type: say,", "type: ticket,", "not-yet"),
        ("prompt: salut, next", "promt: salut, next", "unknown-key"),
        ("prompt: salut, next: menu", "prompt: salut", "missing-key"),
        ("prompt: salut, next", "prompt: salu, next", "unknown-prompt"),
        ('extension: "201"', 'extension: "202"', "unknown-extension"),
        ("to: en", "to: de", "unknown-language"),
        ("{fr: Bonjour., en: Hello.}", "{fr: Bonjour.}", "prompt-language"),
        ("{fr: Bonjour., en: Hello.}", "{fr: Bonjour., de: Tag.}", "language"),
        ("{file: menu}", "{file: menuu}", "missing-recording"),
        ("{file: menu}", "{file: menu.wav}", "recording-path"),
        ("{file: menu}", "{file: /etc/passwd}", "recording-path"),
        ("{file: menu}", "{fiel: menu}", "prompt-part"),
        ("{fr: Encore.,", "{fr: 'Encore ${solde}.',", "text-variable"),
        ("{amount: solde, currency: EUR}], en", "{amount: solde, currency: XBT}], en", "currency"),
        ("{amount: solde, currency: EUR}], en", "{amount: sold, currency: EUR}], en", "expression"),
        ("{amount: solde, currency: EUR}], en", "{digits: code}], en", "secret-spoken"),
        ("post: https://crm.example/login", "post: https://crm.example/${code}", "secret-in-url"),
        ("post: https://crm.example/login", "post: https://evil.example/login", "host-not-allowed"),
        ("post: https://crm.example/login", "post: http://crm.example/login", "host-not-allowed"),
        ("post: https://crm.example/login", "post: https://crm.example:444/login", "host-not-allowed"),
        ("post: https://crm.example/login", "post: https://${code}.example/login", "url"),
        ("post: https://crm.example/login", "post: https://crm.example${code}", "url"),
        ("post: https://crm.example/login", "post: https://a:b@crm.example/", "url"),
        ("post: https://crm.example/login", "post: https://crm.example/${nom}", "expression"),
        ("post: https://crm.example/login", "post: 'https://crm.example/${1+1}'", "template"),
        ("post: https://crm.example/login", "get: https://crm.example/login", "method"),
        ("when: vip,", "when: caller.number,", "expression"),
        ("when: vip,", 'when: caller.contry == "FR",', "expression"),
        ("when: vip,", "when: vip &&,", "expression"),
        ("attempts: 3", "attempts: 0", "number"),
        ("attempts: 3", "attempts: trois", "number"),
        ("secret: true", "secret: yes", "flag"),
        ("save: code", "save: Code", "name"),
        ("save: code", "save: caller", "reserved-name"),
        ("digits: {min: 4, max: 6", "digits: {min: 7, max: 6", "digits"),
        ("save: code", "check: lunh\n    save: code", "check"),
        ("save: code", "check: 'regex:(['\n    save: code", "check"),
        ("start: salut", "start: salu", "unknown-step"),
        ("start: salut", "start: menu", "unreachable-step"),
        ("choices: {1: heures,", "choices: {1: heures, 12: heures,", "ambiguous-choice"),
        ("choices: {1: heures,", "choices: {x: heures,", "form"),
        ("flow: accueil", "flow: acueil", "flow-name"),
        ("title: Accueil", "title: [a]", "structure"),
        ("title: Accueil", "title:", "empty"),
        ("languages: [fr, en]", "languages: [fr, fr, en]", "language"),
    ],
)
def test_a_fault_in_a_flow(old: str, new: str, rule: str) -> None:
    assert ACCUEIL.count(old) >= 1
    assert rule in rules(ACCUEIL.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("flow: accueil,", "flow: acceuil,", "unknown-flow"),
        ("language: fr", "language: de", "word"),
        ("mon-fri: [09:00-12:00", "mon-fir: [09:00-12:00", "calendar"),
        ("09:00-12:00", "9h-12h", "calendar"),
        ("holidays: FR", "holidays: XX", "calendar"),
        ("2026-12-24", "24/12/2026", "calendar"),
        ("calendars:", "zone: Europe/Pari\ncalendars:", "zone"),
        ("calendars:", "country: XX\ncalendars:", "word"),
        ("calendars:", "callbacks: {}\ncalendars:", "not-yet"),
        ("calendars:", "calendar:", "unknown-key"),
        ("endpoint: alice", "endpoint: 'PJSIP/alice&Local/0899@out'", "form"),
        ('"100":', '"01 23 45 67 89":', "same-number"),
        ("crm.example", "'https://user@crm.example'", "host"),
        ("numbers:", "numbres:", "missing-key"),
    ],
)
def test_a_fault_in_the_centre(old: str, new: str, rule: str) -> None:
    assert CENTRE.count(old) >= 1
    assert rule in rules(centre=CENTRE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("steps", "head", "rule"),
    [
        ("a: {type: say, prompt: p, next: b}\nb: {type: say, prompt: q, next: a}", NOBODY, "endless-loop"),
        ("a: {type: set, set: {x: '1'}, next: a}", NOBODY, "endless-loop"),
        ("a: {type: say, prompt: p, next: b}\nb: {type: hangup}", "", "no-human-exit"),
        (
            "a: {type: menu, prompt: p, choices: {1: b}, no_input: {then: a}, invalid: {then: b}}\nb: {type: hangup}",
            NOBODY,
            "silent-loop",
        ),
        ("a: {type: hangup}\nb: {type: hangup}", NOBODY, "unreachable-step"),
        ("a: {type: hangup}", f"{NOBODY}\non_hangup: b\nhuman: x", "unknown-key"),
        ("a: {type: hangup}\nb: {type: say, prompt: p, next: a}", f"{NOBODY}\non_hangup: b", "after-hangup"),
        ("a: {type: subflow, flow: accueil, exits: {ok: b}}\nb: {type: hangup}", NOBODY, "subflow-recursion"),
        ("a: {type: return, exit: ok}", f"{NOBODY}\ninputs: [x]", "subflow-input"),
    ],
)
def test_the_shape_of_a_flow(steps: str, head: str, rule: str) -> None:
    assert rule in rules(flow(steps, head))


def test_no_human_exit_with_a_reason_is_a_note() -> None:
    found = check_sources(sources(flow("a: {type: hangup, prompt: p}", NOBODY)), RECORDINGS)
    assert [(finding.rule, finding.severity) for finding in found] == [("no-human-exit", Severity.NOTE)]


SUB = """
flow: sub
start: a
languages: [fr, en]
inputs: [x]
steps:
  a: {type: switch, cases: [{when: x == "1", go: b}], else: c}
  b: {type: return, exit: yes, values: {y: x}}
  c: {type: return, exit: other}
"""
MAIN = flow(
    "a: {type: subflow, flow: sub, with: {x: caller.number}, save: {z: result.y}, exits: {yes: b, other: b}}\n"
    "b: {type: hangup}",
    NOBODY,
)


def test_a_flow_and_the_flow_it_enters_fit() -> None:
    assert rules(MAIN, sub=SUB) == ["no-human-exit"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (", other: b", "", "unnamed-exit"),
        (", other: b", ", other: b, third: b", "unknown-exit"),
        ("with: {x: caller.number}, ", "", "subflow-input"),
        ("with: {x: caller.number}", "with: {x: caller.number, y: '1'}", "subflow-input"),
        ("flow: sub,", "flow: subb,", "unknown-flow"),
    ],
)
def test_a_flow_and_the_flow_it_enters_do_not_fit(old: str, new: str, rule: str) -> None:
    assert rule in rules(MAIN.replace(old, new), sub=SUB)


def test_the_entered_flow_speaks_every_language() -> None:
    assert "subflow-language" in rules(MAIN, sub=SUB.replace("[fr, en]", "[fr]"))


def test_a_flow_does_not_come_back_in_a_language_that_nobody_speaks() -> None:
    sub = SUB.replace("else: c}", "else: l}\n  l: {type: language, to: en, next: c}")
    main = MAIN.replace("[fr, en]", "[fr]")
    assert "subflow-language" in rules(main, sub=sub)
    assert "subflow-language" not in rules(MAIN, sub=sub)


def test_a_secret_stays_one_through_set() -> None:
    steps = """
a: {type: collect, prompt: p, digits: {max: 4}, save: pin, secret: true, next: b, failed: d}
b: {type: set, set: {copy: 'pin + "x"'}, next: c}
c: {type: http, get: 'https://crm.example/?p=${copy}', next: d, failed: d}
d: {type: hangup}
"""
    assert "secret-in-url" in rules(flow(steps, NOBODY))


@pytest.mark.parametrize(
    "name", ["../evil.yaml", "Accueil.yaml", "a b.yaml", "accueil.yml", "\x1b[31m.yaml", "x" * 300 + ".yaml", ".yaml"]
)
def test_hostile_file_names_are_findings(name: str) -> None:
    found = check_sources({**sources(), name: ACCUEIL.encode()}, RECORDINGS)
    assert "file-name" in [finding.rule for finding in found]
    assert all(str(finding).isprintable() for finding in found)


def test_no_files_at_all() -> None:
    assert [finding.rule for finding in check_sources({}, {})] == ["no-centre"]


def test_one_broken_flow_does_not_hide_the_others() -> None:
    found = rules(ACCUEIL.replace("to: en", "to: de"), second="flow: second\n  - broken: [")
    assert "yaml-syntax" in found
    assert "unknown-language" in found


def test_a_secret_stays_one_into_a_flow_and_back() -> None:
    sub = SUB.replace("steps:", "prompts: {p: {fr: [{digits: x}], en: [{digits: x}]}}\nsteps:")
    sub = sub.replace("else: c}", "else: s}\n  s: {type: say, prompt: p, next: c}")
    main = flow(
        "e: {type: collect, prompt: p, digits: {max: 4}, save: pin, secret: true, next: a, failed: b}\n"
        "a: {type: subflow, flow: sub, with: {x: pin}, save: {z: result.y}, exits: {yes: b, other: b}}\n"
        "b: {type: http, get: 'https://crm.example/${z}', next: c, failed: c}\n"
        "c: {type: hangup}",
        NOBODY,
    )
    assert rules(main, sub=sub) == ["no-human-exit", "secret-in-url", "secret-spoken", "secret-spoken"]


def test_what_a_flow_returns_beside_a_secret_is_none() -> None:
    sub = SUB.replace("values: {y: x}", "values: {y: x, n: '\"1\"'}")
    main = flow(
        "e: {type: collect, prompt: p, digits: {max: 4}, save: pin, secret: true, next: a, failed: b}\n"
        "a: {type: subflow, flow: sub, with: {x: pin}, save: {z: result.n}, exits: {yes: b, other: b}}\n"
        "b: {type: http, get: 'https://crm.example/${z}', next: c, failed: c}\n"
        "c: {type: hangup}",
        NOBODY,
    )
    assert rules(main, sub=sub) == ["no-human-exit"]


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_fault_in_an_expression_is_found_within_it(quote: str) -> None:
    broken = ACCUEIL.replace("{when: vip,", f"{{when: {quote}true && vipp{quote},")
    found = check_sources(sources(broken), RECORDINGS)
    line = broken.splitlines()[found[0].line - 1]
    assert line[found[0].column - 1 :].startswith("vipp")
    assert found[0].suggestion == "did you mean 'vip'?"
