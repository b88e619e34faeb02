"""Brings callers from Asterisk to the supervisor: new ones, and those that an earlier controller left.

Ids tell who is who: Asterisk's own ids have a dot, ours (legs, bridges, attempts) are 32 hexadecimal digits. An
attempt, a call that we made, is told by its channel's name; once it is answered, it is brought in like a caller.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

import structlog

from controller.ari.attempts import attempt_of
from controller.ari.bans import AriBans
from controller.ari.connection import AriConnection, Metrics, Snapshot
from controller.ari.contacts import Contacts
from controller.ari.devices import AriDevices
from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.http import HttpTransport
from controller.ari.line import Line, hangup_cause
from controller.ari.link import stand_in
from controller.ari.lostphones import LostPhones
from controller.ari.operation import Operation
from controller.ari.originate import AriOriginator
from controller.ari.pagelines import AriPageLines
from controller.ari.parties import Unobserved
from controller.ari.router import Router
from controller.ari.switchboard import AriSwitchboard
from controller.ari.telephone import AriTelephone
from controller.ari.transport import RoutedTransport
from controller.ari.trunk import TrunkNumbers
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.errors import AsteriskRefused, ChannelGone, TelephonyError
from controller.ids import CallId, derived_id
from controller.ports import AudioLibrary

log = structlog.get_logger(__name__)

DRIVER: Final = "ari"
_OURS: Final = re.compile(r"[0-9a-f]{32}")
_HALF: Final = ";2"
"""Ends the id of the other half of a Local channel of ours."""
_REAP_AFTER_S: Final = 5.0


class Calls(Protocol):
    """What becomes of callers (`controller.calls.supervisor.Supervisor`)."""

    def incoming(self, call: IncomingCall) -> asyncio.Task[None] | None:
        """Serve a call, new or left by an earlier controller, in the task returned; None when stopping."""

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        """Take note of the end of a channel that no running call owns."""

    def settle(self, live_channels: Collection[str]) -> None:
        """Close what was expected and is not among `live_channels`."""


class AriDriver:
    """Everything of one Asterisk on ARI, wired.

    `connection` is for `link.Door` (Asterisk dials us) or `link.dial` (we dial Asterisk), `devices` the agents'
    SIP accounts, `bans` whom Asterisk refuses, `pages` the lines of calls from web pages. Close
    with `close`: the calls stay with Asterisk.
    """

    def __init__(
        self,
        *,
        application: str,
        calls: Calls,
        http: HttpTransport,
        metrics: Metrics | None = None,
        trunk: TrunkNumbers | None = None,
    ) -> None:
        self._application = application
        self._calls = calls
        self._http = http
        self.router = Router(
            arrival=self._arrived, unowned=self._unowned, entered=self._entered, settled=self._settled
        )
        self.connection = AriConnection(application, self.router, metrics=metrics)
        self.transport = RoutedTransport(self.connection.rest, http)
        self.devices = AriDevices(application, self.transport, self.connection)
        self.bans = AriBans(self.transport, self.connection)
        self.originator = AriOriginator(
            application, self.transport, self.router, serve=self._serve_attempt, trunk=trunk
        )
        self.pages = AriPageLines(self.transport, self.connection)
        self.lost_phones = LostPhones(self.transport, self.devices)
        self.contacts = Contacts()
        self._tasks: set[asyncio.Task[None]] = set()

    async def stand_in(self, url: str, username: str, password: str) -> None:
        """See `controller.ari.link.stand_in`."""
        await stand_in(self.connection, self._http, url, self._application, username, password)

    def contact(self, endpoint: str, status: str) -> None:
        """Take note that a registered device of `endpoint` has become `status` (as AMI's ContactStatus says)."""
        self.contacts.changed(endpoint)
        self.lost_phones.contact(endpoint, status)

    async def close(self) -> None:
        """Let go of Asterisk without ending anything there."""
        for task in self._tasks:
            task.cancel()
        await self.lost_phones.close()
        await self.devices.close()
        await self.bans.close()
        await self.pages.close()
        await self.connection.close()
        await self._http.close()

    def board(self, call_id: CallId, audio: AudioLibrary) -> AriSwitchboard:
        """Return a board for legs of a call whose caller is not there yet. `let_go` of it afterwards.

        Its caller's party is a channel that never is.
        """
        line = Line(
            call_id,
            derived_id(call_id, "nobody", 0),
            application=self._application,
            transport=self.transport,
            router=self.router,
            contacts=self.contacts,
            alone=True,
        )
        return AriSwitchboard(line, link=self.connection, audio=audio, legs=Unobserved())

    # --- callers --------------------------------------------------------------------------------------------

    def _arrived(self, event: models.StasisStart) -> None:
        if attempt_of(event.channel) is not None:
            self.originator.arrived(event)
        elif _is_a_callers(event.channel):
            self._serve(event.channel, _called(event.channel, event.args), event.channel.caller.number)

    def _serve_attempt(self, channel: models.Channel, number: str, caller_id: str) -> bool:
        """Bring an answered attempt in: whom we called is the caller, the number that we showed is the one called."""
        task = self._serve(channel, caller_id, number, attempt=channel.id)
        if task is None:
            return False

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                self.originator.over(channel.id)

        task.add_done_callback(ended)
        return True

    def _serve(
        self, channel: models.Channel, called: str, caller: str, attempt: str = ""
    ) -> asyncio.Task[None] | None:
        inbox = self.router.open(channel.id)

        def telephone(call_id: CallId, kit: TelephoneKit, *, resumed: bool) -> AriTelephone:
            line = Line(
                call_id,
                channel.id,
                application=self._application,
                transport=self.transport,
                router=self.router,
                contacts=self.contacts,
            )
            return AriTelephone(
                line,
                link=self.connection,
                audio=kit.audio,
                legs=kit.legs,
                endpoint_for=kit.endpoint_for,
                resumed=resumed,
            )

        page = self.pages.facts(channel.name)
        name = page.customer.name if page else channel.caller.name
        call = IncomingCall(
            driver=DRIVER,
            channel_id=channel.id,
            channel_name=channel.name,
            created_at=channel.creationtime,
            called_number=page.number if page else called,
            caller_number="" if page else caller,
            caller_name="" if attempt else name,
            telephone=telephone,
            attempt=attempt,
            page=page,
        )
        task = self._calls.incoming(call)
        if task is None:
            # We are stopping: the channel waits in Stasis for the next controller, which finds it in its snapshot.
            self.router.close(inbox)
        else:
            task.add_done_callback(lambda _: self.router.close(inbox))
        return task

    def _unowned(self, event: AnyEvent) -> None:
        if isinstance(event, models.CallBroadcast):
            self._claim(event.channel.id)
        elif isinstance(event, models.ChannelDestroyed) and _is_a_callers(event.channel):
            self.originator.over(event.channel.id, event.timestamp, event.cause)
            self._calls.channel_gone(event.channel.id, event.cause, event.cause_txt, event.timestamp)
        elif isinstance(event, models.ChannelHangupRequest) and _is_a_callers(event.channel):
            # Often the last that is heard of a caller: see `Line.final_cause`.
            self._calls.channel_gone(event.channel.id, hangup_cause(event), "", event.timestamp)
        else:
            self.devices.note(event)
            self.originator.lines.note(event)

    def _claim(self, channel_id: str) -> None:
        """Ask for a call that is offered to every controller; `StasisStart` follows if we are the first."""
        operation = ari.events_claim_channel(channel_id=channel_id, application=self._application)
        self.transport.post(operation, partial(_note_lost_claim, channel_id))

    # --- after a (re)connect ----------------------------------------------------------------------------------

    def _entered(self, snapshot: Snapshot) -> None:
        for channel_id in snapshot.ours:
            channel = snapshot.channels.get(channel_id)
            if channel is None:
                continue
            if attempt_of(channel) is not None:
                self.originator.found(channel)
            elif _is_a_callers(channel) and not self.router.owns(channel_id):
                called = _called(channel, [channel.dialplan.app_data.rpartition(",")[2]])
                self._serve(channel, called, channel.caller.number)

    def _settled(self, snapshot: Snapshot) -> None:
        self._calls.settle(snapshot.channels.keys())
        self.devices.connected()
        self.bans.connected()
        self.originator.lines.connected()
        self.pages.connected()
        self._start(self._reap(snapshot))

    async def _reap(self, snapshot: Snapshot) -> None:
        """End the legs and bridges of ours that no call has taken up: their callers left while we were away.

        Attempts are left alone: one that nobody answers ends by itself, one that is answered is a call.
        """
        await asyncio.sleep(_REAP_AFTER_S)
        self.router.forget_orphans()
        for channel_id in snapshot.ours:
            channel = snapshot.channels.get(channel_id)
            attempt = channel is not None and attempt_of(channel) is not None
            if _OURS.fullmatch(channel_id) and not attempt and not self.router.owns(channel_id):
                await self._end("ari_leg_reaped", channel_id, ari.channels_hangup(channel_id))
        for bridge_id in snapshot.bridges:
            if _OURS.fullmatch(bridge_id) and not self.router.owns(bridge_id):
                await self._end("ari_bridge_reaped", bridge_id, ari.bridges_destroy(bridge_id))

    async def _end(self, event: str, resource_id: str, operation: Operation[None]) -> None:
        try:
            await self.transport.request(operation)
        except ChannelGone:
            return
        except TelephonyError as error:
            log.warning("ari_reaping_failed", id=resource_id, error=str(error))
            return
        log.info(event, id=resource_id)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _note_lost_claim(channel_id: str, error: TelephonyError) -> None:
    if isinstance(error, AsteriskRefused):
        log.debug("ari_claim_lost", channel=channel_id, status=error.status)
    else:
        log.warning("ari_claim_failed", channel=channel_id, error=str(error))


def _is_a_callers(channel: models.Channel) -> bool:
    """Tell a channel that a call begins with, a caller's or an answered attempt's, from legs and halves of ours."""
    attempt = attempt_of(channel)
    return attempt == channel.id if attempt else not _OURS.fullmatch(channel.id.removesuffix(_HALF))


def _called(channel: models.Channel, args: Sequence[str]) -> str:
    """Return the number that was dialled: the application's first argument, else where the dialplan stands.

    A channel that was found in Stasis only knows what the dialplan gave `StasisBroadcast`: `number:origin`.
    """
    first = args[0].partition(":")[0] if args else ""
    return first or channel.dialplan.exten
