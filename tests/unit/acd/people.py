"""Queues, agents and customers of the tests of the floor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from controller.acd.floor import Floor
from controller.acd.model import AgentAccount, AgentId, Entry, EntryId, Queue

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SKILLS = ("english", "cards")
NEEDS = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5), max_size=2)


def agent(name: str, **fields: object) -> AgentAccount:
    return AgentAccount(agent=AgentId(name), name=name.title(), extension=name, **fields)


def entry(name: str, queue: str, *, at: float, **fields: object) -> Entry:
    """One who entered `at` seconds after `START`."""
    return Entry(entry=EntryId(name), queue=queue, entered_at=START + timedelta(seconds=at), **fields)


def floor_of(queues: Iterable[Queue], people: Iterable[AgentAccount], now: float = 0.0) -> Floor:
    """A floor where everybody is logged in and reachable."""
    floor, people = Floor(), list(people)
    floor.set_queues(queues, now)
    floor.set_accounts(people, now)
    for each in people:
        assert floor.login(each.agent, now) is None
        floor.device(each.agent, reachable=True, busy=False, now=now)
    return floor
