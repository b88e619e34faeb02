"""All agents as sets of bits: who serves a queue, can do a thing, is free.

An integer is a set of agents, one bit each: a thousand agents' fitness for a customer is a handful of `&`, some
fifty nanoseconds each. Bits are given in the order in which agents became idle, so that the lowest bit of any set is
the one who has been idle longest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from controller.acd.model import AgentAccount, AgentId, AgentState, Queue, Strategy
from controller.acd.skills import Demand

GRADES: Final = 5
_SPARE: Final = 64
"""Unused low bits that are let be before the bits are given anew."""


def members(bits: int) -> Iterator[int]:
    """Yield the single bits of a set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest
        bits ^= lowest


_ANY = ""
"""Stands for the languages of agents who name none."""


class Member:
    """What the sets know of one agent."""

    __slots__ = ("account", "bit", "calls", "idle_since", "last_offers", "state")

    def __init__(self, account: AgentAccount) -> None:
        self.account = account
        self.bit = 0
        self.state = AgentState.LOGGED_OUT
        self.idle_since = float("-inf")
        self.calls = 0
        self.last_offers: dict[str, float] = {}
        """When the agent was last offered a call of a queue."""

    @property
    def seniority(self) -> tuple[float, AgentId]:
        """Longest idle first."""
        return (self.idle_since, self.account.agent)

    def turn(self, queue: str) -> tuple[float, AgentId]:
        """Longest without an offer of the queue first."""
        return (self.last_offers.get(queue, float("-inf")), self.account.agent)


class Crew:
    """The agents, and the sets they are in."""

    def __init__(self) -> None:
        self.members: dict[AgentId, Member] = {}
        self._by_bit: dict[int, Member] = {}
        self._serving: dict[str, int] = defaultdict(int)
        self._ranks: dict[str, dict[int, int]] = defaultdict(dict)
        self._ranked: dict[str, list[tuple[int, int]]] = {}
        """The ranks in order, until one changes."""
        self._able: dict[str, list[int]] = defaultdict(lambda: [0] * (GRADES + 1))
        self._speaking: dict[str, int] = defaultdict(int)
        self._states: dict[AgentState, int] = dict.fromkeys(AgentState, 0)
        self._by_calls: dict[int, int] = defaultdict(int)
        self._next = 0
        self._newest: tuple[float, AgentId] | None = None
        self._out_of_order = False

    # --- who is there

    def put(self, account: AgentAccount) -> Member:
        """Add an agent, or take over a changed account."""
        member = self.members.get(account.agent)
        if member is None:
            member = self.members[account.agent] = Member(account)
            self._next_bit(member)
            self._enlist(member, 1)
        elif member.account != account:
            self._enlist(member, 0)
            member.account = account
            self._enlist(member, 1)
        return member

    def drop(self, agent: AgentId) -> None:
        """Forget an agent."""
        member = self.members.pop(agent)
        self._enlist(member, 0)
        del self._by_bit[member.bit]

    def set_state(self, member: Member, state: AgentState) -> None:
        """Note what the agent is doing now."""
        self._states[member.state] &= ~member.bit
        self._states[state] |= member.bit
        member.state = state

    def set_calls(self, member: Member, calls: int) -> None:
        """Note how many conversations the agent has had."""
        self._clear_calls(member)
        member.calls = calls
        self._by_calls[calls] |= member.bit

    def set_idle(self, member: Member, since: float) -> None:
        """The agent is idle since then: behind all who have been idle for longer."""
        if since == member.idle_since:
            return
        self._enlist(member, 0)
        del self._by_bit[member.bit]
        member.idle_since = since
        self._next_bit(member)
        self._enlist(member, 1)

    @staticmethod
    def set_last_offer(member: Member, queue: str, at: float) -> None:
        """The agent was offered a call of `queue`."""
        member.last_offers[queue] = at

    # --- sets

    def settle(self) -> None:
        """Give the bits anew where their order, or their number, asks for it. To be called before sets are used."""
        if not self._out_of_order and self._next <= 2 * len(self.members) + _SPARE:
            return
        ordered = sorted(self.members.values(), key=lambda member: member.seniority)
        self._serving.clear()
        self._ranks.clear()
        self._ranked.clear()
        self._able.clear()
        self._speaking.clear()
        self._by_calls.clear()
        self._by_bit.clear()
        self._states = dict.fromkeys(AgentState, 0)
        self._next, self._newest, self._out_of_order = 0, None, False
        for member in ordered:
            self._next_bit(member)
            self._enlist(member, 1)

    def in_state(self, state: AgentState) -> int:
        """Return who is in `state`."""
        return self._states[state]

    def serving(self, queue: str) -> int:
        """Return who serves `queue`."""
        return self._serving.get(queue, 0)

    def ranked(self, queue: str) -> list[tuple[int, int]]:
        """Return who serves `queue` by rank, first rank first."""
        ranked = self._ranked.get(queue)
        if ranked is None:
            ranked = self._ranked[queue] = sorted(self._ranks.get(queue, {}).items())
        return ranked

    def speaking(self, language: str) -> int:
        """Return who speaks `language`, those who name none included."""
        return self._speaking.get(language, 0) | self._speaking.get(_ANY, 0)

    def able(self, skill: str, grade: int) -> int:
        """Return who can do `skill` at `grade` or better."""
        if grade <= 0:
            return -1
        grades = self._able.get(skill)
        return grades[grade] if grades is not None and grade <= GRADES else 0

    def meeting(self, demand: Demand, among: int) -> int:
        """Return who of a set serves the queue and can do what is demanded."""
        bits = self._serving.get(demand.queue, 0) & among
        for skill, grade in demand.needs:
            if not bits:
                return 0
            bits &= self.able(skill, grade)
        if demand.language:
            bits &= self.speaking(demand.language)
        return bits

    def bits_of(self, agents: frozenset[AgentId]) -> int:
        """Return the set of `agents`; who is not known is left out."""
        bits = 0
        for agent in agents:
            member = self.members.get(agent)
            if member is not None:
                bits |= member.bit
        return bits

    def names(self, bits: int) -> tuple[AgentId, ...]:
        """Return the agents of a set, longest idle first."""
        only = self._by_bit.get(bits)
        if only is not None:
            return (only.account.agent,)
        return tuple(self._by_bit[bit].account.agent for bit in members(bits))

    def pick(self, queue: Queue, fitting: int) -> int:
        """Return which of `fitting` (not empty, all of the queue) is to be offered a call: one bit, or all."""
        match queue.strategy:
            case Strategy.RING_ALL:
                return fitting
            case Strategy.LEAST_CALLS:
                for calls in sorted(self._by_calls):
                    least = self._by_calls[calls] & fitting
                    if least:
                        return least & -least
            case Strategy.ROUND_ROBIN:
                return min(members(fitting), key=lambda bit: self._by_bit[bit].turn(queue.name))
            case Strategy.LONGEST_IDLE:
                pass
        return fitting & -fitting

    # --- keeping them

    def _next_bit(self, member: Member) -> None:
        """Give the agent the highest bit; note when that is not in the order of seniority."""
        member.bit = 1 << self._next
        self._by_bit[member.bit] = member
        self._next += 1
        if self._newest is not None and member.seniority < self._newest:
            self._out_of_order = True
        else:
            self._newest = member.seniority

    def _enlist(self, member: Member, on: int) -> None:
        """Put the agent's bit into all sets that the account names (`on`), or take it out."""
        bit, account = member.bit, member.account

        def put(bits: int) -> int:
            return bits | bit if on else bits & ~bit

        for queue, rank in account.queues.items():
            self._serving[queue] = put(self._serving[queue])
            ranks = self._ranks[queue]
            self._ranked.pop(queue, None)
            ranks[rank] = put(ranks.get(rank, 0))
            if not ranks[rank]:
                del ranks[rank]
        for skill, grade in account.skills.items():
            grades = self._able[skill]
            for each in range(1, min(grade, GRADES) + 1):
                grades[each] = put(grades[each])
        for language in account.languages or (_ANY,):
            self._speaking[language] = put(self._speaking[language])
        self._states[member.state] = put(self._states[member.state])
        if on:
            self._by_calls[member.calls] |= bit
        else:
            self._clear_calls(member)

    def _clear_calls(self, member: Member) -> None:
        bits = self._by_calls[member.calls] & ~member.bit
        if bits:
            self._by_calls[member.calls] = bits
        else:
            del self._by_calls[member.calls]
