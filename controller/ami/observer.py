"""Watches Asterisk over AMI and keeps the connection up. Nothing here can make a call or run a command.

The account in `manager.conf` needs `read=system,cdr,security` and `write=reporting` and no more;
`cdr_manager.conf` needs `enabled=yes`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from controller.ami.security import EVENTS as SECURITY_EVENTS
from controller.ami.security import SecurityLog, source_of
from controller.ami.wire import AmiConnection
from controller.calls.clock import SystemClock
from controller.cdr.entries import AsteriskCdr
from controller.errors import AsteriskUnreachable
from controller.ports import Clock

log = structlog.get_logger(__name__)

READ_ACTIONS: Final = frozenset({
    "CoreSettings",
    "CoreShowChannels",
    "CoreStatus",
    "PJSIPShowRegistrationsOutbound",
    "Ping",
})  # fmt: skip
"""The actions that `AmiObserver.action` sends. They need `reporting` among the account's write classes.

`PJSIPShowContacts` and its kin would need `system`, which also loads modules and restarts Asterisk."""
STATUS_EVENTS: Final = frozenset({"ContactStatus", "Registry"})
ANY: Final = "*"

QUEUE_LIMIT: Final = 10_000
HANDLER_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class AmiEvent:
    """One event: its name and its headers, as Asterisk spelled them."""

    name: str
    headers: dict[str, str]


Handler = Callable[[AmiEvent], Awaitable[None] | None]
"""Takes an event. It runs in its subscription's own task: slowness delays nothing but its own queue."""


@dataclass(slots=True, eq=False)
class _Subscription:
    name: str
    handler: Handler
    queue: asyncio.Queue[AmiEvent] = field(default_factory=lambda: asyncio.Queue(QUEUE_LIMIT))


@dataclass(slots=True)
class AmiCounters:
    """Totals since start, for the metrics."""

    events: int = 0
    dropped: int = 0
    """Events a subscription's full queue could not take."""
    handler_errors: int = 0
    connects: int = 0


@dataclass(frozen=True, slots=True)
class AmiTimes:
    """Waits in seconds. A silent Asterisk is noticed after `ping_interval_s + ping_timeout_s` at the latest."""

    connect_s: float = 5.0
    login_s: float = 5.0
    ping_interval_s: float = 5.0
    ping_timeout_s: float = 3.0
    backoff_first_s: float = 0.25
    backoff_max_s: float = 3.0


class AmiObserver:
    """Keeps one AMI connection up and hands its events out.

    `start` returns at once; `connected` says whether Asterisk answers. Events of the time without a connection
    are lost (CDRs are also in Asterisk's own file). An action that was not answered is never sent again.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        clock: Clock | None = None,
        times: AmiTimes | None = None,
    ) -> None:
        self.counters = AmiCounters()
        self.security = SecurityLog()
        self._host = host
        self._port = port
        self._login = {"Username": user, "Secret": secret, "Events": "on"}
        self._clock = clock or SystemClock()
        self._times = times or AmiTimes()
        self._connection: AmiConnection | None = None
        self._subscriptions: list[_Subscription] = []
        self._cdr_takers: list[Callable[[AsteriskCdr], object]] = []
        self._security_takers: list[Callable[[str, str], object]] = []
        self._contact_takers: list[Callable[[str, str], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False

    @property
    def connected(self) -> bool:
        """Whether the login is accepted and the connection alive, as far as the last ping knows."""
        return self._connection is not None

    def subscribe(self, name: str, handler: Handler) -> None:
        """Call `handler` with every event of that `name` (`*`: all), in order.

        At most 10,000 wait; what comes on top is dropped, counted and logged. Exceptions are logged.
        """
        subscription = _Subscription(name, handler)
        self._subscriptions.append(subscription)
        if self._started:
            self._spawn(self._deliver(subscription), f"ami handler {name}")

    def on_cdr(self, take: Callable[[AsteriskCdr], object]) -> None:
        """Call `take` with every CDR that Asterisk writes; `at` is when it arrived.

        `take` runs in the reader: it returns at once, as `Recorder.record` does.
        """
        self._cdr_takers.append(take)

    def on_security(self, take: Callable[[str, str], object]) -> None:
        """Call `take` with the name of each security event and the address that it is about, like `on_cdr`."""
        self._security_takers.append(take)

    def on_contact(self, take: Callable[[str, str], object]) -> None:
        """Call `take` with the endpoint and the new status of each registered device that changes, like `on_cdr`."""
        self._contact_takers.append(take)

    def _take_cdr(self, headers: dict[str, str]) -> None:
        fields = {key: value for key, value in headers.items() if key not in {"Event", "Privilege"}}
        cdr = AsteriskCdr(uniqueid=fields.get("UniqueID", ""), at=self._clock.now(), fields=fields)
        for take in self._cdr_takers:
            try:
                take(cdr)
            except Exception:
                self.counters.handler_errors += 1
                log.exception("ami.handler_failed", event_name="Cdr")

    async def start(self) -> None:
        """Begin to connect, and keep at it until `stop`."""
        self._started = True
        self._spawn(self._stay_connected(), "ami connection")
        for subscription in self._subscriptions:
            self._spawn(self._deliver(subscription), f"ami handler {subscription.name}")

    async def stop(self) -> None:
        """Close the connection and end every task; what waits in queues is dropped."""
        self._started = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def action(self, name: str, timeout_s: float = 5.0, **fields: str) -> list[dict[str, str]]:
        """Send one of `READ_ACTIONS` and return its answer: the response, then the events of a list.

        Raises `ValueError` for another action or a field with a line break, `AsteriskUnreachable` without an answer.
        """
        if name not in READ_ACTIONS:
            raise ValueError(f"{name} is no reading action of this observer: use ARI for anything that acts")
        if self._connection is None:
            raise AsteriskUnreachable(f"AMI is not connected: {name} was not sent")
        return await self._connection.action(name, fields, timeout_s)

    # --- the connection -----------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        backoff_s = self._times.backoff_first_s
        while True:  # for as long as the observer runs; every turn waits
            connection = AmiConnection(self._take)
            try:
                await self._log_in(connection)
                self._connection = connection
                self.counters.connects += 1
                backoff_s = self._times.backoff_first_s
                log.info("ami.connected", host=self._host, port=self._port)
                await self._ping_until_lost(connection)
            except AsteriskUnreachable as error:
                log.warning("ami.disconnected", error=str(error))
            finally:
                self._connection = None
                connection.abort("given up")
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            backoff_s = min(backoff_s * 2, self._times.backoff_max_s)

    async def _log_in(self, connection: AmiConnection) -> None:
        await connection.open(self._host, self._port, self._times.connect_s)
        answer = await connection.action("Login", self._login, self._times.login_s)
        if answer[0].get("Response") != "Success":
            raise AsteriskUnreachable(
                f"AMI at {self._host}:{self._port} refused the login of {self._login['Username']}:"
                " compare the secret and the permit= lines in manager.conf"
            )

    async def _ping_until_lost(self, connection: AmiConnection) -> None:
        times = self._times
        while True:  # ends with the connection, through AsteriskUnreachable
            done, _ = await asyncio.wait({connection.lost}, timeout=times.ping_interval_s)
            if done:
                raise AsteriskUnreachable(f"the AMI connection ended: {connection.lost.result()}")
            await connection.action("Ping", {}, times.ping_timeout_s)
            self.security.sweep(self._clock.monotonic())

    # --- events -------------------------------------------------------------------------------------------

    def _take(self, name: str, headers: dict[str, str]) -> None:
        """Runs in the reader: sorts and queues, no more."""
        self.counters.events += 1
        if name in SECURITY_EVENTS:
            self.security.take(name, headers, self._clock.monotonic())
            for take in self._security_takers:
                take(name, source_of(headers.get("RemoteAddress", "")))
        elif name == "Cdr":
            self._take_cdr(headers)
        elif name in STATUS_EVENTS:
            log.info("asterisk.registration", event_name=name, **_status_of(headers))
            if name == "ContactStatus":
                for take in self._contact_takers:
                    take(headers.get("EndpointName", ""), headers.get("ContactStatus", ""))
        for subscription in self._subscriptions:
            if subscription.name in {name, ANY}:
                self._put(subscription, AmiEvent(name, headers))

    def _put(self, subscription: _Subscription, event: AmiEvent) -> None:
        if subscription.queue.full():
            if self.counters.dropped % QUEUE_LIMIT == 0:
                log.error("ami.queue_full", subscription=subscription.name, limit=QUEUE_LIMIT)
            self.counters.dropped += 1
            return
        subscription.queue.put_nowait(event)

    async def _deliver(self, subscription: _Subscription) -> None:
        while True:  # ends with `stop`, which cancels it
            event = await subscription.queue.get()
            try:
                result = subscription.handler(event)
                if result is not None:
                    async with asyncio.timeout(HANDLER_TIMEOUT_S):
                        await result
            except Exception:
                # A handler's bug must not end the handler.
                self.counters.handler_errors += 1
                log.exception("ami.handler_failed", event_name=event.name)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _status_of(headers: dict[str, str]) -> dict[str, str]:
    wanted = {
        "AOR": "aor",
        "ContactStatus": "status",
        "EndpointName": "endpoint",
        "Domain": "domain",
        "Status": "status",
    }
    return {ours: headers[theirs] for theirs, ours in wanted.items() if headers.get(theirs)}
