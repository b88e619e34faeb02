"""An agent's phone rings for a caller: every way in which that can end."""

from __future__ import annotations

import pytest

from controller.acd.model import OfferOutcome
from controller.calls.asks import MoveTo, QueueClosed, Withdrawn
from controller.calls.conversation.conversation import Parted
from controller.calls.conversation.standing import How
from controller.cdr.entries import OfferMade, Role
from controller.flow.commands import HungUp, QueueExit, QueueLeft, VisitProgress
from controller.switchboard import LegPlan
from tests.rig.fakeswitchboard import ABSENT, BUSY, DECLINED, Phone
from tests.rig.virtualtime import on_virtual_time, turns
from tests.unit.calls.queueing.world import ANNE, BRUNO, CHLOE, MUSIC, RECORDED, World, heard, plan


def calls(world: World) -> list[LegPlan]:
    return [plan for (plan,) in world.exchange.asked("call") if isinstance(plan, LegPlan)]


# --- answered -------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_an_agent_answers_and_both_hear_each_other():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    await world.wait(30)
    (leg,) = await world.assign(ANNE)
    assert world.caller_hears == {MUSIC}
    (call,) = calls(world)
    assert (call.number, call.role, call.caller_number) == ("2001", Role.AGENT, "+33612345678")
    assert call.headers == {"X-Rappel-Call": world.call.call_id, "X-Rappel-Queue": "support"}
    assert call.bridge  # create, add to the bridge, dial: nothing is clipped
    await world.wait(5)
    world.exchange.pick_up(leg)
    await world.wait(0.01)
    assert world.caller_hears == {leg}
    assert world.exchange.hears(leg) == {"caller"}
    assert world.conversations == [("anne", leg, call.bridge)]
    assert (world.outcomes, world.exits) == (["connected"], ["connected"])
    assert world.places.talks == ["anne"]
    await world.wait(60)
    world.exchange.hang_up(leg)
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert (left.exit, left.queue, left.agent) == (QueueExit.TALKED, "support", "anne")
    assert (left.waited_s, left.talk_s) == pytest.approx((35, 60), abs=0.1)


@on_virtual_time
async def test_the_caller_hangs_up_in_the_conversation():
    world = World()
    world.phones(anne=Phone(answers_after_s=2))
    await world.begin()
    await world.assign(ANNE)
    await world.wait(20)
    world.exchange.hang_up("caller")
    gone = await world.end()
    assert isinstance(gone, HungUp)
    assert gone.talk_s == pytest.approx(18, abs=0.1)
    assert world.exits == ["connected"]


@on_virtual_time
async def test_numbers_are_written_down_before_a_leg_is_called():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    kept = world.kept[-1]
    assert (kept.phase, kept.agent, kept.offer) == ("offering", "anne", 1)
    assert [world.board.leg_id(number) for number in kept.legs] == [leg]
    order = [name for _, name, _ in world.exchange.log if name == "call"]
    assert order == ["call"]
    world.exchange.pick_up(leg)
    await world.wait(0.01)
    connecting = world.kept[-2]
    assert (connecting.phase, connecting.connected_at is not None) == ("connecting", True)
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_words_to_the_caller_are_cut_off_when_an_agent_answers():
    world = World(plan(comfort_every_s=10.0, comforts=(heard("long"),)), media_s=60)
    world.phones(anne=Phone())
    await world.begin()
    await world.wait(12)
    assert world.caller_hears == {"sound"}
    (leg,) = await world.assign(ANNE)
    assert world.caller_hears == {"sound"}
    world.exchange.pick_up(leg)
    await world.wait(0.01)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_the_caller_hears_ringing_where_the_queue_says_so():
    world = World(plan(caller_hears="ringing"))
    world.phones(anne=Phone(), bruno=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    assert world.caller_hears == {"ringing"}
    world.exchange.hang_up(leg, BUSY)
    await world.wait(0.01)
    assert world.caller_hears == {MUSIC}
    (leg,) = await world.assign(BRUNO)
    world.exchange.pick_up(leg)
    await world.wait(0.01)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


# --- not answered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "after_s", "outcome"),
    [
        (Phone(), 20, OfferOutcome.NO_ANSWER),
        (Phone(refuses_after_s=0, cause=BUSY), 0, OfferOutcome.BUSY),
        (Phone(refuses_after_s=4, cause=DECLINED), 4, OfferOutcome.DECLINED),
        (Phone(refuses_after_s=0, cause=ABSENT), 0, OfferOutcome.UNREACHABLE),
        (Phone(refuses_after_s=1, cause=41), 1, OfferOutcome.FAILED),
    ],
)
def test_an_offer_that_comes_to_nothing_ends_defined_and_the_caller_waits_on(
    phone: Phone, after_s: float, outcome: OfferOutcome
):
    @on_virtual_time
    async def case() -> None:
        world = World(plan(ring_s=20))
        world.phones(anne=phone)
        await world.begin()
        await world.wait(30)
        await world.assign(ANNE)
        await world.wait(after_s + 0.1)
        assert world.places.ended == [("anne", outcome)]
        assert world.outcomes == [outcome.value]
        assert world.exchange.ringing() == []
        assert world.exchange.bridges == {}
        assert world.caller_hears == {MUSIC}
        assert world.kept[-1].phase == "waiting"
        assert world.kept[-1].legs == ()
        world.exchange.hang_up("caller")
        await world.end()

    case()


@on_virtual_time
async def test_an_agent_without_a_device_is_unreachable_at_once():
    world = World()
    await world.begin()
    await world.assign(ANNE)
    assert world.places.ended == [("anne", OfferOutcome.UNREACHABLE)]
    assert world.outcomes == ["unreachable"]
    assert [each.agent for each in world.places.of(OfferMade)] == ["anne"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_who_answers_too_late_finds_nobody():
    world = World(plan(ring_s=20))
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.wait(19.9995)
    world.exchange.pick_up(leg)  # on its way while our own timer ends the ringing
    await world.wait(0.5)
    assert world.outcomes in (["no_answer"], ["connected"])
    assert (leg in world.exchange.parties) == (world.outcomes == ["connected"])
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_the_caller_leaves_while_the_phone_rings():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    await world.wait(3)
    world.exchange.hang_up("caller")
    assert isinstance(await world.end(), HungUp)
    assert leg not in world.exchange.parties
    assert (world.outcomes, world.exits) == (["customer_left"], ["abandoned"])
    assert world.places.ended == [("anne", OfferOutcome.CUSTOMER_LEFT)]


@on_virtual_time
async def test_caller_and_agent_go_at_once():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    world.exchange.hang_up("caller")
    world.exchange.hang_up(leg)
    assert isinstance(await world.end(), HungUp)
    assert world.outcomes in (["customer_left"], ["connected"], ["declined"])
    assert world.exchange.parties == {}
    assert world.places.engaged <= {"anne"} - {agent for agent, _ in world.places.ended}


@on_virtual_time
async def test_the_agent_goes_in_the_moment_of_the_connection():
    world = World()
    world.phones(anne=Phone(), bruno=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    world.exchange.end(leg, 16, by_far_end=True)
    await world.wait(0.1)
    assert world.outcomes == ["declined"]
    assert world.caller_hears == {MUSIC}
    (leg,) = await world.assign(BRUNO)
    world.exchange.pick_up(leg)
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


# --- several phones, several agents ---------------------------------------------------------------------------


@on_virtual_time
async def test_all_devices_of_an_agent_ring_and_are_one_offer():
    world = World()
    world.phones(anne=[Phone(), Phone(), Phone()])
    await world.begin()
    first, second, third = await world.assign(ANNE)
    world.exchange.hang_up(third, BUSY)
    await world.wait(1)
    assert world.outcomes == ["open"]
    world.exchange.pick_up(second)
    await world.wait(0.1)
    assert world.caller_hears == {second}
    assert first not in world.exchange.parties
    assert world.outcomes == ["connected"]
    assert world.exchange.asked("drop") == [(first, 26)]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_the_weightiest_end_of_several_devices_counts():
    world = World()
    world.phones(anne=[Phone(refuses_after_s=1, cause=BUSY), Phone(refuses_after_s=5, cause=DECLINED)])
    await world.begin()
    await world.assign(ANNE)
    await world.wait(2)
    assert world.outcomes == ["open"]
    await world.wait(4)
    assert world.outcomes == ["declined"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_ring_all_the_first_to_answer_talks_and_the_others_stop_ringing():
    world = World()
    world.phones(anne=Phone(), bruno=[Phone(), Phone()], chloe=Phone(refuses_after_s=1, cause=BUSY))
    await world.begin()
    legs = await world.assign(ANNE, BRUNO, CHLOE)
    assert len(legs) == 4
    await world.wait(5)
    world.exchange.pick_up(legs[1])
    await world.wait(0.1)
    assert world.caller_hears == {legs[1]}
    assert world.exchange.ringing() == []
    assert len(world.exchange.bridges) == 1  # those of the other devices have been closed
    assert world.outcomes == ["elsewhere", "connected", "busy"]
    assert set(world.places.ended) == {("anne", OfferOutcome.ELSEWHERE), ("chloe", OfferOutcome.BUSY)}
    assert world.kept[-1].phase == "talking"
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_two_answer_in_the_same_moment():
    world = World()
    world.phones(anne=Phone(answers_after_s=3), bruno=Phone(answers_after_s=3))
    await world.begin()
    await world.assign(ANNE, BRUNO)
    await world.wait(3.1)
    assert len(world.caller_hears) == 1
    assert sorted(world.outcomes) == ["connected", "elsewhere"]
    assert len(world.exchange.parties) == 2
    world.exchange.hang_up("caller")
    await world.end()


# --- before the agent talks -----------------------------------------------------------------------------------


@on_virtual_time
async def test_a_whisper_is_heard_by_the_agent_alone_and_then_they_talk():
    world = World(plan(whispered=heard("support calls")))
    world.phones(anne=Phone())
    await world.begin()
    (leg,) = await world.assign(ANNE)
    assert calls(world)[0].bridge == ""
    world.exchange.pick_up(leg)
    await world.wait(1)
    assert [media for _, media in world.exchange.parties[leg].heard] == ["support calls"]
    assert world.caller_hears == {MUSIC}
    assert world.said == []
    await world.wait(1.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_the_accept_key_connects_at_once_and_another_key_does_not():
    world = World(plan(accept_key="1", accept_prompt=heard("press one")))
    world.phones(anne=[Phone(), Phone()])
    await world.begin()
    leg, other = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    await world.wait(0.5)
    assert other not in world.exchange.parties
    world.exchange.press(leg, "5")
    await world.wait(0.5)
    assert world.caller_hears == {MUSIC}
    world.exchange.press(leg, "1")
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


@pytest.mark.parametrize("hangs_up", [False, True])
def test_who_does_not_press_the_accept_key_has_not_accepted(hangs_up: bool):
    @on_virtual_time
    async def case() -> None:
        world = World(plan(accept_key="1", accept_prompt=heard("press one")))
        world.phones(anne=Phone())
        await world.begin()
        (leg,) = await world.assign(ANNE)
        world.exchange.pick_up(leg)
        await world.wait(3)
        if hangs_up:
            world.exchange.hang_up(leg)
        await world.wait(10)
        assert world.outcomes == ["not_accepted"]
        assert leg not in world.exchange.parties
        assert world.caller_hears == {MUSIC}
        world.exchange.hang_up("caller")
        await world.end()

    case()


@on_virtual_time
async def test_with_ring_all_and_an_accept_key_the_first_to_accept_talks():
    world = World(plan(accept_key="1", accept_prompt=heard("press one")))
    world.phones(anne=Phone(), bruno=Phone())
    await world.begin()
    anne, bruno = await world.assign(ANNE, BRUNO)
    world.exchange.pick_up(anne)
    await world.wait(0.1)
    world.exchange.pick_up(bruno)
    await world.wait(0.1)
    world.exchange.press(bruno, "1")
    await world.wait(0.1)
    assert world.caller_hears == {bruno}
    assert anne not in world.exchange.parties
    assert world.outcomes == ["elsewhere", "connected"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_whom_the_caller_has_still_to_hear_an_announcement_for_waits_for_its_end():
    world = World(plan(record=RECORDED), media_s=6)
    world.phones(anne=Phone())
    await world.begin()
    assert world.caller_hears == {"sound"}
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    await world.wait(5)
    assert world.conversations == []
    await world.wait(1.2)
    assert world.caller_hears == {leg}
    assert [media for _, media in world.said] == ["recorded"]
    assert world.kept[-1].detail["announced"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_an_announcement_that_cannot_be_played_holds_nobody_up_and_nothing_is_recorded():
    world = World(plan(record=RECORDED))
    world.exchange._media_s = lambda _: None  # type: ignore[assignment]
    world.phones(anne=Phone(answers_after_s=1))
    await world.begin()
    await world.assign(ANNE)
    await world.wait(2)
    assert len(world.conversations) == 1
    assert "announced" not in world.kept[-1].detail
    world.exchange.hang_up("caller")
    await world.end()


# --- taken away -----------------------------------------------------------------------------------------------


@on_virtual_time
async def test_withdrawn_agents_stop_ringing():
    world = World()
    world.phones(anne=Phone(), bruno=Phone())
    await world.begin()
    _, bruno = await world.assign(ANNE, BRUNO)
    await world.ask(Withdrawn(frozenset({ANNE.agent})))
    assert world.exchange.ringing() == [bruno]
    assert world.outcomes == ["withdrawn", "open"]
    world.exchange.hang_up("caller")
    await world.end()


@on_virtual_time
async def test_a_closing_queue_a_key_and_the_longest_wait_stop_the_ringing():
    world = World()
    world.phones(anne=Phone())
    await world.begin()
    await world.assign(ANNE)
    await world.ask(QueueClosed())
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert left.exit is QueueExit.CLOSED
    assert world.outcomes == ["withdrawn"]
    assert world.exchange.ringing() == []
    assert world.places.engaged == set()


@on_virtual_time
async def test_an_agent_who_has_answered_is_not_taken_away_any_more():
    world = World(plan(accept_key="1", accept_prompt=heard("press one")), wait_s=10, message_key="6")
    world.phones(anne=Phone())
    await world.begin()
    await world.wait(7)
    (leg,) = await world.assign(ANNE)
    world.exchange.pick_up(leg)
    await world.wait(1)
    move = MoveTo("support", by="sam")
    await world.ask(move)
    refused = await move.answer()
    assert refused is not None
    assert refused.code == "in_a_call"
    await world.ask(QueueClosed())
    world.exchange.press("caller", "6")
    await world.wait(4)  # the longest wait is over
    assert world.running
    world.exchange.press(leg, "1")
    await world.wait(0.1)
    assert world.caller_hears == {leg}
    world.exchange.hang_up("caller")
    await world.end()


# --- on to another queue --------------------------------------------------------------------------------------


@on_virtual_time
async def test_an_escalated_customer_waits_in_the_other_queue_from_the_first_entry_time():
    world = World(plan(), plan("experts", music="experts"))
    world.phones(anne=Phone(answers_after_s=0), bruno=Phone(answers_after_s=0))
    world.parted = [
        Parted(
            How.MOVED,
            30.0,
            0.0,
            "anne",
            VisitProgress(),
            queue="experts",
            needs={"tax": 4},
            excluded=ANNE.agent,
            from_agent="anne",
            priority=9,
        )
    ]
    await world.begin()
    await world.wait(10)
    await world.assign(ANNE)
    await world.wait(1)
    await turns()
    entry = world.places.entries[-1]
    assert (entry.queue, entry.needs, entry.excluded, entry.priority) == ("experts", {"tax": 4}, {"anne"}, 9)
    assert entry.entered_at == world.command.entered_at
    assert world.caller_hears == {"music:experts"} or world.exchange.parties["caller"].bridge
    await world.assign(BRUNO, queue="experts")
    await world.wait(5)
    bruno = world.conversations[-1][1]
    world.exchange.hang_up(bruno)
    left = await world.end()
    assert isinstance(left, QueueLeft)
    assert (left.exit, left.queue, left.agent) == (QueueExit.TALKED, "experts", "bruno")
    assert left.talk_s == pytest.approx(35, abs=0.5)
    assert world.exits == ["connected", "connected"]
    assert [each.visit for each in world.places.of(OfferMade)] == [1, 2]
