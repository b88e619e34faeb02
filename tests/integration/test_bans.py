"""Wrong passwords by the hundred, against a running centre: banned, logged, and nobody else is touched."""

from __future__ import annotations

import asyncio

from controller.calls.guard import FAILURES
from controller.softphone.phone import Phone, answer_after
from tests.rig.centre import Centre


async def test_who_guesses_passwords_is_banned_while_the_others_work(centre: Centre) -> None:
    registrar = f"sip:127.0.0.1:{centre.asterisk.settings.sip_port}"
    right = centre.asterisk.secrets.softphones["1001"]
    assert centre.parts is not None
    bans = centre.parts.driver.bans
    async with (
        Phone(("127.0.0.2", 0), user="1001", password="guess") as attacker,
        Phone(("127.0.0.2", 0), user="1001", password=right) as same_address,
        Phone(("127.0.0.22", 0), user="1001", password=right) as neighbour,
        centre.account("1002", on_call=answer_after(0.1)) as agent,
    ):
        assert await same_address.register(registrar) == 200
        assert await agent.register(registrar) == 200
        # A call that is up when the ban comes.
        talk = await same_address.call(centre.uri("1002"))
        attempts = 0
        while not bans.addresses and attempts < 150:
            assert await attacker.register(registrar) == 401
            attempts += 1
        assert bans.addresses == {"127.0.0.2"}
        assert attempts >= 100
        async with asyncio.timeout(5):
            while await same_address.register(registrar) == 200:
                await asyncio.sleep(0.05)
        assert await neighbour.register(registrar) == 200
        assert await agent.register(registrar) == 200
        assert await talk.reinvite() == 200
        await talk.hangup()
    assert sum(centre.parts.ami.security.counts[event] for event in FAILURES) >= 100
