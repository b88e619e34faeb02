"""Webhooks: what is signed, what is tried again, where nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from controller.errors import StoreError
from controller.ports import Delivery, Webhook
from controller.web.pages import listen
from controller.web.webhooks import DELAYS_S, WebhookSender, new_secret, permitted, signature

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


class Clock:
    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Store:
    """Deliveries that are due, each given out once, and what became of them."""

    due: list[Delivery]
    done: list[tuple[int, str, datetime | None]] = field(default_factory=list)
    away: int = 0
    all_done: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, url: str, kinds: Sequence[str], queue: str, secret: str) -> Webhook:
        raise AssertionError

    async def webhooks(self) -> Sequence[Webhook]:
        return []

    async def remove(self, webhook_id: str) -> bool:
        raise AssertionError

    async def claim(self, limit: int, lease_s: float) -> Sequence[Delivery]:
        if self.away:
            self.away -= 1
            raise StoreError("away")
        given, self.due = self.due[:limit], self.due[limit:]
        return given

    async def delivered(self, delivery_id: int) -> None:
        self._note(delivery_id, "", None)

    async def failed(self, delivery_id: int, reason: str, again_at: datetime | None) -> None:
        self._note(delivery_id, reason, again_at)

    def _note(self, delivery_id: int, reason: str, again_at: datetime | None) -> None:
        self.done.append((delivery_id, reason, again_at))
        if len(self.done) == self.expected:
            self.all_done.set()

    expected: int = 1


@dataclass
class Receiver:
    """Another system: answers `status`, and keeps what it was sent."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:1/"})


@pytest.fixture
async def receiver(unused_tcp_port: int) -> AsyncIterator[Receiver]:
    made = Receiver(f"http://127.0.0.1:{unused_tcp_port}")
    app = web.Application()
    app.router.add_post("/hook", made.take)
    listener = await listen(app, "127.0.0.1", unused_tcp_port)
    yield made
    await listener.close()


async def sent(store: Store, *hosts: str) -> WebhookSender:
    """Run a sender until everything is done with."""
    sender = WebhookSender(store, Clock(), hosts)
    task = asyncio.create_task(sender.run())
    waiter = asyncio.create_task(store.all_done.wait())
    await asyncio.wait({task, waiter}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert store.all_done.is_set(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return sender


def delivery(url: str, secret: str = "", attempt: int = 1, number: int = 7) -> Delivery:
    return Delivery(
        delivery_id=number, url=url, secret=secret or new_secret(), event_id="evt", body=b'{"seq":1}', attempt=attempt
    )


def test_the_signature_is_that_of_the_specification() -> None:
    # the example that receivers' libraries are tested with
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_an_event_is_sent_signed(receiver: Receiver) -> None:
    secret = new_secret()
    store = Store([delivery(receiver.url + "/hook", secret)])
    sender = await sent(store, receiver.url)
    headers, body = receiver.got[0]
    assert body == b'{"seq":1}'
    assert headers["webhook-id"] == "evt"
    assert headers["webhook-signature"] == signature(secret, "evt", headers["webhook-timestamp"], body)
    assert (store.done, sender.sent, sender.failed) == ([(7, "", None)], 1, 0)


@pytest.mark.parametrize("status", [500, 404, 301, 429])
async def test_what_is_not_taken_is_tried_again_later(receiver: Receiver, status: int) -> None:
    receiver.status = status
    store = Store([delivery(receiver.url + "/hook", attempt=2)])
    await sent(store, receiver.url)
    assert store.done == [(7, f"answered {status}", AT + timedelta(seconds=DELAYS_S[1]))]
    assert len(receiver.got) == 1


async def test_a_receiver_that_is_gone_is_given_up(receiver: Receiver) -> None:
    receiver.status = 410
    store = Store([delivery(receiver.url + "/hook")])
    await sent(store, receiver.url)
    assert store.done == [(7, "answered 410", None)]


async def test_after_the_last_attempt_it_is_given_up(receiver: Receiver) -> None:
    receiver.status = 500
    store = Store([delivery(receiver.url + "/hook", attempt=len(DELAYS_S) + 1)])
    await sent(store, receiver.url)
    assert store.done == [(7, "answered 500", None)]


async def test_nobody_there_is_tried_again(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    store = Store([delivery(url + "/hook")])
    await sent(store, url)
    assert store.done[0][1].startswith("ClientConnectorError")
    assert store.done[0][2] == AT + timedelta(seconds=DELAYS_S[0])


async def test_nothing_is_sent_to_a_host_that_is_not_allowed_any_more(receiver: Receiver) -> None:
    store = Store([delivery(receiver.url + "/hook")])
    await sent(store, "other.example")
    assert store.done == [(7, "the host is not among [web] webhook_hosts", None)]
    assert not receiver.got


async def test_one_slow_receiver_does_not_hold_up_another(receiver: Receiver) -> None:
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = Store([delivery(f"http://127.0.0.1:{port}/", number=1), delivery(receiver.url + "/hook", number=2)])
    await sent(store, receiver.url, f"http://127.0.0.1:{port}")
    assert store.done == [(2, "", None)]
    for writer in taken:
        writer.close()
        await writer.wait_closed()
    silent.close()
    await silent.wait_closed()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://crm.example/hook", True),
        ("https://crm.example:8443/hook", False),
        ("http://crm.example/hook", False),
        ("http://127.0.0.1:8095/x", True),
        ("https://user:pw@crm.example/", False),
        ("https://crm.example.evil/", False),
        ("https://evil/#crm.example", False),
        ("ftp://crm.example/", False),
        ("https://[::1", False),
        ("https://crm.example:99999/", False),
    ],
)
def test_where_events_may_go(url: str, allowed: bool) -> None:
    assert permitted(url, {"crm.example", "http://127.0.0.1:8095"}) is allowed
