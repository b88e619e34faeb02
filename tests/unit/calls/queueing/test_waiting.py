"""A caller who waits: what is heard, and every way out of the queue."""

from __future__ import annotations

import pytest

from controller.acd.model import Refused
from controller.calls.asks import Assigned, Hold, MoveTo, NewsOfPlace, QueueClosed
from controller.cdr.entries import QueueEntered, QueueExited
from controller.flow.commands import Failed, HungUp, QueueExit, QueueLeft
from tests.rig.fakeswitchboard import NORMAL, Phone
from tests.rig.virtualtime import MONDAY_9H, on_virtual_time, turns
from tests.unit.calls.queueing.world import ANNE, MUSIC, World, heard, plan


@on_virtual_time
async def test_who_waits_hears_music_and_has_a_place_from_the_entry_time():
    world = World(plan(service_level_s=15.0), priority=3, needs={"english": 2})
    await world.begin()
    assert world.caller_hears == {MUSIC}
    (entry,) = world.places.entries
    assert (entry.queue, entry.entered_at, entry.priority, entry.needs) == ("support", MONDAY_9H, 3, {"english": 2})
    assert (entry.language, entry.number) == ("fr", "+33612345678")
    (entered,) = world.places.of(QueueEntered)
    assert (entered.visit, entered.position, entered.service_level_s) == (1, 1, 15.0)
    assert world.kept[-1].phase == "waiting"
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_who_hangs_up_while_waiting_has_abandoned():
    world = World()
    await world.begin()
    await world.wait(42)
    world.exchange.hang_up("caller", NORMAL)
    assert await world.end() == HungUp(NORMAL)
    assert world.exits == ["abandoned"]
    assert world.places.left == 1


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("queue_full", QueueExit.FULL),
        ("queue_closed", QueueExit.CLOSED),
        ("unknown_queue", QueueExit.CLOSED),  # deleted: what is said of a closed one fits
        ("strange", QueueExit.FAILED),
    ],
)
def test_a_refused_place_is_an_exit(code: str, how: QueueExit):
    @on_virtual_time
    async def case() -> None:
        world = World()
        world.places.refusal = Refused(code, "no")
        await world.begin()
        left = await world.end()
        assert isinstance(left, QueueLeft)
        assert left.exit is how
        assert world.exits == [how.value]
        assert world.caller_hears == set()

    case()


@on_virtual_time
async def test_a_queue_that_the_release_has_not_is_a_failure():
    world = World(plan("other"))
    await world.begin()
    assert isinstance(await world.end(), Failed)


@on_virtual_time
async def test_the_longest_wait_has_its_own_exit_and_silence_after_it():
    world = World(wait_s=90)
    await world.begin()
    assert await world.end() == QueueLeft(QueueExit.TIMEOUT, "support", waited_s=90.0)
    assert world.board.now() == pytest.approx(90)
    assert world.caller_hears == set()
    assert world.places.waits == [90]


@on_virtual_time
async def test_without_anybody_logged_in_a_flow_that_asks_goes_on_at_once_and_another_waits():
    world = World(no_agents=True)
    world.places.logged_in = False
    await world.begin()
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.NO_AGENTS

    patient = World()
    patient.places.logged_in = False
    await patient.begin()
    await patient.wait(60)
    assert patient.running
    patient.exchange.hang_up("caller")
    await patient.end()


@on_virtual_time
async def test_it_is_noticed_when_the_last_agent_logs_out():
    world = World(no_agents=True)
    await world.begin()
    await world.wait(60)
    world.places.logged_in = False
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.NO_AGENTS
    assert world.board.now() <= 71


@on_virtual_time
async def test_news_are_said_when_due_and_only_when_they_are_new():
    world = World(plan(news_every_s=30.0, first_news_s=20.0))
    world.places.place = 3
    await world.begin()
    await world.wait(25)
    assert [at for at, _ in world.said] == pytest.approx([20.0] * len(world.said), abs=0.1)
    told = len(world.said)
    assert told > 0
    await world.wait(30)  # the second news: the same
    assert len(world.said) == told
    world.places.place = 2
    await world.wait(30)
    assert len(world.said) > told
    assert world.said[-1][0] == pytest.approx(80, abs=0.5)
    assert world.caller_hears == {MUSIC}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_music_stops_for_words_and_goes_on_after_them():
    world = World(plan(comfort_every_s=30.0, comforts=(heard("one"), heard("two"))))
    await world.begin()
    await world.wait(31)
    assert world.caller_hears == {"sound"}
    await world.wait(3)
    assert world.caller_hears == {MUSIC}
    await world.wait(60)
    assert [media for _, media in world.said] == ["one", "two", "one"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_words_that_cannot_be_played_cost_nothing_but_themselves():
    world = World(plan(comfort_every_s=30.0, comforts=(heard("missing"),)))
    await world.begin()
    await world.wait(35)
    assert world.caller_hears == {MUSIC}
    world.exchange.refuses |= {"play", "music"}
    await world.wait(35)
    assert world.running
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_the_key_for_a_call_back_counts_once_it_was_offered():
    world = World(plan(callback_prompt=heard("offer")), callback_key="5", callback_after_s=40)
    await world.begin()
    await world.wait(20)
    world.exchange.press("caller", "5")
    await world.wait(19)
    assert world.running
    await world.wait(2)
    assert [media for _, media in world.said] == ["offer"]
    world.exchange.press("caller", "17")
    await world.wait(1)
    assert world.running
    world.exchange.press("caller", "5")
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.CALLBACK
    assert world.exits == ["callback"]
    assert world.caller_hears == set()


@on_virtual_time
async def test_the_key_for_a_message():
    world = World(plan(message_prompt=heard("leave one")), message_key="6")
    await world.begin()
    await world.wait(6)
    assert [media for _, media in world.said] == ["leave one"]
    world.exchange.press("caller", "6")
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.MESSAGE


@on_virtual_time
async def test_a_queue_that_closes_lets_the_caller_go_on_in_the_flow():
    world = World()
    await world.begin()
    await world.wait(10)
    await world.ask(QueueClosed())
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.CLOSED


@on_virtual_time
async def test_a_supervisor_moves_a_caller_who_keeps_the_entry_time():
    world = World(plan(), plan("sales", music="sales"), needs={"english": 1})
    await world.begin()
    await world.wait(30)
    move = MoveTo("sales", by="sam")
    await world.ask(move)
    assert await move.answer() is None
    await turns(30)
    assert world.exits == ["moved"]
    assert world.caller_hears == {"music:sales"}
    entered = world.places.of(QueueEntered)[-1]
    assert (entered.visit, entered.queue, entered.from_agent) == (2, "sales", "sam")
    assert entered.entered_at == MONDAY_9H
    assert world.places.entries[-1].queue == "sales"
    assert world.places.entries[-1].needs == {"english": 1}
    assert world.kept[-1].visit == 2
    await world.wait(30)
    world.exchange.hang_up("caller")
    await world.end()
    assert world.exits == ["moved", "abandoned"]


@on_virtual_time
async def test_a_move_to_nowhere_or_into_a_full_queue_is_refused_and_the_caller_waits_on():
    world = World(plan(), plan("sales"))
    await world.begin()
    nowhere = MoveTo("nowhere", by="sam")
    await world.ask(nowhere)
    refused = await nowhere.answer()
    assert refused is not None
    assert refused.code == "unknown_queue"
    full = MoveTo("sales", by="sam")
    world.places.refusal = Refused("queue_full", "full")
    await world.ask(full)
    refused = await full.answer()
    assert refused is not None
    assert refused.code == "queue_full"
    assert world.running
    assert world.places.of(QueueExited) == []
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_what_only_a_conversation_can_do_is_refused_while_waiting():
    world = World()
    await world.begin()
    hold = Hold(on=True)
    await world.ask(hold)
    refused = await hold.answer()
    assert refused is not None
    assert refused.code == "not_talking"
    news = NewsOfPlace()
    await world.ask(news)
    assert await news.answer() is None
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_agents_who_were_matched_too_late_are_free_again_at_once():
    world = World(wait_s=10)
    world.phones(anne=Phone())
    await world.begin()
    deliver = world.places.deliver
    assert deliver is not None
    await world.wait(9.9985)
    world.exchange.hang_up("caller")
    await world.end()
    assert not deliver(Assigned((ANNE,), "support"))
