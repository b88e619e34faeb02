"""The agents' SIP accounts in Asterisk's memory, and how their devices are.

Asterisk forgets the accounts when it starts anew (registrations it keeps): all are put again at each connection.
How a device is comes from Asterisk's device states, one small event a change, and from a look at the endpoint that
follows each. A subscription to the endpoints themselves would bring every event of every agent's leg twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Final, Protocol, TypeVar

import structlog

from controller.ari import accounts
from controller.ari.events import AnyEvent
from controller.ari.generated import models
from controller.ari.generated import operations as ari
from controller.ari.transport import Transport
from controller.errors import AsteriskRefused, ChannelGone, TelephonyError
from controller.ports import DeviceSettings, DeviceState

T = TypeVar("T")

log = structlog.get_logger(__name__)

_TECHNOLOGY: Final = "PJSIP"
_PREFIX: Final = f"{_TECHNOLOGY}/"
_AT_ONCE: Final = 8
"""Requests in flight: 200 accounts take a quarter of a second, and calls still get their turn."""
_SOURCES: Final = 50
"""Subscriptions in one request, so that its line stays short."""
_IDLE: Final = "NOT_INUSE"
_LOOKS: Final = 20
"""From so many devices on, one look at all is cheaper."""
_RETRY_S: Final = 2.0
_DOUBLE_S: Final = 2.0
_READY_S: Final = 60.0


class Link(Protocol):
    """Whether Asterisk can be reached (`AriConnection`)."""

    async def ready(self, timeout_s: float) -> None:
        """Return once it can be; raise `AsteriskUnreachable` after `timeout_s`."""


class AriDevices:
    """`controller.ports.Devices`.

    One task does the work, in order. `connected` is to be called at each (re)connection, `note` with each event
    that belongs to no call.
    """

    def __init__(self, application: str, transport: Transport, link: Link) -> None:
        self._application = application
        self._transport = transport
        self._link = link
        self._wanted: dict[str, DeviceSettings] = {}
        self._there: dict[str, DeviceSettings] = {}
        """What Asterisk has, as far as we know."""
        self._states: dict[str, DeviceState] = {}
        self._mailboxes: dict[str, tuple[int, int]] = {}
        self._told: dict[str, tuple[int, int]] = {}
        self._watchers: list[Callable[[DeviceState], None]] = []
        self._to_look: set[str] = set()
        self._anew = True
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._doubled: asyncio.TimerHandle | None = None

    # --- what is asked --------------------------------------------------------------------------------------

    def configure(self, wanted: Sequence[DeviceSettings]) -> None:
        """See `Devices.configure`."""
        self._wanted = {device.endpoint: device for device in wanted}
        self._work()

    def serves(self, endpoint: str) -> bool:
        """Tell whether `endpoint` is one of the devices that are wanted here."""
        return endpoint in self._wanted

    def watch(self, changed: Callable[[DeviceState], None]) -> None:
        """See `Devices.watch`."""
        self._watchers.append(changed)

    def messages(self, mailbox: str, new: int, old: int) -> None:
        """See `Devices.messages`."""
        self._mailboxes[mailbox] = (new, old)
        self._work()

    def state(self, endpoint: str) -> DeviceState | None:
        """Return how a device was when it was last looked at."""
        return self._states.get(endpoint)

    # --- what the driver reports ----------------------------------------------------------------------------

    def connected(self) -> None:
        """Asterisk is there again, perhaps another one: put everything and look at everything."""
        self._anew = True
        if self._wanted or self._mailboxes:
            self._work()

    def note(self, event: AnyEvent) -> None:
        """Take note of an event; those that are about no device of ours are none of its business."""
        if isinstance(event, models.DeviceStateChanged):
            endpoint = event.device_state.name.removeprefix(_PREFIX)
            if endpoint in self._wanted:
                idle = DeviceState(endpoint, reachable=True)
                if event.device_state.state == _IDLE and self._states.get(endpoint) != idle:
                    self._tell_state(idle)  # somebody may wait for this agent: told before it is looked at
                self._to_look.add(endpoint)
                self._work()

    async def close(self) -> None:
        """Stop working; Asterisk keeps what it has."""
        if self._doubled is not None:
            self._doubled.cancel()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    # --- the work -------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._wake.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._run(), name="ari-devices")

    async def _run(self) -> None:
        while True:  # ends with the driver
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._link.ready(_READY_S)
                await self._catch_up()
            except TelephonyError as error:
                log.warning("ari_devices_interrupted", error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _catch_up(self) -> None:
        if self._anew:
            self._anew = False
            try:
                await self._begin()
            except TelephonyError:
                self._anew = True
                raise
        await self._put()
        await self._tell_messages()
        if len(self._to_look) > _LOOKS:
            await self._look_at_all()
        while self._to_look:
            await self._look(self._to_look.pop())

    async def _begin(self) -> None:
        """Nothing is known of this Asterisk: see what is there of ours that should not be."""
        self._there.clear()
        self._told.clear()
        endpoints = await self._transport.request(ari.endpoints_list_by_tech(_TECHNOLOGY))
        await _each([found.resource for found in endpoints], self._compare)
        await self._put(subscribe=self._wanted)
        await self._look_at_all()

    async def _compare(self, endpoint: str) -> None:
        """Find out whether an endpoint is as it should be; one of ours that is wanted no more is deleted."""
        try:
            found = await self._transport.request(accounts.look(endpoint))
        except AsteriskRefused:
            return
        wanted = self._wanted.get(endpoint)
        if wanted is None:
            if accounts.is_ours(found):
                await self._delete(endpoint)
        elif accounts.is_as_wanted(found, wanted):
            self._there[endpoint] = wanted

    async def _put(self, subscribe: Collection[str] = ()) -> None:
        """Bring Asterisk's accounts to what is wanted, and listen to those that are new and to `subscribe`."""
        wanted = self._wanted
        gone = [endpoint for endpoint in self._there if endpoint not in wanted]
        changed = [device for device in wanted.values() if self._there.get(device.endpoint) != device]
        await _each(gone, self._delete)
        await _each(changed, self._put_one)
        unheard = sorted({device.endpoint for device in changed}.union(subscribe))
        for some in _in_parts(unheard, _SOURCES):
            sources = [f"deviceState:{_PREFIX}{endpoint}" for endpoint in some]
            await self._transport.request(ari.applications_subscribe(self._application, event_source=sources))
        self._to_look.update(device.endpoint for device in changed)
        if gone or changed:
            log.info("ari_devices_put", changed=len(changed), deleted=len(gone))

    async def _put_one(self, device: DeviceSettings) -> None:
        try:
            for operation in accounts.put(device, await self._aor(device.endpoint)):
                await self._transport.request(operation)
        except ChannelGone as error:
            raise AsteriskRefused(
                f"Asterisk has no place for accounts ({error}); sorcery.conf must name the memory",
                status=error.status,
                reason=error.reason,
            ) from error
        except AsteriskRefused as error:
            # This one account is left out; the others shall not suffer.
            log.error(  # noqa: TRY400 - the reason is Asterisk's answer, not the way here
                "ari_device_refused",
                endpoint=device.endpoint,
                error=str(error),
                advice="an extension of [sip] softphones cannot be an agent's too: take it off that list",
            )
        self._there[device.endpoint] = device

    async def _aor(self, endpoint: str) -> list[models.ConfigTuple] | None:
        try:
            return await self._transport.request(accounts.look_at_aor(endpoint))
        except ChannelGone:
            return None

    async def _delete(self, endpoint: str) -> None:
        for operation in accounts.delete(endpoint):
            try:
                await self._transport.request(operation)
            except AsteriskRefused as error:
                log.debug("ari_device_not_there", endpoint=endpoint, error=str(error))
        self._there.pop(endpoint, None)
        self._states.pop(endpoint, None)
        try:
            source = [f"deviceState:{_PREFIX}{endpoint}"]
            await self._transport.request(ari.applications_unsubscribe(self._application, event_source=source))
        except AsteriskRefused:
            return  # it was not subscribed

    # --- how they are ---------------------------------------------------------------------------------------

    async def _look_at_all(self) -> None:
        self._to_look.clear()
        for found in await self._transport.request(ari.endpoints_list_by_tech(_TECHNOLOGY)):
            if found.resource in self._wanted:
                self._tell(found, always=True)

    async def _look(self, endpoint: str) -> None:
        if endpoint not in self._wanted:
            return
        try:
            self._tell(await self._transport.request(ari.endpoints_get(_TECHNOLOGY, endpoint)))
        except ChannelGone:
            self._tell(models.Endpoint(technology=_TECHNOLOGY, resource=endpoint, channel_ids=[], state="offline"))

    def _tell(self, found: models.Endpoint, *, always: bool = False) -> None:
        state = DeviceState(found.resource, found.state == "online", frozenset(found.channel_ids))
        if len(state.channels) > 1:
            self._look_again_soon()
        if self._states.get(found.resource) != state or always:
            self._tell_state(state)

    def _tell_state(self, state: DeviceState) -> None:
        self._states[state.endpoint] = state
        for changed in self._watchers:
            changed(state)

    def _look_again_soon(self) -> None:
        """One of several calls of a device may end without a change of the device's state."""
        if self._doubled is None:
            self._doubled = asyncio.get_running_loop().call_later(_DOUBLE_S, self._look_at_doubled)

    def _look_at_doubled(self) -> None:
        self._doubled = None
        self._to_look.update(name for name, state in self._states.items() if len(state.channels) > 1)
        if self._to_look:
            self._work()

    # --- messages waiting -----------------------------------------------------------------------------------

    async def _tell_messages(self) -> None:
        for mailbox, counts in list(self._mailboxes.items()):
            if self._told.get(mailbox) == counts:
                continue
            new, old = counts
            await self._transport.request(
                ari.channels_originate(
                    endpoint=f"Local/{mailbox}@rappel-mwi/n",
                    context="rappel-mwi",
                    extension="done",
                    priority=1,
                    variables={"NEW": str(new), "OLD": str(old)},
                )
            )
            self._told[mailbox] = counts


async def _each(items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do `work` for all items, a few at a time; the first failure ends it."""
    for some in _in_parts(items, _AT_ONCE):
        await asyncio.gather(*(work(item) for item in some))


def _in_parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
