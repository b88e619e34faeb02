from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.http import HttpTransport
from controller.ari.operation import Operation
from controller.ari.transport import NEVER_WAITS, RoutedTransport
from controller.ari.websocket import RestOverWebSocket
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone, TelephonyError


class Peer:
    """Answers, or keeps, what is sent."""

    def __init__(self, rest: RestOverWebSocket, *, status: int | None = 200, body: Any = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.stuck = False
        self._rest = rest
        self._status = status
        self._body = body
        rest.attach(self)

    @property
    def full(self) -> bool:
        return self.stuck

    async def writable(self) -> None:
        while self.stuck:
            await asyncio.sleep(0.001)

    def send(self, message: bytes) -> None:
        request = json.loads(message)
        self.sent.append(request)
        if self._status is not None:
            self._rest.answered(
                models.RESTResponse(
                    transaction_id=request["transaction_id"],
                    request_id=request["request_id"],
                    status_code=self._status,
                    reason_phrase="",
                    uri=request["uri"],
                    message_body=None if self._body is None else json.dumps(self._body),
                )
            )


async def test_request_is_framed_as_asterisk_wants_it() -> None:
    rest = RestOverWebSocket()
    peer = Peer(rest, status=204)
    await rest.request(ari.channels_set_channel_vars("1.1/x", variables={"A": "é&"}))
    assert peer.sent == [
        {
            "type": "RESTRequest",
            "transaction_id": "1",
            "request_id": "1",
            "method": "POST",
            "uri": "channels/1.1%2Fx/variables",
            "content_type": "application/json",
            "message_body": '{"variables":{"A":"é&"}}',
        }
    ]


async def test_answer_is_typed() -> None:
    rest = RestOverWebSocket()
    Peer(rest, body={"value": "x", "more": 1})
    assert (await rest.request(ari.asterisk_get_global_var(variable="V"))).value == "x"


@pytest.mark.parametrize(
    ("operation", "status", "kind"),
    [
        (ari.channels_get("1.1"), 404, ChannelGone),
        (ari.channels_answer("1.1"), 409, ChannelGone),
        (ari.channels_create(endpoint="x", app="a"), 409, AsteriskRefused),
        (ari.bridges_create_with_id("b"), 409, AsteriskRefused),
        (ari.channels_get("1.1"), 500, AsteriskRefused),
        (ari.channels_list(), 404, AsteriskRefused),
    ],
)
async def test_status_decides_what_is_raised(
    operation: Operation[Any], status: int, kind: type[AsteriskRefused]
) -> None:
    rest = RestOverWebSocket()
    Peer(rest, status=status, body={"message": "no"})
    with pytest.raises(AsteriskRefused) as refused:
        await rest.request(operation)
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.reason) == (status, "no")


async def test_answer_that_is_not_as_described_is_refused() -> None:
    rest = RestOverWebSocket()
    Peer(rest, body={"id": 7})
    with pytest.raises(AsteriskRefused, match="generate_ari"):
        await rest.request(ari.channels_get("1.1"))


async def test_no_answer_in_time_and_a_late_one_is_dropped() -> None:
    rest = RestOverWebSocket(timeout_s=0.02)
    peer = Peer(rest, status=None)
    with pytest.raises(AsteriskUnreachable, match="no answer"):
        await rest.request(ari.asterisk_ping())
    late = models.RESTResponse(transaction_id="1", request_id="1", status_code=200, reason_phrase="", uri="")
    rest.answered(late)
    assert (rest.in_flight, len(peer.sent)) == (0, 1)


async def test_detach_leaves_requests_in_flight_with_an_unknown_fate() -> None:
    rest = RestOverWebSocket()
    Peer(rest, status=None)
    request = asyncio.create_task(rest.request(ari.asterisk_ping()))
    await asyncio.sleep(0)
    rest.detach()
    with pytest.raises(AsteriskUnreachable, match="unknown"):
        await request
    with pytest.raises(AsteriskUnreachable, match="not connected"):
        await rest.request(ari.asterisk_ping())


@pytest.mark.parametrize(("status", "kinds"), [(204, []), (404, [ChannelGone]), (500, [AsteriskRefused])])
async def test_what_is_posted_is_heard_of_only_when_it_fails(status: int, kinds: list[type[TelephonyError]]) -> None:
    rest = RestOverWebSocket()
    peer = Peer(rest, status=status)
    failures: list[TelephonyError] = []
    rest.post(ari.playbacks_stop("p"), failures.append)
    assert [request["uri"] for request in peer.sent] == ["playbacks/p"]
    await asyncio.sleep(0)
    assert [type(failure) for failure in failures] == kinds


async def test_what_is_posted_without_an_answer_or_a_socket_fails_too() -> None:
    rest = RestOverWebSocket(timeout_s=0.02)
    failures: list[TelephonyError] = []
    rest.post(ari.playbacks_stop("p"), failures.append)
    Peer(rest, status=None)
    rest.post(ari.playbacks_stop("p"), failures.append)
    rest.post(ari.playbacks_stop("p"), failures.append)
    await asyncio.sleep(0.05)
    assert [type(failure) for failure in failures] == [AsteriskUnreachable] * 3
    assert ["not connected" in str(failures[0]), "no answer" in str(failures[1])] == [True, True]


async def test_requests_wait_while_asterisk_takes_nothing_but_not_for_ever() -> None:
    rest = RestOverWebSocket(timeout_s=0.05)
    peer = Peer(rest, status=204)
    peer.stuck = True
    with pytest.raises(AsteriskUnreachable, match="not sent"):
        await rest.request(ari.asterisk_ping())
    assert not peer.sent
    request = asyncio.create_task(rest.request(ari.channels_ring("1.1")))
    await asyncio.sleep(0.01)
    assert not peer.sent
    peer.stuck = False
    await request
    assert len(peer.sent) == 1


async def test_each_request_has_its_whole_time() -> None:
    rest = RestOverWebSocket(timeout_s=0.1)
    Peer(rest, status=None)
    began = asyncio.get_running_loop().time()

    async def late() -> float:
        await asyncio.sleep(0.06)
        with pytest.raises(AsteriskUnreachable):
            await rest.request(ari.asterisk_ping())
        return asyncio.get_running_loop().time() - began

    with pytest.raises(AsteriskUnreachable):
        await asyncio.gather(rest.request(ari.asterisk_ping()), waiting := asyncio.create_task(late()))
    assert 0.1 <= asyncio.get_running_loop().time() - began < 0.15
    assert 0.16 <= await waiting < 0.25


async def test_policy_sends_only_what_never_waits_over_the_websocket() -> None:
    class Noted:
        def __init__(self) -> None:
            self.names: list[str] = []

        async def request(self, operation: Operation[Any]) -> Any:
            self.names.append(operation.name)

        def post(self, operation: Operation[None], failed: Callable[[TelephonyError], object]) -> None:
            self.names.append(operation.name)

    websocket, http = Noted(), Noted()
    routed = RoutedTransport(websocket, http)
    for operation in (
        ari.channels_play_with_id("1.1", "p", media=["sound:x"]),
        ari.playbacks_stop("p"),
        ari.channels_answer("1.1"),
        ari.bridges_add_channel("b", channel=["1.1"]),
        ari.channels_set_channel_var("1.1", variable="V"),
    ):
        await routed.request(operation)
    assert websocket.names == ["channels.playWithId", "playbacks.stop"]
    assert http.names == ["channels.answer", "bridges.addChannel", "channels.setChannelVar"]
    routed.post(ari.channels_ring("1.1"), print)
    assert websocket.names[2:] == ["channels.ring"]
    with pytest.raises(ValueError, match="use request"):
        routed.post(ari.bridges_remove_channel("b", channel=["1.1"]), print)
    assert not NEVER_WAITS & {"channels.answer", "bridges.addChannel", "channels.setChannelVar"}


async def test_http_says_what_to_do_when_nobody_listens() -> None:
    async with HttpTransport("http://127.0.0.1:9/ari", "u", "p") as http:
        with pytest.raises(AsteriskUnreachable, match=r"http\.conf"):
            await http.request(ari.asterisk_ping())
