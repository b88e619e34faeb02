"""Whatever happens, in whatever order: one dial an attempt, none after a talk, and every request comes to an end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from controller.acd.model import AgentState
from controller.callback.model import FINAL, AttemptId, Outcome, RequestState
from controller.calls.asks import Assigned
from controller.ids import call_id_of_attempt
from tests.rig.virtualtime import run
from tests.unit.calls.callback.office import Office
from tests.unit.calls.distribution.hall import Caller

Act = Callable[["World", int], Awaitable[None]]


class World:
    """An office, whoever runs it, and its customers."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.callers: dict[AttemptId, Caller] = {}
        self.asked = 0

    def line(self, which: int) -> AttemptId | None:
        lines = list(self.office.exit.lines)
        return lines[which % len(lines)] if lines else None


async def _ask(world: World, which: int) -> None:
    world.asked += 1
    await world.office.desk.ask(world.office.asked(number=f"+336123456{which % 100:02}"))


async def _login(world: World, which: int) -> None:
    world.office.hall.login(("anne", "bruno")[which % 2])


async def _accept(world: World, which: int) -> None:
    attempt = world.line(which)
    if attempt is None or call_id_of_attempt(attempt) in world.office.running:
        return
    if world.office.dialler.flight_of_call(call_id_of_attempt(attempt)) is not None:
        world.callers[attempt] = await world.office.accept(attempt)


async def _talk(world: World, which: int) -> None:
    attempt = world.line(which)
    caller = world.callers.get(attempt) if attempt is not None else None
    if attempt is not None and caller is not None and any(isinstance(ask, Assigned) for ask in caller.asks):
        world.office.talk(attempt, caller)
        caller.asks.clear()


async def _serve(world: World, which: int) -> None:
    """A customer accepts, and talks with the agent who was held."""
    await _accept(world, which)
    await asyncio.sleep(0.05)
    await _talk(world, which)


async def _hang_up(world: World, which: int) -> None:
    attempt = world.line(which)
    if attempt is None:
        return
    if call_id_of_attempt(attempt) in world.office.running:
        world.office.hang_up(attempt)
    else:
        world.office.exit.end(attempt, (17, 19, 21)[which % 3])


async def _cancel(world: World, which: int) -> None:
    requests = list(world.office.tables.requests)
    if requests:
        await world.office.desk.cancel(requests[which % len(requests)], "no")


async def _wait(world: World, which: int) -> None:
    await asyncio.sleep((0.001, 0.1, 3.0, 40.0)[which % 4])


async def _postgres(world: World, which: int) -> None:
    world.office.tables.away = not world.office.tables.away


async def _asterisk(world: World, which: int) -> None:
    world.office.exit.down = not world.office.exit.down


async def _lose(world: World, which: int) -> None:
    world.office.tables.deaf = not world.office.tables.deaf


async def _restart(world: World, which: int) -> None:
    """Kill the controller; conversations and waits in queues are taken up by others, and end here."""
    former = world.office
    await former.kill()
    for attempt in [each for each in former.exit.lines if call_id_of_attempt(each) in former.running]:
        former.exit.lines.pop(attempt)
    world.callers.clear()
    world.office = await Office(former.folder).take_over(former).open()


ACTS: dict[str, Act] = {
    "ask": _ask,
    "login": _login,
    "accept": _accept,
    "talk": _talk,
    "serve": _serve,
    "hang up": _hang_up,
    "cancel": _cancel,
    "wait": _wait,
    "postgres": _postgres,
    "asterisk": _asterisk,
    "lose": _lose,
    "restart": _restart,
}

USUAL = ["ask", "serve", "serve", "serve", "hang up", "hang up", "wait", "wait", "restart"]


async def _play(acts: list[tuple[str, int]], folder: Path) -> None:
    world = World(await Office(folder).open())
    for name, which in [("ask", 0), ("login", 0), *acts]:
        await ACTS[name](world, which)
        await asyncio.sleep(0.05)
    office = world.office
    office.tables.away = office.tables.deaf = office.exit.down = False
    for _ in range(50):  # whoever is called hangs up
        await asyncio.sleep(3600)
        for attempt in list(office.exit.lines):
            await _hang_up(world, list(office.exit.lines).index(attempt))
        if all(each.state in FINAL for each in office.tables.requests.values()):
            break
    await asyncio.sleep(60)
    assert set(office.exit.dials.values()) <= {1}, "an attempt was dialled twice"
    for request in office.tables.requests.values():
        outcomes = office.outcomes(request)
        assert Outcome.TALKED not in outcomes[:-1], "called again after a talk"
        assert request.state in FINAL or request.state is RequestState.WAITING, request
        assert (request.state is RequestState.DONE) == (Outcome.TALKED in outcomes)
        assert None not in outcomes, "an attempt has no end"
        event(", ".join(outcome for outcome in outcomes if outcome) or "not called")
    for agent in ("anne", "bruno"):
        assert office.state(agent) not in (AgentState.OFFERED, AgentState.TALKING), "an agent is held by nobody"
    assert list((folder / "attempts").glob("*.json")) == []
    await office.kill()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(st.tuples(st.sampled_from([*sorted(ACTS), *USUAL]), st.integers(0, 11)), max_size=25))
def test_nobody_is_called_twice_and_nobody_is_lost(acts: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(_play(acts, Path(folder)))
