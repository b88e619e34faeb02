"""Conversations with real phones on a real Asterisk: who hears whom is told by the tone that each of them says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
import yaml

from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndCall,
    EndConsult,
    Hold,
    Park,
    Supervise,
    SuperviseHow,
    Target,
    TargetKind,
    Transfer,
    Unpark,
)
from controller.cdr.entries import Role
from controller.softphone.call import Call
from controller.softphone.phone import Phone
from controller.softphone.sdp import Direction
from tests.rig.agents import rejects, rings, write_queues
from tests.rig.centre import Centre, until
from tests.rig.stage import CUSTOMER, MUSIC, Stage, staged

QUEUES = {
    "aide": {"ring": "5s"},
    "experts": {"ring": "5s"},
}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two queues."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["extensions"]["2002"] = {"endpoint": "2002"}
    centre["numbers"]["2002"] = {"flow": "collegue"}  # an agent calls a colleague from the phone
    path.write_text(yaml.safe_dump(centre), "utf-8")
    flow = (folder / "poste.yaml").read_text("utf-8").replace("flow: poste", "flow: collegue").replace("1001", "2002")
    (folder / "collegue.yaml").write_text(flow, "utf-8")
    return folder


@pytest_asyncio.fixture
async def stage(centre: Centre, phone: Phone) -> AsyncIterator[Stage]:
    """A customer, Anne, Bruno, and Chloé who supervises."""
    async with staged(centre, phone, list(QUEUES)) as stage:
        yield stage


def agent(name: str) -> Target:
    return Target(TargetKind.AGENT, name)


def told(call: Call) -> list[str]:
    """What a phone has been told of the transfer that it asked for."""
    return [event.detail for event in call.events if event.name == "refer"]


async def test_hold_by_desk_and_by_phone(stage: Stage):
    await stage.connect("aide")
    assert await stage.ask(Hold(on=True)) is None
    await stage.hear(customer=MUSIC, anne=set())
    assert stage.talk.on_hold
    assert await stage.ask(Hold(on=False)) is None
    await stage.hear(customer={"anne"}, anne={"customer"})
    assert await stage.calls["anne"].reinvite(Direction.SENDONLY) == 200
    await stage.hear(customer=MUSIC)
    assert await stage.calls["anne"].reinvite(Direction.SENDRECV) == 200
    await stage.hear(customer={"anne"}, anne={"customer"})
    assert await stage.ask(EndCall()) is None
    assert await stage.calls["anne"].wait_ended(2)
    assert await stage.calls["customer"].wait_ended(10)
    assert "fr/bravo" in stage.centre.heard(stage.calls["customer"])  # the flow went on
    await stage.over()


async def test_blind_transfer_and_one_that_nobody_takes(stage: Stage):
    await stage.connect("aide")
    bruno = await stage.ready("bruno", rings)
    assert await stage.ask(Transfer(agent("bruno"))) is None
    assert await stage.calls["anne"].wait_ended(2)  # free at once
    incoming = await bruno.rung()
    assert incoming.caller == "33612345678"
    await stage.hear(customer=MUSIC)
    incoming.answer(bruno.source)
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await stage.ask(Transfer(agent("anne")), "bruno") is None
    await stage.joined("anne", 2)
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.desks["bruno"].phone.close()
    refused = await stage.ask(Transfer(agent("bruno")))
    assert refused is not None
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()
    assert await stage.events() == ["transfer_blind", "transfer_blind"]


async def test_consultation_three_way_and_one_after_the_other_leaves(stage: Stage):
    await stage.connect("aide")
    bruno = await stage.ready("bruno", rings)
    assert await stage.ask(Consult(agent("bruno"))) is None
    incoming = await bruno.rung()
    assert incoming.caller == "2001"  # it is Anne who calls
    await stage.hear(customer=MUSIC)
    incoming.answer(bruno.source)
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, anne={"bruno"}, bruno={"anne"})
    assert await stage.ask(EndConsult(ConsultEnd.THREE_WAY)) is None
    await stage.hear(customer={"anne", "bruno"}, anne={"customer", "bruno"}, bruno={"customer", "anne"})
    await stage.calls["anne"].hangup()
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    await stage.over()
    assert await stage.events() == ["consult", "three_way", "transfer_attended"]


async def test_attended_transfer_by_asking_and_by_hanging_up(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno")
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, bruno={"anne"})
    assert await stage.ask(EndConsult(ConsultEnd.TRANSFER)) is None
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await stage.calls["anne"].wait_ended(2)
    await stage.agents.state("anne", "free")
    assert await stage.ask(Consult(agent("anne")), "bruno") is None
    await stage.joined("anne", 2)
    await stage.hear(customer=MUSIC, anne={"bruno"})
    await stage.calls["bruno"].hangup()
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()


async def test_consultation_that_comes_to_nothing(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno", rejects(486))
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.desks["bruno"].rung()
    await stage.hear(customer=MUSIC, anne=set())
    assert stage.talk.on_hold
    assert stage.talk.consulting == ""
    assert await stage.ask(Hold(on=False)) is None
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()
    assert await stage.events() == ["consult", "consult_ended", "unhold"]


async def test_park_and_another_agent_takes_the_customer_up(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno")
    park = Park()
    assert await stage.ask(park) is None
    assert park.slot == stage.talk.parked_slot >= 700
    assert await stage.calls["anne"].wait_ended(2)
    await stage.hear(customer=MUSIC)
    assert await stage.ask(Unpark(stage.account("bruno")), "bruno") is None
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert stage.talk.parked_slot == 0
    await stage.over()
    assert await stage.events() == ["park", "unpark"]


async def test_supervisor_listens_whispers_barges_in_and_leaves(stage: Stage):
    await stage.connect("aide")
    await stage.seat("chloe")
    chloe = stage.account("chloe")
    assert await stage.ask(Supervise(chloe, SuperviseHow.LISTEN), "chloe") is None
    await stage.joined("chloe")
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.WHISPER), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer", "chloe"})
    await stage.ready("bruno")
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.joined("bruno")
    await stage.hear(chloe={"anne", "bruno"}, customer=MUSIC, bruno={"anne"}, anne={"bruno", "chloe"})
    assert await stage.ask(EndConsult(ConsultEnd.CANCEL)) is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer", "chloe"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.BARGE), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne", "chloe"}, anne={"customer", "chloe"})
    assert await stage.ask(Supervise(chloe, SuperviseHow.LISTEN), "chloe") is None
    await stage.hear(chloe={"anne", "customer"}, customer={"anne"}, anne={"customer"})
    assert await stage.ask(Hold(on=True)) is None
    await stage.hear(chloe={"anne"}, customer=MUSIC, anne=set())
    assert await stage.ask(Hold(on=False)) is None
    await stage.calls["chloe"].hangup()
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()


async def test_who_barged_in_stays_when_the_agent_leaves(stage: Stage):
    await stage.connect("aide")
    await stage.seat("chloe")
    assert await stage.ask(Supervise(stage.account("chloe"), SuperviseHow.BARGE), "chloe") is None
    await stage.joined("chloe")
    await stage.hear(chloe={"anne", "customer"}, customer={"anne", "chloe"})
    await stage.calls["anne"].hangup()
    await stage.hear(chloe={"customer"}, customer={"chloe"})
    await stage.over()


async def test_the_phones_own_transfer(stage: Stage):
    await stage.connect("aide")
    anne = stage.calls["anne"]
    assert await anne.refer(stage.centre.uri("+33899000000")) == 202
    await asyncio.sleep(0.5)
    assert told(anne) == ["SIP/2.0 100 Trying", "SIP/2.0 603 Decline"]
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.ready("bruno", rings)
    assert await anne.refer(stage.centre.uri("2002")) == 202
    incoming = await stage.desks["bruno"].rung()
    await stage.hear(customer=MUSIC)
    incoming.answer(stage.desks["bruno"].source)
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await anne.wait_ended(2)
    assert told(anne)[-1] == "SIP/2.0 200 OK"
    await stage.over()


async def test_the_phones_own_transfer_that_fails(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno", rejects(486))
    anne = stage.calls["anne"]
    assert await anne.refer(stage.centre.uri("2002")) == 202

    async def failed() -> bool:
        return told(anne)[-1:] == ["SIP/2.0 503 Service Unavailable"]

    await until(failed, 5)
    await stage.hear(customer={"anne"}, anne={"customer"})
    await stage.over()


async def test_the_phones_own_transfer_that_is_not_waited_for(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno", rings)
    assert await stage.calls["anne"].refer(stage.centre.uri("2002")) == 202
    await stage.calls["anne"].hangup()
    incoming = await stage.desks["bruno"].rung()
    await stage.hear(customer=MUSIC)
    incoming.answer(stage.desks["bruno"].source)
    await stage.joined("bruno")
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    await stage.over()


async def test_escalation_to_specialists(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno")
    assert await stage.ask(Transfer(Target(TargetKind.QUEUE, "experts"), note="remboursement")) is None
    await stage.joined("bruno", limit_s=10)
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert stage.talk.queue == "experts"
    await stage.over()
    assert await stage.events() == ["escalate"]


async def test_the_customer_leaves_whatever_is_going_on(stage: Stage):
    await stage.connect("aide")
    await stage.ready("bruno")
    await stage.seat("chloe")
    assert await stage.ask(Supervise(stage.account("chloe"), SuperviseHow.WHISPER), "chloe") is None
    await stage.joined("chloe")
    assert await stage.ask(Consult(agent("bruno"))) is None
    await stage.joined("bruno")
    await stage.hear(customer=MUSIC, bruno={"anne"}, anne={"bruno", "chloe"}, chloe={"anne", "bruno"})
    await stage.calls["customer"].hangup()
    for name in ("anne", "bruno", "chloe"):
        assert await stage.calls[name].wait_ended(2), name
    await stage.over()


async def test_the_phone_joins_its_two_calls(stage: Stage):
    """Attended as desk phones do it: hold, call the colleague on the second line, REFER with Replaces."""
    await stage.connect("aide")
    bruno = await stage.seat("bruno", rings)
    anne = stage.calls["anne"]
    assert await anne.reinvite(Direction.SENDONLY) == 200
    second = await stage.desks["anne"].phone.dial(stage.centre.uri("2002"), source=stage.desks["anne"].source)
    incoming = await bruno.rung()
    incoming.answer(bruno.source)
    await stage.joined("bruno")
    stage.calls["anne"] = second
    await stage.hear(customer=MUSIC, bruno={"anne"}, anne={"bruno"})
    dialog = second.dialog
    replaces = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
    assert await anne.refer(f"{stage.centre.uri('2002')}?Replaces={quote(replaces, safe='')}") == 202
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    assert await anne.wait_ended(2)
    await second.hangup()
    await asyncio.sleep(1)
    await stage.hear(customer={"bruno"}, bruno={"customer"})
    await stage.over()
    record = await stage.centre.record(CUSTOMER)
    assert [leg.role for leg in record.legs] == [Role.CALLER, Role.AGENT, Role.TRANSFER]
    assert all(leg.ended_at for leg in record.legs), record.legs
    assert all(leg.ended_at for leg in (await stage.centre.record("2001")).legs)
