"""What the rendered configuration does with real SIP calls."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

from controller.runtime.asterisk import AsteriskServer
from tests.contract.runtime.conftest import FakeController
from tests.rig.asterisk import Rig
from tests.rig.sipp import Sipp


async def test_asterisk_dials_the_controller_and_registers(
    asterisk: AsteriskServer, controller: FakeController
) -> None:
    event = await controller.until("ApplicationRegistered")
    assert event["application"] == "rappel"
    assert controller.protocol == "ari"
    assert controller.authorisation == f"asterisk:{asterisk.secrets.controller_password}"


async def test_a_call_from_the_trunk_reaches_the_application(
    asterisk: AsteriskServer, controller: FakeController, sipp: Sipp, tmp_path: Path
) -> None:
    await controller.until("ApplicationRegistered")
    caller = asyncio.create_task(
        sipp.run("caller", asterisk.settings.sip_port, number="+33800000001", folder=tmp_path)
    )
    start = await controller.until("StasisStart")
    assert start["args"] == ["+33800000001", "trunk"]
    assert start["channel"]["caller"]["number"] == "0612345678"
    assert start["channel"]["language"] == "fr"
    channel = start["channel"]["id"]
    await controller.request("POST", f"channels/{channel}/answer")
    await controller.request("DELETE", f"channels/{channel}?reason_code=16")
    outcome = await caller
    assert outcome.ok, outcome.output + outcome.errors
    await controller.until("StasisEnd")
    await asterisk.stop()
    rows = list(csv.reader(asterisk.cdr_csv.read_text().splitlines()))
    assert [row[14] for row in rows] == ["ANSWERED"]
    assert rows[0][17] == channel
    kinds = [row[0] for row in csv.reader(asterisk.cel_csv.read_text().splitlines())]
    assert kinds[0] == "CHAN_START"
    assert "ANSWER" in kinds
    assert kinds[-1] == "LINKEDID_END"


async def test_a_caller_hears_an_apology_when_no_controller_claims_the_call(
    asterisk_rig: Rig, sipp: Sipp, tmp_path: Path
) -> None:
    asterisk = await asterisk_rig.boot(claim_calls=True, controller_patience_s=1)
    outcome = await sipp.run("caller", asterisk.settings.sip_port, number="100", folder=tmp_path)
    assert outcome.ok, outcome.output + outcome.errors
    assert "SIP/2.0 180 Ringing" in outcome.messages
    assert "cause=41" in outcome.messages
    assert "No controller answered" in (asterisk.paths.log / "messages.log").read_text()
