"""The one-shot service: what it makes, for whom, and that a second start changes nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.docker.test_compose import SERVICES, TLS, load

ROOT = Path(__file__).parents[3]


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docker_{name}", ROOT / f"docker/controller/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key, value in SERVICES["prepare"]["environment"].items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("RAPPEL_SIP_TRUNK_PASSWORD_FILE", os.devnull)  # what is mounted there unless .env says more
    monkeypatch.chdir(tmp_path)
    for name in ("keys", "asterisk", "controller", "postgres"):
        (tmp_path / name).mkdir()
    return tmp_path


def everything(volumes: Path) -> dict[str, str]:
    return {str(path.relative_to(volumes)): path.read_text() for path in volumes.rglob("*") if path.is_file()}


def test_each_service_gets_its_own_and_nobody_else_can_read_it(volumes: Path) -> None:
    module("prepare").prepare(volumes)
    made = everything(volumes)
    assert {name for name in made if not name.startswith("asterisk/")} == {
        "keys/secrets.json",
        "controller/ari_password",
        "controller/ami_password",
        "controller/socket_password",
        "controller/database_url",
        "postgres/password",
    }
    assert all(stat.S_IMODE((volumes / name).stat().st_mode) == 0o600 for name in made)
    # postgres/start takes these characters and no others.
    assert re.fullmatch(r"[A-Za-z0-9_-]{20,}", made["postgres/password"])
    assert made["controller/database_url"].startswith(f"postgresql://rappel:{made['postgres/password']}@postgres:")
    assert f"password = {made['controller/ari_password']}\n" in made["asterisk/ari.conf"]
    assert f"secret = {made['controller/ami_password']}\n" in made["asterisk/manager.conf"]
    assert f"password = {made['controller/socket_password']}\n" in made["asterisk/websocket_client.conf"]
    paths = {
        SERVICES["controller"]["environment"][key] for key in SERVICES["controller"]["environment"] if "_FILE" in key
    }
    assert paths == {f"/run/rappel/{name}" for name in made if name.startswith("controller/")}


def test_asterisk_listens_for_control_on_the_inner_network_alone(volumes: Path) -> None:
    module("prepare").prepare(volumes)
    made = everything(volumes)
    assert "bindaddr = 10.213.86.11\n" in made["asterisk/http.conf"]
    assert "bindaddr = 10.213.86.11\n" in made["asterisk/manager.conf"]
    for name in ("ari.conf", "manager.conf"):
        permitted = re.findall(r"^permit = (.*)$", made[f"asterisk/{name}"], re.MULTILINE)
        assert permitted == ["127.0.0.1/32", "::1/128", "10.213.86.12/32"]
    assert "uri = ws://10.213.86.12:8089/asterisk/ari\n" in made["asterisk/websocket_client.conf"]
    assert "AGI(agi://10.213.86.12:4573/flow" in made["asterisk/extensions.conf"]
    assert "/dev/stderr => notice,warning,error\n" in made["asterisk/logger.conf"]


def test_behind_a_nat_the_outside_is_shown_the_outer_address(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPEL_SIP_EXTERNAL_ADDRESS", "203.0.113.5")
    module("prepare").prepare(volumes)
    text = (volumes / "asterisk/pjsip.conf").read_text()
    assert "external_media_address = 203.0.113.5\n" in text
    assert "local_net = 10.213.86.0/24\nlocal_net = 10.213.87.0/24\n" in text


def test_for_tls_asterisk_gets_a_certificate_and_its_key_of_its_own(
    volumes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in load(TLS)["services"]["prepare"]["environment"].items():
        monkeypatch.setenv(key, value)
    prepare = module("prepare").prepare
    prepare(volumes)
    made = everything(volumes)
    assert "bind = 0.0.0.0:5061\ncert_file = /etc/asterisk/sip_certificate.pem\n" in made["asterisk/pjsip.conf"]
    assert "priv_key_file = /etc/asterisk/sip_key.pem\n" in made["asterisk/pjsip.conf"]
    assert made["asterisk/sip_certificate.pem"].startswith("-----BEGIN CERTIFICATE-----")
    assert made["asterisk/sip_key.pem"].startswith("-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE((volumes / "asterisk/sip_key.pem").stat().st_mode) == 0o600
    prepare(volumes)
    assert everything(volumes) == made


def test_a_certificate_of_ones_own_is_handed_on(
    volumes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPEL_SIP_TLS_PORT", "5061")
    for name in ("certificate", "key"):
        (tmp_path / f"{name}.pem").write_text(f"the {name}")
        monkeypatch.setenv(f"RAPPEL_SIP_{name}".upper(), str(tmp_path / f"{name}.pem"))
    module("prepare").prepare(volumes)
    assert (volumes / "asterisk/sip_certificate.pem").read_text() == "the certificate"
    assert (volumes / "asterisk/sip_key.pem").read_text() == "the key"
    assert not (volumes / "keys/tls").exists()


def test_calls_go_nowhere_unless_a_trunk_is_set(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module("prepare").prepare(volumes)
    assert "contact = sip:" not in everything(volumes)["asterisk/pjsip.conf"]
    environment = load(SIP_TRUNK="sip:192.0.2.7", SIP_TRUNK_USER="us", SIP_TRUNK_REGISTER="true")["services"]
    for key, value in environment["prepare"]["environment"].items():
        monkeypatch.setenv(key, value)
    (volumes / "password").write_text("a-long-password\n")
    monkeypatch.setenv("RAPPEL_SIP_TRUNK_PASSWORD_FILE", str(volumes / "password"))
    module("prepare").prepare(volumes)
    text = everything(volumes)["asterisk/pjsip.conf"]
    assert "contact = sip:192.0.2.7:5060\\;transport=udp\n" in text
    assert "password = a-long-password\n" in text
    assert "type = registration\n" in text
    assert "match = 192.0.2.7\n" in text


def test_a_second_start_changes_nothing(volumes: Path) -> None:
    prepare = module("prepare").prepare
    prepare(volumes)
    before = everything(volumes)
    prepare(volumes)
    assert everything(volumes) == before
