"""Call-backs of queues in centre.yaml: what is compiled, what is found wrong, each with its place and advice."""

from __future__ import annotations

import pytest

from controller.callback.model import CallbackPlan, First, Outcome
from controller.flow.callbackkinds import RETRIED, callable_number
from controller.flow.findings import Finding, Severity
from controller.flow.loader import check_sources
from controller.flow.schema import centre_schema
from controller.outbound.model import Purpose
from tests.unit.flow.centres import CENTRE, RECORDINGS, flow, release, sources

FULL = """
      flow: rappel
      first: agent
      caller_id: 01 23 45 67 89
      ring: 25s
      purpose: service
      tries: 4
      busy_tries: 6
      retry: {busy: [1m, 2m], no_answer: [30m, 1h, 2h], voicemail: 4h, refused: never}
      expires: 2d
      now_within: 90s
      detect_voicemail: true
      slots: {calendar: bureau, length: 45m, ahead: 5d, notice: 1h, share: 25%, handling: 7m}
"""
QUEUE = "q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}"
STEPS = f"{QUEUE}\nfin: {{type: hangup}}"
MENU = "m: {type: menu, prompt: p, choices: {1: q}, no_input: {then: fin}, invalid: {then: fin}}"
CLIENT = flow(f"{MENU}\n{STEPS}").replace("flow: accueil", "flow: rappel")


def centre(callback: str = FULL, queue: str = "calendar: bureau") -> str:
    outbound = '\noutbound: {caller_id: "+33123456789"}\n'
    return f"{CENTRE.rstrip()}\nqueues:\n  autre:\n  support:\n    {queue}\n    callback: {callback}{outbound}"


def plan_of(callback: str = FULL) -> CallbackPlan:
    plan = release(flow(STEPS), centre(callback), rappel=CLIENT).queues["support"].callback
    assert plan is not None
    return plan


def found(callback: str = FULL, client: str = CLIENT, queue: str = "calendar: bureau") -> list[Finding]:
    findings = check_sources(sources(flow(STEPS), centre(callback, queue), rappel=client), RECORDINGS)
    return [finding for finding in findings if finding.severity is not Severity.NOTE]


def test_everything_an_operator_writes_arrives() -> None:
    assert found() == []
    assert plan_of() == CallbackPlan(
        flow="rappel",
        first=First.AGENT,
        caller_id="+33123456789",
        ring_s=25.0,
        purpose=Purpose.SERVICE,
        tries=4,
        delays={
            "busy": (60.0, 120.0),
            "no_answer": (1800.0, 3600.0, 7200.0),
            "voicemail": (14_400.0,),
            "refused": (),
        },
        busy_tries=6,
        expires_s=172_800.0,
        now_within_s=90.0,
        detect_voicemail=True,
        calendar="bureau",
        slot_s=2700.0,
        ahead_s=432_000.0,
        notice_s=3600.0,
        per_slot=0,
        share=0.25,
        handling_s=420.0,
    )


def test_only_the_flow_must_be_written() -> None:
    assert plan_of("{flow: rappel}") == CallbackPlan(flow="rappel")
    assert plan_of("{flow: rappel, slots: {places: 3}}") == CallbackPlan(flow="rappel", per_slot=3)


def test_a_queue_without_callbacks_has_no_plan() -> None:
    assert release(flow(STEPS), centre(), rappel=CLIENT).queues["autre"].callback is None


@pytest.mark.parametrize(
    ("callback", "rule", "says", "advice"),
    [
        ("{}", "length", "", ""),
        ("{tries: 3}", "missing-key", "lacks 'flow'", "add 'flow:'"),
        ("{flow: rapel}", "unknown-flow", "no flow 'rapel'", "did you mean 'rappel'?"),
        ("{flow: rappel, firts: agent}", "unknown-key", "no key 'firts'", "did you mean 'first'?"),
        ("{flow: rappel, first: agents}", "word", "no value 'agents'", "did you mean 'agent'?"),
        ("{flow: rappel, caller_id: '+33 1 23 45 67 88'}", "unknown-number", "+33 1 23 45 67 88", "did you mean"),
        ("{flow: rappel, caller_id: 100}", "caller-id", "no number that a customer can call", "name one of numbers"),
        ("{flow: rappel, ring: 30}", "duration", "with its unit", "write 30s"),
        ("{flow: rappel, ring: 5m}", "duration", "from 5s to 120s", ""),
        ("{flow: rappel, purpose: sales}", "word", "no value 'sales'", ""),
        ("{flow: rappel, tries: 0}", "number", "from 1 to 20", ""),
        ("{flow: rappel, retry: {buzy: 1m}}", "retry-outcome", "'buzy'", "did you mean 'busy'?"),
        ("{flow: rappel, retry: {talked: 1m}}", "retry-outcome", "'talked'", "the request is settled"),
        ("{flow: rappel, retry: {busy: [1m, 90]}}", "duration", "with its unit", "write 90s"),
        ("{flow: rappel, retry: {busy: 1s}}", "duration", "from 5s", ""),
        ("{flow: rappel, slots: {calendar: buro}}", "unknown-calendar", "no calendar", "did you mean 'bureau'?"),
        ("{flow: rappel, slots: {length: 7m}}", "slots", "times that nobody says", "steps of 5 minutes"),
        ("{flow: rappel, slots: {ahead: 2h, notice: 3h}}", "slots", "no slot is more than", "less than ahead"),
        ("{flow: rappel, slots: {share: 0.3}}", "share", "from 1% to 100%", "write 30%"),
        ("{flow: rappel, slots: {share: 101%}}", "share", "from 1% to 100%", "write 30%"),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(callback: str, rule: str, says: str, advice: str) -> None:
    if callback == "{}":
        callback, rule, says = "{flow: {}}", "structure", "name of a flow"
    errors = [finding for finding in found(callback) if finding.severity is Severity.ERROR]
    assert [finding.rule for finding in errors] == [rule]
    finding = errors[0]
    assert says in finding.message
    assert advice in finding.suggestion
    line = centre(callback).splitlines()[finding.line - 1]
    assert (finding.file, "callback:" in line) == ("centre.yaml", True)
    assert line[finding.column - 1] not in " :,"


def test_slots_fit_into_the_hours() -> None:
    assert [each.rule for each in found("{flow: rappel, slots: {length: 4h}}")] == []
    assert [
        each.rule for each in found("{flow: rappel, slots: {calendar: bureau, length: 4h}}", queue="wait: 5m")
    ] == []
    shorter = centre("{flow: rappel, slots: {length: 4h}}").replace("14:00-18:00", "14:00-17:00")
    findings = check_sources(sources(flow(STEPS), shorter, rappel=CLIENT), RECORDINGS)
    assert [each.rule for each in findings if each.severity is Severity.ERROR] == ["slots"]


@pytest.mark.parametrize(
    ("callback", "queue", "rule"),
    [
        ("{flow: rappel}", "wait: 5m", "slots-calendar"),
        ("{flow: rappel, slots: {places: 2, share: 20%}}", "calendar: bureau", "slots"),
        ("{flow: rappel, tries: 2, retry: {no_answer: [1m, 2m, 3m]}}", "calendar: bureau", "retry-unused"),
        ("{flow: rappel, expires: 1h, retry: {no_answer: [30m, 50m]}}", "calendar: bureau", "retry-unused"),
    ],
)
def test_what_is_doubtful_is_a_warning(callback: str, queue: str, rule: str) -> None:
    findings = found(callback, queue=queue)
    assert [(each.rule, each.severity) for each in findings] == [(rule, Severity.WARNING)]


def test_the_flow_leads_to_the_queue() -> None:
    elsewhere = CLIENT.replace("queue: support", "queue: autre")
    assert [each.rule for each in found(client=elsewhere)] == ["callback-flow"]


def test_a_machine_that_answers_is_not_put_through() -> None:
    at_once = flow(STEPS).replace("flow: accueil", "flow: rappel")
    findings = found(client=at_once)
    assert [(each.rule, each.severity) for each in findings] == [("callback-accept", Severity.WARNING)]


def test_the_flow_may_lead_there_through_another_flow() -> None:
    asking = MENU.replace("1: q", "1: a")
    entering = flow(
        f"{asking}\na: {{type: subflow, flow: milieu, exits: {{done: fin}}}}\nfin: {{type: hangup}}"
    ).replace("flow: accueil", "flow: rappel")
    middle = flow(f"{QUEUE}\nfin: {{type: return, exit: done}}").replace("flow: accueil", "flow: milieu")
    findings = check_sources(sources(flow(STEPS), centre(), rappel=entering, milieu=middle), RECORDINGS)
    assert [each for each in findings if each.severity is Severity.ERROR] == []
    middle = middle.replace("queue: support", "queue: autre")
    findings = check_sources(sources(flow(STEPS), centre(), rappel=entering, milieu=middle), RECORDINGS)
    assert [each.rule for each in findings if each.severity is Severity.ERROR] == ["callback-flow"]


def test_the_flow_speaks_the_languages_of_the_centre() -> None:
    french = CLIENT.replace("languages: [fr, en]", "languages: [fr]")
    assert [each.rule for each in found(client=french)] == ["callback-language"]


def test_the_flow_counts_as_used_and_needs_no_input() -> None:
    asking = CLIENT.replace("steps:", "inputs: [qui]\nsteps:")
    assert [each.rule for each in found(client=asking)] == ["subflow-input"]


def test_every_outcome_is_either_settled_or_retried() -> None:
    settled = {Outcome.TALKED, Outcome.CANCELLED, Outcome.DECLINED, Outcome.RESCHEDULED}
    assert set(RETRIED) == {each.value for each in Outcome if each not in settled}


@pytest.mark.parametrize(
    ("written", "number"),
    [("01 23 45 67 89", "+33123456789"), ("+33 1 23 45 67 89", "+33123456789"), ("100", ""), ("*11", ""), ("", "")],
)
def test_a_number_that_is_shown_can_be_called_back(written: str, number: str) -> None:
    assert callable_number(written, "FR") == number


def test_editors_know_the_keys() -> None:
    queues = centre_schema()["properties"]["queues"]["patternProperties"]
    (queue,) = queues.values()
    callback = queue["anyOf"][0]["properties"]["callback"]
    assert callback["required"] == ["flow"]
    assert set(callback["properties"]["retry"]["properties"]) == set(RETRIED)
    assert callback["properties"]["slots"]["properties"]["length"]["type"] == "string"
