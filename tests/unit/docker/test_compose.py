"""What every service and image of the stack keeps to, read from the files themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker/compose.yaml"
TLS = ROOT / "docker/compose.tls.yaml"
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))
# ${NAME:-default}, the default itself perhaps with one more inside; ${NAME:+when it is given}.
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-+])((?:[^${}]|\$\{[^{}]*\})*))?\}")


def defaults(value: Any, environ: dict[str, str]) -> Any:
    """Fill in Compose's variables as it would with `environ`."""
    if isinstance(value, dict):
        return {key: defaults(each, environ) for key, each in value.items()}
    if isinstance(value, list):
        return [defaults(each, environ) for each in value]
    if not isinstance(value, str):
        return value

    def filled(found: re.Match[str]) -> str:
        given = environ.get(found[1], "")
        if found[2] == "+":
            return found[3] if given else ""
        return given or found[3] or ""

    while VARIABLE.search(value):
        value = VARIABLE.sub(filled, value)
    return value


def load(compose: Path = COMPOSE, **environ: str) -> dict[str, Any]:
    filled: dict[str, Any] = defaults(yaml.safe_load(compose.read_text(encoding="utf-8")), environ)
    return filled


STACK = load()
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
each_service = pytest.mark.parametrize("name", SERVICES)
each_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)


def test_the_stack_is_asterisk_controller_postgres_and_what_prepares_them() -> None:
    assert set(SERVICES) == {"prepare", "asterisk", "controller", "postgres"}


@each_service
def test_a_service_runs_without_rights(name: str) -> None:
    service = SERVICES[name]
    user, group = service["user"].split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service.get("network_mode") in {None, "none"}


@each_service
def test_a_service_has_limits_and_bounded_logs(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) >= {"memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@each_service
def test_what_can_be_written_is_a_volume_or_a_bounded_tmpfs(name: str) -> None:
    service = SERVICES[name]
    for mount in service["tmpfs"]:
        assert {"noexec", "nosuid", "nodev"} <= set(mount.split(":")[1].split(","))
        assert "size=" in mount
    for volume in service["volumes"]:
        source, _, rest = volume.partition(":")
        assert source in STACK["volumes"] or rest.endswith(":ro"), f"{volume}: a folder of the machine, writable"


@pytest.mark.parametrize("name", ["asterisk", "controller", "postgres"])
def test_a_service_that_stays_is_watched_restarted_and_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert int(service["stop_grace_period"].removesuffix("s")) > 10
    assert service["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


def test_asterisk_has_time_to_let_its_calls_end() -> None:
    drain_s = int(SERVICES["asterisk"]["environment"]["DRAIN_S"])
    assert int(SERVICES["asterisk"]["stop_grace_period"].removesuffix("s")) >= drain_s + 10


@each_service
def test_no_service_is_given_a_secret_by_value(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        assert key.endswith("_FILE") or not re.search("PASSWORD|SECRET|TOKEN|DATABASE_URL", key), key
        assert "://" not in value or "@" not in value, key
        if key.endswith("_FILE"):
            assert value.startswith("/run/rappel/")


@each_service
def test_images_have_a_version(name: str) -> None:
    _, tag = SERVICES[name]["image"].split(":")
    assert re.fullmatch(r"\d+\.\d+\.\d+", tag)


def test_only_sip_sound_and_pages_are_published_and_only_here_until_told_otherwise() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "asterisk": [
            "127.0.0.1:5060:5060/udp",
            "127.0.0.1:5060:5060/tcp",
            "127.0.0.1:10000-10199:10000-10199/udp",
        ],
        "controller": ["127.0.0.1:8080:8080/tcp"],
    }


def test_control_and_database_are_on_a_network_that_leads_nowhere() -> None:
    assert STACK["networks"]["inner"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["inner"]
    assert SERVICES["prepare"]["network_mode"] == "none"
    inner = SERVICES["asterisk"]["networks"]["inner"]["ipv4_address"]
    prepare = SERVICES["prepare"]["environment"]
    assert prepare["RAPPEL_SIP_CONTROL_BIND"] == inner
    assert SERVICES["controller"]["environment"]["RAPPEL_ARI_URL"] == f"http://{inner}:8088"
    assert SERVICES["controller"]["environment"]["RAPPEL_ASTERISK_AMI_HOST"] == inner
    controller = SERVICES["controller"]["networks"]["inner"]["ipv4_address"]
    assert prepare["RAPPEL_SIP_CONTROL_PERMIT"] == f"{controller}/32"
    for service in (SERVICES["controller"], SERVICES["prepare"]):
        assert service["environment"]["RAPPEL_WEB_SOCKET_HOST"] == controller


def test_both_see_the_prompts_under_one_path_and_asterisk_only_reads() -> None:
    cache = SERVICES["controller"]["environment"]["RAPPEL_NODE_CACHE_DIR"]
    assert f"prompts:{cache}" in SERVICES["controller"]["volumes"]
    assert f"prompts:{cache}:ro" in SERVICES["asterisk"]["volumes"]


def test_each_secret_is_mounted_where_it_is_needed_and_read_only() -> None:
    mounts = {
        (name, volume)
        for name, service in SERVICES.items()
        for volume in service["volumes"]
        if volume.split(":")[0] in {"keys", "asterisk-conf", "controller-secrets", "postgres-secrets"}
    }
    assert {(name, volume) for name, volume in mounts if name != "prepare"} == {
        ("asterisk", "asterisk-conf:/etc/asterisk:ro"),
        ("controller", "controller-secrets:/run/rappel/controller:ro"),
        ("postgres", "postgres-secrets:/run/rappel/postgres:ro"),
    }


def test_the_carriers_networks_replace_this_machine_as_trunk() -> None:
    told = load(SIP_TRUNK_PEERS="192.0.2.0/24", SIP_PERMIT="198.51.100.0/24", OUTER_NET="10.9.8")["services"]
    assert told["prepare"]["environment"]["RAPPEL_SIP_TRUNK_PEERS"] == "10.9.8.12/32,192.0.2.0/24"
    assert told["prepare"]["environment"]["RAPPEL_SIP_PERMIT"] == "198.51.100.0/24"


def test_the_controller_never_bans_whom_asterisk_takes_for_the_trunk() -> None:
    for told in (STACK, load(SIP_TRUNK_PEERS="192.0.2.0/24")):
        peers = [
            told["services"][name]["environment"]["RAPPEL_SIP_TRUNK_PEERS"] for name in ("prepare", "controller")
        ]
        assert peers[0] == peers[1]


def test_test_calls_leave_from_an_address_that_asterisk_lets_in() -> None:
    here = SERVICES["controller"]["networks"]["outer"]["ipv4_address"]
    assert f"{here}/32" in SERVICES["prepare"]["environment"]["RAPPEL_SIP_TRUNK_PEERS"].split(",")
    assert (
        SERVICES["controller"]["environment"]["RAPPEL_SIP_BIND"]
        == (SERVICES["asterisk"]["networks"]["outer"]["ipv4_address"])
    )


def test_every_call_that_is_let_in_has_ports_for_its_caller_and_its_agent() -> None:
    prepare = SERVICES["prepare"]["environment"]
    ports = int(prepare["RAPPEL_SIP_RTP_TO"]) - int(prepare["RAPPEL_SIP_RTP_FROM"]) + 1
    assert 4 * int(SERVICES["controller"]["environment"]["RAPPEL_CALLS_MAX_CALLS"]) <= ports


def test_recordings_wait_in_a_volume_until_the_controller_has_them_in_another() -> None:
    assert "recordings:/var/spool/asterisk" in SERVICES["asterisk"]["volumes"]
    assert (
        f"controller-state:{SERVICES['controller']['environment']['RAPPEL_NODE_STATE_DIR']}"
        in (SERVICES["controller"]["volumes"])
    )


def test_tls_is_one_more_port_and_the_machines_own_files_only_for_who_prepares() -> None:
    assert not any("5061" in port for port in SERVICES["asterisk"]["ports"])
    tls = load(TLS)["services"]
    assert tls["asterisk"] == {"ports": ["127.0.0.1:5061:5061/tcp"]}
    assert set(tls) == {"prepare", "asterisk"}
    assert tls["prepare"]["environment"] == {
        "RAPPEL_SIP_TLS_PORT": "5061",
        "RAPPEL_SIP_CERTIFICATE": "",
        "RAPPEL_SIP_KEY": "",
    }
    own = load(TLS, SIP_CERTIFICATE="./cert.pem", SIP_KEY="./key.pem")["services"]["prepare"]
    for name, file in (("CERTIFICATE", "cert.pem"), ("KEY", "key.pem")):
        assert f"./{file}:{own['environment'][f'RAPPEL_SIP_{name}']}:ro" in own["volumes"]


@each_dockerfile
def test_an_image_ends_as_an_ordinary_user_on_a_base_that_can_be_chosen(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not any(line.startswith("# syntax=") for line in lines)
    users = [line for line in lines if line.startswith("USER ")]
    assert users[-1] == "USER ${RAPPEL_UID}:${RAPPEL_UID}"
    for line in lines:
        if line.startswith("FROM "):
            assert re.match(r"FROM \$\{[A-Z]+_BASE\}( AS \w+)?$", line), line
        if found := re.match(r"ARG ([A-Z]+_BASE)=(.*)", line):
            assert re.fullmatch(r"debian:[a-z]+-slim", found[2]), "a tag that names the suite, and no host"
        assert not re.match(r"(ARG|ENV) .*(PASSWORD|SECRET|TOKEN)", line)


def test_no_file_names_a_registry() -> None:
    for path in (ROOT / "docker").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(pypi|debian|docker|npmjs|ghcr|quay)\.(org|io|com)", text), path
