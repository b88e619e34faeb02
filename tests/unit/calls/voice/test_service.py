"""Tickets and lines of calls from pages: each once, each cleared away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from controller.acd.model import Refused
from controller.callback.model import Customer, Origin
from controller.calls.callback.desk import Availability
from controller.calls.voice.desk import Admitted, Ticket, VoiceAsk
from controller.calls.voice.ports import PREFIX, PageFacts, PageLine, told_to_phone
from controller.calls.voice.service import TICKET_S, VoiceService
from controller.errors import AsteriskUnreachable

SHOP = "https://shop.example"


class Lines:
    """Asterisk, as far as lines go."""

    def __init__(self) -> None:
        self.ready = True
        self.there: dict[str, PageLine] = {}
        self.away = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def put(self, line: PageLine) -> None:
        await self.gate.wait()
        self._reach()
        self.there[line.user] = line

    async def drop(self, user: str) -> None:
        self._reach()
        self.there.pop(user, None)

    def _reach(self) -> None:
        if self.away:
            self.away -= 1
            raise AsteriskUnreachable("away")


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at


class World:
    def __init__(self, most: int = 3) -> None:
        self.lines, self.clock = Lines(), Clock()
        self.how: Availability | None = Availability("aide", True, True, 1, 0, 0.0, True, None)
        self.built = True
        self.desk = VoiceService(
            self.lines,
            self.clock,
            availability=lambda queue: self.how if queue == "aide" else None,
            known_number=lambda number: number == "+33 3 53 01 47 00",
            possible=lambda: self.built,
            most=most,
        )

    def open(self, address: str = "192.0.2.1", **changes: str) -> Ticket | Refused:
        asked = {"site": "shop", "web_origin": SHOP, "number": "+33 3 53 01 47 00", "queue": "aide"} | changes
        return self.desk.open(VoiceAsk(address=address, **asked))

    def ticket(self, address: str = "192.0.2.1") -> str:
        ticket = self.open(address)
        assert isinstance(ticket, Ticket)
        return ticket.ticket

    async def admitted(self, address: str = "192.0.2.1") -> Admitted:
        admitted = await self.desk.admit(self.ticket(address), SHOP)
        assert isinstance(admitted, Admitted)
        return admitted


def code(found: object) -> str:
    assert isinstance(found, Refused), found
    assert found.message
    return found.code


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_ticket_makes_one_line_and_leaves_nothing():
    world = World()
    admitted = await world.admitted()
    assert admitted.target == "+33353014700"
    (line,) = world.lines.there.values()
    assert line.user == admitted.user
    assert line.user.startswith(PREFIX)
    assert admitted.password not in repr(admitted)
    assert line.ha1 not in repr(line)
    assert world.desk.calls == 1
    world.desk.leave(admitted.user)
    world.desk.leave(admitted.user)
    await settled()
    assert (world.lines.there, world.desk.calls) == ({}, 0)
    world.desk.leave(admitted.user)


async def test_a_ticket_is_good_once_even_for_two_at_the_same_moment():
    world = World()
    ticket = world.ticket()
    found = await asyncio.gather(*(world.desk.admit(ticket, SHOP) for _ in range(5)))
    assert sum(isinstance(each, Admitted) for each in found) == 1
    assert {code(each) for each in found if isinstance(each, Refused)} == {"bad_ticket"}


@pytest.mark.parametrize("origin", ["https://other.example", "http://shop.example", "null", ""])
async def test_a_ticket_of_another_site_is_refused_and_used_up(origin: str):
    world = World()
    ticket = world.ticket()
    assert code(await world.desk.admit(ticket, origin)) == "bad_ticket"
    assert code(await world.desk.admit(ticket, SHOP)) == "bad_ticket"
    assert world.lines.there == {}


async def test_a_ticket_expires():
    world = World()
    ticket = world.ticket()
    world.clock.at += TICKET_S
    assert code(await world.desk.admit(ticket, SHOP)) == "bad_ticket"


async def test_who_gets_no_ticket():
    world = World()
    assert code(world.open(number="999")) == "unknown_number"
    assert code(world.open(queue="autre")) == "unknown_queue"
    assert world.how is not None
    world.how = Availability("aide", True, False, 0, 0, None, False, None)
    assert code(world.open()) == "not_now"
    world.built = False
    assert code(world.open()) == "no_voice"
    assert world.desk.availability("aide") is None
    world.built, world.lines.ready = True, False
    assert code(world.open()) == "no_voice"
    assert code(World(most=0).open()) == "no_voice"


async def test_one_address_gets_a_few_and_all_together_no_more_than_allowed():
    world = World()
    for _ in range(4):
        world.ticket("192.0.2.9")
    assert code(world.open("192.0.2.9")) == "too_many"
    tickets = [world.ticket(f"192.0.2.{n}") for n in range(4)]
    found = [await world.desk.admit(ticket, SHOP) for ticket in tickets]
    assert [isinstance(each, Admitted) for each in found] == [True, True, True, False]
    assert code(found[-1]) == "too_many"
    assert code(world.open("192.0.2.50")) == "too_many"
    world.clock.at += TICKET_S  # tickets that nobody used are room again
    for each in found[:3]:
        world.desk.leave(each.user)  # type: ignore[union-attr]
    await settled()
    world.ticket("192.0.2.9")


async def test_asterisk_away_is_told_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("controller.calls.voice.service._DROP_AGAIN_S", 0.0)
    world = World()
    world.lines.away = 3
    assert code(await world.desk.admit(world.ticket(), SHOP)) == "unavailable"
    await asyncio.sleep(0.01)
    assert world.desk.calls == 0
    assert world.lines.away == 0


async def test_a_page_that_goes_while_its_line_is_made_leaves_nothing():
    world = World()
    world.lines.gate.clear()
    admitting = asyncio.create_task(world.desk.admit(world.ticket(), SHOP))
    await settled()
    admitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitting
    world.lines.gate.set()
    await settled()
    assert (world.lines.there, world.desk.calls) == ({}, 0)


async def test_closing_ends_every_line():
    world = World()
    for number in range(3):
        await world.admitted(f"192.0.2.{number}")
    await world.desk.close()
    assert world.lines.there == {}


def test_the_agents_phone_is_told_what_there_is_to_tell():
    assert told_to_phone(None) == {}
    facts = PageFacts(
        site="shop", number="1", customer=Customer(name="Zoé", reason="x" * 500), origin=Origin(campaign="mai")
    )
    assert told_to_phone(facts) == {
        "X-Rappel-Origin": "page",
        "X-Rappel-Site": "shop",
        "X-Rappel-Name": "Zoé",
        "X-Rappel-Reason": "x" * 200,
        "X-Rappel-Campaign": "mai",
    }
