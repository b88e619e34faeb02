"""The one configuration: defaults, then `rappel.toml`, then the environment; later wins.

Every setting `[section] key` of the file can be given as `RAPPEL_<SECTION>_<KEY>`; a secret also as
`RAPPEL_<SECTION>_<KEY>_FILE`, the path of a file that holds it. `DATABASE_URL` and `RAPPEL_ARI_URL` are the two
short names that make the embedded Postgres and the embedded Asterisk stand aside. Reference: `docs/sysadmins.md`.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec

from controller.errors import ConfigError

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]


class Section(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: a key nobody knows is an error."""


def _default_dir(variable: str, fallback: str) -> str:
    base = os.environ.get(variable) or str(Path.home() / fallback)
    return str(Path(base) / "rappel")


class Node(Section):
    """This installation on this machine."""

    name: str = msgspec.field(default_factory=socket.gethostname)
    """Names the node in records; calls of a node are taken up again by a controller of the same name."""
    state_dir: str = msgspec.field(default_factory=lambda: _default_dir("XDG_STATE_HOME", ".local/state"))
    """Journal, secrets, rendered Asterisk configuration, embedded database, logs."""
    cache_dir: str = msgspec.field(default_factory=lambda: _default_dir("XDG_CACHE_HOME", ".cache"))
    """Downloaded Asterisk, prepared audio: may be deleted at any time."""


class CentreSection(Section):
    """Where the operators' files are."""

    folder: str = "ivr_flows"
    watch: bool = True
    """Reload when a file changes; SIGHUP always does."""


class Asterisk(Section):
    """How to reach Asterisk."""

    app: str = "rappel"
    ari_url: str = ""
    """`http://host:port` of Asterisk's HTTP server; empty: the embedded one."""
    ari_user: str = "rappel"
    ari_password: str = ""
    link: Literal["asterisk", "controller"] = "asterisk"
    """Who opens the WebSocket: Asterisk dials us and keeps events while we are away (preferred), or we dial it."""
    ami_host: str = ""
    """Empty: the host of `ari_url`."""
    ami_port: Port = 5038
    ami_user: str = "rappel"
    ami_password: str = ""
    socket_user: str = "asterisk"
    """What Asterisk logs in with when it dials our WebSocket."""
    socket_password: str = ""


class Sip(Section):
    """The embedded Asterisk's network side."""

    bind: str = "127.0.0.1"
    port: Port = 5060
    tls_port: int = 0
    """SIP over TLS; 0: none."""
    certificate: str = ""
    """The file of the certificate shown there (PEM), with `key`; a self-signed one is made when there is none."""
    key: str = ""
    external_address: str = ""
    media_address: str = ""
    """Behind a NAT, in Docker: the own address that sound goes out by; web pages are told the external one."""
    rtp_from: Port = 10000
    rtp_to: Port = 13999
    http_port: Port = 8088
    permit: list[str] = []
    """Networks (CIDR) that may speak SIP to us besides this machine: your softphones' and the carrier's."""
    softphones: list[str] = msgspec.field(default_factory=lambda: ["1001", "1002"])
    """Extensions that get a SIP account; `rappel accounts` shows their passwords."""
    trunk_peers: list[str] = []
    """Addresses (CIDR) whose calls are taken as coming from the trunk; loopback is always one in `make run`."""
    trunk: str = ""
    """Where calls go out: `sip:sip.carrier.example:5060;transport=udp`, or `softphone:1002` (a simulated carrier:
    that softphone rings, whoever is called), or `none`. Empty: the last of `softphones` if `bind` is loopback.
    """
    trunk_user: str = ""
    trunk_password: str = ""
    trunk_register: bool = False
    """Register there with `trunk_user`, where the carrier asks for it."""
    trunk_domain: str = ""
    """What the From header shows instead of our address."""
    trunk_from_user: str = ""
    """What it shows instead of the number, for a carrier that wants its account there and takes the number from
    P-Asserted-Identity."""
    trunk_format: Literal["e164", "digits", "00", "national"] = "e164"
    """How it wants numbers: +33353014700, 33353014700, 0033353014700, 0353014700 (abroad: 00…)."""
    trunk_country: str = "33"
    trunk_prefix: str = "0"
    """For `national`: our country's code, and what stands before a national number."""
    trunk_calls: Positive = 100
    """Calls out at once, at most."""
    trunk_outcomes: list[str] = []
    """What single Q.850 causes of this carrier mean: `19=unreachable`."""
    local_networks: list[str] = []
    """Networks (CIDR) on this side of the NAT: there Asterisk shows its own address, not `external_address`."""
    control_bind: str = "127.0.0.1"
    """Where ARI and AMI listen: loopback, or an address on a network that only the controller shares."""
    control_permit: list[str] = []
    """Addresses (CIDR) that may log in to ARI and AMI besides this machine: the controllers'."""


class Web(Section):
    """The controller's own listeners."""

    host: str = "127.0.0.1"
    port: Port = 8080
    """Pages, `/healthz`, `/readyz`, `/metrics`."""
    socket_host: str = "127.0.0.1"
    socket_port: Port = 8089
    """Where Asterisk's outbound WebSocket arrives, and FastAGI on `agi_port` of the same address; never public."""
    agi_port: Port = 4573
    page_calls: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 20
    """Calls from web pages at once; 0: none."""
    webhook_hosts: list[str] = []
    """Hosts that webhooks may be sent to: `crm.example` (https), `crm.example:8443`, `http://10.0.0.5:8080`."""
    proxies: list[str] = []
    """Addresses (CIDR) of reverse proxies in front of `host`: their `X-Forwarded-For` is believed, nobody else's."""
    public_key: str = ""
    """Signs visitors' tickets and proof of work, the same on every node; empty: made in the state folder."""


class Postgres(Section):
    """The database of records."""

    url: str = ""
    """`postgresql://…`; empty: the embedded one."""
    journal_max_mib: Positive = 1024
    """How much of the record may wait on disk while Postgres is away."""


class Retention(Section):
    """How many days things are kept; 0: for ever. What that means: docs/figures.md."""

    records_days: Days = 730
    recordings_days: Days = 365
    """At most; a queue's `record: keep:` may be shorter."""
    messages_days: Days = 365
    """At most; a queue's rule may be shorter."""
    deliveries_days: Days = 30
    """What was sent to webhooks."""
    number_key: str = ""
    """Key of the hashes that erased numbers leave, the same on every node; empty: made in the state folder."""


class Log(Section):
    """What is written where."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Calls(Section):
    """Limits of this controller."""

    max_calls: Positive = 800
    """More calls at once hear the overload message and are hung up with cause 42 (congestion)."""
    shutdown_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0


class Callbacks(Section):
    """Calling customers back."""

    lease_s: Annotated[float, msgspec.Meta(ge=8, le=120)] = 12.0
    """For how long this controller takes the right to dial; another one takes over that long after it has gone."""
    in_line: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    """Call-backs of a queue that stand in the line at once; the others wait in Postgres."""
    most_dials: Positive = 100
    """Customers who are being called, or have not accepted yet, at once."""


class Config(Section):
    """All of it."""

    node: Node = msgspec.field(default_factory=Node)
    centre: CentreSection = msgspec.field(default_factory=CentreSection)
    asterisk: Asterisk = msgspec.field(default_factory=Asterisk)
    sip: Sip = msgspec.field(default_factory=Sip)
    web: Web = msgspec.field(default_factory=Web)
    postgres: Postgres = msgspec.field(default_factory=Postgres)
    retention: Retention = msgspec.field(default_factory=Retention)
    log: Log = msgspec.field(default_factory=Log)
    calls: Calls = msgspec.field(default_factory=Calls)
    callbacks: Callbacks = msgspec.field(default_factory=Callbacks)


_SHORTEST_KEY = 16
_SHORT_NAMES = {"DATABASE_URL": ("postgres", "url"), "RAPPEL_ARI_URL": ("asterisk", "ari_url")}
_SECRETS = {
    ("asterisk", "ari_password"),
    ("asterisk", "ami_password"),
    ("asterisk", "socket_password"),
    ("sip", "trunk_password"),
    ("postgres", "url"),
    ("retention", "number_key"),
    ("web", "public_key"),
}
_LISTS = {
    "permit",
    "softphones",
    "trunk_peers",
    "trunk_outcomes",
    "local_networks",
    "control_permit",
    "webhook_hosts",
    "proxies",
}
_OTHER_VARIABLES = {"RAPPEL_CONFIG", "RAPPEL_DEBIAN_MIRROR"}
_PLACE = re.compile(r" - at `\$\.(?P<section>\w+)\.(?P<key>\w+)[^`]*`")


def load_config(path: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of file `path` (default: `RAPPEL_CONFIG`, else `rappel.toml` if there is one).

    Raises `ConfigError` naming the file or the variable, what is wrong and what to write instead.
    """
    environ = os.environ if environ is None else environ
    raw = _read_file(path or environ.get("RAPPEL_CONFIG"))
    variables = _merge_environment(raw, environ)
    try:
        config = msgspec.convert(raw, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{_placed(str(error), variables)}. See docs/sysadmins.md for every setting.") from error
    _check(config)
    return config


def _read_file(path: str | None) -> dict[str, Any]:
    if path is None:
        if not Path("rappel.toml").is_file():
            return {}
        path = "rappel.toml"
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}). Give the right path with --config.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    sections = get_type_hints(Config)
    for section, values in raw.items():
        if section not in sections:
            raise ConfigError(f"{path}: unknown section [{section}].{_did_you_mean(section, sections)}")
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {section} is a section; write [{section}] and its settings below it.")
        keys = get_type_hints(sections[section])
        for key in values:
            if key not in keys:
                raise ConfigError(f"{path}: [{section}] has no setting {key}.{_did_you_mean(key, keys)}")
    return raw


def _merge_environment(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Put what the environment says into `raw`; return which variable gave which setting."""
    known = dict(_SHORT_NAMES)
    for section, kind in get_type_hints(Config).items():
        for key in get_type_hints(kind):
            known.setdefault(f"RAPPEL_{section}_{key}".upper(), (section, key))
    files = {f"{name}_FILE": place for name, place in known.items() if place in _SECRETS}
    given: dict[tuple[str, str], str] = {}
    for name, value in environ.items():
        place = known.get(name) or files.get(name)
        if place is None:
            if name.startswith("RAPPEL_") and name not in _OTHER_VARIABLES and not name.startswith("RAPPEL_TEST_"):
                raise ConfigError(f"{name}: no such setting.{_did_you_mean(name, [*known, *files])}")
            continue
        section, key = place
        text = _read_secret(name, value) if name in files else value
        setting = [part.strip() for part in text.split(",") if part.strip()] if key in _LISTS else text
        if place in given and raw[section][key] != setting:
            raise ConfigError(f"{given[place]} and {name} give two values for one setting; unset one of them.")
        given[place] = name
        raw.setdefault(section, {})[key] = setting
    return given


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}={path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}={path}: is not text (UTF-8); it must hold the secret and nothing else.") from error


def _placed(message: str, variables: Mapping[tuple[str, str], str]) -> str:
    """Say where a setting stands, as the sysadmin wrote it."""
    found = _PLACE.search(message)
    if found is None:
        return f"configuration: {message}"
    place = found["section"], found["key"]
    return f"{variables.get(place) or f'[{place[0]}] {place[1]}'}: {_PLACE.sub('', message)}"


def _check(config: Config) -> None:
    for name, url, schemes in (
        ("DATABASE_URL", config.postgres.url, ("postgresql", "postgres")),
        ("RAPPEL_ARI_URL", config.asterisk.ari_url, ("http", "https")),
    ):
        if url and urlsplit(url).scheme not in schemes:
            raise ConfigError(f"{name} must begin with {schemes[0]}://.")
    if not 1024 <= config.sip.rtp_from < config.sip.rtp_to <= 65535:  # noqa: PLR2004 - the range of user ports
        raise ConfigError(
            f"[sip] rtp_from {config.sip.rtp_from} and rtp_to {config.sip.rtp_to}: "
            "give a range within 1024-65535, two ports for each call at once."
        )
    if config.asterisk.ari_url and not (config.asterisk.ari_password and config.asterisk.socket_password):
        raise ConfigError(
            "RAPPEL_ARI_URL names an Asterisk that is not ours: also set RAPPEL_ASTERISK_ARI_PASSWORD (ari.conf) and "
            "RAPPEL_ASTERISK_SOCKET_PASSWORD (websocket_client.conf), or the files that hold them (…_FILE)."
        )
    _check_web(config.web)
    bad = [name for name in config.sip.softphones if not (name.isascii() and name.isdecimal() and len(name) < 10)]  # noqa: PLR2004 - an extension, not a telephone number
    if bad:
        raise ConfigError(f"[sip] softphones: {', '.join(bad)}: an extension is up to nine digits.")


def _check_web(web: Web) -> None:
    for proxy in web.proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            raise ConfigError(
                f"[web] proxies: '{proxy[:60]}' is no address; write 10.0.0.2 or 10.0.0.0/24."
            ) from None
    if 0 < len(web.public_key) < _SHORTEST_KEY:
        raise ConfigError(f"[web] public_key is too short: give it {_SHORTEST_KEY} characters or more.")


def _did_you_mean(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(known))}."
