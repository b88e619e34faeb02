from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.ari.connection import Snapshot
from controller.ari.events import AnyEvent, GenericEvent, decode
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import ChannelLost, Inbox, InboxOverflowed, RequestFailed, Resynchronised
from controller.ari.line import Line
from controller.ari.operation import Operation
from controller.ari.router import Router
from controller.errors import ChannelGone, TelephonyError
from controller.ids import CallId

LEG = "a" * 32
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def channel(channel_id: str) -> models.Channel:
    nobody = models.CallerID(name="", number="")
    return models.Channel(
        id=channel_id,
        protocol_id="",
        name=f"PJSIP/{channel_id}",
        state="Up",
        caller=nobody,
        connected=nobody,
        accountcode="",
        dialplan=models.DialplanCEP(context="", exten="", priority=1, app_name="", app_data=""),
        creationtime=NOW,
        language="fr",
    )


def digit(channel_id: str, key: str = "1") -> models.ChannelDtmfReceived:
    return models.ChannelDtmfReceived(
        application="rappel", timestamp=NOW, digit=key, duration_ms=60, channel=channel(channel_id)
    )


def start(channel_id: str) -> models.StasisStart:
    return models.StasisStart(application="rappel", timestamp=NOW, args=[], channel=channel(channel_id))


def finished(target: str) -> models.PlaybackFinished:
    playback = models.Playback(id="p", media_uri="sound:x", target_uri=target, state="done")
    return models.PlaybackFinished(application="rappel", timestamp=NOW, playback=playback)


def router(**hooks: Any) -> tuple[Router, list[str], list[AnyEvent]]:
    arrivals: list[str] = []
    strangers: list[AnyEvent] = []
    made = Router(arrival=lambda event: arrivals.append(event.channel.id), unowned=strangers.append, **hooks)
    return made, arrivals, strangers


def started(target: str) -> models.PlaybackStarted:
    playback = models.Playback(id="p", media_uri="sound:x", target_uri=target, state="playing")
    return models.PlaybackStarted(application="rappel", timestamp=NOW, playback=playback)


async def test_a_beginning_playback_is_read_with_what_comes_next_or_when_the_wait_is_over() -> None:
    inbox = Inbox("1.1")
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(started("channel:1.1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put(digit("1.1"))
    assert isinstance(await waiting, models.PlaybackStarted)
    assert isinstance(await inbox.get(), models.ChannelDtmfReceived)

    overdue = asyncio.create_task(inbox.get(asyncio.get_running_loop().time() + 0.01))
    await asyncio.sleep(0)
    inbox.put(started("channel:1.1"))
    assert isinstance(await overdue, models.PlaybackStarted)


async def test_a_request_that_was_begun_and_failed_comes_among_the_events() -> None:
    class Refuses:
        def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
            failed(ChannelGone(f"{operation.name}: no", status=404))

    ways: Any = Refuses()
    made, _, _ = router()
    line = Line(CallId("c"), "1.1", application="rappel", transport=ways, router=made)
    play = ari.channels_play_with_id("1.1", "p", media=["sound:x"])
    line.begin(play)
    item = await line.next()
    assert isinstance(item, RequestFailed)
    assert item.operation is play
    assert isinstance(item.error, ChannelGone)


async def test_inbox_keeps_order_and_wakes_its_reader() -> None:
    inbox = Inbox("1.1")
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(digit("1.1", "1"))
    inbox.put(digit("1.1", "2"))
    first, second = await waiting, await inbox.get()
    assert isinstance(first, models.ChannelDtmfReceived)
    assert isinstance(second, models.ChannelDtmfReceived)
    assert first.digit + second.digit == "12"


async def test_inbox_gives_up_at_the_deadline_but_not_with_something_in_hand() -> None:
    inbox = Inbox("1.1")
    past = asyncio.get_running_loop().time() - 1
    assert await inbox.get(past) is None
    assert await inbox.get(past + 1.01) is None
    inbox.put(Resynchronised())
    assert await inbox.get(past) == Resynchronised()


async def test_full_inbox_tells_its_owner_and_is_counted() -> None:
    made, _, _ = router()
    inbox = made.open("1.1")
    for _ in range(513):
        made.dispatch(digit("1.1"))
    assert inbox.overflowed
    assert made.counters.overflowed == 1
    with pytest.raises(InboxOverflowed, match="512 events"):
        await inbox.get()


def test_events_reach_the_call_that_owns_what_they_name() -> None:
    made, arrivals, strangers = router()
    inbox = made.open("1.1")
    made.attach(inbox, LEG)
    made.dispatch(start("1.2"))
    for event in (start(LEG), digit("1.1"), finished("channel:1.1"), finished(f"channel:{LEG}")):
        made.dispatch(event)
    assert arrivals == ["1.2"]
    assert len(inbox) == 4
    made.close(inbox)
    assert len(made) == 0
    made.dispatch(digit("1.1"))
    assert isinstance(strangers[-1], models.ChannelDtmfReceived)


def test_a_call_may_take_over_a_channel_of_another() -> None:
    calls, _, strangers = router()
    first, second = calls.open("1.1"), calls.open("2.2")
    calls.attach(first, LEG)
    calls.attach(second, LEG)
    assert first.get_nowait() == ChannelLost(LEG)
    calls.dispatch(digit(LEG))
    calls.close(first)
    calls.dispatch(digit(LEG))
    assert second.get_nowait() is not None
    assert second.get_nowait() is not None
    assert strangers == []


def test_events_of_a_gap_wait_for_whoever_takes_the_channel_up() -> None:
    made, _, _ = router()
    made.snapshot(Snapshot({}, {}, frozenset()))
    made.dispatch(digit(LEG))
    inbox = made.open("1.1")
    made.attach(inbox, LEG)
    assert len(inbox) == 1
    made.attach(inbox, LEG)
    assert len(inbox) == 1, "attaching twice brings nothing twice"


def test_channel_that_vanished_without_an_event_is_reported_lost() -> None:
    made, _, _ = router()
    inbox = made.open("1.1")
    made.dispatch(start("1.1"))
    made.snapshot(Snapshot({}, {}, frozenset()))
    made.caught_up(Snapshot({}, {}, frozenset()))
    items = [inbox.get_nowait() for _ in range(3)]
    assert items[1:] == [Resynchronised(), ChannelLost("1.1")]


def test_channel_whose_end_was_replayed_is_not_lost_again() -> None:
    made, _, _ = router()
    inbox = made.open("1.1")
    made.dispatch(start("1.1"))
    made.snapshot(Snapshot({}, {}, frozenset()))
    ended = models.ChannelDestroyed(
        application="rappel", timestamp=NOW, cause=16, cause_txt="Normal", channel=channel("1.1")
    )
    made.dispatch(ended)
    made.caught_up(Snapshot({}, {}, frozenset()))
    assert [inbox.get_nowait() for _ in range(4)][1:] == [ended, Resynchronised(), None]


def test_unknown_type_and_broken_members_become_generic_events() -> None:
    assert decode(b'{"type":"FromTheFuture","x":1}') == GenericEvent(
        type="FromTheFuture",
        fields={"type": "FromTheFuture", "x": 1},
        why=decode(b'{"type":"FromTheFuture"}').why,  # type: ignore[union-attr]
    )
    assert isinstance(decode(b'{"type":"StasisStart","args":7}'), GenericEvent)
    known = decode(
        b'{"type":"ApplicationRegistered","application":"a","timestamp":"2026-11-23T11:25:45.678+0000","new_field":[]}'
    )
    assert isinstance(known, models.ApplicationRegistered)
