"""Creates channels and bridges of a call: a leg dressed for the phone that it will ring, a snoop, a bridge."""

from __future__ import annotations

import contextlib

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.line import Line
from controller.errors import AsteriskRefused, ChannelGone, TelephonyError
from controller.ids import derived_id
from controller.switchboard import LegPlan, Listening

_CONFLICT = 409
_BRIDGE = "mixing,dtmf_events"
"""Without the second word two phones exchange their RTP past Asterisk's core, and nobody is told of a key."""


async def create(line: Line, plan: LegPlan) -> tuple[models.Channel, bool]:
    """Return the leg's channel, and whether it was not there before. It is not dialled yet.

    Raises `AsteriskRefused` for a device that cannot be called.
    """
    try:
        return (
            await line.request(
                ari.channels_create(
                    endpoint=plan.device,
                    app=line.application,
                    app_args="leg",
                    channel_id=plan.party,
                    originator=None if line.alone else line.channel_id,
                    variables=_variables(plan),
                )
            ),
            True,
        )
    except AsteriskRefused as error:
        if error.status != _CONFLICT:
            raise
        return await line.request(ari.channels_get(plan.party)), False


async def contacts(line: Line, endpoint: str) -> tuple[str, ...]:
    """Return what to dial for each reachable device of `endpoint`, which may be named with its technology."""
    technology, _, name = endpoint.rpartition("/")
    if technology not in {"", "PJSIP"}:
        return (endpoint,)
    if line.alone:
        return await line.contacts.of(name, lambda: _without_caller(line, name))
    return await line.contacts.of(name, lambda: _registered(line, name, line.channel_id))


async def _without_caller(line: Line, name: str) -> tuple[str, ...]:
    """Ask through a channel to the endpoint itself: Asterisk tells contacts to channels only.

    It is not dialled, so that no phone is sent anything, and goes at once.
    """
    look = derived_id(line.call_id, "look", 0)
    request = ari.channels_create(
        endpoint=f"PJSIP/{name}",
        app=line.application,
        app_args="leg",
        channel_id=look,
        variables={"CDR_PROP(disable)": "1"},  # it is nobody's call
    )
    try:
        await line.request(request)
    except AsteriskRefused as error:
        if error.status != _CONFLICT:
            return ()
    try:
        return await _registered(line, name, look)
    finally:
        with contextlib.suppress(TelephonyError):
            await line.request(ari.channels_hangup(look))


async def _registered(line: Line, name: str, channel_id: str) -> tuple[str, ...]:
    try:
        found = await line.request(ari.channels_get_channel_var(channel_id, variable=f"PJSIP_DIAL_CONTACTS({name})"))
    except ChannelGone:
        raise
    except AsteriskRefused:  # there is no such endpoint
        return ()
    # Asterisk names a contact twice for a while after its account was changed; each phone is rung once.
    return tuple(dict.fromkeys(device for device in found.value.split("&") if device))


async def open_snoop(line: Line, snoop: str, spied: str, how: Listening) -> bool:
    """Create a channel that hears `spied` and its peer; return whether it was not there before."""
    whisper = "out" if how is Listening.WHISPER else "none"
    try:
        await line.request(
            ari.channels_snoop_channel_with_id(
                spied, snoop, app=line.application, spy="both", whisper=whisper, app_args="snoop"
            )
        )
    except AsteriskRefused as error:
        if error.status != _CONFLICT:
            raise
        return False
    return True


async def open_bridge(line: Line, bridge: str) -> None:
    """Create a mixing bridge that tells of keys, unless it is there."""
    try:
        await line.request(ari.bridges_create_with_id(bridge, type=_BRIDGE))
    except AsteriskRefused as error:
        if error.status != _CONFLICT:
            raise


def _variables(plan: LegPlan) -> dict[str, str]:
    """Return what is set on the channel before it is dialled: functions of the dialplan, in fact."""
    # Asterisk itself follows no REFER of this phone: it reports it (ChannelTransfer).
    variables = {"PJSIP_TRANSFER_HANDLING()": "ari-only"} if plan.device.startswith("PJSIP/") else {}
    if plan.caller_number:
        variables["CONNECTEDLINE(num,i)"] = _ascii(plan.caller_number)
        variables["CONNECTEDLINE(name,i)"] = printable(plan.caller_name or plan.caller_number)
    for name, text in plan.headers.items():
        variables[f"PJSIP_HEADER(add,{name})"] = printable(text)
    return variables


def printable(text: str) -> str:
    """Return `text` fit for a SIP header: one line of Unicode, what cannot be seen replaced by spaces.

    SIP's texts are UTF-8 (RFC 3261, TEXT-UTF8-TRIM), and Asterisk passes them on as they are.
    """
    return "".join(char if char.isprintable() else " " for char in text)


def _ascii(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)
