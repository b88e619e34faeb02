"""What the rendered configuration does with real SIP calls."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from controller.runtime.asterisk import AsteriskServer
from controller.runtime.settings import Trunk
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
    start = await controller.claim()
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
    asterisk = await asterisk_rig.boot(controller_patience_s=1)
    outcome = await sipp.run("caller", asterisk.settings.sip_port, number="100", folder=tmp_path)
    assert outcome.ok, outcome.output + outcome.errors
    assert "SIP/2.0 180 Ringing" in outcome.messages
    assert "cause=41" in outcome.messages
    assert "No controller answered" in (asterisk.paths.log / "messages.log").read_text()


async def test_a_caller_may_not_make_us_dial_somebody_else(
    asterisk: AsteriskServer, controller: FakeController, sipp: Sipp, tmp_path: Path
) -> None:
    await controller.until("ApplicationRegistered")
    caller = asyncio.create_task(sipp.run("refer", asterisk.settings.sip_port, folder=tmp_path))
    start = await controller.claim()
    await controller.request("POST", f"channels/{start['channel']['id']}/answer")
    outcome = await caller
    assert outcome.ok, outcome.output + outcome.errors


@pytest.mark.parametrize(("password", "ok"), [(None, True), ("wrong-password-of-somebody", False)])
async def test_a_softphone_logs_in_with_its_generated_password_only(
    asterisk: AsteriskServer, sipp: Sipp, tmp_path: Path, password: str | None, ok: bool
) -> None:
    secret = password or asterisk.secrets.softphones["1001"]
    outcome = await sipp.run(
        "register", asterisk.settings.sip_port, number="1001", folder=tmp_path, extra=("-au", "1001", "-ap", secret)
    )
    assert outcome.ok is ok, outcome.output + outcome.errors
    assert ("sip:1001@" in await asterisk.cli("pjsip show contacts")) is ok


async def test_a_stranger_in_the_networks_but_not_of_the_trunk_gets_no_endpoint(
    asterisk_rig: Rig, sipp: Sipp, tmp_path: Path
) -> None:
    asterisk = await asterisk_rig.boot(trunk=Trunk(networks=("203.0.113.0/24",)))
    outcome = await sipp.run("caller", asterisk.settings.sip_port, folder=tmp_path)
    assert not outcome.ok
    assert "SIP/2.0 401" in outcome.messages


async def test_addresses_outside_sip_permit_are_turned_away(asterisk_rig: Rig, sipp: Sipp, tmp_path: Path) -> None:
    asterisk = await asterisk_rig.boot(sip_permit=("203.0.113.0/24",))
    outcome = await sipp.run("caller", asterisk.settings.sip_port, folder=tmp_path, limit_s=5)
    assert not outcome.ok
    assert "SIP/2.0 200" not in outcome.messages


async def test_a_call_for_fastagi_reaches_the_agi_port_with_its_number(
    asterisk: AsteriskServer, sipp: Sipp, tmp_path: Path
) -> None:
    heard: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\n\n")).decode()
        for command in ("ANSWER", "HANGUP"):
            writer.write(f"{command}\n".encode())
            await writer.drain()
            await reader.readline()
        writer.close()
        await writer.wait_closed()
        heard.set_result(dict(line.split(": ", 1) for line in head.splitlines() if ": " in line))

    server = await asyncio.start_server(serve, "127.0.0.1", asterisk.settings.agi_port)
    async with server:
        outcome = await sipp.run("caller", asterisk.settings.sip_port, number="agi0800", folder=tmp_path)
        assert outcome.ok, outcome.output + outcome.errors
        said = await asyncio.wait_for(heard, 5)
    assert said["agi_arg_1"] == "0800"
    assert said["agi_arg_2"] == "trunk"
    assert said["agi_network_script"] == "flow"


async def test_a_caller_hears_an_apology_when_no_fastagi_server_answers(
    asterisk_rig: Rig, sipp: Sipp, tmp_path: Path
) -> None:
    asterisk = await asterisk_rig.boot(controller_patience_s=1)
    outcome = await sipp.run("caller", asterisk.settings.sip_port, number="agi0800", folder=tmp_path)
    assert outcome.ok, outcome.output + outcome.errors
    assert "cause=41" in outcome.messages
