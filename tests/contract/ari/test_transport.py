"""The two ways of a request, on the fake and on the real Asterisk."""

from __future__ import annotations

import asyncio
import struct
import time
from socket import SO_LINGER, SOL_SOCKET

import pytest

from controller.ari.generated import operations as ari
from controller.ari.operation import Operation
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone
from controller.flow.commands import Play
from tests.contract.ari.conftest import Place


async def _ping_ms(place: Place) -> float:
    began = time.monotonic()
    await place.driver.connection.rest.request(ari.asterisk_ping())
    return (time.monotonic() - began) * 1000


async def test_policy_keeps_waiting_requests_off_the_websocket(place: Place) -> None:
    caller = await place.caller()
    playing = asyncio.create_task(caller.telephone().perform(Play(("short",) * 4)))
    await asyncio.sleep(0.2)
    waits: Operation[None] = ari.channels_answer(caller.incoming.channel_id)
    routed = asyncio.create_task(place.driver.transport.request(waits))
    await asyncio.sleep(0.01)
    assert await _ping_ms(place) < 100
    assert not routed.done()
    # The trap itself: the same request on the WebSocket holds up every later one.
    trapped = asyncio.create_task(place.driver.connection.rest.request(waits))
    await asyncio.sleep(0.01)
    assert await _ping_ms(place) > 150
    await asyncio.gather(playing, routed, trapped)


async def test_what_is_gone_is_told_apart_from_what_is_refused(place: Place) -> None:
    for transport in (place.driver.connection.rest, place.driver.transport):
        with pytest.raises(ChannelGone):
            await transport.request(ari.channels_get("0.0"))
        with pytest.raises(ChannelGone):
            await transport.request(ari.bridges_add_channel("none", channel=["0.0"]))


async def test_frame_too_long_is_refused_here_and_the_connection_lives(place: Place) -> None:
    request = ari.asterisk_get_global_var(variable="x" * 70_000)
    with pytest.raises(AsteriskRefused, match="do not fit") as refused:
        await place.driver.connection.rest.request(request)
    assert refused.value.status == 413
    assert await _ping_ms(place) < 1000


async def test_request_in_flight_when_the_connection_breaks_has_an_unknown_fate(place: Place) -> None:
    caller = await place.caller()
    playing = asyncio.create_task(caller.telephone().perform(Play(("short",) * 5)))
    await asyncio.sleep(0.1)
    rest = place.driver.connection.rest
    sent = asyncio.create_task(rest.request(ari.asterisk_ping()))
    await asyncio.sleep(0)  # it is sent now, and nothing can have been read since
    assert rest.in_flight == 1
    # Not with a request that waits for the prompt's end: both ends would meet, and Asterisk 22.10.1 crashes now and
    # then where it writes an event to a WebSocket that it gives up at that moment (docs/sysadmins.md).
    await place.driver.connection._hang_up(b"test")
    with pytest.raises(AsteriskUnreachable, match="unknown"):
        await sent
    assert rest.in_flight == 0
    with pytest.raises(AsteriskUnreachable):
        await rest.request(ari.asterisk_ping())
    await place.driver.connection.ready(5)
    await playing


async def test_asterisk_dials_again_after_a_reset_in_the_middle_of_a_question(place: Place) -> None:
    """A WebSocket ping in the place of the heartbeat's question would leave it waiting for ever."""
    connection = place.driver.connection
    for _ in range(5):
        socket = connection._socket
        assert socket is not None
        assert socket._transport is not None
        transport = socket._transport.underlying_transport
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        asked = asyncio.create_task(connection._ask())
        await asyncio.sleep(0)
        transport.abort()
        with pytest.raises(AsteriskUnreachable):
            await asked
        await connection.ready(5)
