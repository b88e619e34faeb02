"""Every end that a dial can come to, on the real Asterisk with a carrier of our own: told right, dialled once."""

from __future__ import annotations

import pytest

from controller.calls.outbound.ports import DialEnded, DialRinging
from controller.softphone.phone import answer_after, reject_with, ring_forever
from tests.contract.outbound.conftest import NUMBER, OURS, PREMIUM, Street


@pytest.mark.parametrize(
    ("status", "cause", "dialstatus"),
    [
        (486, 17, "BUSY"),
        (600, 17, "BUSY"),
        (480, 19, "NOANSWER"),
        (408, 18, "CHANUNAVAIL"),
        (404, 1, "CHANUNAVAIL"),
        (410, 22, "CHANUNAVAIL"),
        (403, 21, "CHANUNAVAIL"),
        (603, 21, "CHANUNAVAIL"),
        (500, 38, "CHANUNAVAIL"),
        (503, 34, "CONGESTION"),
        (488, 58, "CHANUNAVAIL"),
    ],
)
async def test_what_the_carrier_answers_is_told(street: Street, status: int, cause: int, dialstatus: str) -> None:
    _, news = await street.dial(reject_with(status))
    end = await news.ended()
    assert (end.cause, end.status) == (cause, dialstatus)
    assert (end.answered, end.already) == (False, False)
    assert street.carrier.numbers == [NUMBER]
    await street.empty()


async def test_nobody_answers(street: Street) -> None:
    _, news = await street.dial(ring_forever, ring_s=1.0)
    end = await news.ended()
    assert news.kinds == [DialRinging, DialEnded]
    assert (end.cause, end.status, end.answered) == (19, "NOANSWER", False)
    assert 0.9 < news.at[1] - news.at[0] < 2
    await street.empty()


async def test_the_callee_sees_the_number_that_was_chosen(street: Street) -> None:
    _, news = await street.dial(reject_with(486))
    await news.ended()
    [invite] = street.carrier.invites
    assert f"sip:{OURS}@" in invite.get("From")
    assert f"sip:{OURS}@" in invite.get("P-Asserted-Identity")


async def test_a_callee_that_has_moved_is_not_followed(street: Street) -> None:
    street.carrier.moved_to = f"sip:{PREMIUM}@{street.carrier.address[0]}:{street.carrier.address[1]}"
    _, news = await street.dial()
    end = await news.ended()
    assert not end.answered
    assert street.carrier.numbers == [NUMBER]
    await street.empty()


async def test_answered_and_hung_up(street: Street) -> None:
    attempt, news = await street.dial(answer_after(0.2))
    await news.answered()
    arrived = await street.arrival()
    assert (arrived.attempt, arrived.channel_id) == (attempt, attempt)
    assert (arrived.caller_number, arrived.called_number) == (NUMBER, OURS)
    await street.carrier.rings[0].call.hangup()
    end = await news.ended()
    assert (end.cause, end.answered) == (16, True)
    await street.empty()
