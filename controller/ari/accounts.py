"""A SIP account as Asterisk's dynamic configuration holds it: what is put, in order, for one device."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.operation import Operation
from controller.ports import SIP_REALM, DeviceSettings

_MARK: Final = "rappel-"
"""Begins the context for SIP messages of the endpoints that we put: no such context exists, messages are refused.

It tells them from those of the configuration files, and goes on with a digest of the account. (A channel variable
would be plainer; an endpoint that has one cannot be changed: Asterisk stumbles over it.)
"""
_MARKED: Final = "message_context"
CONTEXT: Final = "from-agents"
MAX_CONTACTS: Final = 3
MAILBOX_CONTEXT: Final = "rappel"
_CLASS = "res_pjsip"
_KINDS = ("auth", "aor", "endpoint")
_UNQUOTABLE = str.maketrans(dict.fromkeys('"\\<>\r\n\x00', " "))

Put = Operation[list[models.ConfigTuple]]


def put(device: DeviceSettings, aor: list[models.ConfigTuple] | None) -> tuple[Operation[Any], ...]:
    """Return the requests that make the account, or make it what it should be, in the order they need.

    `aor` is the account's address of record as `look_at_aor` found it, None when there is none. One with registered
    devices is left as it is: an update would write its registrations into the configuration (the device would ring
    twice, and be there for ever), and with it deleted they would be forgotten.
    """
    account = _account(device)
    requests: dict[str, tuple[Operation[Any], ...]] = {
        kind: (_put(kind, device.endpoint, fields),) for kind, fields in account.items()
    }
    if aor is not None:
        has = {field.attribute: field.value for field in aor}
        if "contact" in has or has.get("mailboxes") == account["aor"]["mailboxes"]:
            del requests["aor"]
        else:
            requests["aor"] = (ari.asterisk_delete_object(_CLASS, "aor", device.endpoint), *requests["aor"])
    return tuple(request for kind in requests.values() for request in kind)


def look_at_aor(endpoint: str) -> Put:
    """Return the request for an account's address of record, registered devices included."""
    return ari.asterisk_get_object(_CLASS, "aor", endpoint)


def look(endpoint: str) -> Put:
    """Return the request for an endpoint's configuration."""
    return ari.asterisk_get_object(_CLASS, "endpoint", endpoint)


def is_ours(endpoint: list[models.ConfigTuple]) -> bool:
    """Tell whether an endpoint is one that we put."""
    return _mark(endpoint).startswith(_MARK)


def is_as_wanted(endpoint: list[models.ConfigTuple], device: DeviceSettings) -> bool:
    """Tell whether the account behind an endpoint is what `put` would make it."""
    return _mark(endpoint) == _account(device)["endpoint"][_MARKED]


def _mark(endpoint: list[models.ConfigTuple]) -> str:
    return next((field.value for field in endpoint if field.attribute == _MARKED), "")


def _account(device: DeviceSettings) -> dict[str, dict[str, str]]:
    """Return the fields of the account's objects by their kinds."""
    name = device.endpoint
    mailboxes = ",".join(f"{mailbox}@{MAILBOX_CONTEXT}" for mailbox in device.mailboxes)
    account = {
        "auth": {
            # Digest by A1: the password is nowhere in Asterisk. `md5_cred` is taken by every 22.x.
            "auth_type": "md5",
            "md5_cred": device.ha1,
            "realm": SIP_REALM,
            "username": name,
        },
        "aor": {
            "max_contacts": str(MAX_CONTACTS),
            # A device too many takes the place of one that does not answer, or else of the oldest.
            "remove_existing": "yes",
            "remove_unavailable": "yes",
            "minimum_expiration": "30",
            "default_expiration": "300",
            "maximum_expiration": "3600",
            # Notices a phone that went away, in a conversation as well (`controller.ari.lostphones`: within 5 s), and
            # keeps its router's pinhole open. Asterisk asks devices whose registration it kept over a restart at a
            # random moment of the interval: they are unreachable till then.
            "qualify_frequency": "2",
            "qualify_timeout": "2.0",
            "mailboxes": mailboxes,
        },
        "endpoint": {
            "context": CONTEXT,
            "auth": name,
            "aors": name,
            "callerid": f'"{device.display_name.translate(_UNQUOTABLE).strip()}" <{name}>',
            "mailboxes": mailboxes,
            **_COMMON,
        },
    }
    # What was put is read off the endpoint later: an account that has not changed is left alone.
    digest = hashlib.sha256(json.dumps(account, sort_keys=True).encode()).hexdigest()
    account["endpoint"][_MARKED] = f"{_MARK}{digest[:16]}"
    return account


def delete(endpoint: str) -> tuple[Operation[None], ...]:
    """Return the requests that delete an account; a call of its phone goes on."""
    return tuple(ari.asterisk_delete_object(_CLASS, kind, endpoint) for kind in reversed(_KINDS))


def _put(kind: str, name: str, fields: dict[str, str]) -> Put:
    attributes = [{"attribute": attribute, "value": value} for attribute, value in fields.items()]
    return ari.asterisk_update_object(_CLASS, kind, name, fields=attributes)


_COMMON: Final = {
    "identify_by": "username",
    "disallow": "all",
    "allow": "g722,alaw,ulaw,opus",
    "dtmf_mode": "auto",
    "direct_media": "no",
    "rtp_symmetric": "yes",
    "force_rport": "yes",
    "rewrite_contact": "yes",
    "rtp_timeout": "60",
    "rtp_timeout_hold": "600",
    "timers": "yes",
    "timers_min_se": "90",
    "timers_sess_expires": "1800",
    "inband_progress": "no",
    "trust_id_inbound": "no",
    # REFER is heard, and left to the controller: each leg to an agent has PJSIP_TRANSFER_HANDLING=ari-only.
    "allow_transfer": "yes",
    "redirect_method": "user",
    "allow_subscribe": "yes",
    # A phone that asks for messages waiting is told where it asked; the others are told unasked.
    "mwi_subscribe_replaces_unsolicited": "yes",
    "device_state_busy_at": "0",
}
