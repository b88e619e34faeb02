"""The example customer service: what the flows rely on, and that its faults are the faults they claim to be."""

from __future__ import annotations

import asyncio
from datetime import date

import aiohttp
import pytest
import pytest_asyncio

from controller.errors import SetupError
from controller.runtime import example_crm


@pytest_asyncio.fixture
async def crm():
    service = await example_crm.serve(port=0, today=lambda: date(2026, 11, 24))
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{service.port}", timeout=aiohttp.ClientTimeout(total=5)
    ) as session:
        yield session
    await service.stop()


async def login(crm, number="504718", code="2580"):
    async with crm.post("/auth", json={"customer": number, "code": code}) as answer:
        return answer.status, await answer.json()


async def get(crm, path, token=""):
    async with crm.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


async def test_a_customer_hears_of_order_balance_and_appointment(crm):
    status, body = await login(crm)
    token = body["token"]
    assert status == 200
    assert (await get(crm, "/customers/504718/order", token))[1]["date"] == "2026-11-26"
    balance = {"due": "123.45", "currency": "EUR", "due_date": "2026-12-06"}
    assert await get(crm, "/customers/504718/balance", token) == (200, balance)
    appointment = {"date": "2026-11-29", "time": "14:30"}
    assert await get(crm, "/customers/504718/appointment", token) == (200, appointment)


async def test_nothing_is_told_without_the_right_token(crm):
    _, other = await login(crm, "612903", "1379")
    for token in ("", "guess", other["token"], "é"):
        assert (await get(crm, "/customers/504718/balance", token))[0] == 401
    assert (await get(crm, "/customers/504718"))[1] == {"number": "504718", "vip": False, "language": "fr"}
    assert (await get(crm, "/customers/000000"))[0] == 404


async def test_five_wrong_codes_lock_the_customer(crm):
    for _ in range(example_crm.MAX_TRIES):
        assert (await login(crm, code="0000"))[0] == 401
    assert (await login(crm))[0] == 423
    assert (await login(crm, "612903", "1379"))[0] == 200


async def test_a_good_code_in_between_forgives(crm):
    for _ in range(example_crm.MAX_TRIES - 1):
        await login(crm, code="0000")
    assert (await login(crm))[0] == 200
    assert (await login(crm, code="0000"))[0] == 401
    assert (await login(crm))[0] == 200


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"customer": 1}', b"\xff"])
async def test_nonsense_is_refused(crm, data):
    async with crm.post("/auth", data=data) as answer:
        assert answer.status == 400


async def test_numbers_as_numbers_are_taken_too(crm):
    assert (await login(crm, 504718, 2580))[0] == 200


async def test_faults_are_what_they_claim(crm):
    async with crm.get("/faults/redirect", allow_redirects=False) as answer:
        assert answer.status == 302
    async with crm.get("/faults/short") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    async with crm.get("/faults/huge") as answer:
        assert len(await answer.read()) > example_crm.HUGE_BYTES
    async with crm.get("/faults/html") as answer:
        assert answer.content_type == "text/html"
    async with crm.get("/faults/status/503") as answer:
        assert answer.status == 503
    with pytest.raises(asyncio.TimeoutError):
        await crm.get("/faults/hang", timeout=aiohttp.ClientTimeout(total=0.2))
    async with crm.get("/faults/drip") as answer:
        assert await answer.content.readany() == b" "


async def test_more_than_was_promised_comes_over_the_wire(crm):
    reader, writer = await asyncio.open_connection("127.0.0.1", crm._base_url.port)
    writer.write(b"GET /faults/long HTTP/1.1\r\nHost: x\r\n\r\n")
    data = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Length: 2\r\n" in head + b"\r\n"
    assert len(body) > 4000


async def test_a_taken_port_says_what_to_do():
    service = await example_crm.serve(port=0)
    with pytest.raises(SetupError, match="stop what uses that port"):
        await example_crm.serve(port=service.port)
    await service.stop()
