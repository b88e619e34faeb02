"""Giving agents their accounts: what an account may look like, the SIP password, imports from files.

The API, the command line and imports all come through here, so that one set of rules holds.
"""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import yaml

from controller.acd.model import AgentAccount, AgentId
from controller.errors import RappelError
from controller.ports import SIP_REALM, AgentDirectory, AgentSecret

MAX_IMPORT = 2000
MAX_FILE_BYTES = 1024 * 1024
_PASSWORD_BYTES = 15

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
Extension = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,10}$")]
Grade = Annotated[int, msgspec.Meta(ge=1, le=5)]
Rank = Annotated[int, msgspec.Meta(ge=1, le=9)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f\"<>\\]+$")]
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}$")]

_COLUMNS = ("agent", "name", "extension", "skills", "languages", "queues", "supervisor", "enabled")
_YES = {"yes", "true", "oui", "1", "x"}
_NO = {"no", "false", "non", "0", ""}


class EnrolmentError(RappelError):
    """An account or a list of accounts is not valid; the message says where, and what to write."""


class NewAgent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to create. The extension is also the SIP user name; grades are 1 to 5, ranks 1 (first) to 9."""

    agent: Slug
    name: Name
    extension: Extension
    skills: dict[Slug, Grade] = {}
    languages: tuple[Language, ...] = ()
    queues: dict[Slug, Rank] = {}
    supervisor: bool = False
    enabled: bool = True

    def account(self) -> AgentAccount:
        """Return it as the rest of the system knows it."""
        return msgspec.convert(msgspec.structs.asdict(self), AgentAccount)


class SipAccount(msgspec.Struct, frozen=True):
    """What the agent's phone logs in with. The password is shown here and never again."""

    agent: AgentId
    username: str
    password: str
    realm: str = SIP_REALM


def new_sip_account(account: AgentAccount) -> tuple[SipAccount, AgentSecret]:
    """Return a generated SIP account for an agent, and the secret to store in its place."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    # MD5 because SIP's digest is that (RFC 3261, 22.4); the password has 120 random bits.
    ha1 = hashlib.md5(f"{account.extension}:{SIP_REALM}:{password}".encode(), usedforsecurity=False).hexdigest()
    return SipAccount(account.agent, account.extension, password), AgentSecret(account.agent, ha1)


async def account_of(directory: AgentDirectory, agent: str) -> AgentAccount | None:
    """Return the account of `agent`, None when there is none; raise `StoreError` while Postgres is away."""
    return next((each for each in await directory.accounts() if each.agent == agent), None)


async def enrol(directory: AgentDirectory, agents: Sequence[NewAgent]) -> list[SipAccount]:
    """Create or change all of `agents` or none; return the SIP accounts of those that are new or moved.

    Raises `EnrolmentError` when one is named twice, `StoreConflict` when another agent has an extension.
    """
    named: dict[str, list[str]] = {
        "agent": [each.agent for each in agents],
        "extension": [each.extension for each in agents],
    }
    for what, values in named.items():
        twice = sorted(value for value, times in Counter(values).items() if times > 1)
        if twice:
            shown = ", ".join(twice[:5])
            raise EnrolmentError(f"{what} {shown} stands more than once: name each once (nothing was imported)")
    accounts = [each.account() for each in agents]
    known = {each.agent: each for each in await directory.accounts()}
    fresh = [
        new_sip_account(each)
        for each in accounts
        if each.agent not in known or known[each.agent].extension != each.extension
    ]
    await directory.put(accounts, [secret for _, secret in fresh])
    return [sip for sip, _ in fresh]


# --- files ------------------------------------------------------------------------------------------------------


def read_agents(text: str, name: str) -> list[NewAgent]:
    """Return the agents in a file: CSV (`name` ends in .csv), else YAML.

    CSV has a line of column names (agent, name, extension, skills, languages, queues, supervisor, enabled; comma or
    semicolon), grades and ranks are written `anglais:3 vae:2`. YAML is a mapping `agents:` of ids to the same fields.
    Raises `EnrolmentError` that names the line or the agent.
    """
    if len(text) > MAX_FILE_BYTES:
        raise EnrolmentError(f"{name} is larger than {MAX_FILE_BYTES} bytes: split it")
    found = _from_csv(text, name) if name.lower().endswith(".csv") else _from_yaml(text, name)
    if not found:
        raise EnrolmentError(f"{name} names no agent: it needs one line or entry for each")
    if len(found) > MAX_IMPORT:
        raise EnrolmentError(f"{name} names {len(found)} agents; import at most {MAX_IMPORT} at once")
    return [_checked(where, values) for where, values in found]


def _from_csv(text: str, name: str) -> list[tuple[str, dict[str, Any]]]:
    text = text.removeprefix("\ufeff")  # spreadsheets write one
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    columns = [each.strip().lower() for each in reader.fieldnames or ()]
    unknown = [each for each in columns if each not in _COLUMNS]
    if unknown or "agent" not in columns:
        problem = f"has the unknown column '{unknown[0][:40]}'" if unknown else "has no column 'agent'"
        raise EnrolmentError(f"{name}:1 {problem}: the columns are {', '.join(_COLUMNS)}")
    reader.fieldnames = columns
    found = []
    for row in reader:
        where = f"{name}:{reader.line_num}"
        if None in row:
            raise EnrolmentError(f"{where} has more values than there are columns: quote those with a comma in them")
        given = {key: value.strip() for key, value in row.items() if value is not None and value.strip()}
        if given:
            found.append((where, _from_texts(where, given)))
    return found


def _from_yaml(text: str, name: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        # Every scalar stays text: 0201 is an extension, not a number.
        document = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - the loader that makes nothing but text
    except yaml.YAMLError as error:
        raise EnrolmentError(f"{name} is not YAML: {error}") from None
    agents = document.get("agents") if isinstance(document, Mapping) else None
    if not isinstance(agents, Mapping) or not all(isinstance(each, Mapping) for each in agents.values()):
        raise EnrolmentError(f"{name} needs a mapping 'agents:' of ids, each with name and extension below it")
    return [
        (f"{name}, agent {agent}", _from_texts(f"{name}, agent {agent}", {**fields, "agent": agent}))
        for agent, fields in agents.items()
    ]


def _from_texts(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = dict(given)
    for key in ("skills", "queues"):
        if key in values:
            values[key] = _grades(where, key, values[key])
    if isinstance(values.get("languages"), str):
        values["languages"] = values["languages"].replace(",", " ").split()
    for key in ("supervisor", "enabled"):
        if key in values:
            values[key] = _yes_or_no(where, key, values[key])
    return values


def _grades(where: str, key: str, value: Any) -> dict[str, int]:
    pairs = value.items() if isinstance(value, Mapping) else (each.partition(":")[::2] for each in str(value).split())
    grades = {}
    for name, grade in pairs:
        if not str(grade).isdecimal():
            raise EnrolmentError(f"{where}: {key} '{name}' has no number: write {name}:3")
        grades[str(name)] = int(grade)
    return grades


def _yes_or_no(where: str, key: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise EnrolmentError(f"{where}: {key} is '{word[:20]}': write yes or no")
    return word in _YES


def _checked(where: str, values: dict[str, Any]) -> NewAgent:
    try:
        return msgspec.convert(values, NewAgent)
    except msgspec.ValidationError as error:
        raise EnrolmentError(f"{where}: {error}") from None
