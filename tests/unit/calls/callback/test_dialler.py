"""From a request to its end: agents, the line, the trunk and Postgres, everything on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec

from controller.acd.model import AgentId, AgentState, OfferOutcome, Refused
from controller.callback.model import AttemptState, First, Outcome, RequestState, Source, When
from controller.callback.retry import BUSY_APART_S
from controller.calls.asks import Assigned
from controller.calls.callback.desk import Taken
from controller.calls.callback.lease import Leader
from controller.calls.callback.means import Past
from controller.ids import call_id_of_attempt
from controller.numbering.model import Number, NumberFacts, NumberKind
from controller.outbound.model import Verdict
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.callback.office import NUMBER, PLAN, Office
from tests.unit.calls.distribution.hall import Opening


@on_virtual_time
async def test_a_customer_is_called_when_an_agent_is_free_and_talks(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    request = await office.ask()
    await asyncio.sleep(60)
    assert not office.exit.dials, "nobody is dialled while nobody is free"
    office.hall.login("anne")
    attempt = await office.dialled()
    assert office.state("anne") is AgentState.OFFERED
    assert office.request(request).state is RequestState.DIALLING
    office.exit.ring(attempt)
    caller = await office.accept(attempt)
    assert caller.rings == [["anne"]], "the agent who was held is offered the customer at once"
    assert office.talk(attempt, caller) == "anne"
    await asyncio.sleep(30)
    office.hang_up(attempt)
    done = await office.ended(request, RequestState.DONE)
    assert (done.tries, office.outcomes(request)) == (1, [Outcome.TALKED])
    await asyncio.sleep(7200)
    assert sum(office.exit.dials.values()) == 1
    assert office.state("anne") is AgentState.FREE
    await office.kill()


@on_virtual_time
async def test_dials_in_flight_never_exceed_the_agents_held(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne", "bruno")
    for number in range(10):
        await office.ask(number=f"+3361234560{number}")
    await asyncio.sleep(5)
    assert len(office.exit.numbers) == 2
    assert [office.state(agent) for agent in ("anne", "bruno")] == [AgentState.OFFERED] * 2
    await office.kill()


@on_virtual_time
async def test_nobody_answers_then_busy_then_they_talk(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    first = await office.dialled()
    office.exit.end(first, 19, "NOANSWER")
    await office.ended(request, RequestState.SCHEDULED)
    assert office.state("anne") is AgentState.FREE
    second = await office.dialled(2)
    office.exit.end(second, 17, "BUSY")
    await office.ended(request, RequestState.SCHEDULED)
    await asyncio.sleep(8)
    office.exit.watched[0]()
    before = office.clock.monotonic()
    third = await office.dialled(3)
    assert office.clock.monotonic() - before < 2.5, "a line that is free is called at once"
    caller = await office.accept(third)
    office.talk(third, caller)
    office.hang_up(third)
    done = await office.ended(request, RequestState.DONE)
    assert office.outcomes(request) == [Outcome.NO_ANSWER, Outcome.BUSY, Outcome.TALKED]
    assert done.tries == 3
    await office.kill()


@on_virtual_time
async def test_who_accepts_and_leaves_and_who_does_not_accept(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    first = await office.dialled()
    office.exit.answer(first)
    office.running.add(office.dialler.in_flight[0].call_id)
    await asyncio.sleep(10)
    office.hang_up(first)
    await office.ended(request, RequestState.SCHEDULED)
    await office.until(lambda: len(office.exit.dials) == 2, 4000)
    attempt = await office.dialled(2)
    await office.accept(attempt)
    office.hang_up(attempt)
    await office.ended(request, RequestState.SCHEDULED)
    assert office.outcomes(request) == [Outcome.VOICEMAIL, Outcome.LEFT]
    assert office.state("anne") is AgentState.FREE
    await office.kill()


@on_virtual_time
async def test_a_missed_agent_costs_the_customer_nothing(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    attempt = await office.dialled()
    held = office.dialler.in_flight[0].attempt.agent
    caller = await office.accept(attempt)
    office.hall.login("bruno")
    office.hall.distributor.offer_ended(office.dialler.in_flight[0].call_id, held, OfferOutcome.NO_ANSWER)
    await asyncio.sleep(0.1)
    assert caller.rings == [["anne"], ["bruno"]]
    assert office.request(request).state is RequestState.DIALLING
    await office.kill()


@on_virtual_time
async def test_an_agent_who_asks_for_a_pause_meanwhile_is_not_rung(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    await office.ask()
    attempt = await office.dialled()
    assert office.hall.desk.pause(AgentId("anne"), "lunch", by="anne") is None
    caller = await office.accept(attempt)
    assert caller.rings == []
    assert office.state("anne") is AgentState.PAUSED
    office.hall.login("bruno")
    await asyncio.sleep(0.1)
    assert caller.rings == [["bruno"]]
    await office.kill()


@on_virtual_time
async def test_a_request_is_cancelled_in_each_of_its_states(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    waiting = await office.ask(number="+33612345601")
    assert not isinstance(await office.desk.cancel(waiting.request_id, "no"), Refused)
    office.hall.login("anne")
    await asyncio.sleep(5)
    assert not office.exit.dials
    ringing = await office.ask(number="+33612345602")
    attempt = await office.dialled()
    office.exit.ring(attempt)
    cancelled = await office.desk.cancel(ringing.request_id, "no")
    assert not isinstance(cancelled, Refused), cancelled
    assert cancelled.state is RequestState.CANCELLED
    assert office.state("anne") is AgentState.FREE
    talking = await office.ask(number="+33612345603")
    attempt = await office.dialled(2)
    office.talk(attempt, await office.accept(attempt))
    refused = await office.desk.cancel(talking.request_id, "no")
    assert isinstance(refused, Refused)
    assert refused.code == "too_late"
    assert office.outcomes(ringing) == [Outcome.CANCELLED]
    await office.kill()


@on_virtual_time
async def test_the_gate_says_not_now_and_never(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    later = office.clock.now() + timedelta(hours=2)
    request = await office.ask()
    office.exit.verdict = Verdict(False, "window", "not at this hour", not_before=later)
    scheduled = await office.ended(request, RequestState.SCHEDULED)
    assert (scheduled.due_at, scheduled.tries, office.exit.dials.total()) == (later, 0, 0)
    office.exit.verdict = Verdict(False, "opted_out", "they do not want to be called")
    await office.until(lambda: office.request(request).state is RequestState.REFUSED, 8000)
    assert office.state("anne") is AgentState.FREE
    refused = await office.desk.ask(office.asked(number="+33612345609"))
    assert isinstance(refused, Refused)
    assert refused.code == "opted_out"
    await office.kill()


# --- Postgres and Asterisk away -------------------------------------------------------------------------------------


@on_virtual_time
async def test_nothing_is_dialled_and_nothing_spins_while_postgres_is_away(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    request = await office.ask()
    await asyncio.sleep(2)
    office.tables.away = True
    office.hall.login("anne")
    await asyncio.sleep(60)
    assert not office.exit.dials
    assert office.state("anne") is AgentState.FREE
    assert office.store.asked["claim"] <= 2
    office.tables.away = False
    await office.dialled()
    assert office.request(request).state is RequestState.DIALLING
    await office.kill()


@on_virtual_time
async def test_the_outcome_waits_for_postgres_and_the_agent_does_not(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    attempt = await office.dialled()
    office.tables.away = True
    office.exit.end(attempt, 17, "BUSY")
    await asyncio.sleep(0.5)
    assert office.state("anne") is AgentState.FREE
    await asyncio.sleep(120)
    office.tables.away = False
    await asyncio.sleep(15)
    assert office.outcomes(request)[0] is Outcome.BUSY
    await office.kill()


@on_virtual_time
async def test_a_claim_whose_answer_was_lost_is_found_and_dialled_by_nobody_twice(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    request = await office.ask()
    office.tables.deaf = True
    office.hall.login("anne")
    await office.until(lambda: office.tables.attempts)
    office.tables.deaf = False
    attempt = await office.dialled()
    await asyncio.sleep(30)
    assert office.exit.dials.total() == 1
    office.talk(attempt, await office.accept(attempt))
    office.hang_up(attempt)
    await office.ended(request, RequestState.DONE)
    await office.kill()


@on_virtual_time
async def test_a_dial_whose_answer_was_lost_is_followed(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    office.exit.lose = True
    request = await office.ask()
    attempt = await office.dialled()
    office.exit.lose = False
    await asyncio.sleep(5)
    office.talk(attempt, await office.accept(attempt))
    office.hang_up(attempt)
    await office.ended(request, RequestState.DONE)
    assert office.exit.dials.total() == 1
    await office.kill()


@on_virtual_time
async def test_asterisk_is_away_and_the_dial_is_made_once_it_is_back(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    office.exit.down = True
    request = await office.ask()
    await asyncio.sleep(30)
    office.exit.down = False
    attempt = await office.dialled()
    assert list(office.tables.attempts) == [attempt], "the same attempt"
    office.exit.end(attempt, 21)
    await office.ended(request, RequestState.SCHEDULED)
    await office.kill()


# --- restarts -------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_restart_while_it_rings(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    await asyncio.sleep(1)
    await former.kill()
    office = await Office(tmp_path).take_over(former).open()
    assert office.state("anne") is AgentState.OFFERED, "the agent who was held is held again"
    caller = await office.accept(attempt)
    assert caller.rings == [["anne"]]
    office.talk(attempt, caller)
    office.hang_up(attempt)
    await office.ended(request, RequestState.DONE)
    assert office.exit.dials.total() == 1
    await office.kill()


@on_virtual_time
async def test_it_was_busy_while_nobody_was_there_and_the_record_tells(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    await former.kill()
    del former.exit.lines[attempt]
    former.exit.pasts[attempt] = Past(status="BUSY")
    office = await Office(tmp_path).take_over(former).open()
    await office.until(lambda: office.outcomes(request)[0] is Outcome.BUSY)
    await office.kill()


@on_virtual_time
async def test_nobody_saw_how_it_ended_and_it_is_lost_not_dialled_anew(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    await former.kill()
    del former.exit.lines[attempt]
    office = await Office(tmp_path).take_over(former).open()
    await office.until(lambda: office.outcomes(request)[0] is Outcome.LOST)
    assert office.exit.dials.total() == 1
    await office.kill()


@on_virtual_time
async def test_killed_between_claim_and_dial_the_same_attempt_is_dialled(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    former.exit.down = True
    request = await former.ask()
    await former.until(lambda: former.tables.attempts)
    await asyncio.sleep(0.05)
    await former.kill()
    former.exit.down = False
    office = await Office(tmp_path).take_over(former).open()
    attempt = await office.dialled()
    assert list(office.tables.attempts) == [attempt]
    assert office.request(request).state is RequestState.DIALLING
    await office.kill()


@on_virtual_time
async def test_who_talks_is_never_called_again_whatever_is_lost(tmp_path: Path) -> None:
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    former.talk(attempt, await former.accept(attempt))
    await asyncio.sleep(0.1)
    await former.kill()
    for path in (tmp_path / "attempts").glob("*"):
        path.unlink()
    del former.exit.lines[attempt]
    office = await Office(tmp_path).take_over(former).open()
    await office.until(lambda: office.request(request).state is RequestState.DONE)
    assert office.exit.dials.total() == 1
    await office.kill()


@on_virtual_time
async def test_killed_in_the_moment_in_which_they_begin_to_talk(tmp_path: Path) -> None:
    """Nobody told the successor that they talk; but the call, which it has taken up, knows."""
    former = await Office(tmp_path).open()
    former.hall.login("anne")
    request = await former.ask()
    attempt = await former.dialled()
    await former.accept(attempt)
    await asyncio.sleep(0.1)
    await former.kill()
    office = Office(tmp_path).take_over(former)
    office.running.add(call_id_of_attempt(attempt))
    await office.open()
    await asyncio.sleep(3)
    office.hang_up(attempt, talked=True)
    await office.until(lambda: office.request(request).state is RequestState.DONE)
    assert office.exit.dials.total() == 1
    await office.kill()


# --- two controllers ------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_the_other_controller_takes_over_and_does_not_dial_what_may_ring(tmp_path: Path) -> None:
    one = await Office(tmp_path / "one").open()
    two = await Office(tmp_path / "two", node="two").take_over(one).open()
    one.hall.login("anne")
    two.hall.login("anne")
    first = await one.ask(number="+33612345601")
    attempt = await one.dialled()
    assert two.dialler.leader.lease is None
    await one.kill()
    del one.exit.lines[attempt]
    second = await two.ask(number="+33612345602")
    again = await two.dialled(2)
    assert two.tables.attempts[again].node == "two"
    assert two.request(second).state is RequestState.DIALLING
    two.exit.end(again, 19)
    await two.until(lambda: two.outcomes(first)[0] is Outcome.LOST, 90)
    assert two.exit.dials[attempt] == 1
    await two.kill()


@on_virtual_time
async def test_the_right_to_dial_ends_before_another_may_have_it(tmp_path: Path) -> None:
    office = Office(tmp_path)
    happened: list[str] = []
    leader = Leader(
        office.store,
        office.clock,
        node="one",
        ttl_s=12.0,
        request_s=5.0,
        took=lambda: happened.append("took"),
        lost=lambda: happened.append("lost"),
    )
    task = asyncio.create_task(leader.run())
    await asyncio.sleep(60)
    assert leader.may_dial()
    office.tables.away = True
    began = office.clock.monotonic()
    while leader.may_dial():
        await asyncio.sleep(0.01)
    assert office.tables.until - office.clock.monotonic() >= 5.0, "a request that begins now ends within the right"
    assert office.clock.monotonic() - began < 12.0
    await asyncio.sleep(12)
    office.tables.away = False
    office.tables.node, office.tables.token = "two", office.tables.token + 1
    office.tables.until = office.clock.monotonic() + 12
    await asyncio.sleep(5)
    assert not leader.may_dial()
    assert happened == ["took", "lost"]
    task.cancel()


# --- agent first ----------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_the_agent_comes_first(tmp_path: Path) -> None:
    office = await Office(tmp_path, msgspec.structs.replace(PLAN, first=First.AGENT)).open()
    office.hall.login("anne")
    request = await office.ask()
    await office.until(lambda: office.agents)
    assert not office.exit.dials
    office.agents[0].ready()
    attempt = await office.dialled()
    assert office.agents[0].rang
    caller = await office.accept(attempt)
    (assigned,) = [ask for ask in caller.asks if isinstance(ask, Assigned)]
    assert assigned.leg == 1, "the leg that waits is taken over"
    office.agents[0].gone(OfferOutcome.DECLINED)  # the board's word for: it is in the call now
    office.talk(attempt, caller)
    await asyncio.sleep(1)
    office.hang_up(attempt)
    await office.ended(request, RequestState.DONE)
    await office.kill()


@on_virtual_time
async def test_an_agent_who_does_not_take_it_is_paused_and_the_next_one_rung(tmp_path: Path) -> None:
    office = await Office(tmp_path, msgspec.structs.replace(PLAN, first=First.AGENT)).open()
    office.hall.login("anne", "bruno")
    request = await office.ask()
    await office.until(lambda: office.agents)
    first = office.agents[0].flight.attempt.agent
    office.agents[0].gone(OfferOutcome.NO_ANSWER)
    await office.until(lambda: len(office.agents) == 2)
    assert office.state(first) is AgentState.PAUSED
    assert office.agents[1].flight.attempt.agent != first
    assert office.outcomes(request) == [Outcome.NO_AGENT, None]
    assert office.request(request).tries == 0
    assert not office.exit.dials
    await office.kill()


@on_virtual_time
async def test_an_agent_clicks_to_dial(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    refused = await office.desk.ask(office.asked(source=Source.AGENT, when=When.NOW, agent=AgentId("anne")))
    assert isinstance(refused, Refused)
    assert refused.code == "not_logged_in"
    office.hall.login("anne")
    request = await office.ask(source=Source.AGENT, when=When.NOW, agent=AgentId("anne"), number="+33612345602")
    await office.until(lambda: office.agents)
    office.agents[0].ready()
    attempt = await office.dialled()
    office.exit.end(attempt, 17)
    failed = await office.ended(request, RequestState.FAILED)
    assert failed.outcome is Outcome.BUSY
    assert office.agents[0].told is Outcome.BUSY
    assert office.state("anne") is AgentState.FREE
    assert office.tables.attempts[attempt].state is AttemptState.ENDED
    await office.kill()


@on_virtual_time
async def test_a_telephone_that_says_busy_and_is_free_is_not_called_all_the_time(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(PLAN, delays={"busy": (60.0,)})
    office = await Office(tmp_path, plan).open()
    office.hall.login("anne")
    request = await office.ask()
    at: list[float] = []
    for count in range(1, 6):
        office.exit.end(await office.dialled(count), 17, "BUSY")
        at.append(office.clock.monotonic())
        await office.until(lambda count=count: len(office.exit.watched) == count)  # type: ignore[misc]
        office.exit.watched[-1]()
    await office.dialled(6)
    at.append(office.clock.monotonic())
    apart = [later - earlier for earlier, later in pairwise(at)]
    for gap_s, least_s in zip(apart, BUSY_APART_S, strict=True):
        assert least_s <= gap_s < least_s + 3.0, apart
    assert office.outcomes(request) == [Outcome.BUSY] * 5 + [None]
    await office.kill()


@on_virtual_time
async def test_what_the_dialplan_lets_nothing_come_of_is_no_try_and_soon_dialled(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    for count in range(1, 4):
        office.exit.end(await office.dialled(count), 38, "FULL")
        held_back = await office.ended(request, RequestState.SCHEDULED)
        assert (held_back.outcome, held_back.tries) == (Outcome.BLOCKED, 0)
        assert held_back.reason == "as many calls as may be go out already"
        assert office.state("anne") is AgentState.FREE
    attempt = await office.dialled(4)
    office.talk(attempt, await office.accept(attempt))
    office.hang_up(attempt)
    assert (await office.ended(request, RequestState.DONE)).tries == 1
    await office.kill()


@on_virtual_time
async def test_a_click_dials_outside_the_hours_too_or_says_at_once_why_not(tmp_path: Path) -> None:
    office = await Office(tmp_path, calendar=Opening(is_open=False)).open()
    office.hall.login("anne", "bruno")
    click = office.asked(source=Source.AGENT, when=When.NOW, agent=AgentId("anne"))
    tomorrow = office.clock.now() + timedelta(hours=12)
    office.exit.verdict = Verdict(
        False,
        "window",
        "Nobody is called now.",
        "Dial then.",
        NumberFacts(Number(NUMBER), "FR", NumberKind.MOBILE, NUMBER),
        not_before=tomorrow,
    )
    refused = await office.desk.ask(click)
    assert isinstance(refused, Refused)
    assert (refused.code, office.tables.requests) == ("window", {}), "the gate's window holds, and nothing is put off"
    office.exit.verdict = None
    request = await office.ask(source=Source.AGENT, when=When.NOW, agent=AgentId("anne"))
    assert (request.state, request.promised_at) == (RequestState.WAITING, None)
    await office.until(lambda: office.agents, 3)
    office.agents[0].ready()
    attempt = await office.dialled()
    again = await office.desk.ask(click)
    assert isinstance(again, Taken), "a second click is the same call"
    assert again.again
    other = await office.desk.ask(replace(click, agent=AgentId("bruno")))
    assert isinstance(other, Refused)
    assert other.code == "number_taken"
    office.exit.end(attempt, 19)
    await office.ended(request, RequestState.FAILED)
    await office.kill()


# --- who watches ----------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_who_watches_hears_the_last_word(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    seen: list[tuple[str, str]] = []

    async def watch() -> None:
        async for progress in office.desk.watch(request.request_id):
            seen.append((progress.request.state, progress.attempt.state if progress.attempt else ""))  # noqa: PERF401 - as they come

    task = asyncio.create_task(watch())
    attempt = await office.dialled()
    await asyncio.sleep(0.1)
    office.exit.ring(attempt)
    await asyncio.sleep(0.1)
    office.talk(attempt, await office.accept(attempt))
    await asyncio.sleep(0.1)
    office.hang_up(attempt)
    await asyncio.wait_for(task, 10)
    assert ("dialling", "ringing") in seen
    assert ("dialling", "connected") in seen
    assert seen[-1][0] == "done"
    assert not len(office.desk.watchers)
    await office.kill()


@on_virtual_time
async def test_no_more_are_called_at_once_than_may_be_and_the_agents_stay_free(tmp_path: Path) -> None:
    office = await Office(tmp_path).open(most_dials=1)
    office.hall.login("anne", "bruno")
    for number in range(3):
        await office.ask(number=f"+3361234560{number}")
    await asyncio.sleep(5)
    assert len(office.exit.numbers) == 1
    states = sorted(office.state(agent) for agent in ("anne", "bruno"))
    assert states == [AgentState.FREE, AgentState.OFFERED]
    (attempt,) = office.exit.dials
    office.talk(attempt, await office.accept(attempt))
    await office.dialled(2)
    assert len(office.exit.numbers) == 1, "who talks is no dial any more"
    await office.kill()


@on_virtual_time
async def test_only_the_first_of_a_queue_stand_in_the_line_and_others_follow(tmp_path: Path) -> None:
    office = await Office(tmp_path).open(in_line=3)
    requests = [await office.ask(number=f"+336123456{number:02}") for number in range(8)]
    await asyncio.sleep(3)
    assert len(office.dialler.lineup) == 3
    office.hall.login("anne")
    for number, request in enumerate(requests, 1):
        attempt = await office.dialled(number)
        assert office.tables.attempts[attempt].request_id == request.request_id, "in the order in which they asked"
        office.talk(attempt, await office.accept(attempt))
        office.hang_up(attempt)
        await office.ended(request, RequestState.DONE)
    assert len(office.dialler.lineup) == 0
    await office.kill()


@on_virtual_time
async def test_what_another_controller_has_cancelled_leaves_the_line(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    request = await office.ask()
    await asyncio.sleep(2)
    assert len(office.dialler.lineup) == 1
    await office.store.cancel(request.request_id, "elsewhere", office.clock.now())
    await asyncio.sleep(3)
    assert len(office.dialler.lineup) == 0
    await office.kill()


@on_virtual_time
async def test_a_queue_that_is_gone_calls_nobody_and_its_requests_expire(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    request = await office.ask()
    soon = office.clock.now() + timedelta(minutes=10)
    office.tables.put(msgspec.structs.replace(office.request(request), expires_at=soon))
    await asyncio.sleep(2)
    office.hall.distributor.use(msgspec.structs.replace(office.hall.centre, queues={}))
    office.hall.login("anne")
    await asyncio.sleep(10)
    assert not office.exit.dials
    assert len(office.dialler.lineup) == 0
    await office.until(lambda: office.request(request).state is RequestState.EXPIRED, 1_000)
    await office.kill()
