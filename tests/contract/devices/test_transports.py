"""Agents' phones over TCP and TLS."""

from __future__ import annotations

import asyncio
import ssl
import stat

import pytest

from controller.errors import SetupError
from controller.runtime import certificates
from tests.contract.devices.conftest import Floor
from tests.contract.devices.streams import StreamPhone
from tests.contract.switchboard.conftest import PASSWORD, account
from tests.rig import asterisk as rig


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_a_phone_registers_and_is_reached_on_its_own_connection(floor: Floor, kind: str) -> None:
    settings = floor.asterisk.settings
    context = None
    if kind == "tls":
        certificate, key = certificates.for_sip(settings)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        context = ssl.create_default_context(cafile=str(certificate))
    port = settings.sip_tls_port if kind == "tls" else settings.sip_port
    floor.devices.configure([account("2001")])
    await floor.until_state("2001", reachable=False)
    for password, expected in (("wrong", 401), (PASSWORD, 200)):
        phone = StreamPhone("2001", password, "127.0.0.1", port, context)
        await phone.open()
        floor.stack.push_async_callback(phone.close)
        assert await phone.register() == expected
    async with asyncio.timeout(5):
        request = await phone.requests.get()
    assert request.method in {"OPTIONS", "NOTIFY"}
    assert f"SIP/2.0/{kind.upper()} " in request.get("Via")


def test_a_certificate_that_is_named_must_be_there(tmp_path) -> None:
    settings = rig.settings(tmp_path, sip_certificate="/nowhere/cert.pem", sip_key="/nowhere/key.pem")
    with pytest.raises(SetupError, match="not there"):
        certificates.for_sip(settings)
    rig.release(settings)


def test_a_certificate_of_our_own_is_made_once(tmp_path) -> None:
    settings = rig.settings(tmp_path)
    first = certificates.for_sip(settings)
    content = first[0].read_bytes()
    assert certificates.for_sip(settings) == first
    assert first[0].read_bytes() == content
    rig.release(settings)


def test_without_openssl_it_says_what_to_do(tmp_path, monkeypatch) -> None:
    settings = rig.settings(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="Install openssl"):
        certificates.for_sip(settings)
    rig.release(settings)
