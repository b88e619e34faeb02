"""The controller is killed while a caller waits, a phone rings, or they are being connected; Asterisk goes away."""

from __future__ import annotations

import asyncio

import pytest

from controller.acd.model import OfferOutcome, Refused
from controller.calls.asks import Assigned
from controller.cdr.entries import OfferEnded, OfferMade, QueueEntered, TalkEnded, TalkStarted
from controller.errors import AsteriskUnreachable
from controller.flow.commands import HungUp, QueueExit, QueueLeft
from tests.rig.fakeswitchboard import Phone
from tests.rig.virtualtime import MONDAY_9H, on_virtual_time, turns
from tests.unit.calls.queueing.world import ANNE, BRUNO, MUSIC, RECORDED, World, heard, plan


@on_virtual_time
async def test_a_waiting_caller_has_the_same_place_again_and_waits_no_longer_for_it():
    world = World(plan(comfort_every_s=30.0, comforts=(heard("one"), heard("two"))), wait_s=100)
    await world.begin()
    await world.wait(40)
    await world.kill()
    await world.begin()
    assert world.caller_hears == {MUSIC}
    (entry,) = world.places.entries
    assert entry.entered_at == MONDAY_9H
    assert world.places.waits == [100]
    assert len(world.places.of(QueueEntered)) == 1
    left = await world.end()
    assert left == QueueLeft(QueueExit.TIMEOUT, "support", waited_s=pytest.approx(100, abs=0.1))
    assert world.board.now() == pytest.approx(100, abs=0.1)
    assert [media for _, media in world.said] == ["one", "two", "one"]


@on_virtual_time
async def test_killed_before_anything_was_kept_the_visit_begins_anew():
    world = World()
    await world.begin()
    world.kept.clear()
    await world.kill()
    await world.begin()
    assert world.caller_hears == {MUSIC}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_ringing_phone_goes_on_ringing_and_is_answered():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.wait(5)
    await world.kill()
    await world.begin()
    assert world.places.engaged == {"anne"}
    assert world.exchange.ringing() == [leg]
    assert world.caller_hears == {MUSIC}
    world.exchange.pick_up(leg)
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    assert len(world.exchange.asked("call")) == 1
    assert world.outcomes == ["connected"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_ringing_phone_rings_no_longer_than_it_would_have():
    world = World(plan(ring_s=20))
    world.phones(anne=Phone())
    await world.begin()
    await world.assign(ANNE)
    await world.wait(15)
    await world.kill()
    await world.begin()
    await world.wait(4)
    assert world.outcomes == ["open"]
    await world.wait(1.1)
    assert world.outcomes == ["no_answer"]
    assert world.exchange.ringing() == []
    assert world.caller_hears == {MUSIC}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_phone_that_was_answered_while_nobody_was_there_is_connected():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.kill()
    world.exchange.pick_up(leg)
    await world.wait(1)
    await world.begin()
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_phone_that_stopped_ringing_while_nobody_was_there_blames_nobody():
    world = World()
    world.phones(anne=Phone(), bruno=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.kill()
    world.exchange.hang_up(leg)
    await world.wait(1)
    await world.begin()
    assert world.outcomes == ["failed"]
    assert world.places.ended == [("anne", OfferOutcome.FAILED)]
    (leg,) = await world.assign(BRUNO)
    numbers = [each.offer for each in world.places.of(OfferMade)]
    assert numbers == [1, 2]
    world.exchange.pick_up(leg)
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_an_agent_who_is_in_another_call_by_now_does_not_ring_any_more():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    await world.assign(ANNE)
    await world.kill()
    world.places.refuses_reserving = Refused("in_a_call", "taken")
    await world.begin()
    assert world.exchange.ringing() == []
    assert world.outcomes == ["withdrawn"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_an_agent_whose_phone_is_not_known_yet_goes_on_ringing():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.kill()
    world.places.refuses_reserving = Refused("unreachable", "not registered")
    await world.begin()
    world.exchange.pick_up(leg)
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_ring_all_is_taken_up_as_a_whole():
    world = World()
    world.phones(anne=Phone(), bruno=[Phone(), Phone()])
    await world.begin()
    legs = await world.assign(ANNE, BRUNO)
    await world.kill()
    world.exchange.pick_up(legs[2])
    await world.begin()
    await world.wait(0.1)
    assert world.caller_hears == {legs[2]}
    assert world.exchange.ringing() == []
    assert world.outcomes == ["elsewhere", "connected"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_killed_while_the_agent_is_asked_to_accept_the_agent_is_asked_again():
    world = World(plan(accept_key="1", accept_prompt=heard("press one")))
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    await world.wait(1)
    await world.kill()
    await world.begin()
    await world.wait(1)
    assert [media for _, media in world.exchange.parties[leg].heard] == ["press one", "press one"]
    world.exchange.press(leg, "1")
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_killed_in_the_middle_of_connecting_the_successor_connects_without_asking_again():
    world = World(plan(whispered=heard("support")))
    world.phones(anne=Phone(answers_after_s=1))
    await world.begin()
    await world.assign(ANNE)
    await world.wait(2)
    while not world.kept or world.kept[-1].phase != "connecting":
        await asyncio.sleep(0.001)
    world.kept[:] = [each for each in world.kept if each.phase != "talking"]
    await world.kill()
    (leg,) = [party for party in world.exchange.parties if party != "caller"]
    await world.begin()
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    assert len(world.exchange.parties[leg].heard) == 1
    assert [each[0] for each in world.conversations][-1] == "anne"
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_killed_in_the_middle_of_connecting_and_the_agent_left_they_may_have_talked():
    """Nobody is called back after a talk; the customer, who is still there, waits for another agent."""
    world = World()
    world.phones(anne=Phone(answers_after_s=1), bruno=Phone(answers_after_s=1))
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.wait(2)
    connecting = [each.phase for each in world.kept].index("connecting")
    del world.kept[connecting + 1 :]
    await world.kill()
    world.places.entries_told[:] = [each for each in world.places.entries_told if not isinstance(each, OfferEnded)]
    world.exchange.hang_up(leg)
    await world.begin()
    await world.wait(0.1)
    (started,), (ended,) = world.places.of(TalkStarted), world.places.of(TalkEnded)
    assert (started.talk, started.agent, started.at) == (1, "anne", world.kept[connecting].connected_at)
    assert (ended.talk, ended.how) == (1, "failed")
    assert world.kept[-1].phase == "waiting"
    assert world.kept[-1].detail["conversation"] == {"talk": 1}
    await world.kill()
    await world.begin()  # it is said once
    (leg,) = await world.assign(BRUNO)
    await world.wait(2)
    assert world.caller_hears == {leg}
    assert len(world.places.of(TalkStarted)) == 1
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
@pytest.mark.parametrize("gone_first", [True, False])
async def test_killed_in_the_middle_of_connecting_and_the_caller_left_they_may_have_talked(gone_first: bool):
    world = World()
    world.phones(anne=Phone(answers_after_s=1), bruno=Phone())
    await world.begin()
    legs = await world.assign(ANNE, BRUNO)
    await world.wait(2)
    connecting = next(each for each in world.kept if each.phase == "connecting")
    del world.kept[world.kept.index(connecting) + 1 :]
    await world.kill()
    assert world.caller_hears == {legs[0]}
    if gone_first:
        world.exchange.hang_up("caller")
        await world.begin()
    else:
        await world.begin()
        world.exchange.hang_up("caller")
    assert isinstance(await world.end(), HungUp)
    (started,) = world.places.of(TalkStarted) or [None]
    assert bool(world.conversations[1:]) != (started is not None), (
        "it is said by the conversation, or else by the wait"
    )
    assert gone_first == (started is not None)


@on_virtual_time
async def test_an_agent_who_is_on_the_line_already_is_offered_the_call_once():
    world = World(plan(accept_key="1", accept_prompt=heard("press one")))
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    await world.wait(1)
    await world.kill()
    await world.begin()
    assert await world.ask(Assigned((ANNE,), "support", leg=1))  # the floor says it again
    assert len(world.places.of(OfferMade)) == 1
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_conversation_is_not_touched():
    world = World()
    world.phones(anne=Phone(answers_after_s=1))
    await world.begin()
    await world.assign(ANNE)
    await world.wait(10)
    bridges = dict(world.exchange.bridges)
    asked = len(world.exchange.log)
    await world.kill()
    await world.begin()
    await world.wait(5)
    assert world.exchange.bridges == bridges
    assert len(world.exchange.log) == asked
    assert len(world.conversations) == 2
    assert world.conversations[0] == world.conversations[1]


@on_virtual_time
async def test_who_has_heard_the_announcement_does_not_hear_it_again():
    world = World(plan(record=RECORDED))
    await world.begin()
    await world.wait(1)
    await world.kill()
    await world.begin()
    await world.wait(3)
    assert [media for _, media in world.said] == ["recorded", "recorded"]
    await world.kill()
    await world.begin()
    await world.wait(3)
    assert len(world.said) == 2
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_asterisk_is_away_for_a_moment_while_a_phone_rings():
    world = World(plan(comfort_every_s=10.0, comforts=(heard("one"),)))
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.wait(9.5)
    world.exchange.reachable = False
    await world.wait(4)
    world.exchange.reachable = True
    await world.wait(1)
    assert world.running
    assert world.exchange.ringing() == [leg]
    world.exchange.pick_up(leg)
    await world.wait(0.5)
    assert world.caller_hears == {leg}
    assert world.outcomes == ["connected"]
    assert len(world.places.of(QueueEntered)) == 1
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_when_asterisk_does_not_come_back_agents_and_place_are_free():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    world.exchange.reachable = False
    await world.ask(Assigned((ANNE,), "support"))
    with pytest.raises(AsteriskUnreachable):
        await world.end()
    assert world.places.left == 1
    assert world.places.engaged == set()


@on_virtual_time
async def test_who_was_matched_in_the_moment_of_the_hang_up_is_free_at_once():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    world.exchange.hang_up("caller")
    await world.wait(0.0005)
    assert world.places.deliver is not None
    world.places.engaged.add(ANNE.agent)
    assigned = Assigned((ANNE,), "support")
    if not world.places.deliver(assigned):
        world.places.engaged.discard(ANNE.agent)  # as the distribution does
    assert isinstance(await world.end(), HungUp)
    await turns()
    assert world.places.engaged == set()
    assert world.exchange.ringing() == []
