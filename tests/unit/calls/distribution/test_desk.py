from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controller.acd.model import AgentId, AgentState, EntryId, Queue, Refused
from controller.calls.asks import Assigned, EndCall, Hold, MoveTo, Park, Supervise, SuperviseHow, Unpark
from controller.calls.desk import TalkView
from controller.calls.distribution.services import DistributionServices
from controller.calls.keeping import Keeping
from controller.calls.queueing.callref import CallRef
from controller.cdr.entries import AgentChanged, Disposed, OfferMade, QueueEntered
from controller.flow.commands import AgentActKind
from controller.flow.queuenow import QueueNow
from controller.ids import CallId
from controller.switchboard import Ask
from tests.rig.virtualtime import on_virtual_time, turns
from tests.unit.calls.distribution.hall import Hall, Opening, account, release, views

SALES = Queue(name="sales", title="Ventes", wrap_up_s=10.0, wrap_up_max_s=30.0, dispositions=("sold", "lost"))
HELP = Queue(name="help")
ADA, BOB, SUE = AgentId("ada"), AgentId("bob"), AgentId("sue")
CALL = CallId("c1")


async def hall(folder: Path) -> Hall:
    opened = Hall(
        folder,
        release(SALES, HELP, calendar=Opening()),
        account("ada", "2001", "sales"),
        account("bob", "2002", "help"),
        account("sue", "2003", supervisor=True),
    )
    return await opened.open()


class Talk:
    """A conversation that does whatever it is asked."""

    def __init__(self, here: Hall, agent: AgentId = ADA, *, slot: int = 0) -> None:
        self.asked: list[Ask] = []
        self.refusal: Refused | None = None
        here.calls.add(CALL)
        now = here.clock.now()
        view = TalkView(call_id=CALL, queue="sales", agent=agent, number="+331", since=now, parked_slot=slot)
        here.distributor.talking(agent, CALL, "sales")
        here.distributor.talk(view, CALL, self.deliver)

    def deliver(self, ask: Ask) -> bool:
        self.asked.append(ask)
        if self.refusal is not None:
            ask.refuse(self.refusal)
        else:
            ask.done()
        return True


def code(refused: Refused | None) -> str:
    return refused.code if refused is not None else ""


# --- what agents do


@on_virtual_time
async def test_an_agents_day(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    desk = here.desk
    assert code(desk.pause(ADA, "lunch", by="ada")) == "not_logged_in"
    assert desk.login(ADA, by="ada") is None
    assert desk.pause(ADA, "  lunch ", by="token:hr", until_s=60) is None
    paused = next(view for view in desk.agents() if view.agent == ADA)
    assert (paused.state, paused.reason) == (AgentState.PAUSED, "lunch")
    assert paused.until is not None
    assert abs(paused.until - here.clock.now() - timedelta(seconds=60)) < timedelta(seconds=0.001)
    assert desk.resume(ADA, by="ada") is None
    here.caller(CALL, "sales")
    await turns(2)
    assert code(desk.logout(ADA, by="ada")) == "in_a_call"
    here.distributor.connected(EntryId(CALL), ADA)
    here.distributor.released(ADA, wrap_up=True)
    assert desk.extend_wrap_up(ADA, 15.0, by="ada") is None
    assert desk.end_wrap_up(ADA, by="ada") is None
    assert code(desk.end_wrap_up(ADA, by="ada")) == "not_in_wrap_up"
    assert desk.logout(ADA, by="ada") is None
    assert code(desk.login(AgentId("eve"), by="x")) == "unknown_agent"
    told = [(each.state, each.by) for each in here.recorder.of(AgentChanged) if each.agent == ADA]
    assert told == [
        ("free", "ada"),
        ("paused", "token:hr"),
        ("free", "ada"),
        ("offered", "rule"),
        ("wrap_up", "ada"),
        ("free", "ada"),
        ("logged_out", "ada"),
    ]
    await here.close()


@on_virtual_time
async def test_the_same_from_the_phone_by_its_endpoint(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    keeping = Keeping(
        tmp_path, None, told=here.distributor.told, clock=here.clock, history=here.past, devices=here.phones
    )  # type: ignore[arg-type]
    services = DistributionServices(here.distributor, keeping, None, tmp_path)  # type: ignore[arg-type]
    assert (services.places, services.keeper) == (here.distributor, keeping)

    def act(what: AgentActKind, channel: str = "PJSIP/2001-0000002a", reason: str = "") -> str:
        call = CallRef(CALL, "1700.1", "2001", "", "*11", "fr", channel)
        return code(services.act(call, what, reason))

    assert act(AgentActKind.LOGIN, "PJSIP/trunk-0000002a") == "unknown_agent"
    assert act(AgentActKind.LOGIN, "Local/2001@x-1;2") == "unknown_agent"
    assert act(AgentActKind.RESUME) == "not_logged_in"
    assert act(AgentActKind.LOGIN) == ""
    assert act(AgentActKind.PAUSE, reason="tea") == ""
    assert act(AgentActKind.RESUME) == ""
    assert act(AgentActKind.END_WRAP_UP) == "not_in_wrap_up"
    assert act(AgentActKind.LOGOUT) == ""
    assert here.recorder.states("ada") == ["free", "paused", "free", "logged_out"]
    assert services.agent_at("2003") == "sue"

    queues = services.queues_now
    here.caller("c9", "sales")
    assert queues["sales"] == QueueNow(waiting=1, free_agents=0, estimate_s=None, open=True)
    assert sorted(queues) == ["help", "sales"]
    assert len(queues) == 2
    assert "vip" not in queues
    await here.close()


@on_virtual_time
async def test_a_call_is_disposed_of_by_who_talked_with_a_code_of_the_queue(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada", "bob")
    desk = here.desk
    assert code(desk.dispose(CALL, ADA, "sold")) == "unknown_call"
    Talk(here)
    refused = desk.dispose(CALL, ADA, "maybe")
    assert refused is not None
    assert refused.code == "unknown_code"
    assert "sold, lost" in refused.advice
    assert code(desk.dispose(CALL, BOB, "sold")) == "unknown_call"
    assert code(desk.dispose(CALL, AgentId("eve"), "sold")) == "unknown_agent"
    here.distributor.talk(None, CALL, Talk.deliver)  # type: ignore[arg-type]
    here.distributor.released(ADA, wrap_up=True)
    assert desk.dispose(CALL, ADA, "lost", "n" * 3000) is None
    await here.close()
    [disposed] = here.recorder.of(Disposed)
    assert (disposed.agent, disposed.code, len(disposed.note)) == (ADA, "lost", 2000)

    again = Hall(tmp_path, here.centre, directory=here.directory)  # the wrap-up is known after a restart
    await again.open()
    assert again.desk.dispose(CALL, ADA, "sold") is None
    await again.close()


# --- what is asked of calls


@on_virtual_time
async def test_an_agent_asks_only_of_the_own_call(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada", "bob")
    assert code(await here.desk.ask(CALL, Hold(on=True), agent=ADA, by="ada")) == "unknown_call"
    talk = Talk(here)
    assert await here.desk.ask(CALL, Hold(on=True), agent=ADA, by="ada") is None
    assert await here.desk.ask(CALL, EndCall(), agent=None, by="token:crm") is None
    assert code(await here.desk.ask(CALL, Hold(on=True), agent=BOB, by="bob")) == "not_yours"
    assert code(await here.desk.ask(CALL, Assigned((), "sales"), agent=ADA, by="ada")) == "not_to_be_asked"
    talk.refusal = Refused("no", "no")
    assert await here.desk.ask(CALL, Park(), agent=ADA, by="ada") == talk.refusal
    assert [type(ask) for ask in talk.asked] == [Hold, EndCall, Park]
    await here.close()


@on_virtual_time
async def test_only_supervisors_listen_and_each_for_themselves(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada", "sue")
    talk = Talk(here)
    sue, ada = (here.distributor.account(agent) for agent in (SUE, ADA))
    assert sue is not None
    assert ada is not None
    ask = here.desk.ask
    assert await ask(CALL, Supervise(sue, SuperviseHow.LISTEN), agent=SUE, by="sue") is None
    assert await ask(CALL, Supervise(sue, SuperviseHow.BARGE), agent=None, by="token:board") is None
    assert code(await ask(CALL, Supervise(ada, SuperviseHow.LISTEN), agent=ADA, by="ada")) == "not_supervisor"
    assert code(await ask(CALL, Supervise(sue, SuperviseHow.LISTEN), agent=ADA, by="ada")) == "not_supervisor"
    assert code(await ask(CALL, Supervise(ada, SuperviseHow.LISTEN), agent=None, by="token")) == "not_supervisor"
    gone = account("gone", "2999", supervisor=True)
    assert code(await ask(CALL, Supervise(gone, SuperviseHow.LISTEN), agent=None, by="token")) == "unknown_agent"
    assert len(talk.asked) == 2
    here.caller("c2", "sales")
    assert code(await ask("c2", Supervise(sue, SuperviseHow.LISTEN), agent=SUE, by="sue")) == "not_talking"
    assert code(await ask("c2", Hold(on=True), agent=None, by="token")) == "not_talking"
    await here.close()


@on_virtual_time
async def test_who_waits_is_moved_by_supervisors_to_queues_that_exist(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    caller = here.caller(CALL, "sales")
    ask = here.desk.ask
    assert code(await ask(CALL, MoveTo("help", "ada"), agent=ADA, by="ada")) == "not_supervisor"
    assert code(await ask(CALL, MoveTo("moon", "sue"), agent=SUE, by="sue")) == "unknown_queue"
    assert code(await ask(CALL, MoveTo("help", "sue"), agent=SUE, by="sue")) == "timeout"  # nobody answers here
    assert len(caller.of(MoveTo)) == 1
    caller.gone = True
    assert code(await ask(CALL, MoveTo("help", "sue"), agent=SUE, by="sue")) == "call_ended"
    await here.close()


@on_virtual_time
async def test_a_parked_customer_is_taken_up_by_any_agent_for_themselves(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.login("ada", "bob")
    bob = here.distributor.account(BOB)
    assert bob is not None
    Talk(here)
    assert code(await here.desk.ask(CALL, Unpark(bob), agent=BOB, by="bob")) == "not_parked"
    slot = here.distributor.park(CALL)
    Talk(here, slot=slot)
    assert code(await here.desk.ask(CALL, Unpark(bob), agent=ADA, by="ada")) == "not_yours"
    assert await here.desk.ask(CALL, Unpark(bob), agent=BOB, by="bob") is None
    here.distributor.unpark(CALL)
    assert here.distributor.park("c2") == slot
    await here.close()


# --- what is seen


@on_virtual_time
async def test_views_show_the_moment(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    here.caller("c1", "sales", ago_s=30, number="+331", priority=2)
    here.caller("c2", "help", ago_s=60)
    here.login("bob", "ada")
    here.login("sue")
    await turns(2)
    assert views(here.desk.waiting(), "call_id", "position", "waited_s", "offered_to") == [
        ("c2", 1, pytest.approx(60, abs=0.01), ("bob",)),
        ("c1", 1, pytest.approx(30, abs=0.01), ("ada",)),
    ]
    fields = ("queue", "title", "open", "waiting", "agents_logged_in", "agents_free", "agents_talking")
    assert views(here.desk.queues(), *fields) == [
        ("help", "help", True, 1, 1, 0, 0),
        ("sales", "Ventes", True, 1, 1, 0, 0),
    ]
    assert views(here.desk.agents(), "agent", "extension", "state", "queue", "call_id") == [
        ("ada", "2001", AgentState.OFFERED, "sales", "c1"),
        ("bob", "2002", AgentState.OFFERED, "help", "c2"),
        ("sue", "2003", AgentState.FREE, "", ""),
    ]
    await here.close()


@on_virtual_time
async def test_events_are_the_entries_of_the_record_and_the_agents_states(tmp_path: Path) -> None:
    here = await hall(tmp_path)
    events = here.desk.events()
    now = here.clock.now()
    here.distributor.told(QueueEntered(CALL, 1, "sales", now, now, position=1))
    here.login("ada")
    here.distributor.told(OfferMade(CALL, 1, 1, "ada", "sales", now))
    await here.close()
    got = [event async for event in events]
    assert views(got, "kind", "queue", "agent", "call_id") == [
        ("queue.entered", "sales", "", "c1"),
        ("agent.changed", "", "ada", ""),
        ("offer.made", "sales", "ada", "c1"),
    ]
    assert got[0].data["position"] == 1
    assert got[1].data["state"] == "free"
    assert [event.seq for event in got] == list(range(got[0].seq, got[0].seq + 3))
    assert len(here.recorder.entries) == 3
