"""What Asterisk can be asked, one function each.

Written by tools/generate_ari.py from the ARI description of Asterisk 22. Do not edit: run the generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

from controller.ari.generated import models
from controller.ari.operation import Operation, escape


def applications_list() -> Operation[list[models.Application]]:
    """GET /applications."""
    return Operation(
        "applications.list", "GET", "applications", "applications",
        (), None, list[models.Application],
    )


def applications_get(
    application_name: str,
) -> Operation[models.Application]:
    """GET /applications/{applicationName}."""
    return Operation(
        "applications.get", "GET", "applications/{applicationName}", f"applications/{escape(application_name)}",
        (), None, models.Application,
    )


def applications_subscribe(
    application_name: str,
    *,
    event_source: Sequence[str],
) -> Operation[models.Application]:
    """POST /applications/{applicationName}/subscription."""
    return Operation(
        "applications.subscribe", "POST", "applications/{applicationName}/subscription", f"applications/{escape(application_name)}/subscription",
        (("eventSource", ",".join(event_source)),), None, models.Application,
    )


def applications_unsubscribe(
    application_name: str,
    *,
    event_source: Sequence[str],
) -> Operation[models.Application]:
    """DELETE /applications/{applicationName}/subscription."""
    return Operation(
        "applications.unsubscribe", "DELETE", "applications/{applicationName}/subscription", f"applications/{escape(application_name)}/subscription",
        (("eventSource", ",".join(event_source)),), None, models.Application,
    )


def applications_filter(
    application_name: str,
    *,
    filter: dict[str, Any] | None = None,
) -> Operation[models.Application]:
    """PUT /applications/{applicationName}/eventFilter."""
    return Operation(
        "applications.filter", "PUT", "applications/{applicationName}/eventFilter", f"applications/{escape(application_name)}/eventFilter",
        (), filter, models.Application,
    )


def asterisk_get_object(
    config_class: str,
    object_type: str,
    id: str,
) -> Operation[list[models.ConfigTuple]]:
    """GET /asterisk/config/dynamic/{configClass}/{objectType}/{id}."""
    return Operation(
        "asterisk.getObject", "GET", "asterisk/config/dynamic/{configClass}/{objectType}/{id}", f"asterisk/config/dynamic/{escape(config_class)}/{escape(object_type)}/{escape(id)}",
        (), None, list[models.ConfigTuple],
    )


def asterisk_update_object(
    config_class: str,
    object_type: str,
    id: str,
    *,
    fields: Any = None,
) -> Operation[list[models.ConfigTuple]]:
    """PUT /asterisk/config/dynamic/{configClass}/{objectType}/{id}."""
    return Operation(
        "asterisk.updateObject", "PUT", "asterisk/config/dynamic/{configClass}/{objectType}/{id}", f"asterisk/config/dynamic/{escape(config_class)}/{escape(object_type)}/{escape(id)}",
        (), None if fields is None else {"fields": fields}, list[models.ConfigTuple],
    )


def asterisk_delete_object(
    config_class: str,
    object_type: str,
    id: str,
) -> Operation[None]:
    """DELETE /asterisk/config/dynamic/{configClass}/{objectType}/{id}."""
    return Operation(
        "asterisk.deleteObject", "DELETE", "asterisk/config/dynamic/{configClass}/{objectType}/{id}", f"asterisk/config/dynamic/{escape(config_class)}/{escape(object_type)}/{escape(id)}",
        (), None, NoneType,
    )


def asterisk_get_info(
    *,
    only: Sequence[str] | None = None,
) -> Operation[models.AsteriskInfo]:
    """GET /asterisk/info."""
    query: list[tuple[str, str]] = []
    if only is not None:
        query.append(("only", ",".join(only)))
    return Operation(
        "asterisk.getInfo", "GET", "asterisk/info", "asterisk/info",
        tuple(query), None, models.AsteriskInfo,
    )


def asterisk_ping() -> Operation[models.AsteriskPing]:
    """GET /asterisk/ping."""
    return Operation(
        "asterisk.ping", "GET", "asterisk/ping", "asterisk/ping",
        (), None, models.AsteriskPing,
    )


def asterisk_list_modules() -> Operation[list[models.Module]]:
    """GET /asterisk/modules."""
    return Operation(
        "asterisk.listModules", "GET", "asterisk/modules", "asterisk/modules",
        (), None, list[models.Module],
    )


def asterisk_get_module(
    module_name: str,
) -> Operation[models.Module]:
    """GET /asterisk/modules/{moduleName}."""
    return Operation(
        "asterisk.getModule", "GET", "asterisk/modules/{moduleName}", f"asterisk/modules/{escape(module_name)}",
        (), None, models.Module,
    )


def asterisk_load_module(
    module_name: str,
) -> Operation[None]:
    """POST /asterisk/modules/{moduleName}."""
    return Operation(
        "asterisk.loadModule", "POST", "asterisk/modules/{moduleName}", f"asterisk/modules/{escape(module_name)}",
        (), None, NoneType,
    )


def asterisk_unload_module(
    module_name: str,
) -> Operation[None]:
    """DELETE /asterisk/modules/{moduleName}."""
    return Operation(
        "asterisk.unloadModule", "DELETE", "asterisk/modules/{moduleName}", f"asterisk/modules/{escape(module_name)}",
        (), None, NoneType,
    )


def asterisk_reload_module(
    module_name: str,
) -> Operation[None]:
    """PUT /asterisk/modules/{moduleName}."""
    return Operation(
        "asterisk.reloadModule", "PUT", "asterisk/modules/{moduleName}", f"asterisk/modules/{escape(module_name)}",
        (), None, NoneType,
    )


def asterisk_list_log_channels() -> Operation[list[models.LogChannel]]:
    """GET /asterisk/logging."""
    return Operation(
        "asterisk.listLogChannels", "GET", "asterisk/logging", "asterisk/logging",
        (), None, list[models.LogChannel],
    )


def asterisk_add_log(
    log_channel_name: str,
    *,
    configuration: str,
) -> Operation[None]:
    """POST /asterisk/logging/{logChannelName}."""
    return Operation(
        "asterisk.addLog", "POST", "asterisk/logging/{logChannelName}", f"asterisk/logging/{escape(log_channel_name)}",
        (("configuration", configuration),), None, NoneType,
    )


def asterisk_delete_log(
    log_channel_name: str,
) -> Operation[None]:
    """DELETE /asterisk/logging/{logChannelName}."""
    return Operation(
        "asterisk.deleteLog", "DELETE", "asterisk/logging/{logChannelName}", f"asterisk/logging/{escape(log_channel_name)}",
        (), None, NoneType,
    )


def asterisk_rotate_log(
    log_channel_name: str,
) -> Operation[None]:
    """PUT /asterisk/logging/{logChannelName}/rotate."""
    return Operation(
        "asterisk.rotateLog", "PUT", "asterisk/logging/{logChannelName}/rotate", f"asterisk/logging/{escape(log_channel_name)}/rotate",
        (), None, NoneType,
    )


def asterisk_get_global_var(
    *,
    variable: str,
) -> Operation[models.Variable]:
    """GET /asterisk/variable."""
    return Operation(
        "asterisk.getGlobalVar", "GET", "asterisk/variable", "asterisk/variable",
        (("variable", variable),), None, models.Variable,
    )


def asterisk_set_global_var(
    *,
    variable: str,
    value: str | None = None,
) -> Operation[None]:
    """POST /asterisk/variable."""
    query: list[tuple[str, str]] = [("variable", variable)]
    if value is not None:
        query.append(("value", value))
    return Operation(
        "asterisk.setGlobalVar", "POST", "asterisk/variable", "asterisk/variable",
        tuple(query), None, NoneType,
    )


def bridges_list() -> Operation[list[models.Bridge]]:
    """GET /bridges."""
    return Operation(
        "bridges.list", "GET", "bridges", "bridges",
        (), None, list[models.Bridge],
    )


def bridges_create(
    *,
    type: str | None = None,
    bridge_id: str | None = None,
    name: str | None = None,
    variables: Any = None,
) -> Operation[models.Bridge]:
    """POST /bridges."""
    query: list[tuple[str, str]] = []
    if type is not None:
        query.append(("type", type))
    if bridge_id is not None:
        query.append(("bridgeId", bridge_id))
    if name is not None:
        query.append(("name", name))
    return Operation(
        "bridges.create", "POST", "bridges", "bridges",
        tuple(query), None if variables is None else {"variables": variables}, models.Bridge,
    )


def bridges_create_with_id(
    bridge_id: str,
    *,
    type: str | None = None,
    name: str | None = None,
    variables: Any = None,
) -> Operation[models.Bridge]:
    """POST /bridges/{bridgeId}."""
    query: list[tuple[str, str]] = []
    if type is not None:
        query.append(("type", type))
    if name is not None:
        query.append(("name", name))
    return Operation(
        "bridges.createWithId", "POST", "bridges/{bridgeId}", f"bridges/{escape(bridge_id)}",
        tuple(query), None if variables is None else {"variables": variables}, models.Bridge,
    )


def bridges_get(
    bridge_id: str,
) -> Operation[models.Bridge]:
    """GET /bridges/{bridgeId}."""
    return Operation(
        "bridges.get", "GET", "bridges/{bridgeId}", f"bridges/{escape(bridge_id)}",
        (), None, models.Bridge,
    )


def bridges_destroy(
    bridge_id: str,
) -> Operation[None]:
    """DELETE /bridges/{bridgeId}."""
    return Operation(
        "bridges.destroy", "DELETE", "bridges/{bridgeId}", f"bridges/{escape(bridge_id)}",
        (), None, NoneType,
    )


def bridges_get_bridge_var(
    bridge_id: str,
    *,
    variable: str,
) -> Operation[models.Variable]:
    """GET /bridges/{bridgeId}/variable."""
    return Operation(
        "bridges.getBridgeVar", "GET", "bridges/{bridgeId}/variable", f"bridges/{escape(bridge_id)}/variable",
        (("variable", variable),), None, models.Variable,
    )


def bridges_set_bridge_var(
    bridge_id: str,
    *,
    variable: str,
    value: str | None = None,
    report_events: bool | None = None,
) -> Operation[None]:
    """POST /bridges/{bridgeId}/variable."""
    query: list[tuple[str, str]] = [("variable", variable)]
    if value is not None:
        query.append(("value", value))
    if report_events is not None:
        query.append(("report_events", "true" if report_events else "false"))
    return Operation(
        "bridges.setBridgeVar", "POST", "bridges/{bridgeId}/variable", f"bridges/{escape(bridge_id)}/variable",
        tuple(query), None, NoneType,
    )


def bridges_get_bridge_vars(
    bridge_id: str,
    *,
    variables: Sequence[str],
) -> Operation[models.Variables]:
    """GET /bridges/{bridgeId}/variables."""
    return Operation(
        "bridges.getBridgeVars", "GET", "bridges/{bridgeId}/variables", f"bridges/{escape(bridge_id)}/variables",
        (("variables", ",".join(variables)),), None, models.Variables,
    )


def bridges_set_bridge_vars(
    bridge_id: str,
    *,
    variables: Any,
) -> Operation[None]:
    """POST /bridges/{bridgeId}/variables."""
    return Operation(
        "bridges.setBridgeVars", "POST", "bridges/{bridgeId}/variables", f"bridges/{escape(bridge_id)}/variables",
        (), None if variables is None else {"variables": variables}, NoneType,
    )


def bridges_add_channel(
    bridge_id: str,
    *,
    channel: Sequence[str],
    role: str | None = None,
    absorb_dtmf: bool | None = None,
    mute: bool | None = None,
    inhibit_connected_line_updates: bool | None = None,
) -> Operation[None]:
    """POST /bridges/{bridgeId}/addChannel."""
    query: list[tuple[str, str]] = [("channel", ",".join(channel))]
    if role is not None:
        query.append(("role", role))
    if absorb_dtmf is not None:
        query.append(("absorbDTMF", "true" if absorb_dtmf else "false"))
    if mute is not None:
        query.append(("mute", "true" if mute else "false"))
    if inhibit_connected_line_updates is not None:
        query.append(("inhibitConnectedLineUpdates", "true" if inhibit_connected_line_updates else "false"))
    return Operation(
        "bridges.addChannel", "POST", "bridges/{bridgeId}/addChannel", f"bridges/{escape(bridge_id)}/addChannel",
        tuple(query), None, NoneType,
    )


def bridges_remove_channel(
    bridge_id: str,
    *,
    channel: Sequence[str],
) -> Operation[None]:
    """POST /bridges/{bridgeId}/removeChannel."""
    return Operation(
        "bridges.removeChannel", "POST", "bridges/{bridgeId}/removeChannel", f"bridges/{escape(bridge_id)}/removeChannel",
        (("channel", ",".join(channel)),), None, NoneType,
    )


def bridges_set_video_source(
    bridge_id: str,
    channel_id: str,
) -> Operation[None]:
    """POST /bridges/{bridgeId}/videoSource/{channelId}."""
    return Operation(
        "bridges.setVideoSource", "POST", "bridges/{bridgeId}/videoSource/{channelId}", f"bridges/{escape(bridge_id)}/videoSource/{escape(channel_id)}",
        (), None, NoneType,
    )


def bridges_clear_video_source(
    bridge_id: str,
) -> Operation[None]:
    """DELETE /bridges/{bridgeId}/videoSource."""
    return Operation(
        "bridges.clearVideoSource", "DELETE", "bridges/{bridgeId}/videoSource", f"bridges/{escape(bridge_id)}/videoSource",
        (), None, NoneType,
    )


def bridges_start_moh(
    bridge_id: str,
    *,
    moh_class: str | None = None,
) -> Operation[None]:
    """POST /bridges/{bridgeId}/moh."""
    query: list[tuple[str, str]] = []
    if moh_class is not None:
        query.append(("mohClass", moh_class))
    return Operation(
        "bridges.startMoh", "POST", "bridges/{bridgeId}/moh", f"bridges/{escape(bridge_id)}/moh",
        tuple(query), None, NoneType,
    )


def bridges_stop_moh(
    bridge_id: str,
) -> Operation[None]:
    """DELETE /bridges/{bridgeId}/moh."""
    return Operation(
        "bridges.stopMoh", "DELETE", "bridges/{bridgeId}/moh", f"bridges/{escape(bridge_id)}/moh",
        (), None, NoneType,
    )


def bridges_play(
    bridge_id: str,
    *,
    media: Sequence[str],
    announcer_format: str | None = None,
    lang: str | None = None,
    offsetms: int | None = None,
    skipms: int | None = None,
    playback_id: str | None = None,
) -> Operation[models.Playback]:
    """POST /bridges/{bridgeId}/play."""
    query: list[tuple[str, str]] = [("media", ",".join(media))]
    if announcer_format is not None:
        query.append(("announcer_format", announcer_format))
    if lang is not None:
        query.append(("lang", lang))
    if offsetms is not None:
        query.append(("offsetms", str(offsetms)))
    if skipms is not None:
        query.append(("skipms", str(skipms)))
    if playback_id is not None:
        query.append(("playbackId", playback_id))
    return Operation(
        "bridges.play", "POST", "bridges/{bridgeId}/play", f"bridges/{escape(bridge_id)}/play",
        tuple(query), None, models.Playback,
    )


def bridges_play_with_id(
    bridge_id: str,
    playback_id: str,
    *,
    media: Sequence[str],
    announcer_format: str | None = None,
    lang: str | None = None,
    offsetms: int | None = None,
    skipms: int | None = None,
) -> Operation[models.Playback]:
    """POST /bridges/{bridgeId}/play/{playbackId}."""
    query: list[tuple[str, str]] = [("media", ",".join(media))]
    if announcer_format is not None:
        query.append(("announcer_format", announcer_format))
    if lang is not None:
        query.append(("lang", lang))
    if offsetms is not None:
        query.append(("offsetms", str(offsetms)))
    if skipms is not None:
        query.append(("skipms", str(skipms)))
    return Operation(
        "bridges.playWithId", "POST", "bridges/{bridgeId}/play/{playbackId}", f"bridges/{escape(bridge_id)}/play/{escape(playback_id)}",
        tuple(query), None, models.Playback,
    )


def bridges_record(
    bridge_id: str,
    *,
    name: str,
    format: str,
    recorder_format: str | None = None,
    max_duration_seconds: int | None = None,
    max_silence_seconds: int | None = None,
    if_exists: str | None = None,
    beep: bool | None = None,
    terminate_on: str | None = None,
) -> Operation[models.LiveRecording]:
    """POST /bridges/{bridgeId}/record."""
    query: list[tuple[str, str]] = [("name", name), ("format", format)]
    if recorder_format is not None:
        query.append(("recorder_format", recorder_format))
    if max_duration_seconds is not None:
        query.append(("maxDurationSeconds", str(max_duration_seconds)))
    if max_silence_seconds is not None:
        query.append(("maxSilenceSeconds", str(max_silence_seconds)))
    if if_exists is not None:
        query.append(("ifExists", if_exists))
    if beep is not None:
        query.append(("beep", "true" if beep else "false"))
    if terminate_on is not None:
        query.append(("terminateOn", terminate_on))
    return Operation(
        "bridges.record", "POST", "bridges/{bridgeId}/record", f"bridges/{escape(bridge_id)}/record",
        tuple(query), None, models.LiveRecording,
    )


def channels_list() -> Operation[list[models.Channel]]:
    """GET /channels."""
    return Operation(
        "channels.list", "GET", "channels", "channels",
        (), None, list[models.Channel],
    )


def channels_originate(
    *,
    endpoint: str,
    extension: str | None = None,
    context: str | None = None,
    priority: int | None = None,
    label: str | None = None,
    app: str | None = None,
    app_args: str | None = None,
    caller_id: str | None = None,
    timeout: int | None = None,
    channel_id: str | None = None,
    other_channel_id: str | None = None,
    originator: str | None = None,
    formats: str | None = None,
    variables: Any = None,
) -> Operation[models.Channel]:
    """POST /channels."""
    query: list[tuple[str, str]] = [("endpoint", endpoint)]
    if extension is not None:
        query.append(("extension", extension))
    if context is not None:
        query.append(("context", context))
    if priority is not None:
        query.append(("priority", str(priority)))
    if label is not None:
        query.append(("label", label))
    if app is not None:
        query.append(("app", app))
    if app_args is not None:
        query.append(("appArgs", app_args))
    if caller_id is not None:
        query.append(("callerId", caller_id))
    if timeout is not None:
        query.append(("timeout", str(timeout)))
    if channel_id is not None:
        query.append(("channelId", channel_id))
    if other_channel_id is not None:
        query.append(("otherChannelId", other_channel_id))
    if originator is not None:
        query.append(("originator", originator))
    if formats is not None:
        query.append(("formats", formats))
    return Operation(
        "channels.originate", "POST", "channels", "channels",
        tuple(query), None if variables is None else {"variables": variables}, models.Channel,
    )


def channels_create(
    *,
    endpoint: str,
    app: str,
    app_args: str | None = None,
    channel_id: str | None = None,
    other_channel_id: str | None = None,
    originator: str | None = None,
    formats: str | None = None,
    variables: Any = None,
) -> Operation[models.Channel]:
    """POST /channels/create."""
    query: list[tuple[str, str]] = [("endpoint", endpoint), ("app", app)]
    if app_args is not None:
        query.append(("appArgs", app_args))
    if channel_id is not None:
        query.append(("channelId", channel_id))
    if other_channel_id is not None:
        query.append(("otherChannelId", other_channel_id))
    if originator is not None:
        query.append(("originator", originator))
    if formats is not None:
        query.append(("formats", formats))
    return Operation(
        "channels.create", "POST", "channels/create", "channels/create",
        tuple(query), None if variables is None else {"variables": variables}, models.Channel,
    )


def channels_get(
    channel_id: str,
) -> Operation[models.Channel]:
    """GET /channels/{channelId}."""
    return Operation(
        "channels.get", "GET", "channels/{channelId}", f"channels/{escape(channel_id)}",
        (), None, models.Channel,
    )


def channels_originate_with_id(
    channel_id: str,
    *,
    endpoint: str,
    extension: str | None = None,
    context: str | None = None,
    priority: int | None = None,
    label: str | None = None,
    app: str | None = None,
    app_args: str | None = None,
    caller_id: str | None = None,
    timeout: int | None = None,
    other_channel_id: str | None = None,
    originator: str | None = None,
    formats: str | None = None,
    variables: Any = None,
) -> Operation[models.Channel]:
    """POST /channels/{channelId}."""
    query: list[tuple[str, str]] = [("endpoint", endpoint)]
    if extension is not None:
        query.append(("extension", extension))
    if context is not None:
        query.append(("context", context))
    if priority is not None:
        query.append(("priority", str(priority)))
    if label is not None:
        query.append(("label", label))
    if app is not None:
        query.append(("app", app))
    if app_args is not None:
        query.append(("appArgs", app_args))
    if caller_id is not None:
        query.append(("callerId", caller_id))
    if timeout is not None:
        query.append(("timeout", str(timeout)))
    if other_channel_id is not None:
        query.append(("otherChannelId", other_channel_id))
    if originator is not None:
        query.append(("originator", originator))
    if formats is not None:
        query.append(("formats", formats))
    return Operation(
        "channels.originateWithId", "POST", "channels/{channelId}", f"channels/{escape(channel_id)}",
        tuple(query), None if variables is None else {"variables": variables}, models.Channel,
    )


def channels_hangup(
    channel_id: str,
    *,
    reason_code: str | None = None,
    reason: str | None = None,
) -> Operation[None]:
    """DELETE /channels/{channelId}."""
    query: list[tuple[str, str]] = []
    if reason_code is not None:
        query.append(("reason_code", reason_code))
    if reason is not None:
        query.append(("reason", reason))
    return Operation(
        "channels.hangup", "DELETE", "channels/{channelId}", f"channels/{escape(channel_id)}",
        tuple(query), None, NoneType,
    )


def channels_continue_in_dialplan(
    channel_id: str,
    *,
    context: str | None = None,
    extension: str | None = None,
    priority: int | None = None,
    label: str | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/continue."""
    query: list[tuple[str, str]] = []
    if context is not None:
        query.append(("context", context))
    if extension is not None:
        query.append(("extension", extension))
    if priority is not None:
        query.append(("priority", str(priority)))
    if label is not None:
        query.append(("label", label))
    return Operation(
        "channels.continueInDialplan", "POST", "channels/{channelId}/continue", f"channels/{escape(channel_id)}/continue",
        tuple(query), None, NoneType,
    )


def channels_move(
    channel_id: str,
    *,
    app: str,
    app_args: str | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/move."""
    query: list[tuple[str, str]] = [("app", app)]
    if app_args is not None:
        query.append(("appArgs", app_args))
    return Operation(
        "channels.move", "POST", "channels/{channelId}/move", f"channels/{escape(channel_id)}/move",
        tuple(query), None, NoneType,
    )


def channels_redirect(
    channel_id: str,
    *,
    endpoint: str,
) -> Operation[None]:
    """POST /channels/{channelId}/redirect."""
    return Operation(
        "channels.redirect", "POST", "channels/{channelId}/redirect", f"channels/{escape(channel_id)}/redirect",
        (("endpoint", endpoint),), None, NoneType,
    )


def channels_answer(
    channel_id: str,
) -> Operation[None]:
    """POST /channels/{channelId}/answer."""
    return Operation(
        "channels.answer", "POST", "channels/{channelId}/answer", f"channels/{escape(channel_id)}/answer",
        (), None, NoneType,
    )


def channels_ring(
    channel_id: str,
) -> Operation[None]:
    """POST /channels/{channelId}/ring."""
    return Operation(
        "channels.ring", "POST", "channels/{channelId}/ring", f"channels/{escape(channel_id)}/ring",
        (), None, NoneType,
    )


def channels_ring_stop(
    channel_id: str,
) -> Operation[None]:
    """DELETE /channels/{channelId}/ring."""
    return Operation(
        "channels.ringStop", "DELETE", "channels/{channelId}/ring", f"channels/{escape(channel_id)}/ring",
        (), None, NoneType,
    )


def channels_progress(
    channel_id: str,
) -> Operation[None]:
    """POST /channels/{channelId}/progress."""
    return Operation(
        "channels.progress", "POST", "channels/{channelId}/progress", f"channels/{escape(channel_id)}/progress",
        (), None, NoneType,
    )


def channels_send_dtmf(
    channel_id: str,
    *,
    dtmf: str | None = None,
    before: int | None = None,
    between: int | None = None,
    duration: int | None = None,
    after: int | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/dtmf."""
    query: list[tuple[str, str]] = []
    if dtmf is not None:
        query.append(("dtmf", dtmf))
    if before is not None:
        query.append(("before", str(before)))
    if between is not None:
        query.append(("between", str(between)))
    if duration is not None:
        query.append(("duration", str(duration)))
    if after is not None:
        query.append(("after", str(after)))
    return Operation(
        "channels.sendDTMF", "POST", "channels/{channelId}/dtmf", f"channels/{escape(channel_id)}/dtmf",
        tuple(query), None, NoneType,
    )


def channels_mute(
    channel_id: str,
    *,
    direction: str | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/mute."""
    query: list[tuple[str, str]] = []
    if direction is not None:
        query.append(("direction", direction))
    return Operation(
        "channels.mute", "POST", "channels/{channelId}/mute", f"channels/{escape(channel_id)}/mute",
        tuple(query), None, NoneType,
    )


def channels_unmute(
    channel_id: str,
    *,
    direction: str | None = None,
) -> Operation[None]:
    """DELETE /channels/{channelId}/mute."""
    query: list[tuple[str, str]] = []
    if direction is not None:
        query.append(("direction", direction))
    return Operation(
        "channels.unmute", "DELETE", "channels/{channelId}/mute", f"channels/{escape(channel_id)}/mute",
        tuple(query), None, NoneType,
    )


def channels_hold(
    channel_id: str,
) -> Operation[None]:
    """POST /channels/{channelId}/hold."""
    return Operation(
        "channels.hold", "POST", "channels/{channelId}/hold", f"channels/{escape(channel_id)}/hold",
        (), None, NoneType,
    )


def channels_unhold(
    channel_id: str,
) -> Operation[None]:
    """DELETE /channels/{channelId}/hold."""
    return Operation(
        "channels.unhold", "DELETE", "channels/{channelId}/hold", f"channels/{escape(channel_id)}/hold",
        (), None, NoneType,
    )


def channels_start_moh(
    channel_id: str,
    *,
    moh_class: str | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/moh."""
    query: list[tuple[str, str]] = []
    if moh_class is not None:
        query.append(("mohClass", moh_class))
    return Operation(
        "channels.startMoh", "POST", "channels/{channelId}/moh", f"channels/{escape(channel_id)}/moh",
        tuple(query), None, NoneType,
    )


def channels_stop_moh(
    channel_id: str,
) -> Operation[None]:
    """DELETE /channels/{channelId}/moh."""
    return Operation(
        "channels.stopMoh", "DELETE", "channels/{channelId}/moh", f"channels/{escape(channel_id)}/moh",
        (), None, NoneType,
    )


def channels_start_silence(
    channel_id: str,
) -> Operation[None]:
    """POST /channels/{channelId}/silence."""
    return Operation(
        "channels.startSilence", "POST", "channels/{channelId}/silence", f"channels/{escape(channel_id)}/silence",
        (), None, NoneType,
    )


def channels_stop_silence(
    channel_id: str,
) -> Operation[None]:
    """DELETE /channels/{channelId}/silence."""
    return Operation(
        "channels.stopSilence", "DELETE", "channels/{channelId}/silence", f"channels/{escape(channel_id)}/silence",
        (), None, NoneType,
    )


def channels_play(
    channel_id: str,
    *,
    media: Sequence[str],
    lang: str | None = None,
    offsetms: int | None = None,
    skipms: int | None = None,
    playback_id: str | None = None,
) -> Operation[models.Playback]:
    """POST /channels/{channelId}/play."""
    query: list[tuple[str, str]] = [("media", ",".join(media))]
    if lang is not None:
        query.append(("lang", lang))
    if offsetms is not None:
        query.append(("offsetms", str(offsetms)))
    if skipms is not None:
        query.append(("skipms", str(skipms)))
    if playback_id is not None:
        query.append(("playbackId", playback_id))
    return Operation(
        "channels.play", "POST", "channels/{channelId}/play", f"channels/{escape(channel_id)}/play",
        tuple(query), None, models.Playback,
    )


def channels_play_with_id(
    channel_id: str,
    playback_id: str,
    *,
    media: Sequence[str],
    lang: str | None = None,
    offsetms: int | None = None,
    skipms: int | None = None,
) -> Operation[models.Playback]:
    """POST /channels/{channelId}/play/{playbackId}."""
    query: list[tuple[str, str]] = [("media", ",".join(media))]
    if lang is not None:
        query.append(("lang", lang))
    if offsetms is not None:
        query.append(("offsetms", str(offsetms)))
    if skipms is not None:
        query.append(("skipms", str(skipms)))
    return Operation(
        "channels.playWithId", "POST", "channels/{channelId}/play/{playbackId}", f"channels/{escape(channel_id)}/play/{escape(playback_id)}",
        tuple(query), None, models.Playback,
    )


def channels_record(
    channel_id: str,
    *,
    name: str,
    format: str,
    max_duration_seconds: int | None = None,
    max_silence_seconds: int | None = None,
    if_exists: str | None = None,
    beep: bool | None = None,
    terminate_on: str | None = None,
) -> Operation[models.LiveRecording]:
    """POST /channels/{channelId}/record."""
    query: list[tuple[str, str]] = [("name", name), ("format", format)]
    if max_duration_seconds is not None:
        query.append(("maxDurationSeconds", str(max_duration_seconds)))
    if max_silence_seconds is not None:
        query.append(("maxSilenceSeconds", str(max_silence_seconds)))
    if if_exists is not None:
        query.append(("ifExists", if_exists))
    if beep is not None:
        query.append(("beep", "true" if beep else "false"))
    if terminate_on is not None:
        query.append(("terminateOn", terminate_on))
    return Operation(
        "channels.record", "POST", "channels/{channelId}/record", f"channels/{escape(channel_id)}/record",
        tuple(query), None, models.LiveRecording,
    )


def channels_get_channel_var(
    channel_id: str,
    *,
    variable: str,
) -> Operation[models.Variable]:
    """GET /channels/{channelId}/variable."""
    return Operation(
        "channels.getChannelVar", "GET", "channels/{channelId}/variable", f"channels/{escape(channel_id)}/variable",
        (("variable", variable),), None, models.Variable,
    )


def channels_set_channel_var(
    channel_id: str,
    *,
    variable: str,
    value: str | None = None,
    report_events: bool | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/variable."""
    query: list[tuple[str, str]] = [("variable", variable)]
    if value is not None:
        query.append(("value", value))
    if report_events is not None:
        query.append(("report_events", "true" if report_events else "false"))
    return Operation(
        "channels.setChannelVar", "POST", "channels/{channelId}/variable", f"channels/{escape(channel_id)}/variable",
        tuple(query), None, NoneType,
    )


def channels_get_channel_vars(
    channel_id: str,
    *,
    variables: Sequence[str],
) -> Operation[models.Variables]:
    """GET /channels/{channelId}/variables."""
    return Operation(
        "channels.getChannelVars", "GET", "channels/{channelId}/variables", f"channels/{escape(channel_id)}/variables",
        (("variables", ",".join(variables)),), None, models.Variables,
    )


def channels_set_channel_vars(
    channel_id: str,
    *,
    variables: Any,
) -> Operation[None]:
    """POST /channels/{channelId}/variables."""
    return Operation(
        "channels.setChannelVars", "POST", "channels/{channelId}/variables", f"channels/{escape(channel_id)}/variables",
        (), None if variables is None else {"variables": variables}, NoneType,
    )


def channels_snoop_channel(
    channel_id: str,
    *,
    app: str,
    spy: str | None = None,
    whisper: str | None = None,
    app_args: str | None = None,
    snoop_id: str | None = None,
) -> Operation[models.Channel]:
    """POST /channels/{channelId}/snoop."""
    query: list[tuple[str, str]] = [("app", app)]
    if spy is not None:
        query.append(("spy", spy))
    if whisper is not None:
        query.append(("whisper", whisper))
    if app_args is not None:
        query.append(("appArgs", app_args))
    if snoop_id is not None:
        query.append(("snoopId", snoop_id))
    return Operation(
        "channels.snoopChannel", "POST", "channels/{channelId}/snoop", f"channels/{escape(channel_id)}/snoop",
        tuple(query), None, models.Channel,
    )


def channels_snoop_channel_with_id(
    channel_id: str,
    snoop_id: str,
    *,
    app: str,
    spy: str | None = None,
    whisper: str | None = None,
    app_args: str | None = None,
) -> Operation[models.Channel]:
    """POST /channels/{channelId}/snoop/{snoopId}."""
    query: list[tuple[str, str]] = [("app", app)]
    if spy is not None:
        query.append(("spy", spy))
    if whisper is not None:
        query.append(("whisper", whisper))
    if app_args is not None:
        query.append(("appArgs", app_args))
    return Operation(
        "channels.snoopChannelWithId", "POST", "channels/{channelId}/snoop/{snoopId}", f"channels/{escape(channel_id)}/snoop/{escape(snoop_id)}",
        tuple(query), None, models.Channel,
    )


def channels_dial(
    channel_id: str,
    *,
    caller: str | None = None,
    timeout: int | None = None,
) -> Operation[None]:
    """POST /channels/{channelId}/dial."""
    query: list[tuple[str, str]] = []
    if caller is not None:
        query.append(("caller", caller))
    if timeout is not None:
        query.append(("timeout", str(timeout)))
    return Operation(
        "channels.dial", "POST", "channels/{channelId}/dial", f"channels/{escape(channel_id)}/dial",
        tuple(query), None, NoneType,
    )


def channels_rtpstatistics(
    channel_id: str,
) -> Operation[models.RTPstat]:
    """GET /channels/{channelId}/rtp_statistics."""
    return Operation(
        "channels.rtpstatistics", "GET", "channels/{channelId}/rtp_statistics", f"channels/{escape(channel_id)}/rtp_statistics",
        (), None, models.RTPstat,
    )


def channels_external_media(
    *,
    app: str,
    format: str,
    channel_id: str | None = None,
    external_host: str | None = None,
    encapsulation: str | None = None,
    transport: str | None = None,
    connection_type: str | None = None,
    direction: str | None = None,
    data: str | None = None,
    transport_data: str | None = None,
    variables: Any = None,
) -> Operation[models.Channel]:
    """POST /channels/externalMedia."""
    query: list[tuple[str, str]] = [("app", app), ("format", format)]
    if channel_id is not None:
        query.append(("channelId", channel_id))
    if external_host is not None:
        query.append(("external_host", external_host))
    if encapsulation is not None:
        query.append(("encapsulation", encapsulation))
    if transport is not None:
        query.append(("transport", transport))
    if connection_type is not None:
        query.append(("connection_type", connection_type))
    if direction is not None:
        query.append(("direction", direction))
    if data is not None:
        query.append(("data", data))
    if transport_data is not None:
        query.append(("transport_data", transport_data))
    return Operation(
        "channels.externalMedia", "POST", "channels/externalMedia", "channels/externalMedia",
        tuple(query), None if variables is None else {"variables": variables}, models.Channel,
    )


def channels_transfer_progress(
    channel_id: str,
    *,
    states: str,
) -> Operation[None]:
    """POST /channels/{channelId}/transfer_progress."""
    return Operation(
        "channels.transfer_progress", "POST", "channels/{channelId}/transfer_progress", f"channels/{escape(channel_id)}/transfer_progress",
        (("states", states),), None, NoneType,
    )


def device_states_list() -> Operation[list[models.DeviceState]]:
    """GET /deviceStates."""
    return Operation(
        "deviceStates.list", "GET", "deviceStates", "deviceStates",
        (), None, list[models.DeviceState],
    )


def device_states_get(
    device_name: str,
) -> Operation[models.DeviceState]:
    """GET /deviceStates/{deviceName}."""
    return Operation(
        "deviceStates.get", "GET", "deviceStates/{deviceName}", f"deviceStates/{escape(device_name)}",
        (), None, models.DeviceState,
    )


def device_states_update(
    device_name: str,
    *,
    device_state: str,
) -> Operation[None]:
    """PUT /deviceStates/{deviceName}."""
    return Operation(
        "deviceStates.update", "PUT", "deviceStates/{deviceName}", f"deviceStates/{escape(device_name)}",
        (("deviceState", device_state),), None, NoneType,
    )


def device_states_delete(
    device_name: str,
) -> Operation[None]:
    """DELETE /deviceStates/{deviceName}."""
    return Operation(
        "deviceStates.delete", "DELETE", "deviceStates/{deviceName}", f"deviceStates/{escape(device_name)}",
        (), None, NoneType,
    )


def endpoints_list() -> Operation[list[models.Endpoint]]:
    """GET /endpoints."""
    return Operation(
        "endpoints.list", "GET", "endpoints", "endpoints",
        (), None, list[models.Endpoint],
    )


def endpoints_send_message(
    *,
    to: str,
    from_: str,
    body: str | None = None,
    variables: Any = None,
) -> Operation[None]:
    """PUT /endpoints/sendMessage."""
    query: list[tuple[str, str]] = [("to", to), ("from", from_)]
    if body is not None:
        query.append(("body", body))
    return Operation(
        "endpoints.sendMessage", "PUT", "endpoints/sendMessage", "endpoints/sendMessage",
        tuple(query), None if variables is None else {"variables": variables}, NoneType,
    )


def endpoints_refer(
    *,
    to: str,
    from_: str,
    refer_to: str,
    to_self: bool | None = None,
    variables: Any = None,
) -> Operation[None]:
    """POST /endpoints/refer."""
    query: list[tuple[str, str]] = [("to", to), ("from", from_), ("refer_to", refer_to)]
    if to_self is not None:
        query.append(("to_self", "true" if to_self else "false"))
    return Operation(
        "endpoints.refer", "POST", "endpoints/refer", "endpoints/refer",
        tuple(query), None if variables is None else {"variables": variables}, NoneType,
    )


def endpoints_list_by_tech(
    tech: str,
) -> Operation[list[models.Endpoint]]:
    """GET /endpoints/{tech}."""
    return Operation(
        "endpoints.listByTech", "GET", "endpoints/{tech}", f"endpoints/{escape(tech)}",
        (), None, list[models.Endpoint],
    )


def endpoints_get(
    tech: str,
    resource: str,
) -> Operation[models.Endpoint]:
    """GET /endpoints/{tech}/{resource}."""
    return Operation(
        "endpoints.get", "GET", "endpoints/{tech}/{resource}", f"endpoints/{escape(tech)}/{escape(resource)}",
        (), None, models.Endpoint,
    )


def endpoints_send_message_to_endpoint(
    tech: str,
    resource: str,
    *,
    from_: str,
    body: str | None = None,
    variables: Any = None,
) -> Operation[None]:
    """PUT /endpoints/{tech}/{resource}/sendMessage."""
    query: list[tuple[str, str]] = [("from", from_)]
    if body is not None:
        query.append(("body", body))
    return Operation(
        "endpoints.sendMessageToEndpoint", "PUT", "endpoints/{tech}/{resource}/sendMessage", f"endpoints/{escape(tech)}/{escape(resource)}/sendMessage",
        tuple(query), None if variables is None else {"variables": variables}, NoneType,
    )


def endpoints_refer_to_endpoint(
    tech: str,
    resource: str,
    *,
    from_: str,
    refer_to: str,
    to_self: bool | None = None,
    variables: Any = None,
) -> Operation[None]:
    """POST /endpoints/{tech}/{resource}/refer."""
    query: list[tuple[str, str]] = [("from", from_), ("refer_to", refer_to)]
    if to_self is not None:
        query.append(("to_self", "true" if to_self else "false"))
    return Operation(
        "endpoints.referToEndpoint", "POST", "endpoints/{tech}/{resource}/refer", f"endpoints/{escape(tech)}/{escape(resource)}/refer",
        tuple(query), None if variables is None else {"variables": variables}, NoneType,
    )


def events_user_event(
    event_name: str,
    *,
    application: str,
    source: Sequence[str] | None = None,
    variables: Any = None,
) -> Operation[None]:
    """POST /events/user/{eventName}."""
    query: list[tuple[str, str]] = [("application", application)]
    if source is not None:
        query.append(("source", ",".join(source)))
    return Operation(
        "events.userEvent", "POST", "events/user/{eventName}", f"events/user/{escape(event_name)}",
        tuple(query), None if variables is None else {"variables": variables}, NoneType,
    )


def events_claim_channel(
    *,
    channel_id: str,
    application: str,
) -> Operation[None]:
    """POST /events/claim."""
    return Operation(
        "events.claimChannel", "POST", "events/claim", "events/claim",
        (("channelId", channel_id), ("application", application),), None, NoneType,
    )


def mailboxes_list() -> Operation[list[models.Mailbox]]:
    """GET /mailboxes."""
    return Operation(
        "mailboxes.list", "GET", "mailboxes", "mailboxes",
        (), None, list[models.Mailbox],
    )


def mailboxes_get(
    mailbox_name: str,
) -> Operation[models.Mailbox]:
    """GET /mailboxes/{mailboxName}."""
    return Operation(
        "mailboxes.get", "GET", "mailboxes/{mailboxName}", f"mailboxes/{escape(mailbox_name)}",
        (), None, models.Mailbox,
    )


def mailboxes_update(
    mailbox_name: str,
    *,
    old_messages: int,
    new_messages: int,
) -> Operation[None]:
    """PUT /mailboxes/{mailboxName}."""
    return Operation(
        "mailboxes.update", "PUT", "mailboxes/{mailboxName}", f"mailboxes/{escape(mailbox_name)}",
        (("oldMessages", str(old_messages)), ("newMessages", str(new_messages)),), None, NoneType,
    )


def mailboxes_delete(
    mailbox_name: str,
) -> Operation[None]:
    """DELETE /mailboxes/{mailboxName}."""
    return Operation(
        "mailboxes.delete", "DELETE", "mailboxes/{mailboxName}", f"mailboxes/{escape(mailbox_name)}",
        (), None, NoneType,
    )


def playbacks_get(
    playback_id: str,
) -> Operation[models.Playback]:
    """GET /playbacks/{playbackId}."""
    return Operation(
        "playbacks.get", "GET", "playbacks/{playbackId}", f"playbacks/{escape(playback_id)}",
        (), None, models.Playback,
    )


def playbacks_stop(
    playback_id: str,
) -> Operation[None]:
    """DELETE /playbacks/{playbackId}."""
    return Operation(
        "playbacks.stop", "DELETE", "playbacks/{playbackId}", f"playbacks/{escape(playback_id)}",
        (), None, NoneType,
    )


def playbacks_control(
    playback_id: str,
    *,
    operation: str,
) -> Operation[None]:
    """POST /playbacks/{playbackId}/control."""
    return Operation(
        "playbacks.control", "POST", "playbacks/{playbackId}/control", f"playbacks/{escape(playback_id)}/control",
        (("operation", operation),), None, NoneType,
    )


def recordings_list_stored() -> Operation[list[models.StoredRecording]]:
    """GET /recordings/stored."""
    return Operation(
        "recordings.listStored", "GET", "recordings/stored", "recordings/stored",
        (), None, list[models.StoredRecording],
    )


def recordings_get_stored(
    recording_name: str,
) -> Operation[models.StoredRecording]:
    """GET /recordings/stored/{recordingName}."""
    return Operation(
        "recordings.getStored", "GET", "recordings/stored/{recordingName}", f"recordings/stored/{escape(recording_name)}",
        (), None, models.StoredRecording,
    )


def recordings_delete_stored(
    recording_name: str,
) -> Operation[None]:
    """DELETE /recordings/stored/{recordingName}."""
    return Operation(
        "recordings.deleteStored", "DELETE", "recordings/stored/{recordingName}", f"recordings/stored/{escape(recording_name)}",
        (), None, NoneType,
    )


def recordings_get_stored_file(
    recording_name: str,
) -> Operation[bytes]:
    """GET /recordings/stored/{recordingName}/file."""
    return Operation(
        "recordings.getStoredFile", "GET", "recordings/stored/{recordingName}/file", f"recordings/stored/{escape(recording_name)}/file",
        (), None, bytes,
    )


def recordings_copy_stored(
    recording_name: str,
    *,
    destination_recording_name: str,
) -> Operation[models.StoredRecording]:
    """POST /recordings/stored/{recordingName}/copy."""
    return Operation(
        "recordings.copyStored", "POST", "recordings/stored/{recordingName}/copy", f"recordings/stored/{escape(recording_name)}/copy",
        (("destinationRecordingName", destination_recording_name),), None, models.StoredRecording,
    )


def recordings_get_live(
    recording_name: str,
) -> Operation[models.LiveRecording]:
    """GET /recordings/live/{recordingName}."""
    return Operation(
        "recordings.getLive", "GET", "recordings/live/{recordingName}", f"recordings/live/{escape(recording_name)}",
        (), None, models.LiveRecording,
    )


def recordings_cancel(
    recording_name: str,
) -> Operation[None]:
    """DELETE /recordings/live/{recordingName}."""
    return Operation(
        "recordings.cancel", "DELETE", "recordings/live/{recordingName}", f"recordings/live/{escape(recording_name)}",
        (), None, NoneType,
    )


def recordings_stop(
    recording_name: str,
) -> Operation[None]:
    """POST /recordings/live/{recordingName}/stop."""
    return Operation(
        "recordings.stop", "POST", "recordings/live/{recordingName}/stop", f"recordings/live/{escape(recording_name)}/stop",
        (), None, NoneType,
    )


def recordings_pause(
    recording_name: str,
) -> Operation[None]:
    """POST /recordings/live/{recordingName}/pause."""
    return Operation(
        "recordings.pause", "POST", "recordings/live/{recordingName}/pause", f"recordings/live/{escape(recording_name)}/pause",
        (), None, NoneType,
    )


def recordings_unpause(
    recording_name: str,
) -> Operation[None]:
    """DELETE /recordings/live/{recordingName}/pause."""
    return Operation(
        "recordings.unpause", "DELETE", "recordings/live/{recordingName}/pause", f"recordings/live/{escape(recording_name)}/pause",
        (), None, NoneType,
    )


def recordings_mute(
    recording_name: str,
) -> Operation[None]:
    """POST /recordings/live/{recordingName}/mute."""
    return Operation(
        "recordings.mute", "POST", "recordings/live/{recordingName}/mute", f"recordings/live/{escape(recording_name)}/mute",
        (), None, NoneType,
    )


def recordings_unmute(
    recording_name: str,
) -> Operation[None]:
    """DELETE /recordings/live/{recordingName}/mute."""
    return Operation(
        "recordings.unmute", "DELETE", "recordings/live/{recordingName}/mute", f"recordings/live/{escape(recording_name)}/mute",
        (), None, NoneType,
    )


def sounds_list(
    *,
    lang: str | None = None,
    format: str | None = None,
) -> Operation[list[models.Sound]]:
    """GET /sounds."""
    query: list[tuple[str, str]] = []
    if lang is not None:
        query.append(("lang", lang))
    if format is not None:
        query.append(("format", format))
    return Operation(
        "sounds.list", "GET", "sounds", "sounds",
        tuple(query), None, list[models.Sound],
    )


def sounds_get(
    sound_id: str,
) -> Operation[models.Sound]:
    """GET /sounds/{soundId}."""
    return Operation(
        "sounds.get", "GET", "sounds/{soundId}", f"sounds/{escape(sound_id)}",
        (), None, models.Sound,
    )
