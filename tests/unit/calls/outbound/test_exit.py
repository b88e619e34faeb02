"""The exit: judged, written down, dialled, in this order; nobody is called who could not be judged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from controller.callback.model import AttemptId
from controller.calls.outbound.exit import Outbound
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialRinging, DialState, OutboundCall
from controller.errors import AsteriskRefused, AsteriskUnreachable, StoreError
from controller.numbering.model import NumberKind
from controller.numbering.tariffs import Tariff, TariffTable
from controller.outbound.model import Number, OutboundAsk, OutboundRules, Purpose, Usage

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
OURS = Number("+33353014700")
SOMEBODY = Number("+33639981234")
ATTEMPT = AttemptId("0123456789abcdef0123456789abcdef")
RULES = OutboundRules(
    off=False,
    caller_id=OURS,
    owned=frozenset({OURS}),
    countries=frozenset({"FR"}),
    kinds=frozenset({NumberKind.FIXED, NumberKind.MOBILE}),
    tariffs=TariffTable("EUR", {"FR": Tariff(0.6)}, {}),
)
ASK = OutboundAsk(number="06 39 98 12 34", purpose=Purpose.REQUESTED, consent=True, expected_s=60.0)


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


@dataclass
class World:
    """An originator and a store that note in one list what is asked of them, in order."""

    usage_is: Usage = field(default_factory=Usage)
    away: bool = False
    refuses: Exception | None = None
    done: list = field(default_factory=list)
    told: dict = field(default_factory=dict)

    def follow(self, attempt, told):
        self.done.append(("follow", attempt))
        self.told[attempt] = told

    def forget(self, attempt):
        self.done.append(("forget", attempt))

    async def dial(self, call):
        self.done.append(("dial", call))
        if self.refuses is not None:
            raise self.refuses

    async def cancel(self, attempt):
        self.done.append(("cancel", attempt))

    async def look(self, attempt):
        return DialState.ABSENT

    async def was_dialled(self, attempt):
        return True

    def _there(self):
        if self.away:
            raise StoreError("Postgres is away; check that it runs")

    async def usage(self, number, purpose, now):
        self._there()
        return self.usage_is

    async def reserve(self, ask, attempt, number, at, judge):
        self._there()
        verdict = judge(self.usage_is)
        self.done.append(("decided", verdict.code, number, attempt))
        return verdict

    async def decided(self, ask, verdict, at, attempt=""):
        self._there()
        self.done.append(("decided", verdict.code, "", attempt))

    async def ended(self, attempt, at, talk_s, cost):
        self._there()
        self.done.append(("ended", attempt, talk_s, cost))

    async def undone(self, attempt, at):
        self._there()
        self.done.append(("undone", attempt))

    async def opt_out(self, number, purpose, at, source):
        self.done.append(("opt_out", number, purpose, at, source))

    async def refused(self, number, purpose, at, source):
        self.done.append(("refused", number, purpose, at, source))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def outbound(world):
    return Outbound(world, world, Clock(), lambda: RULES)


def nothing(_):
    pass


async def test_a_call_is_decided_then_followed_then_dialled(outbound, world):
    verdict = await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0, detect_voicemail=True)
    assert verdict.allowed
    assert world.done == [
        ("decided", "", SOMEBODY, ATTEMPT),
        ("follow", ATTEMPT),
        ("dial", OutboundCall(ATTEMPT, SOMEBODY, OURS, 25.0, detect_voicemail=True)),
    ]


async def test_judging_leaves_a_trace_of_refusals_alone(outbound, world):
    assert (await outbound.judge(ASK)).allowed
    assert world.done == []
    refused = OutboundAsk(number="0899 12 34 56", purpose=Purpose.SERVICE)
    assert (await outbound.judge(refused)).code == "kind"
    world.usage_is = Usage(opted_out=True)
    assert (await outbound.judge(ASK)).code == "opted_out"
    assert [each[:2] for each in world.done] == [("decided", "kind"), ("decided", "opted_out")]


@pytest.mark.parametrize(("number", "code"), [("0899 12 34 56", "kind"), ("1&2", "unreadable"), ("112", "kind")])
async def test_a_refused_call_is_written_down_and_not_dialled(outbound, world, number, code):
    ask = OutboundAsk(number=number, purpose=Purpose.REQUESTED, consent=True)
    assert (await outbound.place(ask, ATTEMPT, nothing, ring_s=25.0)).code == code
    assert world.done == [("decided", code, "", "")]


async def test_what_was_allowed_a_moment_ago_is_judged_again(outbound, world):
    assert (await outbound.judge(ASK)).allowed
    world.usage_is = Usage(silent_since=NOW)
    assert (await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)).code == "opted_out"
    assert not any(each[0] == "dial" for each in world.done)


@pytest.mark.parametrize("number", ["06 39 98 12 34", "nonsense"])
async def test_nobody_is_called_while_postgres_is_away(outbound, world, number):
    world.away = True
    ask = OutboundAsk(number=number, purpose=Purpose.REQUESTED, consent=True)
    for verdict in (await outbound.judge(ask), await outbound.place(ask, ATTEMPT, nothing, ring_s=25.0)):
        assert (verdict.allowed, verdict.code) == (False, "unavailable")
        assert verdict.not_before is not None
        assert NOW < verdict.not_before < NOW + timedelta(minutes=1)
    assert world.done == []


async def test_the_last_word_before_the_dial_is_the_callers(outbound, world):
    verdict = await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0, may=lambda: False)
    assert (verdict.allowed, verdict.code) == (False, "unavailable")
    assert [each[0] for each in world.done] == ["decided", "undone"]


async def test_what_asterisk_does_not_take_costs_nothing(outbound, world):
    world.refuses = AsteriskRefused("no such endpoint; set up a trunk", status=400)
    with pytest.raises(AsteriskRefused):
        await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)
    assert world.done[-1] == ("undone", ATTEMPT)


@pytest.mark.parametrize("status", ["FULL", "DRAINING", "AWAY"])
async def test_what_the_dialplan_held_back_is_no_call(outbound, world, status):
    await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)
    world.told[ATTEMPT](DialEnded(NOW, 38, status))
    await outbound.close()
    assert [each[0] for each in world.done][-2:] == ["dial", "undone"]


async def test_what_asterisk_may_have_taken_stays_reserved(outbound, world):
    world.refuses = AsteriskUnreachable("no answer; look again")
    with pytest.raises(AsteriskUnreachable):
        await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)
    assert world.done[-1][0] == "dial"


@pytest.mark.parametrize(
    ("news", "settled"),
    [
        ([DialRinging(NOW), DialEnded(NOW, 17, "BUSY")], (0.0, 0.0)),
        ([DialEnded(NOW, 0, "CANCEL")], (0.0, 0.0)),
        ([DialAnswered(NOW), DialEnded(NOW + timedelta(seconds=30), 16, answered=True)], (30.0, 0.3)),
        ([DialRinging(NOW), DialAnswered(NOW)], None),
        ([DialEnded(NOW, 38, already=True)], None),  # another controller's: it was dialled before
    ],
)
async def test_a_call_that_is_over_is_settled(outbound, world, news, settled):
    heard = []
    await outbound.place(ASK, ATTEMPT, heard.append, ring_s=25.0)
    for each in news:
        world.told[ATTEMPT](each)
    await outbound.close()
    assert heard == news
    told = [each[2:] for each in world.done if each[0] == "ended"]
    assert told == ([] if settled is None else [(settled[0], pytest.approx(settled[1]))])


async def test_an_answered_call_that_was_taken_up_is_left_to_the_record(outbound, world):
    outbound.follow(ATTEMPT, nothing)
    world.told[ATTEMPT](DialAnswered(NOW))
    world.told[ATTEMPT](DialEnded(NOW + timedelta(seconds=5), 16, answered=True))
    other = AttemptId("f" * 32)
    outbound.follow(other, nothing)
    world.told[other](DialEnded(NOW, 17))
    await outbound.close()
    assert [each for each in world.done if each[0] == "ended"] == [("ended", other, 0.0, 0.0)]


async def test_what_cannot_be_settled_now_is_settled_by_the_record_later(outbound, world):
    await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)
    world.away = True
    world.told[ATTEMPT](DialEnded(NOW, 17))
    await outbound.close()
    world.refuses = AsteriskRefused("no", status=400)
    world.away = False

    async def gone_again(*_):
        world.away = True
        raise world.refuses

    world.dial = gone_again
    with pytest.raises(AsteriskRefused):
        await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)


async def test_costs_follow_the_tariffs_in_force(outbound, world):
    assert await outbound.ended(ATTEMPT, SOMEBODY, 90.0) == pytest.approx(0.9)
    assert world.done == [("ended", ATTEMPT, 90.0, pytest.approx(0.9))]
    assert outbound.cost(Number("+4930123456"), 90.0) == 0.0
    assert outbound.cost(Number("nonsense"), 90.0) == 0.0


async def test_the_rest_is_handed_on(outbound, world):
    await outbound.cancel(ATTEMPT)
    assert await outbound.look(ATTEMPT) is DialState.ABSENT
    assert await outbound.was_dialled(ATTEMPT)
    await outbound.opt_out(SOMEBODY, None, "web")
    await outbound.refused(SOMEBODY, Purpose.PROSPECTING, "agent:claire.d")
    assert await outbound.usage(SOMEBODY, Purpose.SERVICE) == Usage()
    assert world.done == [
        ("cancel", ATTEMPT),
        ("opt_out", SOMEBODY, None, NOW, "web"),
        ("refused", SOMEBODY, Purpose.PROSPECTING, NOW, "agent:claire.d"),
    ]


async def test_rules_that_change_count_from_the_next_call_on(world):
    rules = [RULES, OutboundRules()]
    outbound = Outbound(world, world, Clock(), lambda: rules[0])
    assert (await outbound.judge(ASK)).allowed
    rules.pop(0)
    assert (await outbound.place(ASK, ATTEMPT, nothing, ring_s=25.0)).code == "off"
    await asyncio.sleep(0)
