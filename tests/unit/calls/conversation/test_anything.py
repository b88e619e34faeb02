"""Anything in any order: people who act at random, a controller that is killed, Asterisk away or unwilling."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.calls.conversation.standing import Phase
from controller.switchboard import LegPlan
from tests.rig.fakeswitchboard import Phone
from tests.rig.virtualtime import on_virtual_time, run
from tests.unit.calls.conversation.scenes import ACTS
from tests.unit.calls.conversation.talk import CUSTOMER, NO_GHOSTS, RECORDED, Talk

OURS = [
    "killed",
    "Asterisk away",
    "Asterisk away for long",
    "refuses join",
    "refuses part",
    "refuses listen",
    "refuses record",
]
NOT_OURS = {"customer hangs up", "5 h pass", "6 min pass"}

STEPS = st.lists(st.sampled_from([*sorted(set(ACTS) - NOT_OURS), *OURS]), min_size=1, max_size=25)
PHONES = st.fixed_dictionaries(
    {
        extension: st.lists(
            st.builds(
                Phone,
                answers_after_s=st.sampled_from([None, 0.5, 5.0]),
                refuses_after_s=st.sampled_from([None, None, 1.0]),
                hangs_up_after_s=st.sampled_from([None, None, 2.0, 40.0]),
            ),
            max_size=2,
        )
        for extension in ("2001", "2002", "2009", "reception")
    }
)


async def disturb(talk: Talk, what: str) -> None:
    exchange = talk.exchange
    if what == "killed":
        await talk.kill()
    elif what.startswith("Asterisk away"):
        exchange.reachable = False
        await talk.wait(20 if what.endswith("long") else 0.5)
        exchange.reachable = True
        await talk.wait(2)
    else:
        exchange.refuses.add(what.split()[1])
        await talk.wait(1.5)
        exchange.refuses.clear()


async def story(steps: list[str], phones: dict[str, list[Phone]]) -> None:
    talk = Talk(RECORDED)
    await talk.begin()
    for extension, devices in phones.items():
        talk.exchange.phone(extension, *devices)
    for step in steps:
        if talk.task.done():
            break
        if step in OURS:
            await disturb(talk, step)
        else:
            await ACTS[step](talk)
        assert CUSTOMER in talk.exchange.parties
    await talk.wait(6)
    if not talk.task.done():
        assert talk.hears(CUSTOMER), talk.phase  # somebody, or music: never silence
        apart = talk.phase not in (Phase.TALKING, Phase.THREE_WAY)
        assert ("music:waiting" in talk.hears(CUSTOMER)) is apart
        lead = talk.standing.lead
        assert (lead is None) is (talk.phase in (Phase.PARKED, Phase.TRANSFERRING, Phase.RETRIEVING))
        talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    assert talk.ghosts() == NO_GHOSTS
    assert CUSTOMER not in [args[0] for args in talk.exchange.asked("drop")]
    calls = Counter(plan.party for (plan,) in talk.exchange.asked("call") if isinstance(plan, LegPlan))
    assert max(calls.values(), default=1) == 1
    begun = [line for line in talk.story() if line.startswith("talk ")]
    ended = [line for line in talk.story() if line.startswith("end ")]
    assert [line.split()[1] for line in begun] == sorted((line.split()[1] for line in ended), key=int)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, PHONES)
def test_nothing_is_left_over_and_the_customer_is_never_lost(
    steps: list[str], phones: dict[str, list[Phone]]
) -> None:
    run(story(steps, phones))


@on_virtual_time
async def test_asterisk_away_in_a_hold_is_made_good() -> None:
    talk = await Talk().begin()
    talk.exchange.reachable = False
    asked = asyncio.create_task(ACTS["hold"](talk))
    await talk.wait(10)
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.HELD, {talk.claire})
    talk.exchange.reachable = True
    await talk.wait(2)
    assert talk.hears(CUSTOMER) == {"music:waiting"}
    assert await asked is None


@on_virtual_time
async def test_asterisk_that_cannot_bring_them_together_moves_the_customer_to_the_queue() -> None:
    talk = await Talk().begin()
    await ACTS["hold"](talk)
    talk.exchange.refuses.add("join")
    await ACTS["unhold"](talk)
    parted = await talk.parted(within_s=10)
    assert (parted.queue, parted.priority) == ("support", 9)
    assert talk.story()[-1] == "end 1 failed system"
    assert talk.ghosts() == NO_GHOSTS
