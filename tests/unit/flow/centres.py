"""Small centres for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller.flow.commands import (
    Answer,
    Answered,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Dial,
    Dialled,
    DialOutcome,
    Event,
    Hangup,
    LookedUp,
    Lookup,
    Play,
    Played,
)
from controller.flow.interpreter import CallFacts, FlowRun
from controller.flow.loader import check_sources, compile_release
from controller.flow.release import Release
from controller.flow.trace import StepRecord

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Paris

CENTRE = """
centre: Essai
numbers:
  "+33 1 23 45 67 89": {flow: accueil, language: fr, tariff_class: free}
  "100": {flow: accueil}
calendars:
  bureau: {hours: {mon-fri: [09:00-12:00, 14:00-18:00]}, holidays: FR, closures: [2026-12-24]}
extensions: {"201": {endpoint: alice, label: Alice}}
http: {hosts: [crm.example, "http://127.0.0.1:8080"]}
prompts:
  excuse: {fr: "Pardon, une panne.", en: "Sorry, a fault."}
"""

ACCUEIL = """
flow: accueil
title: Accueil
start: salut
languages: [fr, en]
defaults: {first_digit: 4s, inter_digit: 1s, attempts: 3}
prompts:
  salut: {fr: Bonjour., en: Hello.}
  menu: {fr: {file: menu}, en: "Press 1, 2, or 0."}
  encore: {fr: Encore., en: Again.}
  code: {fr: Votre code., en: Your code.}
  solde: {fr: ["Solde", {amount: solde, currency: EUR}], en: ["Balance", {amount: solde, currency: EUR}]}
  adieu: {fr: Au revoir., en: Good bye.}
steps:
  salut: {type: say, prompt: salut, next: menu}
  menu:
    type: menu
    prompt: menu
    choices: {1: heures, 2: anglais, 3: client, 0: poste}
    no_input: {prompt: encore, then: poste}
    invalid: {prompt: encore, then: poste}
  heures: {type: hours, calendar: bureau, open: poste, closed: adieu}
  anglais: {type: language, to: en, next: menu}
  client:
    type: collect
    prompt: code
    digits: {min: 4, max: 6, end: "#"}
    save: code
    secret: true
    next: crm
    failed: poste
  crm:
    type: http
    post: https://crm.example/login
    body: {code: code, number: caller.number}
    save: {solde: body.solde, vip: body.vip}
    status: {404: client, 5xx: adieu}
    next: tri
    failed: poste
  tri:
    type: switch
    cases:
      - {when: vip, go: poste}
      - {when: 'solde > 0.0', go: dire}
    else: adieu
  dire: {type: say, prompt: solde, next: adieu}
  poste: {type: dial, extension: "201", ring: 20s, next: adieu, busy: menu, no_answer: menu, failed: adieu}
  adieu: {type: hangup, prompt: adieu}
"""

RECORDINGS = {"fr/menu": "1", "en/menu": "2"}


def sources(accueil: str = ACCUEIL, centre: str = CENTRE, **others: str) -> dict[str, bytes]:
    """The centre's files, with some replaced or added."""
    files = {"centre": centre, "accueil": accueil, **others}
    return {f"{name}.yaml": text.encode() for name, text in files.items()}


def release(accueil: str = ACCUEIL, centre: str = CENTRE, **others: str) -> Release:
    return compile_release(sources(accueil, centre, **others), RECORDINGS)


def rules(accueil: str = ACCUEIL, centre: str = CENTRE, **others: str) -> list[str]:
    """The rules of everything found, in file order."""
    return [finding.rule for finding in check_sources(sources(accueil, centre, **others), RECORDINGS)]


def flow(steps: str, head: str = "") -> str:
    """A flow `accueil` of the given steps with prompts `p` and `q`."""
    lines = "\n".join(f"  {line}" for line in steps.strip().splitlines())
    prompts = "prompts: {p: {fr: Un., en: One.}, q: {fr: Deux., en: Two.}}"
    start = steps.strip().split(":", 1)[0]
    languages = "" if "languages:" in head else "languages: [fr, en]"
    return f"flow: accueil\nstart: {start}\n{languages}\n{prompts}\n{head}\nsteps:\n{lines}\n"


NOBODY = "human_exit: {none: a test}"


class Walk:
    """Drives a run, and saves and reloads it at every wait."""

    def __init__(self, release: Release, call: CallFacts | None = None, flow_name: str = "accueil") -> None:
        self.release = release
        self.now = AT
        self.run = FlowRun.begin(release, flow_name, call or CallFacts("+33123456789", "+33612345678", "Zoé"), AT)
        self.command: Command | None = self.run.start(AT)
        self.steps: list[StepRecord] = []
        self.commands = [self.command]

    def feed(self, event: Event, after_s: float = 1.0) -> Command | None:
        self.now += timedelta(seconds=after_s)
        self.steps += self.run.take_steps()
        pending = self.run.pending
        faults = self.run.take_faults()
        self.run = FlowRun.resume(self.release, self.run.state())
        self.run._trail._faults = faults
        assert self.run.pending == pending
        self.command = self.run.feed(event, self.now)
        self.commands.append(self.command)
        if self.command is None or isinstance(self.command, Hangup):
            self.steps += self.run.take_steps()
        return self.command

    def until(self, kind: type[Command]) -> Command:
        """Feed what a patient caller and a willing switch report until a command of `kind` comes."""
        for _ in range(50):
            if self.command is None or isinstance(self.command, kind):
                break
            self.feed(patient(self.command))
        assert isinstance(self.command, kind)
        return self.command

    def press(self, digits: str, end: CollectEnd = CollectEnd.COMPLETE) -> Command | None:
        self.until(Collect)
        return self.feed(Collected(digits, end))

    @property
    def visits(self) -> list[tuple[str, str]]:
        return [(step.step, step.exit) for step in self.steps]


def patient(command: Command | None) -> Event:
    match command:
        case Answer():
            return Answered()
        case Play():
            return Played()
        case Collect():
            return Collected("", CollectEnd.NO_INPUT)
        case Lookup():
            return LookedUp(200, {})
        case Dial():
            return Dialled(DialOutcome.NO_ANSWER)
    raise AssertionError(command)
