"""A small centre and everything a call touches, played by fakes: telephone, look-ups, recorder, clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from controller.calls.call import Call, Surroundings
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.calls.releases import LiveRelease, Releases
from controller.calls.supervisor import Supervisor
from controller.cdr.entries import Entry, StateSaved
from controller.cdr.fold import CallSummary, fold
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
    HungUp,
    LookedUp,
    Lookup,
    LookupFailed,
    Play,
    Played,
)
from controller.flow.release import Release
from controller.ids import CallId
from controller.ports import ReleaseArchive

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NODE = "here"

CENTRE = """
centre: Essai
languages: [fr, en]
numbers:
  100: {flow: accueil, language: en, tariff_class: free}
  200: {flow: secret}
extensions: {201: {endpoint: alice}}
http: {hosts: [crm.example]}
"""

ACCUEIL = """
flow: accueil
start: salut
languages: [fr, en]
human_exit: {none: a test}
prompts:
  salut: {fr: Bonjour., en: Hello.}
  menu: {fr: Un., en: One.}
  adieu: {fr: Adieu., en: Bye.}
steps:
  salut: {type: say, prompt: salut, next: menu}
  menu:
    type: menu
    prompt: menu
    choices: {1: fiche, 2: poste}
    no_input: {then: adieu}
    invalid: {then: adieu}
  fiche: {type: http, get: "https://crm.example/x", save: {vip: body.vip}, next: adieu, failed: adieu}
  poste: {type: dial, extension: 201, next: adieu, busy: adieu, no_answer: adieu, failed: adieu}
  adieu: {type: hangup, prompt: adieu}
"""

SECRET = """
flow: secret
start: code
languages: [fr, en]
human_exit: {none: a test}
prompts:
  code: {fr: Code., en: Code.}
  suite: {fr: Suite., en: More.}
steps:
  code: {type: collect, prompt: code, digits: {min: 4, max: 4}, save: pin, secret: true, next: suite, failed: fin}
  suite: {type: say, prompt: suite, next: envoi}
  envoi: {type: http, post: "https://crm.example/x", body: {pin: pin}, next: fin, failed: fin}
  fin: {type: hangup}
"""

FILES: Mapping[str, str] = {"centre.yaml": CENTRE, "accueil.yaml": ACCUEIL, "secret.yaml": SECRET}

_T = TypeVar("_T")


class Clock:
    """A clock that moves a second whenever something is performed, and not by itself."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s


class Recorder:
    """Keeps the entries, in a log that telephones write their commands to as well."""

    def __init__(self) -> None:
        self.log: list[Entry | Command] = []

    def record(self, *entries: Entry) -> None:
        self.log.extend(entries)

    @property
    def entries(self) -> list[Entry]:
        return [each for each in self.log if hasattr(each, "call_id")]  # type: ignore[misc]

    def of(self, kind: type[_T]) -> list[_T]:
        return [each for each in self.log if isinstance(each, kind)]

    def call(self, call_id: CallId) -> CallSummary:
        """What is known of a call from its entries."""
        return fold(each for each in self.entries if each.call_id == call_id)  # type: ignore[union-attr]


Answering = Callable[[Command], Event | BaseException | Awaitable[Event]]


def patient(command: Command) -> Event:
    """What a caller who hears everything and presses nothing reports."""
    match command:
        case Answer():
            return Answered()
        case Play():
            return Played()
        case Collect():
            return Collected("", CollectEnd.NO_INPUT)
        case Dial():
            return Dialled(DialOutcome.BUSY, 17)
        case Hangup(cause):
            return HungUp(cause)
    raise AssertionError(command)


def pressing(*keys: str) -> Answering:
    """A caller who keys in `keys`, one entry after the other, and nothing after them."""
    left = list(keys)

    def answer(command: Command) -> Event:
        if isinstance(command, Collect) and left:
            return Collected(left.pop(0), CollectEnd.COMPLETE)
        return patient(command)

    return answer


class Gate:
    """A caller who stays in the menu until the gate is opened. `reached` is set once he is there."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    def __call__(self, command: Command) -> object:
        return self._wait(command) if isinstance(command, Collect) else patient(command)

    async def _wait(self, command: Command) -> Event:
        self.reached.set()
        await self.opened.wait()
        return patient(command)  # type: ignore[return-value]


@dataclass
class Telephone:
    """The caller's end: answers every command by `answering`."""

    clock: Clock
    recorder: Recorder
    answering: Answering = patient
    kit: TelephoneKit | None = None
    resumed: bool = False

    @property
    def commands(self) -> list[Command]:
        return [each for each in self.recorder.log if isinstance(each, Command)]

    async def perform(self, command: Command) -> Event:
        self.recorder.log.append(command)
        self.clock.elapsed_s += 1
        answer = self.answering(command)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Awaitable):
            return await answer
        return answer


@dataclass
class Lookups:
    """The look-up client: gives `answer` to every request."""

    answer: LookedUp | LookupFailed = field(default_factory=lambda: LookedUp(200, {"vip": True}))
    requests: list[Lookup] = field(default_factory=list)

    async def fetch(self, request: Lookup) -> LookedUp | LookupFailed:
        self.requests.append(request)
        return self.answer


def audio(folder: Path, release: Release) -> dict[str, tuple[str, float]]:
    """Audio that nobody plays, for everything the release names."""
    return {media: (str(folder / "audio" / media.replace("/", "-")), 1.0) for media in release.media()}


def write_centre(folder: Path, **changes: str) -> Path:
    """Write the centre's files into `folder`, with `changes` by name without suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {**FILES, **{f"{name}.yaml": text for name, text in changes.items()}}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


class World:
    """A node with a centre in force. `call` makes incoming calls, all on this world's recorder and clock."""

    def __init__(self, folder: Path, *, max_calls: int = 10, archive: ReleaseArchive | None = None) -> None:
        self.in_force: list[LiveRelease] = []
        self.clock, self.recorder, self.lookups = Clock(), Recorder(), Lookups()
        self.folder = write_centre(folder / "centre") if not (folder / "centre").exists() else folder / "centre"
        self.releases = Releases(self.folder, folder / "store", audio, archive=archive, in_force=self.in_force.append)
        self.releases.load()
        self.around = Surroundings(self.releases, self.recorder, self.lookups, self.clock, NODE)
        self.supervisor = Supervisor(self.around, max_calls=max_calls)
        self.telephones: list[Telephone] = []

    def call(self, called: str = "100", *, answering: Answering = patient, channel: str = "1700.1", **more: object):
        """Return an incoming call of number `called`, whose caller answers by `answering`."""

        def telephone(call_id: CallId, kit: TelephoneKit, *, resumed: bool) -> Telephone:
            made = Telephone(self.clock, self.recorder, answering, kit, resumed)
            self.telephones.append(made)
            return made

        facts = {"driver": "ari", "caller_number": "+33612345678", "caller_name": "Zoé", "telephone": telephone}
        return IncomingCall(
            channel_id=channel,
            channel_name=f"PJSIP/trunk-{channel}",
            created_at=AT,
            called_number=called,
            **(facts | more),  # type: ignore[arg-type]
        )

    async def begin(self, incoming: IncomingCall) -> CallSummary:
        """Serve a call from its beginning to its end; return its record."""
        await Call(incoming, self.around).begin()
        return self.recorder.call(incoming.call_id)

    def states(self, call_id: CallId) -> list[StateSaved]:
        return [each for each in self.recorder.of(StateSaved) if each.call_id == call_id]
