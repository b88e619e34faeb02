"""Without a trunk a softphone rings, whoever is called; how its line is can be seen, and when it frees."""

from __future__ import annotations

import asyncio

from controller.ari.lines import SETTLE_S
from controller.ari.trunk import TrunkNumbers
from controller.calls.outbound.ports import LineState
from controller.softphone import IncomingCall as Ringing
from controller.softphone.media import Silence
from controller.softphone.phone import Phone, answer_after, reject_with, ring_forever
from tests.contract.outbound.conftest import NUMBER, OURS, Build, Street, until

SOFTPHONE = "1002"


async def registered(street: Street, handler: object) -> Phone:
    """Return the softphone that stands for everybody."""
    phone = Phone(
        ("127.0.0.1", 0),
        user=SOFTPHONE,
        password=street.asterisk.secrets.softphones[SOFTPHONE],
        on_call=handler,  # type: ignore[arg-type]
    )
    await phone.endpoint.open()
    assert await phone.register(f"sip:127.0.0.1:{street.asterisk.settings.sip_port}") == 200
    return phone


async def a_street(build: Build) -> Street:
    return await build(host="", softphone=SOFTPHONE, numbers=TrunkNumbers(endpoint=f"PJSIP/{SOFTPHONE}"))


async def test_the_softphone_rings_for_everybody_and_says_for_whom(build: Build) -> None:
    street = await a_street(build)
    rang: list[Ringing] = []

    async def handle(ringing: Ringing) -> None:
        rang.append(ringing)
        await answer_after(0.1, Silence)(ringing)

    phone = await registered(street, handle)
    _, news = await street.dial()
    await news.answered()
    arrived = await street.arrival()
    assert (arrived.caller_number, arrived.called_number) == (NUMBER, OURS)
    assert rang[0].caller == OURS
    assert f"for {NUMBER}" in rang[0].invite.get("From")
    await phone.close()
    await news.ended()
    assert street.carrier.invites == []


async def test_with_no_softphone_there_nobody_can_be_reached(build: Build) -> None:
    street = await a_street(build)
    assert await street.originator.line_state(NUMBER) is LineState.AWAY
    _, news = await street.dial()
    end = await news.ended()
    assert (end.cause, end.status) == (20, "CHANUNAVAIL")


async def test_with_no_way_out_nothing_is_dialled(build: Build) -> None:
    street = await build(host="")
    _, news = await street.dial()
    assert (await news.ended()).status == "AWAY"
    assert await street.originator.line_state(NUMBER) is LineState.UNKNOWN


async def test_a_busy_line_is_seen_and_told_of_when_it_frees(build: Build) -> None:
    street = await a_street(build)
    phone = await registered(street, ring_forever)
    originator = street.originator
    await until(lambda: _is_free(street))  # Asterisk asks a telephone whether it is there before it counts
    _, news = await street.dial()
    await news.ringing()
    assert await originator.line_state(NUMBER) is LineState.BUSY
    free, never = asyncio.Event(), asyncio.Event()
    originator.when_free(NUMBER, free.set)
    originator.when_free(NUMBER, never.set)()  # and not any more
    await asyncio.sleep(SETTLE_S + 0.3)
    assert not free.is_set()
    [call] = phone.calls
    await call.hangup()
    await news.ended()
    async with asyncio.timeout(2):
        await free.wait()
    assert not never.is_set()
    await phone.close()


async def test_a_telephone_that_only_says_it_is_busy_is_not_called_at_once_for_ever(build: Build) -> None:
    street = await a_street(build)
    phone = await registered(street, reject_with(486))
    await until(lambda: _is_free(street))
    _, news = await street.dial()
    assert (await news.ended()).cause == 17
    told = asyncio.Event()
    street.originator.when_free(NUMBER, told.set)
    await asyncio.sleep(SETTLE_S + 0.3)
    _, again = await street.dial()
    await again.ended()
    await asyncio.sleep(0.3)
    assert not told.is_set()
    await phone.close()


async def test_a_line_is_watched_on_through_asterisk_s_death(build: Build) -> None:
    street = await a_street(build)
    phone = await registered(street, ring_forever)
    _, news = await street.dial()
    await news.ringing()
    free = asyncio.Event()
    street.originator.when_free(NUMBER, free.set)
    await asyncio.sleep(SETTLE_S + 0.3)
    await street.asterisk.kill()
    await street.asterisk.start()
    await news.ended(15)
    # It asks a telephone that it remembers within half a minute, and one that is new to it at once.
    registrar = f"sip:127.0.0.1:{street.asterisk.settings.sip_port}"
    await phone.unregister(registrar)
    assert await phone.register(registrar) == 200
    async with asyncio.timeout(10):
        await free.wait()
    await phone.close()


async def _is_free(street: Street) -> bool:
    return await street.originator.line_state(NUMBER) is LineState.FREE
