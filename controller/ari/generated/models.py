"""What Asterisk sends: objects and events.

Written by tools/generate_ari.py from the ARI description of Asterisk 22. Do not edit: run the generator.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class AdditionalParam(msgspec.Struct, kw_only=True):
    """ARI's AdditionalParam."""

    parameter_name: str
    parameter_value: str


class Application(msgspec.Struct, kw_only=True):
    """ARI's Application."""

    name: str
    channel_ids: list[str]
    bridge_ids: list[str]
    endpoint_ids: list[str]
    device_names: list[str]
    events_allowed: list[dict[str, Any]]
    events_disallowed: list[dict[str, Any]]


class AsteriskInfo(msgspec.Struct, kw_only=True):
    """ARI's AsteriskInfo."""

    build: BuildInfo | None = None
    system: SystemInfo | None = None
    config: ConfigInfo | None = None
    status: StatusInfo | None = None


class AsteriskPing(msgspec.Struct, kw_only=True):
    """ARI's AsteriskPing."""

    asterisk_id: str
    ping: str
    timestamp: str


class Bridge(msgspec.Struct, kw_only=True):
    """ARI's Bridge. `bridge_type`: mixing, holding."""

    id: str
    technology: str
    bridge_type: str
    bridge_class: str
    creator: str
    name: str
    channels: list[str]
    creationtime: datetime
    video_mode: str | None = None
    video_source_id: str | None = None
    bridgevars: dict[str, Any] | None = None


class BuildInfo(msgspec.Struct, kw_only=True):
    """ARI's BuildInfo."""

    os: str
    kernel: str
    options: str
    machine: str
    date: str
    user: str


class CallerID(msgspec.Struct, kw_only=True):
    """ARI's CallerID."""

    name: str
    number: str


class Channel(msgspec.Struct, kw_only=True):
    """ARI's Channel. `state`: Down, Rsrved, OffHook, Dialing, Ring, Ringing, Up, Busy, Dialing Offhook, Pre-ring, Unknown."""

    id: str
    protocol_id: str
    name: str
    state: str
    caller: CallerID
    connected: CallerID
    accountcode: str
    dialplan: DialplanCEP
    creationtime: datetime
    language: str
    channelvars: dict[str, Any] | None = None
    caller_rdnis: str | None = None
    tenantid: str | None = None


class ConfigInfo(msgspec.Struct, kw_only=True):
    """ARI's ConfigInfo."""

    name: str
    default_language: str
    setid: SetId
    max_channels: int | None = None
    max_open_files: int | None = None
    max_load: float | None = None


class ConfigTuple(msgspec.Struct, kw_only=True):
    """ARI's ConfigTuple."""

    attribute: str
    value: str


class ContactInfo(msgspec.Struct, kw_only=True):
    """ARI's ContactInfo. `contact_status`: Unreachable, Reachable, Unknown, NonQualified, Removed."""

    uri: str
    contact_status: str
    aor: str
    roundtrip_usec: str | None = None


class DeviceState(msgspec.Struct, kw_only=True):
    """ARI's DeviceState. `state`: UNKNOWN, NOT_INUSE, INUSE, BUSY, INVALID, UNAVAILABLE, RINGING, RINGINUSE, ONHOLD."""

    name: str
    state: str


class Dialed(msgspec.Struct, kw_only=True):
    """ARI's Dialed."""


class DialplanCEP(msgspec.Struct, kw_only=True):
    """ARI's DialplanCEP."""

    context: str
    exten: str
    priority: int
    app_name: str
    app_data: str


class Endpoint(msgspec.Struct, kw_only=True):
    """ARI's Endpoint. `state`: unknown, offline, online."""

    technology: str
    resource: str
    channel_ids: list[str]
    state: str | None = None


class FormatLangPair(msgspec.Struct, kw_only=True):
    """ARI's FormatLangPair."""

    language: str
    format: str


class LiveRecording(msgspec.Struct, kw_only=True):
    """ARI's LiveRecording. `state`: queued, recording, paused, done, failed, canceled."""

    name: str
    format: str
    target_uri: str
    state: str
    duration: int | None = None
    talking_duration: int | None = None
    silence_duration: int | None = None
    cause: str | None = None


class LogChannel(msgspec.Struct, kw_only=True):
    """ARI's LogChannel."""

    channel: str
    type: str
    status: str
    configuration: str


class Mailbox(msgspec.Struct, kw_only=True):
    """ARI's Mailbox."""

    name: str
    old_messages: int
    new_messages: int


class Module(msgspec.Struct, kw_only=True):
    """ARI's Module."""

    name: str
    description: str
    use_count: int
    status: str
    support_level: str


class Peer(msgspec.Struct, kw_only=True):
    """ARI's Peer."""

    peer_status: str
    cause: str | None = None
    address: str | None = None
    port: str | None = None
    time: str | None = None


class Playback(msgspec.Struct, kw_only=True):
    """ARI's Playback. `state`: queued, playing, continuing, done, failed."""

    id: str
    media_uri: str
    target_uri: str
    state: str
    next_media_uri: str | None = None
    language: str | None = None


class RESTHeader(msgspec.Struct, kw_only=True):
    """ARI's RESTHeader."""

    name: str
    value: str


class RESTQueryStringParameter(msgspec.Struct, kw_only=True):
    """ARI's RESTQueryStringParameter."""

    name: str
    value: str


class RESTRequest(msgspec.Struct, kw_only=True):
    """ARI's RESTRequest."""

    type: str
    transaction_id: str
    request_id: str
    method: str
    uri: str
    content_type: str | None = None
    query_strings: list[RESTQueryStringParameter] | None = None
    message_body: str | None = None


class RTPstat(msgspec.Struct, kw_only=True):
    """ARI's RTPstat."""

    txcount: int
    rxcount: int
    txploss: int
    rxploss: int
    local_ssrc: int
    remote_ssrc: int
    txoctetcount: int
    rxoctetcount: int
    channel_uniqueid: str
    txjitter: float | None = None
    rxjitter: float | None = None
    remote_maxjitter: float | None = None
    remote_minjitter: float | None = None
    remote_normdevjitter: float | None = None
    remote_stdevjitter: float | None = None
    local_maxjitter: float | None = None
    local_minjitter: float | None = None
    local_normdevjitter: float | None = None
    local_stdevjitter: float | None = None
    remote_maxrxploss: float | None = None
    remote_minrxploss: float | None = None
    remote_normdevrxploss: float | None = None
    remote_stdevrxploss: float | None = None
    local_maxrxploss: float | None = None
    local_minrxploss: float | None = None
    local_normdevrxploss: float | None = None
    local_stdevrxploss: float | None = None
    rtt: float | None = None
    maxrtt: float | None = None
    minrtt: float | None = None
    normdevrtt: float | None = None
    stdevrtt: float | None = None


class ReferTo(msgspec.Struct, kw_only=True):
    """ARI's ReferTo."""

    requested_destination: RequiredDestination
    destination_channel: Channel | None = None
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class ReferredBy(msgspec.Struct, kw_only=True):
    """ARI's ReferredBy."""

    source_channel: Channel
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class RequiredDestination(msgspec.Struct, kw_only=True):
    """ARI's RequiredDestination."""

    protocol_id: str | None = None
    destination: str | None = None
    additional_protocol_params: list[AdditionalParam] | None = None


class SetId(msgspec.Struct, kw_only=True):
    """ARI's SetId."""

    user: str
    group: str


class Sound(msgspec.Struct, kw_only=True):
    """ARI's Sound."""

    id: str
    formats: list[FormatLangPair]
    text: str | None = None


class StatusInfo(msgspec.Struct, kw_only=True):
    """ARI's StatusInfo."""

    startup_time: datetime
    last_reload_time: datetime


class StoredRecording(msgspec.Struct, kw_only=True):
    """ARI's StoredRecording."""

    name: str
    format: str


class SystemInfo(msgspec.Struct, kw_only=True):
    """ARI's SystemInfo."""

    version: str
    entity_id: str


class TextMessage(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """ARI's TextMessage."""

    from_: str
    to: str
    body: str
    variables: dict[str, Any] | None = None


class Variable(msgspec.Struct, kw_only=True):
    """ARI's Variable."""

    value: str


class Variables(msgspec.Struct, kw_only=True):
    """ARI's Variables."""

    variables: dict[str, Any]


class Message(msgspec.Struct, kw_only=True):
    """ARI's Message."""

    asterisk_id: str | None = None


class Event(Message, kw_only=True):
    """ARI's Event."""

    application: str
    timestamp: datetime


class RESTResponse(Message, kw_only=True, tag_field="type", tag="RESTResponse"):
    """ARI's RESTResponse."""

    transaction_id: str
    request_id: str
    status_code: int
    reason_phrase: str
    uri: str
    content_type: str | None = None
    message_body: str | None = None


class ApplicationMoveFailed(Event, kw_only=True, tag_field="type", tag="ApplicationMoveFailed"):
    """ARI's ApplicationMoveFailed."""

    channel: Channel
    destination: str
    args: list[str]


class ApplicationRegistered(Event, kw_only=True, tag_field="type", tag="ApplicationRegistered"):
    """ARI's ApplicationRegistered."""


class ApplicationReplaced(Event, kw_only=True, tag_field="type", tag="ApplicationReplaced"):
    """ARI's ApplicationReplaced."""


class ApplicationUnregistered(Event, kw_only=True, tag_field="type", tag="ApplicationUnregistered"):
    """ARI's ApplicationUnregistered."""


class BridgeAttendedTransfer(Event, kw_only=True, tag_field="type", tag="BridgeAttendedTransfer"):
    """ARI's BridgeAttendedTransfer."""

    transferer_first_leg: Channel
    transferer_second_leg: Channel
    result: str
    is_external: bool
    destination_type: str
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    transfer_target: Channel | None = None
    transferer_first_leg_bridge: Bridge | None = None
    transferer_second_leg_bridge: Bridge | None = None
    destination_bridge: str | None = None
    destination_application: str | None = None
    destination_link_first_leg: Channel | None = None
    destination_link_second_leg: Channel | None = None
    destination_threeway_channel: Channel | None = None
    destination_threeway_bridge: Bridge | None = None


class BridgeBlindTransfer(Event, kw_only=True, tag_field="type", tag="BridgeBlindTransfer"):
    """ARI's BridgeBlindTransfer."""

    channel: Channel
    exten: str
    context: str
    result: str
    is_external: bool
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    bridge: Bridge | None = None


class BridgeCreated(Event, kw_only=True, tag_field="type", tag="BridgeCreated"):
    """ARI's BridgeCreated."""

    bridge: Bridge


class BridgeDestroyed(Event, kw_only=True, tag_field="type", tag="BridgeDestroyed"):
    """ARI's BridgeDestroyed."""

    bridge: Bridge


class BridgeMerged(Event, kw_only=True, tag_field="type", tag="BridgeMerged"):
    """ARI's BridgeMerged."""

    bridge: Bridge
    bridge_from: Bridge


class BridgeVideoSourceChanged(Event, kw_only=True, tag_field="type", tag="BridgeVideoSourceChanged"):
    """ARI's BridgeVideoSourceChanged."""

    bridge: Bridge
    old_video_source_id: str | None = None


class CallBroadcast(Event, kw_only=True, tag_field="type", tag="CallBroadcast"):
    """ARI's CallBroadcast."""

    channel: Channel
    caller: str | None = None
    called: str | None = None


class CallClaimed(Event, kw_only=True, tag_field="type", tag="CallClaimed"):
    """ARI's CallClaimed."""

    channel: Channel
    winner_app: str


class ChannelCallerId(Event, kw_only=True, tag_field="type", tag="ChannelCallerId"):
    """ARI's ChannelCallerId."""

    caller_presentation: int
    caller_presentation_txt: str
    channel: Channel


class ChannelConnectedLine(Event, kw_only=True, tag_field="type", tag="ChannelConnectedLine"):
    """ARI's ChannelConnectedLine."""

    channel: Channel


class ChannelCreated(Event, kw_only=True, tag_field="type", tag="ChannelCreated"):
    """ARI's ChannelCreated."""

    channel: Channel


class ChannelDestroyed(Event, kw_only=True, tag_field="type", tag="ChannelDestroyed"):
    """ARI's ChannelDestroyed."""

    cause: int
    cause_txt: str
    channel: Channel
    tech_cause: int | None = None


class ChannelDialplan(Event, kw_only=True, tag_field="type", tag="ChannelDialplan"):
    """ARI's ChannelDialplan."""

    channel: Channel
    dialplan_app: str
    dialplan_app_data: str


class ChannelDtmfReceived(Event, kw_only=True, tag_field="type", tag="ChannelDtmfReceived"):
    """ARI's ChannelDtmfReceived."""

    digit: str
    duration_ms: int
    channel: Channel


class ChannelEnteredBridge(Event, kw_only=True, tag_field="type", tag="ChannelEnteredBridge"):
    """ARI's ChannelEnteredBridge."""

    bridge: Bridge
    channel: Channel | None = None


class ChannelHangupRequest(Event, kw_only=True, tag_field="type", tag="ChannelHangupRequest"):
    """ARI's ChannelHangupRequest."""

    channel: Channel
    cause: int | None = None
    tech_cause: int | None = None
    soft: bool | None = None


class ChannelHold(Event, kw_only=True, tag_field="type", tag="ChannelHold"):
    """ARI's ChannelHold."""

    channel: Channel
    musicclass: str | None = None


class ChannelLeftBridge(Event, kw_only=True, tag_field="type", tag="ChannelLeftBridge"):
    """ARI's ChannelLeftBridge."""

    bridge: Bridge
    channel: Channel


class ChannelStateChange(Event, kw_only=True, tag_field="type", tag="ChannelStateChange"):
    """ARI's ChannelStateChange."""

    channel: Channel


class ChannelTalkingFinished(Event, kw_only=True, tag_field="type", tag="ChannelTalkingFinished"):
    """ARI's ChannelTalkingFinished."""

    channel: Channel
    duration: int


class ChannelTalkingStarted(Event, kw_only=True, tag_field="type", tag="ChannelTalkingStarted"):
    """ARI's ChannelTalkingStarted."""

    channel: Channel


class ChannelToneDetected(Event, kw_only=True, tag_field="type", tag="ChannelToneDetected"):
    """ARI's ChannelToneDetected."""

    channel: Channel


class ChannelTransfer(Event, kw_only=True, tag_field="type", tag="ChannelTransfer"):
    """ARI's ChannelTransfer."""

    refer_to: ReferTo
    referred_by: ReferredBy
    state: str | None = None


class ChannelUnhold(Event, kw_only=True, tag_field="type", tag="ChannelUnhold"):
    """ARI's ChannelUnhold."""

    channel: Channel


class ChannelUserevent(Event, kw_only=True, tag_field="type", tag="ChannelUserevent"):
    """ARI's ChannelUserevent."""

    eventname: str
    userevent: dict[str, Any]
    channel: Channel | None = None
    bridge: Bridge | None = None
    endpoint: Endpoint | None = None


class ChannelVarset(Event, kw_only=True, tag_field="type", tag="ChannelVarset"):
    """ARI's ChannelVarset."""

    variable: str
    value: str
    channel: Channel | None = None


class ContactStatusChange(Event, kw_only=True, tag_field="type", tag="ContactStatusChange"):
    """ARI's ContactStatusChange."""

    endpoint: Endpoint
    contact_info: ContactInfo


class DeviceStateChanged(Event, kw_only=True, tag_field="type", tag="DeviceStateChanged"):
    """ARI's DeviceStateChanged."""

    device_state: DeviceState


class Dial(Event, kw_only=True, tag_field="type", tag="Dial"):
    """ARI's Dial."""

    peer: Channel
    dialstatus: str
    caller: Channel | None = None
    forward: str | None = None
    forwarded: Channel | None = None
    dialstring: str | None = None


class EndpointStateChange(Event, kw_only=True, tag_field="type", tag="EndpointStateChange"):
    """ARI's EndpointStateChange."""

    endpoint: Endpoint


class MissingParams(Message, kw_only=True, tag_field="type", tag="MissingParams"):
    """ARI's MissingParams."""

    params: list[str]


class PeerStatusChange(Event, kw_only=True, tag_field="type", tag="PeerStatusChange"):
    """ARI's PeerStatusChange."""

    endpoint: Endpoint
    peer: Peer


class PlaybackContinuing(Event, kw_only=True, tag_field="type", tag="PlaybackContinuing"):
    """ARI's PlaybackContinuing."""

    playback: Playback


class PlaybackFinished(Event, kw_only=True, tag_field="type", tag="PlaybackFinished"):
    """ARI's PlaybackFinished."""

    playback: Playback


class PlaybackStarted(Event, kw_only=True, tag_field="type", tag="PlaybackStarted"):
    """ARI's PlaybackStarted."""

    playback: Playback


class RecordingFailed(Event, kw_only=True, tag_field="type", tag="RecordingFailed"):
    """ARI's RecordingFailed."""

    recording: LiveRecording


class RecordingFinished(Event, kw_only=True, tag_field="type", tag="RecordingFinished"):
    """ARI's RecordingFinished."""

    recording: LiveRecording


class RecordingStarted(Event, kw_only=True, tag_field="type", tag="RecordingStarted"):
    """ARI's RecordingStarted."""

    recording: LiveRecording


class StasisEnd(Event, kw_only=True, tag_field="type", tag="StasisEnd"):
    """ARI's StasisEnd."""

    channel: Channel


class StasisStart(Event, kw_only=True, tag_field="type", tag="StasisStart"):
    """ARI's StasisStart."""

    args: list[str]
    channel: Channel
    replace_channel: Channel | None = None


class TextMessageReceived(Event, kw_only=True, tag_field="type", tag="TextMessageReceived"):
    """ARI's TextMessageReceived."""

    message: TextMessage
    endpoint: Endpoint | None = None


AnyEvent = (
    ApplicationMoveFailed
    | ApplicationRegistered
    | ApplicationReplaced
    | ApplicationUnregistered
    | BridgeAttendedTransfer
    | BridgeBlindTransfer
    | BridgeCreated
    | BridgeDestroyed
    | BridgeMerged
    | BridgeVideoSourceChanged
    | CallBroadcast
    | CallClaimed
    | ChannelCallerId
    | ChannelConnectedLine
    | ChannelCreated
    | ChannelDestroyed
    | ChannelDialplan
    | ChannelDtmfReceived
    | ChannelEnteredBridge
    | ChannelHangupRequest
    | ChannelHold
    | ChannelLeftBridge
    | ChannelStateChange
    | ChannelTalkingFinished
    | ChannelTalkingStarted
    | ChannelToneDetected
    | ChannelTransfer
    | ChannelUnhold
    | ChannelUserevent
    | ChannelVarset
    | ContactStatusChange
    | DeviceStateChanged
    | Dial
    | EndpointStateChange
    | MissingParams
    | PeerStatusChange
    | PlaybackContinuing
    | PlaybackFinished
    | PlaybackStarted
    | RecordingFailed
    | RecordingFinished
    | RecordingStarted
    | StasisEnd
    | StasisStart
    | TextMessageReceived
)
"""Every event that the description names, told apart by `type`."""

AnyMessage = RESTResponse | AnyEvent
"""Whatever arrives on the WebSocket."""
