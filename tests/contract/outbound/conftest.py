"""A carrier written in the tests, the real Asterisk, and a driver that dials by it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio

from controller.ari.driver import AriDriver
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.http import HttpTransport
from controller.ari.link import Door
from controller.ari.originate import AriOriginator
from controller.ari.trunk import TrunkNumbers
from controller.callback.model import AttemptId
from controller.calls.incoming import IncomingCall
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialNews, DialRinging, OutboundCall
from controller.numbering.model import Number
from controller.runtime.asterisk import AsteriskInstall
from controller.runtime.settings import Trunk
from controller.softphone import IncomingCall as Ringing
from controller.softphone.endpoint import Address, response_to
from controller.softphone.message import Message
from controller.softphone.phone import OnCall, Phone, ring_forever
from controller.softphone.transaction import ServerTransaction
from tests.contract.switchboard.conftest import Calls, Controller
from tests.rig import freeports
from tests.rig.asterisk import Rig

CARRIER = "127.0.0.4"
NUMBER, OURS = Number("+33612345678"), "+33353014700"
PREMIUM = "+33899700000"
LIMIT_S = 8.0
RING_S = 5.0


class Carrier(Phone):
    """The far side of the trunk, an independent witness: it keeps each INVITE that is no repetition."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, user="carrier", on_call=self._take)
        self.does: OnCall = ring_forever
        self.moved_to = ""
        self.invites: list[Message] = []
        self.invited_at: list[float] = []
        self.rings: list[Ringing] = []

    async def _take(self, ringing: Ringing) -> None:
        self.rings.append(ringing)
        await self.does(ringing)

    def _on_invite(self, request: Message, transaction: ServerTransaction, remote: Address) -> None:
        self.invites.append(request)
        self.invited_at.append(time.monotonic())
        if self.moved_to:
            transaction.respond(response_to(request, 100))
            response = response_to(request, 302, tag=secrets.token_hex(4))
            response.add("Contact", f"<{self.moved_to}>")
            transaction.respond(response)
        else:
            super()._on_invite(request, transaction, remote)

    @property
    def numbers(self) -> list[str]:
        """Whom the carrier was asked to call, in order."""
        return [invite.uri.partition(":")[2].partition("@")[0] for invite in self.invites]


@dataclass
class News:
    """What was told of one attempt, and when (monotonic seconds)."""

    told: list[DialNews] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, news: DialNews) -> None:
        self.told.append(news)
        self.at.append(time.monotonic())
        self.more.set()

    @property
    def kinds(self) -> list[type[DialNews]]:
        return [type(news) for news in self.told]

    async def until(self, kind: type[Any], limit_s: float = LIMIT_S) -> Any:
        """Wait for news of a kind and return them."""
        async with asyncio.timeout(limit_s):
            while True:
                for news in self.told:
                    if isinstance(news, kind):
                        return news
                self.more.clear()
                await self.more.wait()

    async def ended(self, limit_s: float = LIMIT_S) -> DialEnded:
        end = await self.until(DialEnded, limit_s)
        assert isinstance(end, DialEnded)
        assert self.told[-1] is end
        return end

    async def answered(self) -> DialAnswered:
        answer = await self.until(DialAnswered)
        assert isinstance(answer, DialAnswered)
        return answer

    async def ringing(self) -> None:
        await self.until(DialRinging)


class Dialling(Controller):
    """A controller with a trunk."""

    numbers: TrunkNumbers | None = None

    def new_driver(self, calls: Calls, http: HttpTransport) -> AriDriver:
        return AriDriver(application=self.asterisk.settings.app, calls=calls, http=http, trunk=self.numbers)


class Street:
    """An Asterisk with a trunk to a carrier of ours, and the controller that dials."""

    def __init__(self, controller: Controller, carrier: Carrier, rig: Rig) -> None:
        self.controller = controller
        self.carrier = carrier
        self.rig = rig
        self.asterisk = controller.asterisk

    @property
    def originator(self) -> AriOriginator:
        return self.controller.driver.originator

    def call(self, attempt: AttemptId | None = None, **changes: Any) -> OutboundCall:
        chosen: dict[str, Any] = {"number": NUMBER, "caller_id": OURS, "ring_s": RING_S}
        return OutboundCall(attempt or new_attempt(), **(chosen | changes))

    async def dial(self, does: OnCall | None = None, **changes: Any) -> tuple[AttemptId, News]:
        """Have one attempt dialled, while the callee does as `does` says."""
        if does is not None:
            self.carrier.does = does
        call = self.call(**changes)
        news = News()
        self.originator.follow(call.attempt, news)
        await self.originator.dial(call)
        return call.attempt, news

    async def arrival(self) -> IncomingCall:
        async with asyncio.timeout(LIMIT_S):
            return await self.controller.calls.arrived.get()

    async def channels(self) -> list[models.Channel]:
        return await self.controller.driver.transport.request(ari.channels_list())

    async def empty(self, limit_s: float = LIMIT_S) -> None:
        """Wait until Asterisk has no channel any more."""

        async def is_empty() -> bool:
            return not await self.channels()

        await until(is_empty, limit_s)

    async def replace_controller(self) -> None:
        await self.controller.stop()
        await self.controller.start()


def new_attempt() -> AttemptId:
    return AttemptId(secrets.token_hex(16))


async def reconnected(street: Street) -> None:
    """Return once the controller has found an Asterisk that was started again."""
    await street.controller.driver.connection.ready(15)


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = LIMIT_S) -> None:
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.02)


Build = Callable[..., Awaitable[Street]]


@pytest_asyncio.fixture
async def build(asterisk_install: AsteriskInstall) -> AsyncIterator[Build]:
    """Builds streets with a trunk of the test's choice."""
    async with AsyncExitStack() as stack:
        yield lambda **changes: a_street(asterisk_install, stack, **changes)


@pytest_asyncio.fixture
async def street(asterisk_install: AsteriskInstall) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield await a_street(asterisk_install, stack)


async def a_street(
    install: AsteriskInstall,
    stack: AsyncExitStack,
    rtp_timeout_s: int = 60,
    numbers: TrunkNumbers | None = None,
    **changes: Any,
) -> Street:
    """Build one; `changes` are fields of `Trunk`."""
    port, sip = freeports.block(), freeports.block()
    stack.callback(freeports.release, port)
    stack.callback(freeports.release, sip)
    carrier = await stack.enter_async_context(Carrier((CARRIER, sip)))
    rig = Rig(install)
    stack.push_async_callback(rig.end)
    chosen: dict[str, Any] = {"networks": (f"{CARRIER}/32",), "host": f"{CARRIER}:{sip}"}
    trunk = Trunk(**(chosen | changes))
    asterisk = await rig.boot(controller_port=port, trunk=trunk, rtp_timeout_s=rtp_timeout_s)
    door = Door(None, asterisk.secrets.controller_user, asterisk.secrets.controller_password)
    await door.open("127.0.0.1", port)
    stack.callback(door.refuse)
    controller = Dialling(asterisk, door)
    controller.numbers = numbers
    await controller.start()
    stack.push_async_callback(controller.stop)
    return Street(controller, carrier, rig)
