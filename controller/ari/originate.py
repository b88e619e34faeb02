"""Dials attempts: asks Asterisk for the one kind of channel that the dialplan lets out, and follows it.

The request goes over the WebSocket: making the two halves of a Local channel waits for nothing (measured beside a
channel that plays a prompt), while HTTP's connections may all be waiting for prompts to end.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from controller.ari.attempts import CONTEXT, EVENT, Attempt, attempt_of, halves
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import Inbox, Item
from controller.ari.lines import OwnLines
from controller.ari.router import Router
from controller.ari.transport import Transport
from controller.ari.trunk import TrunkNumbers
from controller.callback.model import AttemptId
from controller.calls.outbound.ports import DialNews, DialState, LineState, OutboundCall
from controller.errors import AsteriskRefused, AsteriskUnreachable, ChannelGone, TelephonyError
from controller.ids import CallId, derived_id
from controller.outbound.model import Number

log = structlog.get_logger(__name__)

_CONFLICT: Final = 409
_NORMAL_CLEARING: Final = 16
_FORMATS: Final = "alaw"
"""What the trunk speaks: nothing is transcoded between it and the prompts."""
_AMD_S: Final = 5.0
_SLACK_S: Final = 10
"""Beyond the ring time, which the dialplan looks after, Asterisk itself gives the channel up."""
_ASKED_S: Final = 3.0
_MACHINE: Final = "MACHINE"


class Serve(Protocol):
    """Brings an answered attempt to the supervisor (`AriDriver`)."""

    def __call__(self, channel: models.Channel, number: str, caller_id: str) -> bool:
        """Make it a call, with the attempt's inbox; False when this controller is stopping."""


class AriOriginator:
    """`controller.calls.outbound.originator.Originator` over one Asterisk."""

    def __init__(
        self,
        application: str,
        transport: Transport,
        router: Router,
        *,
        serve: Serve,
        trunk: TrunkNumbers | None = None,
    ) -> None:
        self._application = application
        self._transport = transport
        self._router = router
        self._serve = serve
        self._trunk = trunk or TrunkNumbers()
        self.lines = OwnLines(application, transport, self._trunk.endpoint)
        self._attempts: dict[AttemptId, Attempt] = {}
        self._detecting: set[AttemptId] = set()
        self._pending: set[AttemptId] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let go of everything; the channels stay with Asterisk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lines.close()

    # --- `Originator` ---------------------------------------------------------------------------------------

    def follow(self, attempt: AttemptId, told: Callable[[DialNews], None]) -> None:
        """See `Originator.follow`. What was kept of a time without a controller is told at once."""
        self._attempt(attempt, told)

    def forget(self, attempt: AttemptId) -> None:
        """See `Originator.forget`."""
        known = self._attempts.get(attempt)
        if known is None:
            return
        known.told = None
        if not known.serving:
            self._let_go(attempt)

    async def dial(self, call: OutboundCall) -> None:
        """See `Originator.dial`."""
        known = self._attempt(call.attempt)
        try:
            written = self._trunk.written(call.number)
            shown = self._trunk.written(call.caller_id) if call.caller_id else ""
        except AsteriskRefused:
            self._let_go(call.attempt)
            raise
        ring_s = math.ceil(call.ring_s)
        operation = ari.channels_originate_with_id(
            call.attempt,
            endpoint=f"Local/{call.attempt}@{CONTEXT}/n",
            app=self._application,
            app_args=f"attempt,{call.attempt},{call.number},{call.caller_id}",
            timeout=ring_s + _SLACK_S + (math.ceil(_AMD_S) if call.detect_voicemail else 0),
            formats=_FORMATS,
            variables={
                "RAPPEL_TO": written,
                "RAPPEL_FROM": shown,
                "RAPPEL_RING_S": str(ring_s),
                "RAPPEL_AMD": "1" if call.detect_voicemail else "",
            },
        )
        if call.detect_voicemail:
            self._detecting.add(call.attempt)
        self._pending.add(call.attempt)
        try:
            await self._transport.request(operation)
        except AsteriskRefused as error:
            if error.status != _CONFLICT:
                self._let_go(call.attempt)
                raise
        finally:
            self._pending.discard(call.attempt)
        known.taken = True

    async def cancel(self, attempt: AttemptId) -> None:
        """See `Originator.cancel`."""
        known = self._attempts.get(attempt)
        try:
            if known is None and await self.look(attempt) is DialState.UP:
                return
            if known is None or not known.serving:
                await self._transport.request(ari.channels_hangup(attempt, reason_code=str(_NORMAL_CLEARING)))
        except ChannelGone:
            return

    async def look(self, attempt: AttemptId) -> DialState:
        """See `Originator.look`."""
        try:
            channel = await self._transport.request(ari.channels_get(attempt))
        except ChannelGone:
            return DialState.ABSENT
        known = self._attempt(attempt)
        if not known.taken:
            known.taken = True
            source = [f"channel:{half}" for half in halves(attempt)]
            try:
                await self._transport.request(ari.applications_subscribe(self._application, event_source=source))
            except AsteriskRefused as error:  # it has gone meanwhile
                log.debug("ari_attempt_not_subscribed", attempt=attempt, error=str(error))
        if channel.state == "Ringing":
            known.ringing(datetime.now(UTC))
        return DialState.UP if channel.state == "Up" else DialState.CALLING

    async def was_dialled(self, attempt: AttemptId) -> bool:
        """See `Originator.was_dialled`. A channel asks the dialplan: its files are the dialplan's alone to read."""
        channel_id = derived_id(CallId(attempt), "asked", 0)
        asked = _Asked(channel_id)
        self._router.attach(asked, *halves(channel_id))
        try:
            await self._transport.request(
                ari.channels_originate_with_id(
                    channel_id, endpoint=f"Local/{attempt}@rappel-asked/n", app=self._application, timeout=5
                )
            )
            async with asyncio.timeout(_ASKED_S):
                return await asked.word == "already"
        except TimeoutError:
            raise AsteriskUnreachable(
                f"the dialplan did not say within {_ASKED_S:g} s whether attempt {attempt} was dialled; ask again"
            ) from None
        finally:
            self._router.close(asked)

    async def line_state(self, number: Number) -> LineState:  # noqa: ARG002 - all numbers ring one softphone, or none
        """See `Originator.line_state`."""
        return await self.lines.state()

    def when_free(self, number: Number, told: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        """See `Originator.when_free`."""
        return self.lines.when_free(told)

    # --- what the driver reports ----------------------------------------------------------------------------

    def arrived(self, event: models.StasisStart) -> None:
        """Take an attempt's channel that has entered the application and that nobody follows yet."""
        attempt = attempt_of(event.channel)
        if attempt is not None:
            self._attempt(attempt).put(event)

    def found(self, channel: models.Channel) -> None:
        """Take an attempt's channel of a snapshot: an answered one in the application is a call."""
        attempt = attempt_of(channel)
        if attempt != channel.id or channel.dialplan.app_name != "Stasis":
            return
        if attempt not in self._attempts and self._router.owns(channel.id):
            return  # its call runs
        known = self._attempt(attempt)
        if not known.serving:
            known.taken = True
            _, *args = channel.dialplan.app_data.split(",")
            self._begin(known, channel, args, datetime.now(UTC))

    def over(self, attempt: str, at: datetime | None = None, cause: int = 0) -> None:
        """The call of an answered attempt has ended, or its channel is gone."""
        known = self._attempts.get(AttemptId(attempt))
        if known is not None:
            known.end(at or datetime.now(UTC), cause)

    # --- parts ----------------------------------------------------------------------------------------------

    def _attempt(self, attempt: AttemptId, told: Callable[[DialNews], None] | None = None) -> Attempt:
        known = self._attempts.get(attempt)
        if known is None:
            known = Attempt(attempt, answered=self._answered, unsure=self._unsure, over=self._let_go)
            known.told = told
            self._attempts[attempt] = known
            self._router.attach(known, *halves(attempt))
        elif told is not None:
            known.told = told
        return known

    def _let_go(self, attempt: AttemptId) -> None:
        """Nothing more comes of it; what is left of its events is its call's."""
        known = self._attempts.pop(attempt, None)
        self._detecting.discard(attempt)
        if known is not None and not known.serving:
            self._router.close(known)

    def _answered(self, event: models.StasisStart) -> None:
        attempt = AttemptId(event.channel.id)
        known = self._attempts[attempt]
        if attempt in self._detecting:
            self._detecting.discard(attempt)
            self._start(self._begin_detected(known, event))
        else:
            self._begin(known, event.channel, event.args, event.timestamp)

    async def _begin_detected(self, known: Attempt, event: models.StasisStart) -> None:
        """Ask what the dialplan's detection has found before the call begins."""
        machine = False
        try:
            found = await self._transport.request(
                ari.channels_get_channel_var(known.attempt, variable="RAPPEL_MACHINE")
            )
            machine = found.value == _MACHINE
        except TelephonyError as error:
            log.debug("ari_machine_unknown", attempt=known.attempt, error=str(error))
        if not known.ended:
            self._begin(known, event.channel, event.args, event.timestamp, machine=machine)

    def _begin(
        self, known: Attempt, channel: models.Channel, args: list[str], at: datetime, *, machine: bool = False
    ) -> None:
        _, _, number, caller_id, *_ = [*args, "", "", "", ""]
        known.pick_up(at, machine=machine)
        if not self._serve(channel, number, caller_id):
            # We are stopping: the channel waits in the application for the next controller.
            self._attempts.pop(known.attempt, None)
            self._router.close(known)

    def _unsure(self, attempt: AttemptId) -> None:
        """Events may have been lost: look whether the channel is still there."""
        if attempt not in self._pending:
            self._start(self._look_again(attempt))

    async def _look_again(self, attempt: AttemptId) -> None:
        known = self._attempts.get(attempt)
        if known is None or not known.taken:
            return  # nobody has seen a channel of it: whoever wants it dialled asks himself
        try:
            state = await self.look(attempt)
        except TelephonyError as error:
            log.warning("ari_attempt_not_found_out", attempt=attempt, error=str(error))
            return
        if state is DialState.ABSENT and not known.serving:
            known.end(datetime.now(UTC))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Asked(Inbox):
    """Waits for the one word of `[rappel-asked]`."""

    def __init__(self, channel_id: str) -> None:
        super().__init__(channel_id)
        self.word: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def put(self, item: Item) -> bool:
        if isinstance(item, models.ChannelUserevent) and item.eventname == EVENT and not self.word.done():
            self.word.set_result(str(item.userevent.get("Word", "")))
        return True
