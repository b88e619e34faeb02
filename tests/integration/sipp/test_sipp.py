"""SIPp, an implementation that is not ours, against the same Asterisk: scenarios, runner and statistics."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.softphone import CallState, EndedBy, Phone
from controller.softphone.media import tone
from controller.softphone.sound import has_tone
from tests.contract.softphone.exchange import Exchange
from tests.integration.sipp import runner
from tests.integration.sipp.runner import run_sipp, sipp_phone
from tests.rig.sipp import Sipp


@pytest.mark.parametrize("raw", [True, False])
async def test_keys_arrive_exactly(exchange: Exchange, sipp: Sipp, tmp_path: Path, monkeypatch, raw: bool):
    if raw and not runner.may_use_raw_sockets():
        raw = False  # an ordinary user: both rounds go the way that is open to everybody
    monkeypatch.setattr(runner, "may_use_raw_sockets", lambda: raw)
    caller = f"raw{raw:d}"
    result = await run_sipp(
        sipp, "keys", _port(exchange), folder=tmp_path, number="x101", caller=caller, keys="1229*07#"
    )
    assert result.ok, result.errors + result.output
    assert await exchange.digits(caller) == "1229*07"


async def test_a_key_by_info(exchange: Exchange, sipp: Sipp, tmp_path: Path):
    result = await run_sipp(sipp, "info", _port(exchange), folder=tmp_path, number="x101", caller="info7", keys="7")
    assert result.ok, result.errors + result.output
    assert await exchange.digits("info7") == "7"


@pytest.mark.parametrize(
    ("scenario", "number", "before_ms"),
    [
        ("listen", "x100", 0),
        ("hangup", "x102", 300),
        ("hangup", "x102", 0),
        ("cancel", "x105", 200),
        ("refused", "Unknown-1", 0),
    ],
)
async def test_other_calls(
    exchange: Exchange, sipp: Sipp, tmp_path: Path, scenario: str, number: str, before_ms: int
):
    result = await run_sipp(sipp, scenario, _port(exchange), folder=tmp_path, number=number, before_ms=before_ms)
    assert result.ok, result.errors + result.output
    assert (result.calls, result.succeeded, result.retransmissions) == (1, 1, 0)
    assert result.response_ms < 1000


async def test_fifty_calls_at_once(exchange: Exchange, sipp: Sipp, tmp_path: Path):
    result = await run_sipp(
        sipp, "hangup", _port(exchange), folder=tmp_path, number="x102", calls=50, rate=100, before_ms=2000
    )
    assert result.ok, result.errors + result.output
    assert result.succeeded == 50


async def test_what_does_not_go_as_written_is_told(exchange: Exchange, sipp: Sipp, tmp_path: Path):
    result = await run_sipp(sipp, "refused", _port(exchange), folder=tmp_path, number="x100")
    assert not result.ok
    assert (result.failed, result.unexpected) == (1, 1)
    assert "unexpected message" in result.errors


@pytest.mark.parametrize(("scenario", "status"), [("answer", 200), ("busy", 486), ("decline", 603)])
async def test_sipp_takes_our_calls(phone: Phone, sipp: Sipp, tmp_path: Path, scenario: str, status: int):
    async with sipp_phone(sipp, scenario, folder=tmp_path) as called:
        call = await phone.call(f"sip:100@127.0.0.1:{called.port}", source=tone(440))
        assert call.status == status
        if scenario == "answer":
            assert call.state is CallState.ANSWERED
            await asyncio.sleep(0.4)
            await call.hangup()
            assert has_tone(call.heard.samples[-800:], 440)
        else:
            assert call.ended_by is EndedBy.REMOTE
    assert called.result is not None
    assert called.result.ok, called.result.errors


def _port(exchange: Exchange) -> int:
    return exchange.server.settings.sip_port
