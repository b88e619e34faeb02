"""A controller is killed in the middle of a conversation, and another one takes it up: anywhere, at any moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from controller.calls.asks import Hold, Park, Supervise, SuperviseHow
from controller.calls.conversation.course import PARKED_S
from controller.calls.conversation.standing import How, Phase
from controller.switchboard import LegPlan
from tests.rig.fakeswitchboard import Phone
from tests.rig.virtualtime import on_virtual_time, run
from tests.unit.calls.conversation.scenes import ACTS, SCENES, scene
from tests.unit.calls.conversation.talk import CUSTOMER, MUSIC, NO_GHOSTS, RECORDED, SOPHIE, Talk

CHANGING = {"bridge", "join", "part", "close", "music", "call", "drop", "record", "end_recording", "listen", "play"}


@on_virtual_time
async def test_a_talk_is_not_touched() -> None:
    talk = await Talk().begin()
    await talk.wait(30)
    talk.exchange.log.clear()
    await talk.kill()
    assert CHANGING & {name for _, name, _ in talk.exchange.log} == set()
    assert talk.hears(CUSTOMER) == {talk.claire}
    assert talk.places.engaged["claire"].endswith("talking")
    assert talk.places.views[-1] is not None
    await talk.wait(30)
    talk.exchange.hang_up(talk.claire)
    parted = await talk.parted()
    assert (parted.how, round(parted.talk_s)) == (How.AGENT_GONE, 60)
    assert talk.story() == ["talk 1 claire", "end 1 hangup callee"]
    assert talk.ghosts() == NO_GHOSTS


@pytest.mark.parametrize("phase", SCENES, ids=lambda phase: phase.value)
def test_every_phase_goes_on_where_it_was(phase: Phase) -> None:
    async def main() -> None:
        talk = await scene(phase)
        before = {party: talk.hears(party) for party in talk.exchange.parties}
        talk.exchange.log.clear()
        await talk.kill()
        assert talk.phase is phase
        assert {party: talk.hears(party) for party in talk.exchange.parties} == before
        assert not {"call", "drop", "join", "part"} & {name for _, name, _ in talk.exchange.log}
        talk.exchange.hang_up(CUSTOMER)
        await talk.parted()
        assert talk.ghosts() == NO_GHOSTS

    run(main())


@on_virtual_time
async def test_what_happened_while_nobody_looked() -> None:
    talk = await scene(Phase.CALLING)
    marc = talk.leg("2002")
    talk.exchange.owners.clear()  # events of the gap are lost
    talk.exchange.pick_up(marc)
    await talk.kill()
    assert talk.phase is Phase.CONSULTING
    talk.exchange.owners.clear()
    talk.exchange.hang_up(talk.claire)
    await talk.kill()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {marc})
    talk.exchange.owners.clear()
    talk.exchange.hang_up(marc)
    await talk.kill()
    assert (await talk.parted()).how is How.AGENT_GONE
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_times_go_on_over_a_restart() -> None:
    talk = await Talk().begin()
    await talk.ask(Hold(on=True))
    await talk.wait(20)
    await talk.kill()
    await talk.wait(20)
    await talk.ask(Hold(on=False))
    talk.exchange.phone("2001")
    await talk.ask(Park())
    await talk.wait(PARKED_S - 20)
    await talk.kill()
    assert talk.phase is Phase.PARKED
    assert talk.places.slots
    parted = await talk.parted(within_s=25)
    assert (parted.how, round(parted.hold_s)) == (How.MOVED, 40)


@on_virtual_time
async def test_supervisors_are_taken_up_too() -> None:
    for how in (SuperviseHow.LISTEN, SuperviseHow.WHISPER, SuperviseHow.BARGE):
        talk = await Talk(RECORDED).begin()
        talk.exchange.phone("2009", Phone(answers_after_s=1))
        await talk.ask(Supervise(SOPHIE, how))
        await talk.wait(2)
        before = {party: talk.hears(party) for party in talk.exchange.parties}
        await talk.kill()
        assert {party: talk.hears(party) for party in talk.exchange.parties} == before
        assert len(talk.standing.watchers) == 1
        talk.exchange.hang_up(CUSTOMER)
        await talk.parted()
        assert talk.ghosts() == NO_GHOSTS


class Tripwire(list[Any]):
    """Kills the controller when it asks the exchange for its n-th thing, which is then not done."""

    def __init__(self, before: list[Any], talk: Talk, moment: int) -> None:
        super().__init__(before)
        self._talk = talk
        self.at = len(before) + moment
        self.tripped = asyncio.Event()

    def append(self, item: Any) -> None:
        super().append(item)
        if len(self) == self.at and not self._talk.task.done():
            self._talk.task.cancel()
            self.tripped.set()


async def killed_at(phase: Phase, act: str, moment: int) -> bool:
    """Kill the controller at a moment of an act, let another one go on, and look what became of everybody."""
    talk = await scene(phase)
    wire = talk.exchange.log = Tripwire(talk.exchange.log, talk, moment)
    acting, tripped = asyncio.ensure_future(ACTS[act](talk)), asyncio.ensure_future(wire.tripped.wait())
    await asyncio.wait({acting, tripped}, return_when=asyncio.FIRST_COMPLETED)
    wire.at = 0
    acting.cancel()
    tripped.cancel()
    await asyncio.gather(acting, tripped, return_exceptions=True)
    if wire.tripped.is_set():
        await talk.kill()
    if not talk.task.done():
        await talk.wait(400)
    calls = Counter(plan.party for (plan,) in talk.exchange.asked("call") if isinstance(plan, LegPlan))
    assert max(calls.values(), default=1) == 1, (act, moment)
    if act != "customer hangs up":
        assert talk.task.done() or talk.hears(CUSTOMER), (act, moment)
        talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    assert talk.ghosts() == NO_GHOSTS, (act, moment)
    return wire.tripped.is_set()


@pytest.mark.parametrize("phase", SCENES, ids=lambda phase: phase.value)
def test_killed_at_any_moment_of_anything(phase: Phase) -> None:
    """Nobody is dialled twice, the customer is not lost, and in the end nothing is left over."""
    kills = 0
    for act in ACTS:
        for moment in range(1, 60):
            if not run(killed_at(phase, act, moment)):
                break
            kills += 1
    assert kills >= 15


@on_virtual_time
async def test_killed_after_the_end_was_kept() -> None:
    talk = await Talk(RECORDED).begin()
    talk.exchange.hang_up(talk.claire, 44)
    while not talk.task.done() and talk.phase is not Phase.OVER:
        await asyncio.sleep(0.0005)
    await talk.kill()
    parted = await talk.parted()
    assert (parted.how, parted.queue) == (How.MOVED, "support")
    assert talk.hears(CUSTOMER) == MUSIC
    assert len(talk.kept.talks) == 1
    assert talk.ghosts() == NO_GHOSTS
