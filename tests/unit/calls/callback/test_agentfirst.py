"""The agent's phone before the customer's: on a switchboard without a caller."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.acd.model import AgentId, OfferOutcome, Queue
from controller.callback.model import (
    Attempt,
    AttemptId,
    Customer,
    First,
    Outcome,
    Request,
    RequestId,
    Source,
    When,
)
from controller.calls.callback.agentfirst import FirstAgent
from controller.calls.callback.flights import Flight
from controller.calls.callback.news import AgentGone, AgentReady, News
from controller.cdr.entries import Role
from controller.flow.queues import QueuePlan
from controller.ids import CallId
from controller.numbering.model import Number
from controller.outbound.model import Purpose
from controller.switchboard import PartyState
from tests.rig.fakeswitchboard import BUSY, Exchange, FakeSwitchboard, Phone
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.callback.office import NUMBER, PLAN
from tests.unit.calls.distribution.hall import account

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Seat:
    """One agent, one attempt."""

    plan: QueuePlan = field(default_factory=lambda: QueuePlan(rules=Queue(name="support", ring_s=15.0)))
    exchange: Exchange = field(default_factory=Exchange)
    news: list[News] = field(default_factory=list)
    flight: Flight = field(init=False)

    def __post_init__(self) -> None:
        request = Request(
            request_id=RequestId("0f" * 16),
            queue="support",
            number=Number(NUMBER),
            when=When.ASAP,
            source=Source.WEB,
            purpose=Purpose.REQUESTED,
            language="fr",
            zone="Europe/Paris",
            created_at=AT,
            entered_at=AT,
            due_at=AT,
            expires_at=AT + timedelta(days=1),
            first=First.AGENT,
            customer=Customer(name="Claire", reason="Mon vélo"),
        )
        attempt = Attempt(
            attempt_id=AttemptId("0a" * 16),
            request_id=request.request_id,
            fence=1,
            number=Number(NUMBER),
            caller_id="+33353014700",
            agent=AgentId("anne"),
            node="one",
            claimed_at=AT,
        )
        self.flight = Flight(request=request, attempt=attempt, plan=PLAN, queue="support")

    # --- `Boards` and `Line`, as far as it goes

    def board(self, call_id: CallId) -> FakeSwitchboard:
        return self.exchange.call(call_id, "nobody")

    def close(self, board: Any) -> None:
        assert isinstance(board, FakeSwitchboard)

    def account(self, agent: AgentId) -> Any:
        return account(agent, "2001", "support")

    def queue(self, name: str) -> QueuePlan:
        return self.plan

    @property
    def legs(self) -> list[str]:
        return [party for party in self.exchange.parties if party != "nobody"]


class _Line:
    """What the agent's call needs of the floor."""

    def __init__(self, seat: Seat) -> None:
        self.account = seat.account
        self.plan = seat.queue


def at_the_desk(seat: Seat) -> FirstAgent:
    return FirstAgent(seat.flight, seat.news.append, seat, _Line(seat))  # type: ignore[arg-type]


@on_virtual_time
async def test_the_agent_answers_and_waits_while_it_rings() -> None:
    seat = Seat()
    seat.exchange.phone("2001", Phone(answers_after_s=2))
    agent = at_the_desk(seat)
    await agent.call()
    await asyncio.sleep(3)
    assert seat.news == [AgentReady(1)]
    (leg,) = seat.legs
    plan = seat.exchange.parties[leg].plan
    assert plan is not None
    assert (plan.caller_number, plan.caller_name) == (NUMBER, "Claire")
    assert plan.headers["X-Rappel-Request"] == seat.flight.request.request_id
    assert plan.headers["X-Rappel-Reason"] == "Mon vélo"
    await agent.ring()
    assert seat.exchange.parties[leg].ringing
    await agent.let_go(Outcome.BUSY, queued=False)
    assert seat.legs == []


@on_virtual_time
async def test_the_whisper_and_the_key_come_before() -> None:
    rules = Queue(name="support", ring_s=15.0)
    seat = Seat(QueuePlan(rules=rules, whispered={"fr": ("fr/support",)}, accept_key="1"))
    seat.exchange.phone("2001", Phone(answers_after_s=1, presses="51"))
    agent = at_the_desk(seat)
    await agent.call()
    await asyncio.sleep(2.5)
    assert seat.news == []
    await asyncio.sleep(2)
    assert seat.news == [AgentReady(1)]
    await agent.let_go(Outcome.CANCELLED, queued=False)


@pytest.mark.parametrize(
    ("phone", "outcome"),
    [
        (Phone(), OfferOutcome.NO_ANSWER),
        (Phone(refuses_after_s=1), OfferOutcome.DECLINED),
        (Phone(refuses_after_s=1, cause=BUSY), OfferOutcome.BUSY),
        (None, OfferOutcome.UNREACHABLE),
    ],
)
def test_the_agent_does_not_take_it(phone: Phone | None, outcome: OfferOutcome) -> None:
    @on_virtual_time
    async def case() -> None:
        seat = Seat()
        if phone is not None:
            seat.exchange.phone("2001", phone)
        await at_the_desk(seat).call()
        await asyncio.sleep(30)
        assert seat.news == [AgentGone(outcome)]
        assert seat.legs == []

    case()


@on_virtual_time
async def test_one_of_two_phones_is_answered_and_the_other_one_stops() -> None:
    seat = Seat()
    seat.exchange.phone("2001", Phone(), Phone(answers_after_s=2))
    await at_the_desk(seat).call()
    await asyncio.sleep(3)
    assert seat.news == [AgentReady(2)]
    assert len(seat.legs) == 1


@on_virtual_time
async def test_the_agent_hangs_up_while_waiting() -> None:
    seat = Seat()
    seat.exchange.phone("2001", Phone(answers_after_s=1, hangs_up_after_s=3))
    await at_the_desk(seat).call()
    await asyncio.sleep(6)
    assert seat.news == [AgentReady(1), AgentGone(OfferOutcome.DECLINED)]


@on_virtual_time
async def test_the_customers_call_takes_the_leg_over() -> None:
    seat = Seat()
    seat.exchange.phone("2001", Phone(answers_after_s=1))
    agent = at_the_desk(seat)
    await agent.call()
    await asyncio.sleep(2)
    call = seat.exchange.call(seat.flight.call_id, "customer")
    assert await call.adopt(call.leg_id(1), "2001", Role.AGENT) is PartyState.UP
    await asyncio.sleep(1)
    assert seat.news[0] == AgentReady(1)
    await agent.let_go(Outcome.TALKED, queued=True)
    assert len([party for party in seat.legs if party != "customer"]) == 1, "the call has it now"


@on_virtual_time
async def test_another_controller_goes_on_with_the_agent_who_waits() -> None:
    seat = Seat()
    seat.exchange.phone("2001", Phone(answers_after_s=1))
    former = at_the_desk(seat)
    await former.call()
    await asyncio.sleep(2)
    assert former._task is not None
    former._task.cancel()
    seat.news.clear()
    agent = at_the_desk(seat)
    await agent.take_up()
    await asyncio.sleep(1)
    assert seat.news == [AgentReady(1)]
    seat.exchange.hang_up(seat.legs[0])
    await asyncio.sleep(1)
    assert seat.news[1:] == [AgentGone(OfferOutcome.DECLINED)]
