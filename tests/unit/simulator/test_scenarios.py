from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from controller.simulator.caller import HangUp, Press, Wait
from controller.simulator.scenario import read_scenarios, scenario_schema
from controller.simulator.scenariorun import run_scenario
from tests.unit.simulator.centre import release

RELEASE = release()


def read(text, file="accueil.test.yaml"):
    return read_scenarios(text.encode(), file, RELEASE)


def run(text, file="accueil.test.yaml"):
    scenarios, findings = read(text, file)
    assert findings == ()
    (scenario,) = scenarios
    return run_scenario(RELEASE, scenario)


def test_a_scenario_is_read():
    ((scenario,), findings) = read("""
- name: all of it
  at: 2026-11-24T12:45
  from: "+442079460958"
  to: "+33123456790"
  do: [{press: 12#}, {wait: 3s}, {hangup}, hangup]
  http: {crm: [{status: 500}, {fails: timeout}, {body: {vip: true, id: 0612, n: 1.5, none: null, list: [a, 1]}}]}
  dial: {201: {outcome: talked, ring: 2s, talk: 2m}}
  expect: {ends: hello}
""")
    assert not [each for each in findings if each.rule != "unknown-step"]
    assert scenario.flow == "anglais"
    assert scenario.language == "en"
    assert scenario.at == datetime(2026, 11, 24, 12, 45, tzinfo=ZoneInfo("Europe/Paris"))
    assert scenario.spec.do == (Press("12#"), Wait(3), HangUp(), HangUp())
    answers = scenario.spec.http["crm"]
    assert [each.status for each in answers] == [500, 200, 200]
    assert answers[1].fails == "timeout"
    assert answers[2].body == {"vip": True, "id": "0612", "n": 1.5, "none": None, "list": ["a", 1]}
    assert scenario.spec.dial["201"][0].talk_s == 120


def test_a_scenario_that_says_little_is_about_the_flow_its_file_is_named_after():
    ((scenario,), _) = read("- name: x", "some/where/anglais.test.yaml")
    assert (scenario.flow, scenario.language, scenario.called) == ("anglais", "fr", "")


def test_a_body_as_one_json_text_keeps_digits_as_text():
    ((scenario,), _) = read("""
- name: x
  http: {crm: {body: '{"id": "12"}'}}
""")
    assert scenario.spec.http["crm"][0].body == {"id": "12"}


@pytest.mark.parametrize(
    ("text", "rule", "line", "suggestion"),
    [
        ("- {name: x, doo: []}", "unknown-key", 1, "did you mean 'do'?"),
        ("- do: []", "missing-key", 1, "add 'name:'"),
        ("- name: x\n  do: [{pres: 1}]", "act", 2, "did you mean 'press'?"),
        ("- name: x\n  do: [dance]", "act", 2, "write {press: 1}"),
        ("- name: x\n  do: [{press: 1, wait: 2s}]", "act", 2, "write {press: 1}"),
        ("- name: x\n  do: [{press: abc}]", "form", 2, ""),
        ("- name: x\n  do: [{wait: 3}]", "duration", 2, "write 3s"),
        ("- name: x\n  at: tomorrow", "moment", 2, "2026-11-24T10:00"),
        ("- name: x\n  at: 2026-02-31T10:00", "moment", 2, "2026-11-24T10:00"),
        ("- name: x\n  at: [a]", "structure", 2, ""),
        ("- name: x\n  flow: acueil", "flow", 2, "did you mean 'accueil'?"),
        ('- name: x\n  to: "+33123456791"', "number", 2, "did you mean"),
        ("- name: x\n  expect: {visits: [menus]}", "unknown-step", 2, "did you mean 'menu'?"),
        ("- name: x\n  expect: {ends: anglais.menu}", "unknown-step", 2, ""),
        ("- name: x\n  http: {menu: {status: 200}}", "unknown-step", 2, "'crm'"),
        ("- name: x\n  http: {crm: {status: 999}}", "number", 2, ""),
        ("- name: x\n  dial: {202: talked}", "unknown-extension", 2, "'201'"),
        ("- name: x\n  dial: {201: gone}", "word", 2, ""),
        ("- name: x\n  dial: {201: {outcome: gone}}", "word", 2, ""),
        ("- name: x\n- name: x", "duplicate-name", 2, "name of its own"),
        ("- name: x\n  callback: {open: {queue: nowhere}}", "unknown-queue", 2, ""),
        ("- name: x\n  callback: {called: true}", "called", 2, "add open"),
        ("- name: x\n  callback: {opened: true}", "unknown-key", 2, "did you mean 'open'?"),
        ("- name: x\n  callback: {slots: [tomorrow]}", "moment", 2, "2026-11-24T10:00"),
        ("- name: x\n  expect: {callback: nothing}", "word", 2, ""),
        ("- name: x\n  expect: {callback: {queue: nowhere}}", "unknown-queue", 2, ""),
        ("name: x", "structure", 1, "- name:"),
        ("[]", "structure", 1, "- name:"),
        ("- [", "yaml-syntax", 2, ""),
        ("- name: x\n  name: y", "duplicate-key", 2, ""),
        ("- plain", "structure", 1, ""),
    ],
)
def test_what_is_wrong_is_found_with_its_place(text, rule, line, suggestion):
    _, findings = read(text)
    found = [each for each in findings if each.rule == rule]
    assert found, findings
    assert found[0].line == line
    assert suggestion in found[0].suggestion


def test_a_scenario_that_is_wrong_does_not_keep_the_others_from_running():
    scenarios, findings = read("- {name: x, doo: []}\n- name: y")
    assert [each.name for each in scenarios] == ["y"]
    assert len(findings) == 1


def test_the_schema_names_every_key():
    assert set(scenario_schema()) == {"name", "do", "flow", "to", "from", "at", "language", "http", "dial"} | {
        "queues",
        "agent",
        "mailbox",
        "callback",
        "expect",
    }


BALANCE = """
- name: balance
  do: [{press: 2}, {press: "1234#"}, {wait: 20s}, {press: 0}]
  http: {crm: {body: {vip: false, solde: 12.5}}}
  dial: {201: talked}
"""


def test_a_scenario_passes_when_all_comes_as_expected():
    result = run(
        BALANCE
        + """
  expect:
    visits: [horaires, menu, client, crm, solde, menu, conseiller]
    path: [horaires, menu, client, crm, tri, solde, menu, conseiller, fin]
    never: [anglais]
    ends: fin
    disposition: talked
    by: flow
    language: fr
    says: ["Votre numéro", "Votre solde est de douze euros et cinquante centimes", "Au revoir"]
    http: ["POST https://crm.example/customers"]
    dials: [201]
    vars: {vip: false, solde: 12.5, num: '"1234"'}
"""
    )
    assert result.problems == ()
    assert result.passed


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("visits: [menu, horaires]", "visits: horaires did not come in its place"),
        ("path: [horaires, menu]", "+ accueil.client"),
        ("never: [crm]", "never: the call came to crm"),
        ("ends: menu", "ends: expected menu, it was accueil.fin"),
        ("disposition: completed", "disposition: expected completed, it was talked"),
        ("by: caller", "by: expected caller, it was flow"),
        ("language: en", "language: expected en, it was fr"),
        ('says: ["Goodbye"]', "says: 'Goodbye' was not heard"),
        ("http: []", "+ crm"),
        ('http: ["GET https://crm.example"]', "- GET https://crm.example"),
        ("dials: []", "+ 201"),
        ("vars: {vip: true}", "vars: vip: expected true, it was false"),
        ("vars: {what: 1}", "vars: what was never given a value"),
    ],
)
def test_a_scenario_fails_with_what_was_different(expect, problem):
    result = run(f"{BALANCE}  expect: {{{expect}}}\n")
    assert not result.passed
    assert problem in "\n".join(result.problems)


def test_a_service_or_a_dial_without_an_answer_is_a_problem_that_says_what_to_write():
    result = run("- name: x\n  do: [{press: 2}, {press: '1234#'}]\n")
    assert "add http: {crm: {status: 200}}" in result.problems[0]
    assert "add dial: {201: talked}" in result.problems[1]


def test_acts_that_were_never_done_are_a_problem():
    result = run("- name: x\n  at: 2026-11-24T12:45\n  do: [{press: 1}, {hangup}]\n")
    assert result.problems == ("the call was over before the caller did all: left are press, hangup",)


def test_answers_follow_one_another_and_the_last_one_stays():
    result = run("""
- name: x
  do: [{press: 2}, {press: "1234#"}, {wait: 20s}, {press: 2}, {press: "1234#"}, {wait: 20s}, {press: 2}]
  http: {accueil.crm: [{body: {vip: false, solde: 1}}, {status: 404}]}
  dial: {201: [busy, talked]}
  expect: {vars: {solde: 1}, http: [crm, crm], ends: fin}
""")
    # The third time nobody listens any more: the second answer led to the end.
    assert result.problems == ("the call was over before the caller did all: left are press",)


@pytest.mark.parametrize(
    ("answer", "took_s"),
    [("{fails: timeout}", 2.0), ("{fails: refused, takes: 1s}", 1.0), ("{status: 503}", 0.1), ("{takes: 30s}", 2.0)],
)
def test_a_service_that_fails_takes_its_time(answer, took_s):
    result = run(f"""
- name: x
  do: [{{press: 2}}, {{press: "1234#"}}]
  http: {{crm: {answer}}}
  dial: {{201: talked}}
  expect: {{visits: [crm, conseiller]}}
""")
    assert result.passed
    asked, answered = (line for line in result.call.trace if line.kind in ("asks", "answer"))
    assert answered.at_s - asked.at_s == pytest.approx(took_s)


def test_a_caller_may_hang_up_while_a_service_is_asked():
    result = run("""
- name: x
  do: [{press: 2}, {press: "1234#"}, {wait: 1s}, {hangup}]
  http: {crm: {takes: 2s, body: {vip: false, solde: 1}}}
  expect: {disposition: abandoned, by: caller, never: [conseiller]}
""")
    assert result.problems == ()
