"""A SIP account as Asterisk's dynamic configuration holds it: what is put, in order, for one device."""

from __future__ import annotations

from typing import Any, Final

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.operation import Operation
from controller.ports import DeviceSettings

REALM: Final = "rappel"
"""Part of every HA1: never to be changed without new passwords for all."""
MARK: Final = "agent"
"""Account code of the endpoints that we put, by which they are told from those of the configuration files."""
CONTEXT: Final = "from-agents"
MAX_CONTACTS: Final = 3
MAILBOX_CONTEXT: Final = "rappel"
_CLASS = "res_pjsip"
_KINDS = ("auth", "aor", "endpoint")
_UNQUOTABLE = str.maketrans(dict.fromkeys('"\\<>\r\n\x00', " "))

Put = Operation[list[models.ConfigTuple]]


def put(device: DeviceSettings) -> tuple[Put, ...]:
    """Return the requests that make the account, or make it what it should be, in the order they need."""
    name = device.endpoint
    fields: tuple[dict[str, str], ...] = (
        {
            # Digest by A1: the password is nowhere in Asterisk. `md5_cred` is taken by every 22.x.
            "auth_type": "md5",
            "md5_cred": device.ha1,
            "realm": REALM,
            "username": name,
        },
        {
            "max_contacts": str(MAX_CONTACTS),
            # A fourth device takes the place of the one whose registration is oldest, instead of being refused.
            "remove_existing": "yes",
            "remove_unavailable": "yes",
            "minimum_expiration": "30",
            "default_expiration": "300",
            "maximum_expiration": "3600",
            # Notices a phone that went away, and keeps its router's pinhole open.
            "qualify_frequency": "20",
            "qualify_timeout": "3.0",
            "mailboxes": _mailboxes(device),
        },
        {
            "context": CONTEXT,
            "accountcode": MARK,
            "auth": name,
            "aors": name,
            "callerid": f'"{device.display_name.translate(_UNQUOTABLE).strip()}" <{name}>',
            "mailboxes": _mailboxes(device),
            **_COMMON,
        },
    )
    return tuple(
        ari.asterisk_update_object(_CLASS, kind, name, fields=_attributes(values))
        for kind, values in zip(_KINDS, fields, strict=True)
    )


def delete(endpoint: str) -> tuple[Operation[None], ...]:
    """Return the requests that delete an account; a call of its phone goes on."""
    return tuple(ari.asterisk_delete_object(_CLASS, kind, endpoint) for kind in reversed(_KINDS))


def is_marked(endpoint: list[models.ConfigTuple]) -> bool:
    """Tell whether an endpoint is one that we put."""
    return any(field.attribute == "accountcode" and field.value == MARK for field in endpoint)


def look(endpoint: str) -> Put:
    """Return the request for an endpoint's configuration."""
    return ari.asterisk_get_object(_CLASS, "endpoint", endpoint)


def _mailboxes(device: DeviceSettings) -> str:
    return ",".join(f"{mailbox}@{MAILBOX_CONTEXT}" for mailbox in device.mailboxes)


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"attribute": name, "value": value} for name, value in values.items()]


_COMMON: Final = {
    "identify_by": "username",
    "disallow": "all",
    "allow": "g722,alaw,ulaw,opus",
    "dtmf_mode": "auto",
    "direct_media": "no",
    "rtp_symmetric": "yes",
    "force_rport": "yes",
    "rewrite_contact": "yes",
    # SRTP where the phone offers it, plain RTP where it does not.
    "media_encryption": "sdes",
    "media_encryption_optimistic": "yes",
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
