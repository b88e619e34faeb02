"""The dialplan's gate on the real Asterisk: each attempt is let through once, whatever dies; nothing else is."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from controller.ari.generated import operations as ari
from controller.calls.outbound.ports import DialEnded
from controller.errors import AsteriskRefused, AsteriskUnreachable, TelephonyError
from controller.numbering.model import Number
from controller.softphone.phone import answer_after, reject_with, ring_forever
from tests.contract.outbound.conftest import NUMBER, Build, News, Street, new_attempt, reconnected, until


async def raw(street: Street, extension: str, channel_id: str, **variables: str) -> None:
    """Ask Asterisk for a channel as the originator would, with anything in it."""
    given = {"RAPPEL_TO": NUMBER, "RAPPEL_FROM": "+33353014700", "RAPPEL_RING_S": "3", **variables}
    await street.controller.driver.transport.request(
        ari.channels_originate_with_id(
            channel_id, endpoint=f"Local/{extension}@rappel-outbound/n", app="rappel", variables=given
        )
    )


async def test_twenty_dials_of_one_attempt_at_once_are_one(street: Street) -> None:
    street.carrier.does = ring_forever
    call, news = street.call(ring_s=1.0), News()
    street.originator.follow(call.attempt, news)
    await asyncio.gather(*(street.originator.dial(call) for _ in range(20)))
    end = await news.ended()
    assert not end.already
    assert street.carrier.numbers == [NUMBER]
    assert news.kinds.count(DialEnded) == 1


async def test_twenty_channels_for_one_attempt_at_once_are_one_dial(street: Street) -> None:
    street.carrier.does = ring_forever
    attempt = new_attempt()
    await asyncio.gather(*(raw(street, attempt, secrets.token_hex(16)) for _ in range(20)))
    await street.empty()
    assert street.carrier.numbers == [NUMBER]


async def test_an_attempt_that_has_ended_is_not_dialled_again(street: Street) -> None:
    attempt, news = await street.dial(reject_with(486))
    await news.ended()
    for _ in range(3):
        _, again = await street.dial(attempt=attempt)
        end = await again.ended()
        assert (end.already, end.answered) == (True, False)
    assert street.carrier.numbers == [NUMBER]
    assert await street.originator.was_dialled(attempt)
    assert not await street.originator.was_dialled(new_attempt())
    await street.empty()


async def test_what_was_dialled_survives_a_kill_in_the_same_moment(street: Street) -> None:
    """Asterisk's own database would have forgotten: it is written down once a second."""
    for _ in range(5):
        street.carrier.invites.clear()
        attempt, _ = await street.dial(ring_forever)

        async def invited() -> bool:
            return bool(street.carrier.invites)

        await until(invited)
        await street.asterisk.kill()
        await street.asterisk.start()
        await reconnected(street)
        assert await street.originator.was_dialled(attempt)
        _, again = await street.dial(attempt=attempt)
        end = await again.ended()
        assert end.already
        assert len({invite.call_id for invite in street.carrier.invites}) == 1


async def test_asterisk_s_death_ends_what_it_dialled(street: Street) -> None:
    _, news = await street.dial(ring_forever)
    await news.ringing()
    await street.asterisk.kill()
    await street.asterisk.start()
    end = await news.ended(15)
    assert (end.cause, end.status, end.answered, end.already) == (0, "", False, False)


async def test_without_asterisk_nothing_is_dialled_and_that_is_said(street: Street) -> None:
    await street.asterisk.kill()
    with pytest.raises(AsteriskUnreachable):
        await street.originator.dial(street.call())
    with pytest.raises(AsteriskUnreachable):
        await street.originator.was_dialled(new_attempt())
    await street.asterisk.start()
    await reconnected(street)
    assert street.carrier.invites == []


async def test_the_books_stay_small_and_know_the_last_hundred_at_least(street: Street) -> None:
    street.carrier.does = reject_with(486)
    ids = ["ab" + new_attempt()[2:] for _ in range(330)]
    for some in range(0, len(ids), 10):
        await asyncio.gather(*(_dialled(street, attempt) for attempt in ids[some : some + 10]))
    assert len(street.carrier.invites) == len(ids)
    books = sorted(street.asterisk.paths.lib.glob("rappel-attempts-*"))
    assert [book.name for book in books] == ["rappel-attempts-ab", "rappel-attempts-ab-older"]
    assert all(book.stat().st_size <= 101 * 33 for book in books)
    for attempt in ids[-101:]:
        _, news = await street.dial(attempt=attempt)
        assert (await news.ended()).already
    assert len(street.carrier.invites) == len(ids)


async def _dialled(street: Street, attempt: str) -> None:
    _, news = await street.dial(attempt=attempt)
    assert not (await news.ended()).already


async def test_what_cannot_be_written_down_is_not_dialled(street: Street) -> None:
    attempt = new_attempt()
    (street.asterisk.paths.lib / f"rappel-attempts-{attempt[:2]}").mkdir()
    _, news = await street.dial(reject_with(486), attempt=attempt)
    end = await news.ended()
    assert (end.status, end.already) == ("UNSURE", False)
    assert street.carrier.invites == []


async def test_a_node_that_is_emptied_dials_nobody(street: Street) -> None:
    await street.asterisk.cli("dialplan set global DRAINING 1")
    attempt, news = await street.dial(reject_with(486))
    assert (await news.ended()).status == "DRAINING"
    assert street.carrier.invites == []
    # It was not let through: another node may still dial it, or this one when it is in use again.
    await street.asterisk.cli("dialplan set global DRAINING 0")
    assert not await street.originator.was_dialled(attempt)


async def test_no_more_calls_at_once_than_the_trunk_takes(build: Build) -> None:
    street = await build(calls=2)
    two = [await street.dial(ring_forever) for _ in range(2)]
    for _, news in two:
        await news.ringing()
    third, refused = await street.dial()
    assert (await refused.ended()).status == "FULL"
    assert len(street.carrier.invites) == 2
    await street.originator.cancel(two[0][0])
    await two[0][1].ended()

    async def one_is_counted() -> bool:
        """Its line is told as ended a moment before the half in the dialplan, which is counted, is gone."""
        return (await street.asterisk.cli("group show channels")).count(" rappel") == 1

    await until(one_is_counted)
    _, news = await street.dial(attempt=third)
    await news.ringing()
    assert len(street.carrier.invites) == 3


@pytest.mark.parametrize(
    "number", ["", "112", "+", "+33612345678&PJSIP/1001", "+336@evil", "+33 6", "+3361234\r\nX: y", "sip:x@y", "+٣٣٦"]
)
async def test_what_is_no_number_is_not_dialled(street: Street, number: str) -> None:
    with pytest.raises(TelephonyError):
        await street.originator.dial(street.call(number=Number(number)))
    assert street.carrier.invites == []


@pytest.mark.parametrize("extension", ["abc", "a" * 31, "a" * 33, "g" * 32, "A" * 32, f"{'a' * 31}!", "1001", "s"])
async def test_an_extension_that_is_no_attempt_leads_nowhere(street: Street, extension: str) -> None:
    await raw(street, extension, secrets.token_hex(16))
    await street.empty()
    assert street.carrier.invites == []


async def test_hostile_variables_stay_data(street: Street) -> None:
    street.carrier.does = reject_with(486)
    variables = {
        "RAPPEL_TO": "+336&Local/1001@extensions@trunk",
        "RAPPEL_FROM": '"x" <sip:y>;z,U(evil)',
        "RAPPEL_RING_S": "3,g",
    }
    await raw(street, new_attempt(), secrets.token_hex(16), **variables)
    await street.empty()
    assert street.carrier.numbers == ["+3361001"]


async def test_a_channel_that_asterisk_refuses_is_told_of_no_more(street: Street) -> None:
    call, news = street.call(), News()
    street.originator.follow(call.attempt, news)
    with pytest.raises(AsteriskRefused):
        await street.controller.driver.transport.request(
            ari.channels_originate_with_id(call.attempt, endpoint="Nothing/x", app="rappel")
        )
    street.originator.forget(call.attempt)
    assert not street.controller.driver.router.owns(call.attempt)


async def test_an_answered_attempt_is_not_dialled_again_either(street: Street) -> None:
    attempt, news = await street.dial(answer_after(0.1))
    await news.answered()
    await street.originator.dial(street.call(attempt))  # it is there: that is what was asked for
    await street.carrier.rings[0].call.hangup()
    await news.ended()
    _, again = await street.dial(attempt=attempt)
    assert (await again.ended()).already
    assert len(street.carrier.invites) == 1
