"""What is put into Asterisk for an agent's device, and the list of the banned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from controller.ari import accounts
from controller.ari.bans import SLOTS, AriBans
from controller.ari.creating import printable
from controller.ari.generated import models
from controller.ari.operation import Operation
from controller.errors import AsteriskRefused
from controller.ports import DeviceSettings

DEVICE = DeviceSettings("2001", 'Zoé "Z"\r\n<x>', "0123456789abcdef0123456789abcdef", ("support", "sales"))


def fields(operation: Operation[Any]) -> dict[str, str]:
    return {each["attribute"]: each["value"] for each in operation.body["fields"]}


def test_an_account_is_three_objects_in_the_order_they_need() -> None:
    auth, aor, endpoint = accounts.put(DEVICE, None)
    assert [operation.path.split("/")[-2] for operation in (auth, aor, endpoint)] == ["auth", "aor", "endpoint"]
    assert fields(auth)["md5_cred"] == DEVICE.ha1
    assert fields(aor)["max_contacts"] == "3"
    assert fields(endpoint)["context"] == "from-agents"
    assert fields(endpoint)["mailboxes"] == fields(aor)["mailboxes"] == "support@rappel,sales@rappel"


def test_a_name_stays_inside_its_quotes() -> None:
    assert fields(accounts.put(DEVICE, None)[2])["callerid"] == '"Zoé  Z    x" <2001>'
    assert printable("après\r\nX: 1\0\x7f\u202e\ud800 電話🙂") == "après  X: 1     電話🙂"


def test_an_address_of_record_with_registered_devices_is_left_alone() -> None:
    def aor(**values: str) -> list[models.ConfigTuple]:
        return [models.ConfigTuple(attribute=name, value=value) for name, value in values.items()]

    def asked(there: list[models.ConfigTuple]) -> list[str]:
        return [f"{each.method} {each.path.split('/')[-2]}" for each in accounts.put(DEVICE, there)]

    assert asked(aor(contact="sip:2001@192.0.2.1", mailboxes="")) == ["PUT auth", "PUT endpoint"]
    assert asked(aor(mailboxes="support@rappel,sales@rappel")) == ["PUT auth", "PUT endpoint"]
    assert asked(aor(mailboxes="")) == ["PUT auth", "DELETE aor", "PUT aor", "PUT endpoint"]


def test_an_account_is_recognised_until_anything_of_it_changes() -> None:
    put = fields(accounts.put(DEVICE, None)[2])
    there = [models.ConfigTuple(attribute=name, value=value) for name, value in put.items()]
    assert accounts.is_ours(there)
    assert accounts.is_as_wanted(there, DEVICE)
    assert not accounts.is_as_wanted(there, DeviceSettings("2001", DEVICE.display_name, "0" * 32, DEVICE.mailboxes))
    assert not accounts.is_ours([models.ConfigTuple(attribute="message_context", value="")])


class Asterisk:
    """Holds the banned, as Asterisk's memory does."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {"ban-7": "left over"}

    async def request(self, operation: Operation[Any]) -> Any:
        name = operation.path.split("/")[-1]
        if operation.method == "PUT":
            self.held[name] = fields(operation)["match_header"]
        elif self.held.pop(name, None) is None:
            raise AsteriskRefused("not there", status=404)

    async def ready(self, timeout_s: float) -> None:
        pass


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def with_bans(test: Callable[[Asterisk, AriBans], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        asterisk = Asterisk()
        bans = AriBans(asterisk, asterisk)
        try:
            await test(asterisk, bans)
        finally:
            await bans.close()

    run.__name__ = test.__name__
    return run


@with_bans
async def test_bans_replace_what_an_earlier_controller_left(asterisk: Asterisk, bans: AriBans) -> None:
    bans.connected()
    await settled(lambda: not asterisk.held)
    assert bans.ban("192.0.2.1", 60)
    assert bans.ban("2001:DB8::1", 60)
    assert not bans.ban("192.0.2.1/)x", 60)
    await settled(lambda: len(asterisk.held) == 2)
    patterns = set(asterisk.held.values())
    assert patterns == {r"Via: /;received=\[?192\.0\.2\.1\]?(;|$)/", r"Via: /;received=\[?2001:db8::1\]?(;|$)/"}
    asterisk.held.clear()  # started anew
    bans.connected()
    await settled(lambda: set(asterisk.held.values()) == patterns)


@with_bans
async def test_one_ban_too_many_takes_the_place_that_is_free_first(asterisk: Asterisk, bans: AriBans) -> None:
    for number in range(SLOTS + 1):
        assert bans.ban(f"10.0.0.{number}", 1000 + (number - 5) ** 2)
    assert len(bans.addresses) == SLOTS
    assert "10.0.0.5" not in bans.addresses
    await settled(lambda: len(asterisk.held) == SLOTS)
    assert not any("10\\.0\\.0\\.5\\]" in pattern for pattern in asterisk.held.values())


@with_bans
async def test_a_ban_ends_by_itself(asterisk: Asterisk, bans: AriBans) -> None:
    bans.connected()
    bans.ban("192.0.2.1", 0.05)
    await settled(lambda: any("192" in pattern for pattern in asterisk.held.values()))
    await settled(lambda: not asterisk.held)
    assert not bans.addresses
