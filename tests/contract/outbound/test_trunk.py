"""Trunks with a password and a registration, at an Asterisk that stands for the carrier, and how fast one dials."""

from __future__ import annotations

import statistics
import time
from contextlib import AsyncExitStack

from controller.ari.trunk import NumberFormat, TrunkNumbers
from controller.callback.model import Outcome
from controller.callback.outcomes import outcome_of
from controller.runtime.asterisk import AsteriskInstall
from controller.runtime.settings import Trunk
from controller.softphone.phone import reject_with
from tests.contract.outbound.conftest import OURS, Build, Street, a_street, until
from tests.rig.asterisk import Rig


async def test_a_trunk_with_a_password_registers_and_dials(asterisk_install: AsteriskInstall) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(asterisk_install)
        stack.push_async_callback(rig.end)
        # It knows us by our account alone, not by our address.
        carrier = await rig.boot(trunk=Trunk(networks=("127.0.0.9/32",)))
        street = await a_street(
            asterisk_install,
            stack,
            host=f"127.0.0.1:{carrier.settings.sip_port}",
            networks=("127.0.0.1/32",),
            username="1001",
            password=carrier.secrets.softphones["1001"],
            register=True,
            from_user="1001",
        )

        async def registered() -> bool:
            return "Registered" in await street.asterisk.cli("pjsip show registrations")

        await until(registered)
        assert "1001/sip:1001@" in await carrier.cli("pjsip show contacts")
        # The carrier asks for the password again, takes the call, and lets it ring: nobody is there to answer.
        attempt, news = await street.dial(number=OURS)
        await news.ringing()
        assert "PJSIP/1001-" in await carrier.cli("core show channels concise")
        await street.originator.cancel(attempt)
        assert not (await news.ended()).answered


async def test_a_carrier_that_does_not_answer_is_asked_for_no_call(build: Build) -> None:
    """Known from OPTIONS: nobody's telephone is called, so it is no try of theirs. When it answers again, it may."""
    street = await build()
    carrier = street.carrier
    await carrier.endpoint.close()
    await street.asterisk.cli("pjsip qualify trunk")  # what Asterisk does every minute

    async def is_away() -> bool:
        return "Unavail" in await street.asterisk.cli("pjsip show contacts")

    await until(is_away)
    attempt, news = await street.dial()
    end = await news.ended()
    assert outcome_of(end.cause, end.status) is Outcome.BLOCKED
    await carrier.endpoint.open()
    await street.asterisk.cli("pjsip qualify trunk")

    async def is_back() -> bool:
        return not await is_away()

    await until(is_back)
    _, news = await street.dial(reject_with(486), attempt=attempt)  # that one was not used up
    assert (await news.ended()).status == "BUSY"
    assert len(carrier.invites) == 1


async def test_numbers_are_written_as_the_carrier_wants_them(build: Build) -> None:
    street = await build(numbers=TrunkNumbers(NumberFormat.NATIONAL), domain="carrier.example")
    for number in ("+33612345678", "+4915112345678"):
        _, news = await street.dial(reject_with(486), number=number)
        await news.ended()
    assert street.carrier.numbers == ["0612345678", "004915112345678"]
    assert "sip:0353014700@carrier.example" in street.carrier.invites[0].get("From")


async def test_the_invite_is_out_in_a_moment(street: Street) -> None:
    """From the request to the INVITE at the carrier: part of the 150 ms from an agent who is free to the INVITE."""
    took: list[float] = []
    for _ in range(100):
        began = time.monotonic()
        _, news = await street.dial(reject_with(486))
        await news.ended()
        took.append(street.carrier.invited_at[-1] - began)
    print(f"INVITE after: median {statistics.median(took) * 1000:.0f} ms, worst of 100 {max(took) * 1000:.0f} ms")
    assert statistics.median(took) < 0.06
