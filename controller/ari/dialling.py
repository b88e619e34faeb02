"""One dial of one extension: a leg, a bridge, the ringing, the conversation.

The order is create → bridge → dial, so that nothing of the first words is clipped. The leg's and the bridge's
ids derive from the call: performing the same dial again, after a crash or a broken connection, finds them and goes
on from wherever they are, and never dials twice. The bridge is there as long as the dial is: a bridge without its
leg says that the leg has come and gone.
"""

from __future__ import annotations

import asyncio

import structlog

from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.inbox import ChannelLost, Item, RequestFailed, Resynchronised
from controller.ari.leg import Leg
from controller.ari.line import Line
from controller.errors import AsteriskRefused, ChannelGone
from controller.flow.causes import outcome_of
from controller.flow.commands import Dial, Dialled, DialOutcome
from controller.ids import derived_id
from controller.ports import LegObserver
from controller.switchboard import Ask

log = structlog.get_logger(__name__)

NO_ANSWER = 19
NORMAL_CLEARING = 16
_ABSENT = 20
_CONFLICT = 409
_LEG_END_S = 2.0
_ENTER_S = 2.0
_DESTROYED_S = 0.25
# Asterisk gives up by itself, should this controller die while it rings; later than our own timer.
_SAFETY_S = 10


class Dialling:
    """Performs one `Dial`; `run` returns how it went, also when it was the caller who ended it.

    `run` may be called again after `AsteriskUnreachable` and goes on where it was.
    """

    def __init__(self, line: Line, command: Dial, legs: LegObserver, endpoint: str) -> None:
        self._line = line
        self._command = command
        self._endpoint = endpoint
        self._leg = Leg(derived_id(line.call_id, "leg", command.number), legs)
        self._bridge = derived_id(line.call_id, "bridge", command.number)
        self._bridged = False  # the caller is in the bridge
        self._ours: DialOutcome | None = None  # we ended the leg, and as what

    async def run(self) -> Dialled:
        """Dial, ring and talk; whatever happens, the bridge is gone at the end (not when cancelled)."""
        self._line.own(self._leg.id, self._bridge)
        event = await self._dial_and_talk()
        if not self._line.gone:
            await self._line.send(ari.channels_ring_stop(self._line.channel_id))
        await self._line.attempt(ari.bridges_destroy(self._bridge))
        await self._until_unbridged()
        self._line.disown(self._leg.id, self._bridge)
        self._line.digits.clear()  # what was pressed in a conversation is not for the menu after it
        return event

    async def _dial_and_talk(self) -> Dialled:
        if not self._leg.ended:
            refused = await self._set_up()
            if refused is not None:
                return refused
        ring_until = self._now() + self._command.ring_s
        while self._going and self._leg.answered_at is None:
            if await self._step(ring_until) is None:
                await self._end_leg(NO_ANSWER, DialOutcome.NO_ANSWER)
        if self._going:
            await self._line.send(ari.channels_ring_stop(self._line.channel_id))
            talk_until = self._now() + self._command.max_talk_s - self._leg.talked_s
            while self._going:
                if await self._step(talk_until) is None:
                    await self._end_leg(NORMAL_CLEARING, DialOutcome.TALKED)
        if self._line.gone and not self._leg.ended:
            await self._end_leg(NORMAL_CLEARING, DialOutcome.NO_ANSWER)
        return self._result()

    @property
    def _going(self) -> bool:
        return not self._leg.ended and not self._line.gone

    @property
    def _by_callee(self) -> bool:
        return self._ours is None and not self._line.gone

    def _result(self) -> Dialled:
        if self._leg.answered_at is not None:
            return Dialled(DialOutcome.TALKED, self._leg.cause, self._leg.talked_s)
        return Dialled(self._ours or outcome_of(self._leg.cause), self._leg.cause)

    # --- setting up, perhaps for the second time ------------------------------------------------------------

    async def _set_up(self) -> Dialled | None:
        """Bring leg and bridge to ringing; return the end when there is nothing to wait for."""
        leg = await self._line.attempt(ari.channels_get(self._leg.id))
        created = leg is None
        if leg is None:
            bridge = await self._line.attempt(ari.bridges_get(self._bridge))
            if bridge is not None:
                return self._ended_before(bridge)
            try:
                leg = await self._create()
            except AsteriskRefused as error:
                log.warning("ari_dial_refused", endpoint=self._endpoint, error=str(error))
                return Dialled(DialOutcome.UNREACHABLE, _ABSENT)
        else:
            log.info("ari_leg_adopted", leg=leg.id, state=leg.state)
            self._bridged = True  # or about to be
        self._leg.exists(leg, self._command.extension)
        try:
            await self._connect(leg, created=created)
        except AsteriskRefused as error:
            # Caller or leg went meanwhile, and their events say how; if both are there, Asterisk meant it.
            await self._look()
            if self._going:
                log.warning("ari_dial_refused", endpoint=self._endpoint, error=str(error))
                await self._end_leg(NORMAL_CLEARING, DialOutcome.FAILED)
        return None

    async def _create(self) -> models.Channel:
        try:
            return await self._line.request(
                ari.channels_create(
                    endpoint=self._endpoint,
                    app=self._line.application,
                    app_args="leg",
                    channel_id=self._leg.id,
                    originator=self._line.channel_id,
                )
            )
        except AsteriskRefused as error:
            if error.status != _CONFLICT:
                raise
            return await self._line.request(ari.channels_get(self._leg.id))

    async def _connect(self, leg: models.Channel, *, created: bool) -> None:
        line = self._line
        if leg.state == "Up":
            self._leg.answered(leg)
            return
        if created:
            await self._until_entered()
        try:
            await line.request(ari.bridges_create_with_id(self._bridge, type="mixing"))
        except AsteriskRefused as error:
            if error.status != _CONFLICT:  # it is there already
                raise
        await line.request(ari.bridges_add_channel(self._bridge, channel=[line.channel_id, leg.id]))
        await line.send(ari.channels_ring(line.channel_id))
        safety_s = int(self._command.ring_s) + _SAFETY_S
        try:
            await line.request(ari.channels_dial(leg.id, caller=line.channel_id, timeout=safety_s))
        except ChannelGone as error:
            if created or error.status != _CONFLICT:
                raise
            log.info("ari_leg_rings_already", leg=leg.id)

    def _ended_before(self, bridge: models.Bridge) -> Dialled:
        """Report a leg that ended while nobody looked, from the events that were kept, if any were."""
        self._bridged = self._line.channel_id in bridge.channels  # what came since is among the events
        self._line.catch_up(self.note)
        self._leg.end(by_callee=False)
        return self._result()

    # --- events -------------------------------------------------------------------------------------------

    def note(self, item: Item) -> None:
        """Take note of what an event says about the leg, and about the caller's place in the bridge."""
        if isinstance(item, (Resynchronised, RequestFailed, Ask)):
            return
        if isinstance(item, ChannelLost):
            if item.channel_id == self._leg.id:
                self._leg.end(by_callee=False)
            return
        channel: models.Channel | None = getattr(item, "channel", None)
        if channel is None:
            return
        if channel.id == self._leg.id:
            self._leg.note(item, by_callee=self._by_callee)
        elif isinstance(item, models.ChannelEnteredBridge):
            self._bridged = True
        elif isinstance(item, models.ChannelLeftBridge):
            self._bridged = False

    async def _step(self, until: float) -> Item | None:
        """Take the next event into account; None when there is none until then."""
        leaving = self._leg.left_at is not None and not self._leg.ended
        item = await self._line.next(self._now() + _DESTROYED_S if leaving else until)
        if item is None and leaving:
            self._leg.end(by_callee=self._by_callee)
            return ChannelLost(self._leg.id)
        if isinstance(item, Resynchronised):
            await self._look()
        elif item is not None:
            self.note(item)
        return item

    async def _look(self) -> None:
        """Events may be missing: see for ourselves how the leg is."""
        leg = await self._line.attempt(ari.channels_get(self._leg.id))
        self._line.catch_up(self.note)
        if leg is None:
            self._leg.end(by_callee=False)
        elif leg.state == "Up":
            self._leg.answered(leg)

    async def _until_entered(self) -> None:
        """Wait for the new leg to be the application's: Asterisk answers the creation a moment too early."""
        until = self._now() + _ENTER_S
        while self._going and not self._leg.entered and await self._step(until) is not None:
            pass

    async def _until_unbridged(self) -> None:
        """Wait for the caller to have left the bridge: a playback asked for before that never starts."""
        self._line.catch_up(self.note)
        until = self._now() + _ENTER_S
        while self._bridged and not self._line.gone and await self._step(until) is not None:
            pass

    async def _end_leg(self, cause: int, outcome: DialOutcome) -> None:
        """Hang the leg up and wait for the event that says so."""
        self._ours = outcome
        await self._line.attempt(ari.channels_hangup(self._leg.id, reason_code=str(cause)))
        until = self._now() + _LEG_END_S
        while not self._leg.ended and await self._step(until) is not None:
            pass
        self._leg.end(cause, by_callee=False)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
