"""Agents' SIP accounts on the real Asterisk: a controller's devices, and phones of all sorts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from controller.ari.devices import AriDevices
from controller.ari.link import Door
from controller.ports import DeviceState
from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.runtime.settings import Trunk
from controller.softphone import Phone
from controller.softphone.message import Message
from tests.contract.switchboard.conftest import PASSWORD, Controller
from tests.rig import freeports
from tests.rig.asterisk import Rig

LIMIT_S = 8.0
PHONES = "127.0.0.3"
"""Where phones are: not the trunk's address."""


class NotedPhone(Phone):
    """A phone that keeps what it is notified of."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.notified: list[str] = []

    def _on_request(self, request: Message, *rest: Any) -> None:
        if request.method == "NOTIFY":
            self.notified.append(request.body.decode())
        super()._on_request(request, *rest)


class Floor:
    """An Asterisk, its controller, and the phones of its agents."""

    def __init__(self, controller: Controller, stack: AsyncExitStack) -> None:
        self.controller = controller
        self.stack = stack
        self.told: list[DeviceState] = []
        self.devices.watch(self.told.append)

    @property
    def asterisk(self) -> AsteriskServer:
        return self.controller.asterisk

    @property
    def devices(self) -> AriDevices:
        return self.controller.driver.devices

    @property
    def sip(self) -> str:
        return f"127.0.0.1:{self.asterisk.settings.sip_port}"

    async def phone(
        self, endpoint: str, *, host: str = PHONES, password: str = PASSWORD, **options: Any
    ) -> NotedPhone:
        phone = NotedPhone((host, 0), user=endpoint, password=password, **options)
        return await self.stack.enter_async_context(phone)

    async def register(self, phone: Phone, expected: int = 200) -> None:
        """Register until the registrar says `expected`."""
        async with asyncio.timeout(LIMIT_S):
            while await phone.register(f"sip:{self.sip}") != expected:
                await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.02)

    async def until_state(
        self, endpoint: str, *, reachable: bool, busy: bool = False, limit_s: float = LIMIT_S
    ) -> None:
        """Wait until the last that was told of a device is this."""

        def is_so() -> bool:
            states = [state for state in self.told if state.endpoint == endpoint]
            return bool(states) and states[-1].reachable is reachable and bool(states[-1].channels) is busy

        await self.until(is_so, limit_s)

    async def replace_controller(self) -> None:
        await self.controller.stop()
        await self.controller.start()
        self.told.clear()
        self.devices.watch(self.told.append)

    def log(self) -> str:
        return (self.asterisk.paths.log / "messages.log").read_text()


@pytest_asyncio.fixture
async def floor(asterisk_install: AsteriskInstall) -> AsyncIterator[Floor]:
    async with AsyncExitStack() as stack:
        port = freeports.block()
        stack.callback(freeports.release, port)
        rig = Rig(asterisk_install)
        stack.push_async_callback(rig.end)
        tls_port = freeports.block()
        stack.callback(freeports.release, tls_port)
        trunk = Trunk(networks=("127.0.0.1/32",))
        asterisk = await rig.boot(controller_port=port, trunk=trunk, sip_tls_port=tls_port)
        door = Door(None, asterisk.secrets.controller_user, asterisk.secrets.controller_password)
        await door.open("127.0.0.1", port)
        stack.callback(door.refuse)
        controller = Controller(asterisk, door)
        await controller.start()
        stack.push_async_callback(controller.stop)
        yield Floor(controller, stack)
