"""Accounts in Asterisk's memory, how devices are told of, messages waiting, bans: on the real Asterisk."""

from __future__ import annotations

import asyncio
import time

from controller.ari.generated import operations as ari
from controller.calls.clock import SystemClock
from controller.calls.guard import Guard
from controller.softphone import CallState
from controller.softphone.media import tone
from controller.softphone.phone import answer_after
from tests.contract.devices.conftest import Floor
from tests.contract.switchboard.conftest import account

CODE, NUMBER = "*55", "100"


async def test_a_phone_logs_in_with_its_password_and_no_other(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    await floor.until_state("2001", reachable=True)
    wrong = await floor.phone("2001", password="wrong")
    assert await wrong.register(f"sip:{floor.sip}") == 401
    unknown = await floor.phone("2009")
    assert await unknown.register(f"sip:{floor.sip}") == 401
    await phone.unregister(f"sip:{floor.sip}")
    await floor.until_state("2001", reachable=False)


async def test_accounts_come_change_and_go(floor: Floor) -> None:
    floor.devices.configure([account("2001"), account("2002")])
    first, second = await floor.phone("2001"), await floor.phone("2002")
    await floor.register(first)
    await floor.register(second)
    changed = account("2001", ha1="0" * 32)
    floor.devices.configure([changed])
    await floor.register(first, 401)
    await floor.register(second, 401)
    floor.devices.configure([account("2001")])
    await floor.register(first)
    await floor.until_state("2001", reachable=True)


async def test_an_account_that_changes_leaves_its_phone_as_it_is(floor: Floor) -> None:
    """Asterisk would write a registration into an updated address of record: the phone would be there for ever."""
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    await floor.until_state("2001", reachable=True)
    for change in ({"display_name": "Ada"}, {"mailboxes": ("support",)}):
        floor.devices.configure([account("2001", **change)])
        await asyncio.sleep(1)
        assert (await floor.asterisk.cli("pjsip show aor 2001")).count("Contact:  2001/sip:") == 1
    await phone.unregister(f"sip:{floor.sip}")
    await floor.until_state("2001", reachable=False)
    assert "Contact:  2001/sip:" not in await floor.asterisk.cli("pjsip show aor 2001")


async def test_three_devices_and_a_fourth_takes_the_place_of_the_oldest(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phones = [await floor.phone("2001") for _ in range(4)]
    await floor.register(phones[0])
    await asyncio.sleep(1.1)  # the oldest is the one that expires first, counted in whole seconds
    for phone in phones[1:]:
        await floor.register(phone)
    shown = await floor.asterisk.cli("pjsip show contacts")
    there = [phone for phone in phones if f":{phone.address[1]} " in shown]
    assert there == phones[1:]


async def test_agents_reach_the_controller_with_numbers_and_codes_and_are_named(floor: Floor) -> None:
    floor.devices.configure([account("2001", display_name="Zoé Lefèvre")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    for number in (CODE, NUMBER, "2002"):
        call = await phone.dial(f"sip:{number}@{floor.sip}")
        async with asyncio.timeout(5):
            arrived = await floor.controller.calls.arrived.get()
        assert (arrived.called_number, arrived.caller_number, arrived.caller_name) == (number, "2001", "Zoé Lefèvre")
        await call.hangup()


async def test_a_call_of_the_phones_own_is_told_and_its_end(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    call = await phone.dial(f"sip:{NUMBER}@{floor.sip}")
    arrived = await floor.controller.calls.arrived.get()
    await floor.controller.driver.transport.request(ari.channels_answer(arrived.channel_id))
    await floor.until_state("2001", reachable=True, busy=True)
    assert floor.told[-1].channels == {arrived.channel_id}
    await call.hangup()
    await floor.until_state("2001", reachable=True, limit_s=2)


async def test_accounts_and_devices_are_right_again_after_asterisk_was_killed(floor: Floor) -> None:
    floor.devices.configure([account("2001"), account("2002")])
    floor.devices.messages("support", 2, 0)
    phone = await floor.phone("2001")
    await floor.register(phone)
    await floor.until_state("2001", reachable=True)
    await asyncio.sleep(1.5)  # Asterisk writes registrations down once a second
    floor.told.clear()
    await floor.asterisk.kill()
    await floor.asterisk.start()
    began = time.monotonic()
    await floor.until_state("2001", reachable=True)
    assert time.monotonic() - began < 5
    await floor.until_state("2002", reachable=False)
    await floor.register(phone)


async def test_a_new_controller_leaves_right_accounts_alone_and_deletes_what_is_wanted_no_more(floor: Floor) -> None:
    floor.devices.configure([account("2001"), account("2002")])
    first, second = await floor.phone("2001"), await floor.phone("2002")
    await floor.register(first)
    await floor.register(second)
    await floor.replace_controller()
    floor.devices.configure([account("2001")])
    await floor.until_state("2001", reachable=True)
    await floor.register(second, 401)
    found = await floor.controller.driver.transport.request(ari.endpoints_list())
    names = {endpoint.resource for endpoint in found}
    assert "2001" in names
    assert "trunk" in names
    assert "2002" not in names
    assert "Endpoint 2001" not in floor.log()  # Asterisk complains of each that is put a second time


async def test_two_hundred_accounts_at_once(floor: Floor) -> None:
    wanted = [account(str(3000 + number)) for number in range(200)]
    began = time.monotonic()
    floor.devices.configure(wanted)
    await floor.until(lambda: {state.endpoint for state in floor.told} >= {device.endpoint for device in wanted})
    assert time.monotonic() - began < 5
    phone = await floor.phone("3199")
    await floor.register(phone)


async def test_messages_light_the_lamp_also_of_a_phone_that_comes_later(floor: Floor) -> None:
    floor.devices.configure([account("2001", mailboxes=("support",)), account("2002", mailboxes=("sales",))])
    phone, other = await floor.phone("2001"), await floor.phone("2002")
    await floor.register(phone)
    await floor.register(other)
    floor.devices.messages("support", 3, 1)
    await floor.until(lambda: any("Messages-Waiting: yes" in body for body in phone.notified))
    assert "Voice-Message: 3/1" in phone.notified[-1]
    late = await floor.phone("2001")
    await floor.register(late)
    await floor.until(lambda: any("Voice-Message: 3/1" in body for body in late.notified))
    floor.devices.messages("support", 0, 4)
    await floor.until(lambda: "Voice-Message: 0/4" in phone.notified[-1])
    assert "Messages-Waiting: no" in phone.notified[-1]
    assert not any("yes" in body for body in other.notified)


async def test_a_deleted_account_s_call_goes_on(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    call = await phone.dial(f"sip:{NUMBER}@{floor.sip}")
    arrived = await floor.controller.calls.arrived.get()
    await floor.controller.driver.transport.request(ari.channels_answer(arrived.channel_id))
    await call.wait_answered(5)
    floor.devices.configure([])
    await floor.register(phone, 401)
    assert call.state is CallState.ANSWERED
    await call.hangup()


async def test_who_guesses_passwords_is_banned_for_a_while_and_nobody_else(floor: Floor) -> None:
    floor.devices.configure([account("2001"), account("2002")])
    driver = floor.controller.driver
    good = await floor.phone("2001", on_call=answer_after(0.1, lambda: tone(600)))
    neighbour = await floor.phone("2002", host="127.0.0.22")
    attacker = await floor.phone("2002", host="127.0.0.2", password="guess")
    insider = await floor.phone("2001", host="127.0.0.2")
    await floor.register(good)
    await floor.register(insider)
    guard = Guard(driver.bans.ban, SystemClock(), limit=100, ban_s=2.0)
    for _ in range(100):
        assert await attacker.register(f"sip:{floor.sip}") == 401
        guard.failed("InvalidPassword", "127.0.0.2")
    assert driver.bans.addresses == {"127.0.0.2"}
    # From there not even the right password is taken any more.
    await floor.register(insider, 401)
    await floor.register(neighbour)
    await floor.register(good)
    assert "failed for '127.0.0.2" in floor.log()
    await floor.until(lambda: not driver.bans.addresses)
    await floor.register(insider)


async def test_a_ban_outlives_asterisk_and_ends_with_its_controller_s_successor(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001", host="127.0.0.2")
    await floor.register(phone)
    assert not floor.controller.driver.bans.ban("x;y", 60)
    assert floor.controller.driver.bans.ban("127.0.0.2", 60)
    await floor.register(phone, 401)
    await floor.asterisk.kill()
    await floor.asterisk.start()
    await floor.until(lambda: "ready" in str(floor.controller.driver.connection.state))
    there = await floor.phone("2001")
    await floor.register(there)
    await floor.register(phone, 401)
    await floor.replace_controller()
    floor.devices.configure([account("2001")])
    await floor.register(phone)


async def test_an_extension_of_the_configuration_is_refused_and_said(floor: Floor, capsys) -> None:
    floor.devices.configure([account("1001"), account("2001")])  # 1001 is a softphone of pjsip.conf
    phone = await floor.phone("2001")
    await floor.register(phone)
    assert "take it off that list" in capsys.readouterr().out


async def test_an_agent_s_own_call_is_not_transferred_by_asterisk(floor: Floor) -> None:
    floor.devices.configure([account("2001")])
    phone = await floor.phone("2001")
    await floor.register(phone)
    call = await phone.dial(f"sip:{NUMBER}@{floor.sip}")
    arrived = await floor.controller.calls.arrived.get()
    request = floor.controller.driver.transport.request
    await request(ari.channels_answer(arrived.channel_id))
    await call.wait_answered(5)
    assert await call.refer(f"sip:1001@{floor.sip}") == 202
    await asyncio.sleep(0.5)
    assert [channel.id for channel in await request(ari.channels_list())] == [arrived.channel_id]
    assert floor.controller.calls.arrived.empty()
    await call.hangup()
