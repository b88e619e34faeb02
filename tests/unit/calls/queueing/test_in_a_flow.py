"""A flow with a queue, from the caller's call to its record: what passes between flow, visit, services and record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from controller.acd.model import AgentId, Refused
from controller.calls.asks import Assigned
from controller.calls.call import Call, Surroundings
from controller.calls.conversation.keeper import TalkAudio
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.calls.queueing.callref import CallRef
from controller.calls.releases import Releases
from controller.cdr.entries import CallEnded, Disposition, StateSaved, StepTaken
from controller.flow.commands import (
    AgentActKind,
    Answer,
    Answered,
    Command,
    Enqueue,
    Event,
    HearMessage,
    HungUp,
    ListMessages,
    MessageNote,
    MessageReady,
    MessagesListed,
    MessageTreated,
    Record,
    Recorded,
    TreatMessage,
    VisitProgress,
)
from controller.flow.interpreter import CallFacts, FlowRun
from controller.flow.queuenow import NO_QUEUES, QueuesNow
from controller.ids import CallId, message_id
from controller.ports import AudioLibrary
from tests.rig.fakeswitchboard import Exchange, FakeSwitchboard, Phone
from tests.rig.virtualtime import MONDAY_9H, VirtualClock, on_virtual_time, turns
from tests.unit.calls.queueing.world import ANNE, FakePlaces
from tests.unit.calls.world import Lookups, Recorder, audio, patient

CENTRE = """
centre: Essai
languages: [fr]
http: {hosts: [crm.example]}
numbers:
  100: {flow: accueil}
  "*11": {flow: connexion}
  "*16": {flow: ecoute}
queues:
  support: {title: Support, wait: 2m, news: {position: false, estimate: false}}
"""

ACCUEIL = """
flow: accueil
start: attente
languages: [fr]
limits: {duration: 60s}
on_hangup: note
prompts:
  merci: {fr: Merci.}
  message: {fr: Un message.}
steps:
  attente:
    type: queue
    queue: support
    next: merci
    timeout: repondeur
    full: repondeur
    closed: repondeur
    failed: fin
    no_agents: repondeur
  merci: {type: say, prompt: merci, next: fin}
  repondeur: {type: voicemail, queue: support, prompt: message, review: false, next: fin, none: fin}
  fin: {type: hangup}
  note: {type: http, post: "https://crm.example/left", next: fin, failed: fin}
"""

ECOUTE = """
flow: ecoute
start: messages
languages: [fr]
human_exit: {none: for agents}
prompts: {oui: {fr: Oui.}, rien: {fr: Rien.}, non: {fr: Non.}}
steps:
  messages: {type: messages, done: oui, none: rien, refused: non}
  oui: {type: hangup, prompt: oui}
  rien: {type: hangup, prompt: rien}
  non: {type: hangup, prompt: non}
"""

CONNEXION = """
flow: connexion
start: entrer
languages: [fr]
human_exit: {none: for agents}
prompts: {oui: {fr: Oui.}, non: {fr: Non.}}
steps:
  entrer: {type: agent_login, done: oui, refused: non}
  oui: {type: say, prompt: oui, next: fin}
  non: {type: say, prompt: non, next: fin}
  fin: {type: hangup}
"""


@dataclass
class FakeServices:
    """`Services` over places that a test drives."""

    places: FakePlaces = field(default_factory=FakePlaces)
    messages: list[tuple[str, str, float]] = field(default_factory=list)
    acts: list[tuple[str, AgentActKind]] = field(default_factory=list)
    asked: list[ListMessages | HearMessage | TreatMessage] = field(default_factory=list)
    calls_over: list[str] = field(default_factory=list)
    refusal: Refused | None = None

    @property
    def keeper(self) -> FakeServices:
        return self

    @property
    def callbacks(self) -> None:
        return None

    @property
    def queues_now(self) -> QueuesNow:
        return NO_QUEUES

    @property
    def mailbox(self) -> FakeServices:
        return self

    async def perform(
        self, call: CallRef, command: ListMessages | HearMessage | TreatMessage
    ) -> MessagesListed | MessageReady | MessageTreated:
        self.asked.append(command)
        match command:
            case ListMessages():
                refused = self.refusal.code if self.refusal else ""
                note = MessageNote("r1", "support", datetime(2026, 11, 23, 9, tzinfo=UTC), "+331", new=True)
                return MessagesListed((), refused) if refused else MessagesListed((note,))
            case HearMessage():
                return MessageReady(refused="gone")
            case TreatMessage():
                return MessageTreated()

    def over(self, call_id: str) -> None:
        self.calls_over.append(call_id)

    def library(self, audio: AudioLibrary) -> AudioLibrary:
        return audio

    def keep_talk(self, audio: TalkAudio) -> None:
        pass

    def agent_at(self, extension: str) -> AgentId | None:
        return next((each.agent for each in self.places.accounts.values() if each.extension == extension), None)

    async def keep_message(
        self, call: CallRef, queue: str, recording: str, duration_s: float, keep_s: float
    ) -> Refused | None:
        self.messages.append((queue, recording, duration_s))
        return self.refusal

    def act(self, call: CallRef, act: AgentActKind, reason: str) -> Refused | None:
        self.acts.append((call.endpoint, act))
        return self.refusal


@dataclass
class Telephone:
    """A patient caller's end, with a switchboard."""

    board: FakeSwitchboard | None
    performed: list[Command] = field(default_factory=list)

    async def perform(self, command: Command) -> Event:
        self.performed.append(command)
        if self.board is not None and self.board.caller not in self.board.exchange.parties:
            return HungUp(16)
        if isinstance(command, Record):
            return Recorded(7.0)
        return patient(command)

    def switchboard(self) -> FakeSwitchboard | None:
        return self.board


class Scene:
    """A centre with a queue, in force on a controller; one call at a time."""

    def __init__(self, folder: Path, *, with_board: bool = True, with_services: bool = True) -> None:
        (folder / "centre").mkdir()
        for name, text in {"centre": CENTRE, "accueil": ACCUEIL, "connexion": CONNEXION, "ecoute": ECOUTE}.items():
            (folder / "centre" / f"{name}.yaml").write_text(text, "utf-8")
        self.exchange = Exchange()
        self.clock = VirtualClock()
        self.recorder = Recorder()
        self.lookups = Lookups()
        self.services = FakeServices()
        self.with_board = with_board
        self.telephones: list[Telephone] = []
        releases = Releases(folder / "centre", folder / "store", audio)
        releases.load()
        services = self.services if with_services else None
        self.around = Surroundings(releases, self.recorder, self.lookups, self.clock, "here", services)
        self.exchange.phone("2001", Phone())

    def incoming(self, called: str = "100", name: str = "PJSIP/trunk-01") -> IncomingCall:
        def telephone(call_id: CallId, kit: TelephoneKit, *, resumed: bool) -> Telephone:
            board = self.exchange.call(call_id, "1700.1") if self.with_board else None
            self.telephones.append(Telephone(board))
            return self.telephones[-1]

        return IncomingCall("ari", "1700.1", name, self.clock.now(), called, "33612345678", "", telephone)

    async def begin(self, call: IncomingCall) -> asyncio.Task[None]:
        task = asyncio.create_task(Call(call, self.around).begin())
        await turns(20)
        return task

    async def assign(self) -> str:
        assert self.services.places.deliver is not None
        assert self.services.places.deliver(Assigned((ANNE,), "support"))
        await turns(30)
        return self.exchange.ringing()[0]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def steps(scene: Scene) -> list[tuple[str, str]]:
    return [(each.step, each.exit) for each in scene.recorder.of(StepTaken)]


def ending(scene: Scene) -> CallEnded:
    (ended,) = scene.recorder.of(CallEnded)
    return ended


def test_the_flow_goes_on_after_the_conversation_and_its_duration_leaves_waiting_and_talking_out(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        task = await scene.begin(scene.incoming())
        await asyncio.sleep(90)
        leg = await scene.assign()
        scene.exchange.pick_up(leg)
        await asyncio.sleep(120)
        scene.exchange.hang_up(leg)
        await task

    case()
    assert steps(scene) == [("attente", "next"), ("merci", "next"), ("fin", "hangup")]
    assert ending(scene).disposition is Disposition.TALKED
    assert scene.recorder.of(StepTaken)[0].detail["agent"] == "anne"


def test_who_hangs_up_while_waiting_has_abandoned_and_on_hangup_runs(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        task = await scene.begin(scene.incoming())
        await asyncio.sleep(30)
        scene.exchange.hang_up("1700.1")
        await task

    case()
    assert ending(scene).disposition is Disposition.ABANDONED
    assert [request.url for request in scene.lookups.requests] == ["https://crm.example/left"]


def test_who_hangs_up_in_the_conversation_has_talked_and_on_hangup_runs(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        task = await scene.begin(scene.incoming())
        scene.exchange.pick_up(await scene.assign())
        await asyncio.sleep(30)
        scene.exchange.hang_up("1700.1")
        await task

    case()
    assert ending(scene).disposition is Disposition.TALKED
    assert len(scene.lookups.requests) == 1


def test_after_the_longest_wait_a_message_is_kept(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        await (await scene.begin(scene.incoming()))

    case()
    (call,) = {each.call_id for each in scene.recorder.of(CallEnded)}
    assert scene.services.messages == [("support", message_id(call, 1), 7.0)]
    assert steps(scene)[:2] == [("attente", "timeout"), ("repondeur", "next")]


def test_a_message_that_cannot_be_kept_is_a_fault(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        scene.services.refusal = Refused("no_room", "the disk is full")
        await (await scene.begin(scene.incoming()))

    case()
    assert ending(scene).disposition is Disposition.FAILED
    assert "no_room" in ending(scene).reason


@pytest.mark.parametrize(("refusal", "step"), [(None, "oui"), (Refused("unknown_agent", "who?"), "non")])
def test_an_agent_logs_in_from_the_phone(scene: Scene, refusal: Refused | None, step: str):
    @on_virtual_time
    async def case() -> None:
        scene.services.refusal = refusal
        await (await scene.begin(scene.incoming("*11", "PJSIP/2001-0000002a")))

    case()
    assert scene.services.acts == [("2001", AgentActKind.LOGIN)]
    assert step in dict(steps(scene))


@pytest.mark.parametrize(("refusal", "way"), [(None, "done"), (Refused("unknown_agent", "who?"), "refused")])
def test_an_agent_hears_messages_from_the_phone(scene: Scene, refusal: Refused | None, way: str):
    @on_virtual_time
    async def case() -> None:
        scene.services.refusal = refusal
        await (await scene.begin(scene.incoming("*16", "PJSIP/2001-0000002a")))

    case()
    assert scene.services.asked[0] == ListMessages(50)
    assert scene.services.asked[1:] == ([] if refusal else [HearMessage("r1")])
    assert steps(scene)[0] == ("messages", way)
    assert len(scene.services.calls_over) == 1


@pytest.mark.parametrize("missing", ["with_board", "with_services"])
def test_without_a_switchboard_or_a_distribution_the_queue_has_failed(tmp_path: Path, missing: str):
    scene = Scene(tmp_path, **{missing: False})

    @on_virtual_time
    async def case() -> None:
        await (await scene.begin(scene.incoming()))

    case()
    assert steps(scene)[0] == ("attente", "failed")


def test_the_state_that_was_saved_takes_a_ringing_offer_up_in_another_controller(scene: Scene):
    @on_virtual_time
    async def case() -> None:
        task = await scene.begin(scene.incoming())
        leg = await scene.assign()
        task.cancel()
        await turns()
        saved = scene.recorder.of(StateSaved)[-1]
        scene.services.places = FakePlaces()
        resumed = asyncio.create_task(Call(scene.incoming(), scene.around).resume(saved))
        await turns(30)
        scene.exchange.pick_up(leg)
        await asyncio.sleep(1)
        assert scene.exchange.hears("1700.1") == {leg}
        assert len(scene.exchange.asked("call")) == 1
        await asyncio.sleep(1)
        scene.exchange.hang_up("1700.1")
        await resumed

    case()
    assert ending(scene).disposition is Disposition.TALKED


def test_only_the_progress_of_the_pending_visit_can_be_amended(scene: Scene):
    run = FlowRun.begin(scene.around.releases.current.release, "accueil", CallFacts(), MONDAY_9H)
    command = run.start(MONDAY_9H)
    assert command == Answer()
    enqueue = run.feed(Answered(), MONDAY_9H)
    assert isinstance(enqueue, Enqueue)
    amended = msgspec.structs.replace(enqueue, progress=VisitProgress(leg=3))
    run.amend(amended)
    assert run.pending == amended
    assert FlowRun.resume(run.release, run.durable_state()).pending == amended
    with pytest.raises(ValueError, match="only the progress"):
        run.amend(msgspec.structs.replace(amended, queue="other"))
