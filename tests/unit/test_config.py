"""Settings from the file and the environment; every mistake is told with its place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import Config, load_config
from controller.errors import ConfigError


def write(folder: Path, text: str) -> str:
    path = folder / "rappel.toml"
    path.write_text(text, "utf-8")
    return str(path)


def refusal(path: str | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    return str(caught.value)


def test_without_anything_there_are_defaults(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {})
    assert (config.web.host, config.sip.bind, config.web.socket_host) == ("127.0.0.1",) * 3
    assert config.node.name
    assert (config.log.format, config.log.level) == ("console", "info")


def test_the_file_in_the_working_folder_is_found(tmp_path: Path, monkeypatch):
    write(tmp_path, "[web]\nport = 9000\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(None, {}).web.port == 9000


def test_the_environment_wins_over_the_file(tmp_path: Path):
    path = write(tmp_path, '[web]\nport = 9000\nhost = "0.0.0.0"\n[calls]\nmax_calls = 5\n')
    config = load_config(path, {"RAPPEL_WEB_PORT": "9001", "RAPPEL_CENTRE_WATCH": "false", "HOME": "/x"})
    assert (config.web.port, config.web.host, config.calls.max_calls) == (9001, "0.0.0.0", 5)  # noqa: S104 - a value
    assert config.centre.watch is False


def test_the_file_may_be_named_by_the_environment_and_by_the_command(tmp_path: Path):
    named = write(tmp_path, "[web]\nport = 9000\n")
    other = tmp_path / "other.toml"
    other.write_text("[web]\nport = 9002\n")
    assert load_config(None, {"RAPPEL_CONFIG": named}).web.port == 9000
    assert load_config(str(other), {"RAPPEL_CONFIG": named}).web.port == 9002


def test_the_two_short_names(tmp_path: Path):
    environ = {"DATABASE_URL": "postgresql://h/db", "RAPPEL_ARI_URL": "http://h:8088"}
    assert "RAPPEL_ASTERISK_ARI_PASSWORD" in refusal(write(tmp_path, ""), environ)
    passwords = {"RAPPEL_ASTERISK_ARI_PASSWORD": "a", "RAPPEL_ASTERISK_SOCKET_PASSWORD": "b"}
    config = load_config(write(tmp_path, ""), environ | passwords)
    assert (config.postgres.url, config.asterisk.ari_url) == ("postgresql://h/db", "http://h:8088")


def test_secrets_come_from_files_too(tmp_path: Path):
    secret = tmp_path / "ari"
    secret.write_text("s3cr3t\n")
    dsn = tmp_path / "dsn"
    dsn.write_text("postgresql://u:p@h/db")
    config = load_config(
        write(tmp_path, ""), {"RAPPEL_ASTERISK_ARI_PASSWORD_FILE": str(secret), "DATABASE_URL_FILE": str(dsn)}
    )
    assert config.asterisk.ari_password == "s3cr3t"
    assert config.postgres.url == "postgresql://u:p@h/db"


def test_a_secret_s_file_that_cannot_be_read(tmp_path: Path):
    path = write(tmp_path, "")
    missing = refusal(path, {"RAPPEL_ASTERISK_ARI_PASSWORD_FILE": str(tmp_path / "none")})
    assert "RAPPEL_ASTERISK_ARI_PASSWORD_FILE" in missing
    assert "none" in missing
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "binary" in refusal(path, {"RAPPEL_ASTERISK_ARI_PASSWORD_FILE": str(binary)})
    assert "RAPPEL_WEB_PORT_FILE" in refusal(path, {"RAPPEL_WEB_PORT_FILE": str(binary)})


def test_one_setting_given_twice_is_ambiguous(tmp_path: Path):
    secret = tmp_path / "ari"
    secret.write_text("other")
    message = refusal(
        write(tmp_path, ""),
        {"RAPPEL_ASTERISK_ARI_PASSWORD": "one", "RAPPEL_ASTERISK_ARI_PASSWORD_FILE": str(secret)},
    )
    assert "RAPPEL_ASTERISK_ARI_PASSWORD " in message
    assert "RAPPEL_ASTERISK_ARI_PASSWORD_FILE" in message
    twice = refusal(
        write(tmp_path, ""), {"DATABASE_URL": "postgresql://a/b", "RAPPEL_POSTGRES_URL": "postgresql://c/d"}
    )
    assert "DATABASE_URL" in twice
    same = {"DATABASE_URL": "postgresql://a/b", "RAPPEL_POSTGRES_URL": "postgresql://a/b"}
    assert load_config(write(tmp_path, ""), same).postgres.url == "postgresql://a/b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[wbe]\nport = 1\n", ["[wbe]", "Did you mean web?"]),
        ("[web]\nprot = 1\n", ["[web]", "prot", "Did you mean port?"]),
        ("[web]\nzzz = 1\n", ["zzz", "Known:", "socket_port"]),
        ("port = 1\n", ["port"]),
        ("web = 1\n", ["web is a section", "[web]"]),
        ("[web\n", ["not valid TOML", "rappel.toml"]),
        ('[web]\nport = "eighty"\n', ["port", "int"]),
        ("[web]\nport = 70000\n", ["[web] port", "65535"]),
        ("[web]\nport = -1\n", ["[web] port"]),
        ("[sip]\npermit = 5\n", ["permit"]),
        ('[log]\nlevel = "loud"\n', ["level", "loud"]),
        ("[sip]\nrtp_from = 20000\nrtp_to = 10000\n", ["rtp_from 20000", "rtp_to 10000"]),
        ("[sip]\nrtp_from = 80\n", ["1024"]),
        ("[calls]\nmax_calls = 0\n", ["max_calls"]),
        ('[postgres]\nurl = "mysql://x"\n', ["DATABASE_URL", "postgresql://"]),
        ('[asterisk]\nari_url = "ws://x"\n', ["RAPPEL_ARI_URL", "http://"]),
        ("[calls]\nshutdown_s = -1.0\n", ["shutdown_s"]),
        ("[postgres]\njournal_max_mib = 0\n", ["journal_max_mib"]),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: list[str]):
    message = refusal(write(tmp_path, text))
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_or_is_not_text(tmp_path: Path):
    assert "--config" in refusal(str(tmp_path / "none.toml"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "not valid TOML" in refusal(str(binary))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RAPPEL_WEB_PROT", ["RAPPEL_WEB_PROT", "Did you mean RAPPEL_WEB_PORT?"]),
        ("RAPPEL_NONSENSE", ["RAPPEL_NONSENSE"]),
    ],
)
def test_a_misspelt_variable_is_told(tmp_path: Path, name: str, words: list[str]):
    message = refusal(write(tmp_path, ""), {name: "1"})
    for word in words:
        assert word in message


def test_a_wrong_value_in_the_environment_names_its_variable(tmp_path: Path):
    assert "RAPPEL_WEB_PORT" in refusal(write(tmp_path, ""), {"RAPPEL_WEB_PORT": "eighty"})


def test_variables_of_others_are_none_of_ours(tmp_path: Path):
    environ = {"RAPPEL_TEST_PORTS_FROM": "1", "RAPPEL_DEBIAN_MIRROR": "x", "PATH": "/bin", "WEB_PORT": "1"}
    assert load_config(write(tmp_path, ""), environ).web.port == Config().web.port


def test_lists_are_written_with_commas(tmp_path: Path):
    path = write(tmp_path, '[sip]\npermit = ["10.0.0.0/8"]\n')
    config = load_config(path, {"RAPPEL_SIP_PERMIT": "192.168.0.0/16, 172.16.0.0/12", "RAPPEL_SIP_TRUNK_PEERS": ""})
    assert config.sip.permit == ["192.168.0.0/16", "172.16.0.0/12"]
    assert config.sip.trunk_peers == []


def test_a_secret_is_not_in_the_message_about_it(tmp_path: Path):
    message = refusal(write(tmp_path, ""), {"DATABASE_URL": "mysql://u:s3cr3t@h/db"})
    assert "s3cr3t" not in message
