"""What flows ask about call-backs: each command against the desk, refusals, and what is performed again."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from controller.acd.model import Refused
from controller.callback.model import (
    Customer,
    First,
    Request,
    RequestId,
    RequestState,
    Slot,
    Source,
    When,
)
from controller.calls.call import Call
from controller.calls.callback import inflow
from controller.calls.callback.desk import Asked, Availability, Progress, Taken
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import CallEnded, Disposition, StateSaved, StepTaken
from controller.errors import StoreError
from controller.flow.commands import (
    AskCallback,
    CallbackAsked,
    CallbackCancelled,
    CallbackFound,
    CallbackNote,
    CancelCallback,
    ChangeCallback,
    Collect,
    Collected,
    CollectEnd,
    Command,
    Event,
    FindCallback,
    HungUp,
    ListSlots,
    OptedOut,
    OptOut,
    SlotNote,
    SlotsListed,
)
from controller.flow.release import Release
from controller.ids import CallId
from controller.outbound.model import Number, Purpose
from tests.unit.calls.world import AT, World, patient
from tests.unit.flow.centres import ACCUEIL, CENTRE, release

CALLER = "+33612345678"
REQUEST = RequestId("b" * 32)
CALL = CallRef(CallId("0b3c"), "1700.1", CALLER, "Zoé", "100", "fr")
AWAY = Refused("unavailable", "Postgres is away", "try again")


def request(**more: object) -> Request:
    whole = Request(
        request_id=REQUEST,
        queue="support",
        number=Number(CALLER),
        when=When.ASAP,
        source=Source.SVI,
        purpose=Purpose.REQUESTED,
        language="fr",
        zone="Europe/Paris",
        created_at=AT,
        entered_at=AT,
        due_at=AT,
        expires_at=AT + timedelta(days=1),
        first=First.CUSTOMER,
        customer=Customer("Zoé", "C-1", "Panne"),
        tries=1,
    )
    return msgspec.structs.replace(whole, **more)


@dataclass
class FakeDesk:
    """`CallbackDesk` that knows one request and writes down what it was asked."""

    known: Request | None = None
    refusal: Refused | None = None
    same_key: bool = True
    broken: bool = False
    line: Taken | None = None
    asked: list[Asked] = field(default_factory=list)
    changed: list[tuple[str, When, datetime | None, str]] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    opted_out: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    searches: list[tuple[str, str]] = field(default_factory=list)

    def availability(self, queue: str) -> Availability | None:
        return None

    async def slots(self, queue: str, *, most: int = 200) -> Sequence[Slot] | Refused:
        return self.refusal or [Slot(AT, 1800.0, 2), Slot(AT + timedelta(hours=1), 1800.0, 0)][:most]

    async def ask(self, asked: Asked) -> Taken | Refused:
        again = any(each.idempotency_key == asked.idempotency_key for each in self.asked)
        self.asked.append(asked)
        if self.refusal is not None:
            return self.refusal
        if self.line is not None:
            return self.line
        taken = request(queue=asked.queue, number=Number(asked.number), when=asked.when, slot_at=asked.slot_at)
        return Taken(taken, again or not self.same_key, 3, 240.0, same_key=again and self.same_key)

    async def change(
        self,
        request_id: RequestId,
        *,
        when: When,
        slot_at: datetime | None = None,
        number: str = "",
        call_id: str = "",
    ) -> Taken | Refused:
        self.changed.append((request_id, when, slot_at, call_id))
        return self.refusal or Taken(request(when=when, slot_at=slot_at), again=False, position=0, estimate_s=None)

    async def cancel(self, request_id: RequestId, reason: str, *, call_id: str = "") -> Request | Refused:
        self.cancelled.append((request_id, call_id))
        return self.refusal or request(state=RequestState.CANCELLED)

    async def opt_out(
        self, number: str, *, source: str, request_id: RequestId | None = None, call_id: str = ""
    ) -> Refused | None:
        self.opted_out.append((number, source, request_id, call_id))
        return self.refusal

    async def progress(self, request_id: RequestId) -> Progress | None:
        return None

    async def watch(self, request_id: RequestId) -> AsyncIterator[Progress]:
        for progress in ():
            yield progress

    async def find(
        self, *, states: Collection[RequestState] = (), queue: str = "", number: str = "", limit: int = 100
    ) -> Sequence[Request]:
        if self.broken:
            raise StoreError("Postgres is away")
        self.searches.append((queue, number))
        assert set(states) == set(inflow.OPEN)
        return [self.known] if self.known is not None else []


@pytest.fixture
def centre() -> Release:
    return release(ACCUEIL, CENTRE)


async def done(
    desk: FakeDesk | None, command: inflow.CallbackCommand, centre: Release, call: CallRef = CALL
) -> Event:
    return await inflow.perform(desk, call, command, centre, AT)


async def test_the_request_of_the_callers_number_is_found(centre: Release) -> None:
    desk = FakeDesk(known=request(when=When.SLOT, slot_at=AT, slot_s=1800.0))
    national = msgspec.structs.replace(CALL, caller_number="0612345678")
    found = await done(desk, FindCallback("support"), centre, national)
    assert desk.searches == [("support", CALLER)]
    assert found == CallbackFound(
        CallbackNote(
            REQUEST,
            "support",
            CALLER,
            When.SLOT,
            Source.SVI,
            AT,
            1800.0,
            "Europe/Paris",
            "Zoé",
            "C-1",
            "Panne",
            1,
        )
    )


@pytest.mark.parametrize("caller", ["", "anonymous", "2001"])
async def test_who_has_no_number_has_no_request(centre: Release, caller: str) -> None:
    desk = FakeDesk(known=request())
    assert await done(desk, FindCallback(), centre, msgspec.structs.replace(CALL, caller_number=caller)) == (
        CallbackFound()
    )
    assert desk.searches == []


async def test_a_database_that_is_away_is_no_answer_to_whether_there_is_a_request(centre: Release) -> None:
    assert await done(FakeDesk(broken=True), FindCallback(), centre) == CallbackFound(refused="unavailable")


async def test_times_with_a_place_left_are_listed(centre: Release) -> None:
    assert await done(FakeDesk(), ListSlots("support"), centre) == SlotsListed((SlotNote(AT, 1800.0),))
    assert await done(FakeDesk(refusal=AWAY), ListSlots("support"), centre) == SlotsListed(refused="unavailable")


ASK = AskCallback("support", 2, CALLER, When.ASAP, "fr", "Nous vous rappellerons.", priority=3, needs={"vae": 2})


async def test_a_request_has_its_proof_and_its_key(centre: Release) -> None:
    desk = FakeDesk()
    event = await done(desk, msgspec.structs.replace(ASK, reason="Panne", data={"ville": "Nancy"}), centre)
    (asked,) = desk.asked
    assert (asked.queue, asked.number, asked.when, asked.source) == ("support", CALLER, When.ASAP, Source.SVI)
    assert (asked.country, asked.priority, asked.needs) == ("FR", 3, {"vae": 2})
    assert asked.customer == Customer(reason="Panne", data={"ville": "Nancy"})
    assert asked.consent is not None
    assert (asked.consent.text, asked.consent.version) == ("Nous vous rappellerons.", centre.hash)
    assert (asked.consent.at, asked.consent.call_id, asked.consent.ip) == (AT, CALL.call_id, "")
    assert (asked.call_id, asked.idempotency_key) == (CALL.call_id, f"{CALL.call_id}:2")
    assert isinstance(event, CallbackAsked)
    assert event.request is not None
    assert (event.request.request, event.estimate_s) == (REQUEST, 240.0)


@pytest.mark.parametrize(
    ("due_s", "promised_s", "when", "told"),
    [
        (15, 135, When.ASAP, 120.0),
        (15, None, When.ASAP, None),
        (36_000, 36_120, When.ASAP, None),
        (15, 135, When.SLOT, None),
    ],
)
async def test_the_caller_hears_the_wait_that_was_promised(
    centre: Release, due_s: int, promised_s: int | None, when: When, told: float | None
) -> None:
    """Who asks by telephone is in no line as long as they are on it: the line knows no wait of theirs."""
    promised_at = None if promised_s is None else AT + timedelta(seconds=promised_s)
    stored = request(when=when, due_at=AT + timedelta(seconds=due_s), promised_at=promised_at)
    event = await done(FakeDesk(line=Taken(stored, again=False, position=None, estimate_s=None)), ASK, centre)
    assert isinstance(event, CallbackAsked)
    assert event.estimate_s == told


async def test_performed_again_it_is_the_same_request(centre: Release) -> None:
    desk = FakeDesk()
    assert await done(desk, ASK, centre) == await done(desk, ASK, centre)
    assert len({each.idempotency_key for each in desk.asked}) == 1


async def test_the_place_in_the_queue_goes_with_it(centre: Release) -> None:
    desk = FakeDesk()
    entered = AT - timedelta(minutes=4)
    await done(desk, msgspec.structs.replace(ASK, entered_at=entered), centre)
    assert (desk.asked[0].entered_at, desk.asked[0].source) == (entered, Source.QUEUE)


async def test_the_open_request_of_somebody_else_is_not_told_of(centre: Release) -> None:
    assert await done(FakeDesk(same_key=False), ASK, centre) == CallbackAsked(again=True)


async def test_refusals_come_back_as_words(centre: Release) -> None:
    desk = FakeDesk(refusal=Refused("country", "We do not call there.", "Give another number."))
    assert await done(desk, ASK, centre) == CallbackAsked(refused="country")
    assert await done(desk, ChangeCallback(REQUEST, When.ASAP), centre) == CallbackAsked(refused="country")
    assert await done(desk, CancelCallback(REQUEST), centre) == CallbackCancelled("country")
    assert await done(desk, OptOut(), centre) == OptedOut("country")


async def test_a_change_and_a_cancellation_name_the_call(centre: Release) -> None:
    desk = FakeDesk()
    event = await done(desk, ChangeCallback(REQUEST, When.SLOT, AT), centre)
    assert isinstance(event, CallbackAsked)
    assert event.request is not None
    assert event.request.slot_at == AT
    assert desk.changed == [(REQUEST, When.SLOT, AT, CALL.call_id)]
    assert await done(desk, CancelCallback(REQUEST), centre) == CallbackCancelled()
    assert desk.cancelled == [(REQUEST, CALL.call_id)]


async def test_never_again_is_for_the_callers_number_or_whom_we_called(centre: Release) -> None:
    desk = FakeDesk()
    assert await done(desk, OptOut(), centre) == OptedOut()
    ours = msgspec.structs.replace(CALL, caller_number="")
    assert await done(desk, OptOut(REQUEST, "+33639980047"), centre, ours) == OptedOut()
    assert desk.opted_out == [(CALLER, "svi", None, CALL.call_id), ("+33639980047", "svi", REQUEST, CALL.call_id)]
    assert await done(desk, OptOut(), centre, ours) == OptedOut("unreadable")


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (FindCallback(), CallbackFound(refused="unavailable")),
        (ListSlots("support"), SlotsListed(refused="unavailable")),
        (ASK, CallbackAsked(refused="unavailable")),
        (ChangeCallback(REQUEST, When.ASAP), CallbackAsked(refused="unavailable")),
        (CancelCallback(REQUEST), CallbackCancelled("unavailable")),
        (OptOut(), OptedOut("unavailable")),
    ],
)
async def test_without_a_desk_nothing_is_promised(
    centre: Release, command: inflow.CallbackCommand, event: Event
) -> None:
    assert await done(None, command, centre) == event


# --- in a whole call --------------------------------------------------------------------------------------------

CENTRE_FILE = """
centre: Essai
languages: [fr]
numbers: {100: {flow: accueil}, "+33 1 23 45 67 89": {flow: accueil}}
outbound: {caller_id: "+33123456789"}
queues: {support: {callback: {flow: client}}}
"""
ASKING = """
flow: accueil
start: rappel
languages: [fr]
prompts: {non: {fr: Non.}}
steps:
  rappel: {type: callback, queue: support, when: [asap], done: fin, refused: non}
  fin: {type: hangup}
  non: {type: hangup, prompt: non}
"""
CLIENT = """
flow: client
start: m
languages: [fr]
prompts: {m: {fr: Tapez 1.}}
steps:
  m: {type: menu, prompt: m, choices: {1: q}, no_input: {then: fin}, invalid: {then: fin}}
  q: {type: queue, queue: support, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}
  fin: {type: hangup}
"""


class Away:
    """What the services of a call have beside call-backs: here nothing is used of it."""

    def over(self, call_id: str) -> None:
        pass

    def library(self, audio: object) -> object:
        return audio


@dataclass
class Services:
    """`Services` as far as calls without queues need them."""

    callbacks: FakeDesk | None
    mailbox: Away = field(default_factory=Away)
    queues_now: dict[str, object] = field(default_factory=dict)


@dataclass
class SlowDesk(FakeDesk):
    """Takes the request, and answers only when it is let: a controller may die in between."""

    def __post_init__(self) -> None:
        self.taken, self.answer = asyncio.Event(), asyncio.Event()

    async def ask(self, asked: Asked) -> Taken | Refused:
        answer = await super().ask(asked)
        self.taken.set()
        await self.answer.wait()
        return answer


def asking(folder: Path, desk: FakeDesk | None) -> World:
    centre = folder / "centre"
    centre.mkdir(exist_ok=True)
    for name, text in {"centre": CENTRE_FILE, "accueil": ASKING, "client": CLIENT}.items():
        (centre / f"{name}.yaml").write_text(text, "utf-8")
    world = World(folder)
    world.around = dataclasses.replace(world.around, services=Services(desk))
    return world


def confirms(command: Command) -> Event:
    return Collected("1", CollectEnd.COMPLETE) if isinstance(command, Collect) else patient(command)


async def test_a_call_asks_and_its_record_says_so(tmp_path: Path) -> None:
    desk = FakeDesk()
    world = asking(tmp_path, desk)
    await world.begin(world.call(answering=confirms))
    (asked,) = desk.asked
    assert asked.consent is not None
    assert asked.consent.text.startswith("Nous vous rappellerons au numéro suivant.")
    (step, _) = world.recorder.of(StepTaken)
    assert (step.step, step.exit, step.detail["queue"], step.detail["when"]) == ("rappel", "done", "support", "asap")
    (ended,) = world.recorder.of(CallEnded)
    assert ended.disposition is Disposition.COMPLETED


async def test_a_controller_that_dies_while_it_asks_leaves_one_request(tmp_path: Path) -> None:
    desk = SlowDesk()
    world = asking(tmp_path, desk)
    incoming = world.call(answering=confirms)
    task = asyncio.create_task(Call(incoming, world.around).begin())
    await asyncio.wait_for(desk.taken.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.answer.set()
    last = world.recorder.of(StateSaved)[-1]
    await Call(incoming, world.around).resume(last)
    assert len(desk.asked) == 2
    assert len({each.idempotency_key for each in desk.asked}) == 1
    assert [(each.step, each.exit) for each in world.recorder.of(StepTaken)] == [
        ("rappel", "done"),
        ("fin", "hangup"),
    ]


async def test_a_call_without_services_is_told_that_nothing_can_be_promised(tmp_path: Path) -> None:
    world = asking(tmp_path, None)
    world.around = dataclasses.replace(world.around, services=None)
    await world.begin(world.call(answering=confirms))
    first = world.recorder.of(StepTaken)[0]
    assert (first.step, first.exit) == ("rappel", "refused")


async def test_who_hangs_up_while_it_is_asked_for_is_called_back(tmp_path: Path) -> None:
    desk = FakeDesk()
    world = asking(tmp_path, desk)
    keys = iter("1")

    def leaves(command: Command) -> Event:
        if isinstance(command, Collect):
            return Collected(next(keys), CollectEnd.COMPLETE)
        return patient(command) if not desk.asked else HungUp()

    await world.begin(world.call(answering=leaves))
    assert len(desk.asked) == 1
    (ended,) = world.recorder.of(CallEnded)
    assert ended.disposition is Disposition.COMPLETED
