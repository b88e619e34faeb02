"""Attempts as their events tell of them; on the real Asterisk they are in tests/contract/outbound."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.ari.attempts import attempt_of, halves
from controller.ari.connection import Snapshot
from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.lines import OwnLines
from controller.ari.operation import Operation
from controller.ari.originate import AriOriginator
from controller.ari.router import Router
from controller.ari.trunk import NumberFormat, TrunkNumbers
from controller.callback.model import AttemptId
from controller.calls.outbound.ports import (
    DialAnswered,
    DialEnded,
    DialNews,
    DialRinging,
    DialState,
    LineState,
    OutboundCall,
)
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone
from controller.numbering.model import Number

ATTEMPT = AttemptId("0123456789abcdef0123456789abcdef")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NUMBER = Number("+33612345678")
CALL = OutboundCall(ATTEMPT, NUMBER, "+33353014700", 20.0)


def channel(half: int = 1, state: str = "Down", app_data: str = "", attempt: str = ATTEMPT) -> models.Channel:
    nobody = models.CallerID(name="", number="")
    return models.Channel(
        id=halves(attempt)[half - 1],
        protocol_id="",
        name=f"Local/{attempt}@rappel-outbound-00000001;{half}",
        state=state,
        caller=nobody,
        connected=nobody,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="rappel-outbound",
            exten=attempt,
            priority=1,
            app_name="Stasis" if app_data else "",
            app_data=app_data,
        ),
        creationtime=NOW,
        language="fr",
    )


def said(word: str, **more: str) -> models.ChannelUserevent:
    return models.ChannelUserevent(
        application="rappel",
        timestamp=NOW,
        eventname="RappelDial",
        userevent={"eventname": "RappelDial", "Word": word, **more},
        channel=channel(2),
    )


def ringing(status: str = "RINGING") -> models.Dial:
    return models.Dial(application="rappel", timestamp=NOW, peer=channel(), dialstatus=status)


def started() -> models.StasisStart:
    args = ["attempt", ATTEMPT, NUMBER, "+33353014700"]
    return models.StasisStart(application="rappel", timestamp=NOW, channel=channel(state="Up"), args=args)


def destroyed(cause: int = 16, half: int = 1) -> models.ChannelDestroyed:
    return models.ChannelDestroyed(
        application="rappel", timestamp=NOW, cause=cause, cause_txt="", channel=channel(half)
    )


class Asterisk:
    """Answers requests with what a test says, and keeps them."""

    def __init__(self) -> None:
        self.asked: list[Operation[Any]] = []
        self.answers: dict[str, Any] = {}

    async def request(self, operation: Operation[Any]) -> Any:
        self.asked.append(operation)
        await asyncio.sleep(0)
        answer = self.answers.get(operation.name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def names(self) -> list[str]:
        return [operation.name for operation in self.asked]


class Place:
    """An originator on a router, without an Asterisk."""

    def __init__(self, trunk: TrunkNumbers | None = None) -> None:
        self.asterisk = Asterisk()
        self.served: list[tuple[str, str, str]] = []
        self.stopping = False
        self.told: list[DialNews] = []
        self.router = Router(arrival=self._arrived)
        self.originator = AriOriginator(
            "rappel",
            self.asterisk,
            self.router,
            serve=self._serve,
            trunk=trunk,
        )

    def _arrived(self, event: models.StasisStart) -> None:
        self.originator.arrived(event)

    def _serve(self, half: models.Channel, number: str, caller_id: str) -> bool:
        self.served.append((half.id, number, caller_id))
        return not self.stopping

    async def dial(self) -> None:
        self.originator.follow(ATTEMPT, self.told.append)
        await self.originator.dial(CALL)

    def events(self, *events: AnyEvent) -> None:
        for event in events:
            self.router.dispatch(event)

    @property
    def kinds(self) -> list[type[DialNews]]:
        return [type(news) for news in self.told]


@pytest.fixture
def place() -> Place:
    return Place()


GONE = ChannelGone("gone", status=404)


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        (TrunkNumbers(), "+33353014700"),
        (TrunkNumbers(NumberFormat.DIGITS), "33353014700"),
        (TrunkNumbers(NumberFormat.INTERNATIONAL), "0033353014700"),
        (TrunkNumbers(NumberFormat.NATIONAL), "0353014700"),
        (TrunkNumbers(NumberFormat.NATIONAL, country="44"), "0033353014700"),
        (TrunkNumbers(NumberFormat.NATIONAL, country="33", prefix=""), "353014700"),
    ],
)
def test_numbers_as_the_trunk_wants_them(numbers: TrunkNumbers, written: str) -> None:
    assert numbers.written("+33353014700") == written


@pytest.mark.parametrize("number", ["", "+", "0353014700", "+33 6", "+33612345678;x=1", "+336&x", "+٣٣٦"])
def test_what_is_no_e164_number_is_refused(number: str) -> None:
    with pytest.raises(AsteriskRefused):
        TrunkNumbers().written(number)


# --- the request --------------------------------------------------------------------------------------------


async def test_an_attempt_is_one_local_channel_with_its_id(place: Place) -> None:
    await place.dial()
    [operation] = place.asterisk.asked
    assert operation.path == f"channels/{ATTEMPT}"
    query = dict(operation.query)
    assert query["endpoint"] == f"Local/{ATTEMPT}@rappel-outbound/n"
    assert query["appArgs"] == f"attempt,{ATTEMPT},{NUMBER},+33353014700"
    assert int(query["timeout"]) > CALL.ring_s
    variables = operation.body["variables"]
    assert variables == {
        "RAPPEL_TO": NUMBER,
        "RAPPEL_FROM": "+33353014700",
        "RAPPEL_RING_S": "20",
        "RAPPEL_AMD": "",
    }


async def test_an_id_that_is_there_is_being_dialled(place: Place) -> None:
    place.asterisk.answers["channels.originateWithId"] = AsteriskRefused("there", status=409)
    await place.dial()
    place.events(ringing(), said("ended", Cause="17", Status="BUSY"), destroyed(17))
    assert place.kinds == [DialRinging, DialEnded]


async def test_a_refusal_is_the_end_of_it(place: Place) -> None:
    place.asterisk.answers["channels.originateWithId"] = AsteriskRefused("no", status=500)
    with pytest.raises(AsteriskRefused):
        await place.dial()
    assert not place.router.owns(ATTEMPT)
    with pytest.raises(AsteriskRefused):
        await place.originator.dial(OutboundCall(ATTEMPT, Number("0612345678"), "", 20.0))
    assert len(place.router) == 0


async def test_nobody_knows_what_became_of_a_request_without_an_answer(place: Place) -> None:
    place.asterisk.answers["channels.originateWithId"] = AsteriskUnreachable("?")
    with pytest.raises(AsteriskUnreachable):
        await place.dial()
    place.events(said("first"), ringing())  # it was carried out all the same
    assert place.kinds == [DialRinging]


# --- what is told -------------------------------------------------------------------------------------------


async def test_ringing_is_told_once_and_early_media_counts(place: Place) -> None:
    await place.dial()
    place.events(said("first"), ringing("PROGRESS"), ringing(), ringing("ANSWER"))
    assert place.kinds == [DialRinging]


async def test_the_cause_is_the_dialplan_s_and_the_end_the_channel_s(place: Place) -> None:
    await place.dial()
    place.events(said("first"), said("ended", Cause="21", Status="CHANUNAVAIL"), destroyed(38, half=2))
    assert place.told == []
    place.events(destroyed(38))
    assert place.told == [DialEnded(NOW, 21, "CHANUNAVAIL")]
    place.events(destroyed(38))
    assert len(place.told) == 1
    assert len(place.router) == 0


@pytest.mark.parametrize("cause", ["", "x", "²", "-1"])
async def test_a_cause_that_is_no_number_is_none(place: Place, cause: str) -> None:
    await place.dial()
    place.events(said("ended", Cause=cause), destroyed(0))
    assert place.told == [DialEnded(NOW, 0)]


@pytest.mark.parametrize(
    ("word", "already", "status"),
    [("already", True, ""), ("draining", False, "DRAINING"), ("full", False, "FULL"), ("unsure", False, "UNSURE")],
)
async def test_what_the_gate_says(place: Place, word: str, already: bool, status: str) -> None:
    await place.dial()
    place.events(said(word), destroyed(38))
    assert place.told == [DialEnded(NOW, 38, status, already=already)]


async def test_an_answer_is_a_call_with_the_attempt_s_inbox(place: Place) -> None:
    await place.dial()
    place.events(said("first"), ringing(), started())
    assert place.kinds == [DialRinging, DialAnswered]
    assert place.served == [(ATTEMPT, NUMBER, "+33353014700")]
    inbox = place.router.open(ATTEMPT)
    assert len(inbox) == 0  # the answer itself is none of the call's
    end = destroyed(16)
    place.events(end)
    assert inbox.get_nowait() is end
    assert place.told[-1] == DialEnded(NOW, 16, answered=True)


async def test_a_call_that_ends_before_its_channel_s_end_is_heard_of_ends_the_attempt(place: Place) -> None:
    await place.dial()
    place.events(started())
    place.router.close(place.router.open(ATTEMPT))
    place.originator.over(ATTEMPT)
    assert place.kinds == [DialAnswered, DialEnded]
    place.originator.over(ATTEMPT)
    assert len(place.told) == 2


async def test_a_channel_that_another_call_takes_over_has_not_ended(place: Place) -> None:
    await place.dial()
    place.events(started())
    other = place.router.open("1700000000.1")
    place.router.attach(other, ATTEMPT)
    assert place.kinds == [DialAnswered]


async def test_a_machine_is_asked_for_before_the_call_begins(place: Place) -> None:
    place.asterisk.answers["channels.getChannelVar"] = models.Variable(value="MACHINE")
    place.originator.follow(ATTEMPT, place.told.append)
    await place.originator.dial(OutboundCall(ATTEMPT, NUMBER, "", 20.0, detect_voicemail=True))
    place.events(started())
    assert place.served == []
    async with asyncio.timeout(1):
        while not place.served:
            await asyncio.sleep(0)
    assert place.told == [DialAnswered(NOW, machine=True)]


async def test_who_hangs_up_meanwhile_begins_no_call(place: Place) -> None:
    place.asterisk.answers["channels.getChannelVar"] = GONE
    place.originator.follow(ATTEMPT, place.told.append)
    await place.originator.dial(OutboundCall(ATTEMPT, NUMBER, "", 20.0, detect_voicemail=True))
    place.events(started(), destroyed(16))
    for _ in range(5):
        await asyncio.sleep(0)
    assert place.kinds == [DialEnded]
    assert place.served == []


# --- looking, cancelling ------------------------------------------------------------------------------------


async def test_what_nobody_follows_is_a_call_all_the_same_and_can_be_followed_later(place: Place) -> None:
    place.events(started())
    assert place.served == [(ATTEMPT, NUMBER, "+33353014700")]
    place.originator.follow(ATTEMPT, place.told.append)
    place.events(destroyed(16))
    assert place.told == [DialEnded(NOW, 16, answered=True)]


async def test_a_stopping_controller_leaves_the_channel_alone(place: Place) -> None:
    place.stopping = True
    place.events(started())
    assert not place.router.owns(ATTEMPT)


async def test_looking_says_where_it_is_and_follows(place: Place) -> None:
    place.asterisk.answers["channels.get"] = GONE
    assert await place.originator.look(ATTEMPT) is DialState.ABSENT
    assert not place.router.owns(ATTEMPT)
    place.originator.follow(ATTEMPT, place.told.append)
    place.asterisk.answers["channels.get"] = channel(state="Ringing")
    assert await place.originator.look(ATTEMPT) is DialState.CALLING
    assert place.kinds == [DialRinging]
    assert "applications.subscribe" in place.asterisk.names
    place.asterisk.answers["channels.get"] = channel(state="Up")
    assert await place.originator.look(ATTEMPT) is DialState.UP


async def test_cancelling_spares_who_has_answered(place: Place) -> None:
    place.asterisk.answers["channels.get"] = channel(state="Up")
    await place.originator.cancel(ATTEMPT)
    assert place.asterisk.names.count("channels.hangup") == 0
    place.asterisk.answers["channels.get"] = GONE
    await place.originator.cancel(AttemptId("f" * 32))
    place.asterisk.answers["channels.hangup"] = GONE
    await place.originator.cancel(AttemptId("f" * 32))


async def test_a_vanished_channel_is_the_end(place: Place) -> None:
    await place.dial()
    place.events(said("first"), ringing())
    nothing = Snapshot({}, {}, frozenset())
    place.router.snapshot(nothing)
    place.router.caught_up(nothing)
    assert place.kinds == [DialRinging, DialEnded]
    assert place.told[-1] == DialEnded(place.told[-1].at, 0)


async def test_after_a_gap_one_whose_channel_was_never_seen_is_looked_for(place: Place) -> None:
    await place.dial()
    place.asterisk.answers["channels.get"] = GONE
    nothing = Snapshot({}, {}, frozenset())
    place.router.snapshot(nothing)
    place.router.caught_up(nothing)
    async with asyncio.timeout(1):
        while not place.told:
            await asyncio.sleep(0)
    assert place.kinds == [DialEnded]


async def test_an_end_in_a_gap_is_told_to_who_follows_later_and_only_once(place: Place) -> None:
    nothing = Snapshot({}, {}, frozenset())
    place.router.snapshot(nothing)
    place.events(said("ended", Cause="17", Status="BUSY"), destroyed(17))
    place.router.caught_up(nothing)
    place.originator.follow(ATTEMPT, place.told.append)
    assert place.told == [DialEnded(NOW, 17, "BUSY")]
    place.originator.follow(ATTEMPT, place.told.append)
    assert len(place.told) == 1


async def test_an_answered_channel_of_a_snapshot_is_a_call(place: Place) -> None:
    place.originator.found(channel(2, state="Up", app_data="x"))
    place.originator.found(channel(state="Ringing"))
    assert place.served == []
    place.originator.found(channel(state="Up", app_data=f"rappel,attempt,{ATTEMPT},{NUMBER},+33353014700"))
    assert place.served == [(ATTEMPT, NUMBER, "+33353014700")]


async def test_forgetting_ends_the_following(place: Place) -> None:
    place.originator.follow(ATTEMPT, place.told.append)
    place.originator.forget(ATTEMPT)
    place.originator.forget(ATTEMPT)
    assert len(place.router) == 0


def test_only_the_halves_of_an_attempt_are_its_channels() -> None:
    assert attempt_of(channel()) == ATTEMPT
    assert attempt_of(channel(2)) == ATTEMPT
    stranger = channel()
    stranger.id = "1700000000.1"  # somebody who only dialled the same way
    assert attempt_of(stranger) is None
    other = channel()
    other.name = other.name.replace("rappel-outbound", "rappel-mwi")
    assert attempt_of(other) is None


# --- lines --------------------------------------------------------------------------------------------------


def device(state: str) -> models.DeviceStateChanged:
    return models.DeviceStateChanged(
        application="rappel", timestamp=NOW, device_state=models.DeviceState(name="PJSIP/1002", state=state)
    )


def endpoint(state: str, *channels: str) -> models.Endpoint:
    return models.Endpoint(technology="PJSIP", resource="1002", channel_ids=list(channels), state=state)


async def test_of_other_people_s_lines_nothing_is_known(place: Place) -> None:
    assert await place.originator.line_state(NUMBER) is LineState.UNKNOWN
    place.originator.when_free(NUMBER, lambda: place.told.append(DialRinging(NOW)))
    place.originator.lines.note(device("NOT_INUSE"))
    place.originator.lines.connected()
    await place.originator.close()
    assert place.asterisk.asked == []


async def moments(number: int = 10) -> None:
    """Let what was started go on."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture
def lines(place: Place) -> OwnLines:
    place.asterisk.answers["endpoints.get"] = endpoint("online", "1.1")
    return OwnLines("rappel", place.asterisk, "PJSIP/1002", settle_s=0.0)


async def test_how_our_own_line_is() -> None:
    place = Place(TrunkNumbers(endpoint="PJSIP/1002"))
    for found, expected in (
        (endpoint("offline"), LineState.AWAY),
        (endpoint("online"), LineState.FREE),
        (endpoint("online", "1.1"), LineState.BUSY),
        (GONE, LineState.AWAY),
    ):
        place.asterisk.answers["endpoints.get"] = found
        assert await place.originator.line_state(NUMBER) is expected


async def test_our_own_line_is_watched_until_it_is_free(place: Place, lines: OwnLines) -> None:
    free: list[str] = []
    lines.when_free(lambda: free.append("told"))
    lines.when_free(lambda: free.append("never"))()
    await moments()
    lines.note(device("BUSY"))
    await moments()
    assert free == []
    place.asterisk.answers["endpoints.get"] = endpoint("online")
    lines.note(device("NOT_INUSE"))
    lines.note(device("NOT_INUSE"))
    await moments()
    assert free == ["told"]
    await lines.close()


async def test_a_line_that_is_in_no_call_is_not_waited_for(place: Place, lines: OwnLines) -> None:
    free: list[str] = []
    place.asterisk.answers["endpoints.get"] = endpoint("online")
    lines.when_free(lambda: free.append("told"))
    await moments()
    lines.note(device("RINGING"))
    lines.note(device("NOT_INUSE"))
    await moments()
    assert free == []


async def test_a_line_that_cannot_be_seen_now_is_at_the_next_connection(place: Place, lines: OwnLines) -> None:
    free: list[str] = []
    place.asterisk.answers["applications.subscribe"] = AsteriskUnreachable("away")
    lines.when_free(lambda: free.append("told"))
    await moments()
    place.asterisk.answers["endpoints.get"] = endpoint("online")
    place.asterisk.answers["applications.subscribe"] = None
    lines.connected()
    await moments()
    assert free == ["told"]
    lines.connected()
    await moments()
    assert free == ["told"]
