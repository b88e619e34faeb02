"""The authenticated branch: a customer number, a secret code, another system's answer, an amount spoken."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from controller.softphone.phone import Phone
from tests.rig.centre import Centre
from tests.rig.service import CUSTOMER, PIN, Service

CALLER = "33612345678"


async def authenticate(centre: Centre, phone: Phone, pin: str):
    call = await phone.call(centre.uri("3000"))
    await centre.asked(call, "menu")
    await call.press(f"{CUSTOMER}#")
    await centre.asked(call, "sous_menu")
    await call.press(pin)
    return call


async def test_the_balance_is_spoken_and_the_code_is_nowhere(
    centre: Centre, phone: Phone, service: Service, database: str, capfd: pytest.CaptureFixture[str]
):
    call = await authenticate(centre, phone, PIN)
    assert await call.wait_ended(20)
    ear = centre.ear_for(lambda media: media.startswith(("en/", "say/en/")))
    heard = [each.name for each in ear.listen(call.heard.samples)]
    amount = heard[heard.index("en/bravo") + 1 : heard.index("en/au_revoir")]
    assert amount
    assert all(name.startswith("say/en/") for name in amount)
    assert any("42" in name for name in amount), amount

    record = await centre.record(CALLER)
    code = next(step for step in record.steps if step.step == "code")
    assert code.digits
    assert PIN not in code.digits
    assert (await everything(database)).count(PIN) == 0
    written = capfd.readouterr()
    assert PIN not in written.out + written.err
    for path in (centre.asterisk.settings.state_dir / "controller").rglob("*"):
        if path.is_file():
            assert PIN.encode() not in path.read_bytes(), path


async def test_a_wrong_code_leads_to_a_person(centre: Centre, phone: Phone):
    call = await authenticate(centre, phone, "00000000")
    assert await call.wait_ended(20)
    record = await centre.record(CALLER)
    assert [step.step for step in record.steps][-2:] == ["conseiller", "fin"]


@pytest.mark.parametrize("behaviour", ["hang", "lie", "redirect", "huge", "nonsense", "slam"])
async def test_a_service_that_misbehaves_leads_to_a_person(
    centre: Centre, phone: Phone, service: Service, behaviour: str
):
    service.behaviour = behaviour
    call = await authenticate(centre, phone, PIN)
    began = time.monotonic()
    assert await call.wait_ended(20)
    assert time.monotonic() - began < 8
    record = await centre.record(CALLER)
    auth = next(step for step in record.steps if step.step == "auth")
    assert auth.exit == "failed"
    assert auth.detail["failure"]


async def test_a_caller_leaves_during_a_look_up(centre: Centre, phone: Phone, service: Service):
    service.behaviour = "hang"
    call = await authenticate(centre, phone, PIN)
    await asyncio.sleep(0.3)
    await call.hangup()
    record = await centre.record(CALLER)
    assert record.call.ended_by == "caller"


async def everything(dsn: str) -> str:
    """Return all rows of all tables and views as text."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select table_name from information_schema.tables where table_schema = 'public'"
        )
        rows = [await connection.fetch(f'select t::text from "{table[0]}" t') for table in tables]
        return "\n".join(str(row[0]) for table in rows for row in table)
    finally:
        await connection.close()
