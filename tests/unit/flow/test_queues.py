"""Skills and queues of centre.yaml: what is compiled, what is heard, what is found wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.acd.model import Overflow, Rung, Strategy
from controller.flow.findings import Finding, Severity
from controller.flow.loader import check_sources
from controller.flow.queuekinds import QueueFile
from controller.flow.queues import QueuePlan, compile_queue
from controller.flow.release import Release
from controller.flow.spoken.waiting import WAITING, key_notice, place_notice, wait_notice
from tests.unit.flow.centres import CENTRE, RECORDINGS, flow, release, sources

PROMPTS = """
  annonce: {fr: Vous êtes enregistré., en: You are recorded.}
  support: {fr: Support., en: Support.}
  rappel: {fr: Tapez 1., en: Press 1.}
  un: {fr: Un., en: One.}
  deux: {fr: Deux., en: Two.}
  francais: {fr: Oui.}
  heure: {fr: [{time: now}], en: [{time: now}]}
"""
FULL = """
  support:
    title: Support
    strategy: ring_all
    priority: 4
    calendar: bureau
    skills: [{until: 1m, needs: {anglais: 4, vae: 2}}, {until: 3m, needs: {anglais: 2}}, {}]
    ring: 15s
    wrap_up: 30s
    wrap_up_max: 10m
    wait: 12m
    capacity: 30
    service_level: 25s
    short_abandoned: 4s
    sticky: {within: 7d, hold: 40s}
    missed_pause: 3m
    overflow: [{after: 2m, to: autre}]
    dispositions: {sold: Vendu, open-end: À suivre}
    music: calm
    caller_hears: ringing
    news: {first: 10s, every: 45s, position: true, estimate: true}
    comfort: {every: 50s, prompts: [un, deux]}
    callback_offer: rappel
    whisper: support
    accept: {key: 5}
    record: {announcement: annonce, keep: 30d}
    message: {greeting: un, keep: 10d}
  autre:
"""
QUEUE = "q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}"
STEPS = f"{QUEUE}\nfin: {{type: hangup}}"


def centre(queues: str = FULL, skills: str = "skills: {anglais: Anglais, vae: Vélos}") -> str:
    return f"{CENTRE.rstrip()}{PROMPTS}{skills}\nqueues:{queues}"


def plan_of(queues: str = FULL, name: str = "support") -> QueuePlan:
    return loaded(queues).queues[name]


def loaded(queues: str = FULL, steps: str = STEPS) -> Release:
    return release(flow(steps), centre(queues))


def found(queues: str = FULL, steps: str = STEPS, skills: str = "skills: {anglais: A, vae: V}") -> list[Finding]:
    return list(check_sources(sources(flow(steps), centre(queues, skills)), RECORDINGS))


def test_everything_an_operator_writes_arrives() -> None:
    plan = plan_of()
    rules = plan.rules
    assert (rules.name, rules.title, plan.title) == ("support", "Support", "Support")
    assert (rules.strategy, rules.priority, plan.calendar) == (Strategy.RING_ALL, 4, "bureau")
    assert rules.rungs == (Rung({"anglais": 4, "vae": 2}, 60.0), Rung({"anglais": 2}, 180.0), Rung())
    assert (rules.ring_s, rules.wrap_up_s, rules.wrap_up_max_s) == (15.0, 30.0, 600.0)
    assert (rules.wait_s, rules.capacity, rules.service_level_s, rules.short_abandoned_s) == (720.0, 30, 25.0, 4.0)
    assert (rules.sticky_within_s, rules.sticky_hold_s, rules.missed_pause_s) == (604_800.0, 40.0, 180.0)
    assert rules.overflow == (Overflow("autre", 120.0),)
    assert rules.dispositions == ("sold", "open-end")
    assert plan.labels == {"sold": "Vendu", "open-end": "À suivre"}
    assert (plan.music, plan.caller_hears, plan.accept_key) == ("calm", "ringing", "5")
    assert (plan.first_news_s, plan.news_every_s, plan.comfort_every_s) == (10.0, 45.0, 50.0)
    assert plan.record is not None
    assert (plan.record.keep_s, plan.message_keep_s) == (30 * 86_400.0, 10 * 86_400.0)


def test_a_release_knows_what_skills_are_called() -> None:
    assert loaded().skills == {"anglais": "Anglais", "vae": "Vélos"}


def test_a_queue_works_without_anything_written() -> None:
    plan = plan_of("\n  support: {}\n")
    assert plan == compile_queue("support", QueueFile(), {})
    assert plan_of("\n  support:\n") == plan
    assert plan.rules.rungs == (Rung(),)
    assert plan.title == "support"
    assert plan.news("fr", 1, 30.0) == ("say/fr/place-1", "say/fr/wait-under-1")
    assert plan.message_greeting("en") == ("say/en/message-greeting",)
    assert plan.callback_offer("en", "1") == ("say/en/offer-callback-1",)
    assert plan.message_offer("fr", "*") == ("say/fr/offer-message-star",)
    assert (plan.comfort("fr", 0), plan.whisper("fr"), plan.accept("fr"), plan.record) == ((), (), (), None)


def test_what_is_heard_is_the_operators_where_there_is_something() -> None:
    centre_ = loaded()
    plan = centre_.queues["support"]
    texts = {media: text for _, text, media in centre_.texts()}

    def words(media: tuple[str, ...]) -> str:
        return " ".join(texts[each] for each in media)

    assert [words(plan.comfort("fr", n)) for n in (0, 1, 2)] == ["Un.", "Deux.", "Un."]
    assert words(plan.callback_offer("en", "1")) == "Press 1."
    assert words(plan.whisper("fr")) == "Support."
    assert words(plan.message_greeting("en")) == "One."
    assert plan.record is not None
    assert words(plan.record.announcement("fr")) == "Vous êtes enregistré."
    assert plan.accept("en") == ("say/en/accept-call-5",)


def test_comfort_without_prompts_is_a_notice() -> None:
    assert plan_of("\n  support: {comfort: {every: 1m}}\n").comfort("fr", 3) == ("say/fr/comfort",)


def test_news_tell_what_is_known_and_wanted() -> None:
    both = plan_of()
    assert both.news("en", 4, None) == ("say/en/place-4",)
    assert both.news("en", 0, 200.0) == ("say/en/wait-4",)
    assert both.news("en", 0, None) == ()
    place = plan_of("\n  support: {news: {estimate: false}}\n")
    assert place.news("fr", 2, 100.0) == ("say/fr/place-2",)
    none = plan_of("\n  support: {news: {position: false, estimate: false}}\n")
    assert (none.news("fr", 2, 100.0), none.news_every_s) == ((), 0.0)


def test_a_language_without_a_prompt_hears_another_and_one_that_cannot_be_spoken_the_first() -> None:
    plan = plan_of()
    assert plan.whisper("de") == plan.whisper("fr")
    assert plan.news("de", 1, None) == ("say/fr/place-1",)


def test_everything_that_may_be_heard_is_prepared() -> None:
    centre_ = loaded()
    media = centre_.media()
    plan = centre_.queues["support"]
    for language in ("fr", "en"):
        for place in range(15):
            assert set(plan.news(language, place, place * 200.0)) <= media
        assert plan.record is not None
        for heard in (
            plan.comfort(language, 0),
            plan.callback_offer(language, "1"),
            plan.message_offer(language, "#"),
            plan.accept(language),
            plan.whisper(language),
            plan.message_greeting(language),
            plan.record.announcement(language),
        ):
            assert heard
            assert set(heard) <= media
    assert not [each for each in release().media() if each.startswith("say/fr/place-")]  # no queues, no notices


@given(st.floats(0, 1e6))
def test_a_wait_is_never_told_shorter_than_it_is(seconds: float) -> None:
    notice = wait_notice(seconds)
    assert notice in WAITING["fr"]
    assert notice in WAITING["en"]
    if notice == "wait-under-1":
        assert seconds < 60
    elif notice == "wait-over-30":
        assert seconds > 1800
    else:
        assert seconds <= int(notice.removeprefix("wait-")) * 60


def test_waits_are_told_in_words_people_use() -> None:
    said = [WAITING["en"][wait_notice(s)] for s in (59.9, 60, 65, 240, 400, 1000, 4000)]
    assert [text.removeprefix("The estimated waiting time is ") for text in said] == [
        "less than a minute.",
        "about one minute.",
        "about two minutes.",
        "about four minutes.",
        "about seven minutes.",
        "about twenty minutes.",
        "more than thirty minutes.",
    ]


@given(st.integers(1, 10_000))
def test_every_place_can_be_told(place: int) -> None:
    assert place_notice(place) in WAITING["fr"]
    assert place_notice(place) in WAITING["en"]


@pytest.mark.parametrize("key", list("0123456789*#"))
def test_every_key_can_be_told(key: str) -> None:
    for notice in ("offer-callback", "offer-message", "accept-call"):
        assert WAITING["fr"].keys() >= {key_notice(notice, key)} <= WAITING["en"].keys()


@pytest.mark.parametrize(
    ("old", "new", "rule", "at"),
    [
        ("strategy: ring_all", "strategy: ring_al", "word", "ring_al"),
        ("calendar: bureau", "calendar: bureaux", "unknown-calendar", "bureaux"),
        ("to: autre", "to: autres", "unknown-queue", "autres"),
        ("to: autre", "to: support", "overflow-circle", "{after"),
        ("{anglais: 4, vae: 2}", "{anglais: 6}", "number", "6}"),
        ("{anglais: 4, vae: 2}", "{anglias: 4}", "unknown-skill", "anglias"),
        ("{until: 3m, needs: {anglais: 2}}, {}", "{until: 3m}", "skill-steps", "{until: 3m}"),
        ("{until: 3m, needs: {anglais: 2}}", "{needs: {anglais: 2}}", "skill-steps", "{needs"),
        ("{until: 3m, needs: {anglais: 2}}", "{until: 30s}", "skill-steps", "{until: 30s}"),
        ("{until: 3m, needs: {anglais: 2}}", "{until: 3m, needs: {vae: 3}}", "skill-steps", "{until: 3m"),
        ("wrap_up_max: 10m", "wrap_up_max: 10s", "duration", "10s"),
        ("wait: 12m", "wait: 12", "duration", "12\n"),
        ("wait: 12m", "wait: 1m", "overflow-late", "{after"),
        ("hold: 40s", "hold: 40", "duration", "40}"),
        ("keep: 30d", "keep: 30 days", "duration", "30 days"),
        ("{after: 2m, to: autre}", "{after: 2m, to: autre}, {after: 3m, to: autre}", "overflow-twice", "[{after"),
        ("record: {announcement: annonce, keep: 30d}", "record: {keep: 30d}", "missing-key", "{keep: 30d"),
        ("whisper: support", "whisper: suport", "unknown-prompt", "suport"),
        ("whisper: support", "whisper: heure", "queue-prompt", "heure\n"),
        ("accept: {key: 5}", "accept: {key: 55}", "form", "55"),
        ("sold: Vendu", "SOLD: Vendu", "form", "SOLD"),
        ("caller_hears: ringing", "caller_hears: silence", "word", "silence"),
        ("position: true, estimate: true", "position: false, estimate: false", "news-empty", "{first: 10s"),
        ("position: true", "position: yes", "flag", "yes"),
        ("    ring: 15s", "    rings: 15s", "unknown-key", "rings"),
        ("music: calm", "music: 'calm&x'", "form", "'calm"),
    ],
)
def test_a_fault_in_a_queue_is_found_in_its_place(old: str, new: str, rule: str, at: str) -> None:
    assert FULL.count(old) == 1
    changed = FULL.replace(old, new)
    text = centre(changed)
    before = text[: text.index(at, text.index("queues:"))]
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    faults = [each for each in found(changed) if each.rule == rule]
    assert [(each.line, each.column) for each in faults] == [place], faults


def test_a_prompt_of_a_queue_speaks_every_language_of_the_centre() -> None:
    faults = found(FULL.replace("whisper: support", "whisper: francais"))
    assert [each.rule for each in faults] == ["prompt-language"]
    assert "lacks 'en'" in faults[0].message


def test_queues_that_help_each_other_are_worth_a_note() -> None:
    faults = found(FULL.replace("  autre:", "  autre: {overflow: [{after: 1m, to: support}]}"))
    assert [(each.rule, each.severity) for each in faults] == [("overflow-circle", Severity.NOTE)]


def test_what_nothing_leads_to_is_worth_a_note() -> None:
    faults = found(FULL + "  vide:\n", skills="skills: {anglais: A, vae: V, or: O}")
    assert [(each.rule, each.severity) for each in faults] == [
        ("unused-skill", Severity.NOTE),
        ("unused-queue", Severity.NOTE),
    ]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("queue: suport, ", "unknown-queue"),
        ("skills: {anglias: 2}, ", "unknown-skill"),
        ("skills: {anglais: 0}, ", "number"),
        ("priority: 10, ", "number"),
        ("leave_message: {key: 1, go: fin}, offer_callback: {key: 1, go: fin}, ", "ambiguous-choice"),
        ("leave_message: {key: 1, go: nulle}, ", "unknown-step"),
        ("leave_message: {key: 1, go: fin, after: 12m}, ", "offer-late"),
        ("wait: 1m, offer_callback: {key: 1, go: fin}, ", "offer-late"),
    ],
)
def test_a_fault_in_a_queue_step(more: str, rule: str) -> None:
    queue = "" if more.startswith("queue:") else "queue: support, "
    steps = f"q: {{type: queue, {queue}{more}next: fin, timeout: fin, full: fin, closed: fin, failed: fin}}"
    assert rule in [each.rule for each in found(steps=f"{steps}\nfin: {{type: hangup}}")]


def test_skills_of_a_step_that_its_queue_never_asks_for() -> None:
    steps = STEPS.replace("queue: support", "queue: autre, skills: {vae: 1}")
    assert "skills-ignored" in [each.rule for each in found(FULL, steps)]


def test_a_greeting_names_the_key_that_ends_a_message() -> None:
    message = "m: {{type: voicemail, queue: {}, end: '*', next: fin, none: fin}}\nfin: {{type: hangup}}"
    assert "greeting" in [each.rule for each in found(steps=message.format("autre"))]
    assert "greeting" not in [each.rule for each in found(steps=message.format("support"))]


def test_queues_that_are_full_or_closed_do_not_bound_a_circle() -> None:
    steps = """
a: {type: queue, queue: support, next: fin, timeout: fin, full: b, closed: b, failed: fin}
b: {type: queue, queue: autre, next: fin, timeout: fin, full: a, closed: fin, failed: fin}
fin: {type: hangup}
"""
    assert "endless-loop" in [each.rule for each in found(steps=steps)]
    assert "endless-loop" not in [each.rule for each in found(steps=steps.replace("full: a", "full: fin"))]
