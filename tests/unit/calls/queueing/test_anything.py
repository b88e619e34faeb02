"""Whatever happens to a caller in the queues, in whatever order: nothing is left ringing, held or open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controller.acd.model import AgentAccount
from controller.calls.asks import MoveTo, NewsOfPlace, QueueClosed, Withdrawn
from controller.cdr.entries import OfferEnded, OfferMade, QueueEntered, QueueExited
from controller.flow.commands import HungUp, QueueLeft
from tests.rig.fakeswitchboard import BUSY, DECLINED, NORMAL, Phone
from tests.rig.virtualtime import run, turns
from tests.unit.calls.queueing.world import ANNE, BRUNO, CHLOE, RECORDED, World, heard, plan

AGENTS = (ANNE, BRUNO, CHLOE)
PLANS = {
    "plain": {},
    "whisper": {"whispered": heard("support")},
    "accept": {"accept_key": "1", "accept_prompt": heard("press one")},
    "recorded": {"record": RECORDED, "caller_hears": "ringing"},
    "chatty": {"comfort_every_s": 10.0, "comforts": (heard("patience"),), "callback_prompt": heard("offer")},
}

Act = Callable[[World, int], Awaitable[None]]


async def _assign(world: World, which: int) -> None:
    free = [each for each in AGENTS if each.agent not in world.places.engaged]
    chosen: tuple[AgentAccount, ...] = tuple(free[: 1 + which % 3])
    if world.places.deliver is not None and chosen and not world.places.engaged:  # under offer nobody is matched
        await world.assign(*chosen)


async def _pick_up(world: World, which: int) -> None:
    ringing = world.exchange.ringing()
    if ringing:
        world.exchange.pick_up(ringing[which % len(ringing)])


async def _hang_up(world: World, which: int) -> None:
    legs = [party for party in world.exchange.parties if party != "caller"]
    if legs:
        world.exchange.hang_up(legs[which % len(legs)], (NORMAL, BUSY, DECLINED)[which % 3])


async def _press(world: World, which: int) -> None:
    parties = list(world.exchange.parties)
    if parties:
        world.exchange.press(parties[which % len(parties)], "156"[which % 3])


async def _wait(world: World, which: int) -> None:
    await world.wait((0.0005, 0.5, 3.0, 11.0, 25.0)[which % 5])


async def _ask(world: World, which: int) -> None:
    if world.places.deliver is None:
        return
    asks = (Withdrawn(frozenset({ANNE.agent})), NewsOfPlace(), MoveTo("other", "sam"), QueueClosed())
    await world.ask(asks[which % 4])


async def _kill(world: World, _: int) -> None:
    if world.running and "caller" in world.exchange.parties:
        await world.kill()
        await world.begin()


async def _blink(world: World, which: int) -> None:
    world.exchange.reachable = False
    await world.wait((0.01, 1.0)[which % 2])
    world.exchange.reachable = True
    await world.wait(0.2)


async def _leave(world: World, _: int) -> None:
    world.exchange.hang_up("caller")


ACTS: dict[str, Act] = {
    "assign": _assign,
    "pick up": _pick_up,
    "hang up": _hang_up,
    "press": _press,
    "wait": _wait,
    "ask": _ask,
    "kill": _kill,
    "blink": _blink,
    "leave": _leave,
}
USUAL = [
    "assign",
    "assign",
    "assign",
    "pick up",
    "pick up",
    "hang up",
    "press",
    "wait",
    "wait",
    "ask",
    "kill",
    "blink",
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(PLANS)),
    acts=st.lists(st.tuples(st.sampled_from([*USUAL, "leave"]), st.integers(0, 11), st.booleans()), max_size=25),
)
@example(kind="chatty", acts=[("assign", 1, False), ("pick up", 0, False), ("kill", 0, False), ("blink", 0, False)])
def test_nothing_is_left_over(kind: str, acts: list[tuple[str, int, bool]]):
    async def case() -> None:
        world = World(plan(**PLANS[kind]), plan("other"), callback_key="5", message_key="6", callback_after_s=5)
        world.phones(anne=Phone(), bruno=[Phone(), Phone()], chloe=Phone(refuses_after_s=2))
        await world.begin()
        for name, which, settled in acts:
            if not world.running:
                break
            await ACTS[name](world, which)
            if settled:  # otherwise the next thing happens in the very moment
                await turns(40)
        world.exchange.hang_up("caller")
        end = await world.end()
        await world.wait(40)
        assert isinstance(end, HungUp | QueueLeft)
        places = world.places
        made, ended = places.of(OfferMade), places.of(OfferEnded)
        assert sorted(each.offer for each in made) == sorted({each.offer for each in ended} & {e.offer for e in made})
        assert len({each.offer for each in made}) == len(made)
        entered, exited = places.of(QueueEntered), places.of(QueueExited)
        assert [each.visit for each in entered] == list(range(1, len(entered) + 1))
        assert {each.visit for each in exited} == {each.visit for each in entered}
        talked = {agent for agent, _, _ in world.conversations}
        assert places.engaged <= talked
        # Whoever talked is the conversation's to let go, which here only listens.
        over = {leg for _, leg, _ in world.conversations}
        assert set(world.exchange.parties) <= over

    run(case())
