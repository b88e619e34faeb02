"""A busy half minute: twenty agents with phones, sixty callers, and everything that people do to each other.

What the phones saw is held against the record, and both against the published rules (docs/distribution.md). Everybody
has a voice of their own, so that the sound tells who talked with whom.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.acd.floor import AGAIN_S
from controller.acd.roster import REST_S
from controller.softphone.call import Call
from controller.softphone.phone import Phone
from controller.softphone.sound import has_tone
from tests.rig.agents import enrolled, write_queues
from tests.rig.bustle import Api, Bustle, Customer, api
from tests.rig.centre import Centre, Process, until

QUEUES: dict[str, dict[str, Any]] = {
    "generale": {"ring": "5s", "wrap_up": "1s"},
    "pressee": {"ring": "5s", "wrap_up": "1s", "priority": 5},
}
NUMBERS = {"generale": "7001", "pressee": "7002"}
AGENTS, CALLERS = 20, 60
COMING_S = 5.0
"""All callers come within this time."""
SLACK = timedelta(seconds=1)
"""From a match until it is in the record, at most. So long may somebody be free while somebody else waits."""
WITHIN_S = 5.0
"""States are right so soon."""
RESTING = {"busy", "unreachable"}
"""After an offer that ended so the agent rests."""
LONG_ENOUGH_S = 1.0
"""A conversation, to be listened to."""
WINDOW = 2000
"""Samples: a quarter of a second."""
DEEDS = ["miss"] * 4 + ["busy"] * 3 + ["decline"] * 5 + ["drop"] * 4 + ["talk"] * 44
"""What agents do with the first sixty offers, in an order of chance."""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The tests' centre with two queues, one before the other."""
    write_queues(folder, {name: dict(described) for name, described in QUEUES.items()})
    return folder


def crowd(dice: random.Random) -> dict[str, Customer]:
    """Sixty callers, a third of them in the queue that goes first; of those who find all agents taken eight leave."""
    times = sorted(dice.uniform(0, COMING_S) for _ in range(CALLERS))
    leaving = dice.sample(range(AGENTS + 8, CALLERS), 8)
    at_ring = dice.sample([place for place in range(CALLERS) if place not in leaving], 6)
    found = {}
    for place, comes_s in enumerate(times):
        number = f"336000000{place:02}"
        queue = "pressee" if place % 3 == 0 else "generale"
        deed = "leave" if place in leaving else "leave_ringing" if place in at_ring else "talk"
        found[number] = Customer(number, queue, 1500 + 25 * place, comes_s, deed, dice.uniform(0.5, 2.0))
    return found


# --- the record ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """Something that lasted."""

    begin: datetime
    end: datetime

    def meets(self, other: Span) -> timedelta:
        """Return how long both lasted at once; below zero: how far apart they are."""
        return min(self.end, other.end) - max(self.begin, other.begin)


@dataclass(frozen=True)
class Offered(Span):
    """An offer."""

    caller: str
    agent: str
    outcome: str


@dataclass
class Stay:
    """One caller's wait, how it ended, and every offer of it. Who has the lower `rank` goes first."""

    caller: str
    rank: tuple[int, datetime]
    span: Span
    exit: str
    offers: list[Offered] = field(default_factory=list)

    def unoffered(self) -> list[Span]:
        """Return when the caller waited and no phone rang."""
        edges = [self.span.begin]
        for offer in self.offers:
            edges += [offer.begin, offer.end]
        edges.append(self.span.end)
        return [Span(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]

    def shuns(self, agent: str, span: Span) -> bool:
        """Tell whether the agent, who did not take this caller before, is to be left alone somewhere in `span`."""
        missed = [each for each in self.offers if each.agent == agent and each.outcome != "connected"]
        return any(after(each, AGAIN_S).meets(span) > timedelta() for each in missed)


def after(span: Span, seconds: float) -> Span:
    """Return the time of so long after `span`."""
    return Span(span.end, span.end + timedelta(seconds=seconds))


@dataclass
class Record:
    """What Postgres has of it."""

    stays: dict[str, Stay]
    talks: list[Offered]
    states: list[tuple[str, str, Span]]
    dispositions: Counter[str]


async def read(centre: Centre) -> Record:
    """Read the record, once it is whole."""
    pool = await centre.store.pool()

    async def whole() -> bool:
        return (
            await pool.fetchval("SELECT count(*) FROM calls WHERE ended_at IS NOT NULL AND flow <> 'codes'")
            >= CALLERS
        )

    await until(whole, WITHIN_S)
    found = {}
    for row in await pool.fetch("SELECT v.*, caller_number FROM queue_visits v JOIN calls USING (call_id)"):
        rank = (-QUEUES[row["queue"]].get("priority", 0), row["entered_at"])
        caller = row["caller_number"]
        assert caller not in found, "one visit a caller"
        found[caller] = Stay(caller, rank, Span(row["began_at"], row["exited_at"]), row["exit"])
    for row in await pool.fetch(
        "SELECT o.*, caller_number FROM offers o JOIN calls USING (call_id) ORDER BY made_at"
    ):
        offer = Offered(row["made_at"], row["ended_at"], row["caller_number"], row["agent"], row["outcome"])
        found[offer.caller].offers.append(offer)
    talks = [
        Offered(row["started_at"], row["ended_at"], row["caller_number"], row["agent"], row["how"])
        for row in await pool.fetch("SELECT t.*, caller_number FROM talks t JOIN calls USING (call_id)")
    ]
    states = [
        (row["agent"], row["state"], Span(row["since"], row["until"] or datetime.now(UTC)))
        for row in await pool.fetch("SELECT * FROM agent_spans ORDER BY agent, since")
    ]
    ended = await pool.fetch("SELECT disposition FROM calls WHERE flow <> 'codes'")
    return Record(found, talks, states, Counter(row["disposition"] for row in ended))


def overtakings(stays: Iterable[Stay]) -> tuple[list[str], int]:
    """Return who was offered to an agent before somebody who should have been, and how many pairs were looked at."""
    lines = sorted(stays, key=lambda stay: stay.rank)
    found, looked = [], 0
    for place, later in enumerate(lines):
        for offer in later.offers:
            moment = Span(offer.begin - SLACK, offer.begin)
            for earlier in lines[:place]:
                looked += 1
                waited = any(span.begin < moment.begin and span.end > moment.end for span in earlier.unoffered())
                if waited and not earlier.shuns(offer.agent, moment):
                    found.append(f"{later.caller} before {earlier.caller} to {offer.agent} at {offer.begin}")
    return found, looked


def idlers(record: Record) -> list[str]:
    """Return who was free while somebody waited."""
    rests = [offer for stay in record.stays.values() for offer in stay.offers if offer.outcome in RESTING]
    waits = [(stay, span) for stay in record.stays.values() for span in stay.unoffered()]
    found = []
    for agent, state, span in record.states:
        for stay, waited in waits:
            if state != "free" or span.meets(waited) <= SLACK or stay.shuns(agent, span):
                continue
            if not any(rest.agent == agent and after(rest, REST_S).meets(span) > timedelta() for rest in rests):
                found.append(f"{agent} was free for {span.meets(waited)} while {stay.caller} waited")
    return found


def doubled(spans: Iterable[Offered], *, by: str) -> list[str]:
    """Return what an agent, or a caller, did twice at once."""
    found = []
    ordered = sorted(spans, key=lambda each: (getattr(each, by), each.begin))
    for one, other in itertools.pairwise(ordered):
        if getattr(one, by) == getattr(other, by) and other.begin < one.end:
            found.append(f"{getattr(one, by)}: {one} and {other}")
    return found


# --- the phones ---------------------------------------------------------------------------------------------------


def hears(call: Call, hz: int, begin: float, end: float) -> bool:
    """Tell whether `call` heard `hz`, and nothing else, for most of the time between (monotonic seconds)."""
    samples = call.heard.between(begin - call.heard.origin, end - call.heard.origin)
    parts = [samples[start : start + WINDOW] for start in range(0, len(samples) - WINDOW + 1, WINDOW)]
    return bool(parts) and sum(has_tone(part, hz) for part in parts) >= 0.6 * len(parts)


def deaf(bustle: Bustle, voices: dict[str, int]) -> tuple[list[str], int]:
    """Return who did not hear the other in a conversation, and how many conversations were long enough to tell."""
    found, told = [], 0
    for ring in bustle.rings:
        customer = bustle.customers[ring.caller]
        if ring.deed != "talk" or ring.call.answered_at is None or ring.call.ended_at is None:
            continue
        begin, end = ring.call.answered_at + 0.3, ring.call.ended_at - 0.2
        if end - begin < LONG_ENOUGH_S:
            continue
        told += 1
        if not hears(customer.caller, voices[ring.agent], begin, end):
            found.append(f"{ring.caller} did not hear {ring.agent}")
        if not hears(ring.call, customer.hz, begin, end):
            found.append(f"{ring.agent} did not hear {ring.caller}")
    return found, told


# --- the test -----------------------------------------------------------------------------------------------------


@pytest.mark.alone
async def test_twenty_agents_and_sixty_callers(process: tuple[Centre, Process]):
    centre, _ = process
    names = [f"agent{place:02}" for place in range(AGENTS)]
    voices = {name: 400 + 50 * place for place, name in enumerate(names)}
    agents = await enrolled(centre, list(QUEUES), *names)
    dice = random.Random(3)
    deeds = dice.sample(DEEDS, len(DEEDS))
    async with Phone() as phone, api(centre) as live:
        bustle = Bustle(centre, phone, crowd(dice), NUMBERS, dice, deeds)
        async with bustle.seated(agents, voices):
            await until(lambda: all_are(live, {"free"}), WITHIN_S)
            async with asyncio.timeout(55):
                await bustle.run()
            # Everybody has gone: what is left of them, and when is it right again?
            await until(lambda: all_are(live, {"free", "paused"}), WITHIN_S)
            assert await live.waiting() == 0
            assert await live.metric("ghosts_freed") == 0
            assert await centre.channels() == []
            assert (await centre.asterisk.cli("bridge show all")).count("\n") <= 1  # its head line
            await until(
                lambda: all_are(live, {"free"}), WITHIN_S
            )  # those who missed a call have their pause behind them
            record = await read(centre)
    seen = [ring for ring in bustle.rings if ring.call.answered_at is not None]
    assert [ring for ring in bustle.rings if ring.alongside] == [], "no phone rang that was in a call"
    for customer in bustle.customers.values():
        stay = record.stays[customer.number]
        met = [ring for ring in seen if ring.caller == customer.number]
        if customer.deed == "leave" and met:  # left in the moment of an answer, or after it
            assert stay.exit in {"connected", "abandoned"}, customer
        else:
            assert stay.exit == ("abandoned" if customer.left else "connected"), customer
        assert len([ring for ring in met if ring.deed == "talk"]) <= 1, customer
    assert len(record.stays) == CALLERS
    exits = Counter(stay.exit for stay in record.stays.values())
    assert record.dispositions == Counter(talked=exits["connected"], abandoned=exits["abandoned"])
    served = {number for number, stay in record.stays.items() if stay.exit == "connected"}
    talked = {(ring.caller, ring.agent) for ring in seen if ring.deed == "talk" and ring.caller in served}
    dropped = {(ring.caller, ring.agent) for ring in seen if ring.deed == "drop"}
    recorded = {(talk.caller, talk.agent) for talk in record.talks}
    assert talked <= recorded <= talked | dropped
    offers = [offer for stay in record.stays.values() for offer in stay.offers]
    assert Counter((offer.caller, offer.agent) for offer in offers) == Counter(
        (ring.caller, ring.agent) for ring in bustle.rings
    )
    assert (
        doubled(offers, by="agent") == doubled(record.talks, by="agent") == doubled(record.talks, by="caller") == []
    )
    overtaken, looked = overtakings(record.stays.values())
    assert (overtaken, looked > 1000) == ([], True)
    assert idlers(record) == []
    unheard, told = deaf(bustle, voices)
    assert (unheard, told > 30) == ([], True)


async def all_are(live: Api, states: set[str]) -> bool:
    """Tell whether all agents are in one of `states`."""
    found = await live.states()
    return found.total() == AGENTS and set(found) <= states
