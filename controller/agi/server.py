"""The FastAGI server: `agi://host/flow` in the dialplan brings a call here.

FastAGI has no authentication: listen on loopback, or on a network that holds nothing but Asterisk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog

from controller.agi.protocol import AgiProtocolError, text_of
from controller.agi.session import AgiSession
from controller.errors import TelephonyError

log = structlog.get_logger(__name__)

ENVIRONMENT_TIMEOUT_S: Final = 5.0
_LOOK_S: Final = 0.25
"""How often it is looked whether a wait is over: no wait is longer than its limit and this."""
_FLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_UNIQUEID = re.compile(r"(?:.*-)?(?P<seconds>\d{9,11})\.\d+")
_MAX_PARAMETERS = 32


class AgiCallFacts(msgspec.Struct, frozen=True):
    """What Asterisk says about a call when it connects.

    `channel_id` is the channel's unique id; `created_at` its creation (aware UTC, whole seconds, taken from the
    id), so that both together always name the same call. `parameters` are those behind the `?` of the `agi://`
    address, `arguments` those after it in the dialplan. Numbers and names are the caller's words: data, nothing else.
    """

    flow: str
    channel_id: str
    channel_name: str
    created_at: datetime
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    redirecting_number: str = ""
    context: str = ""
    language: str = ""
    account: str = ""
    parameters: dict[str, str] = {}
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: dict[str, str], now: datetime) -> AgiCallFacts:
        """Read an environment (names without `agi_`); raise `AgiProtocolError` if it names no flow or no channel."""
        path, _, query = environment.get("network_script", "").partition("?")
        flow = (unquote(path) if "%" in path else path).strip("/")
        if not _FLOW.match(flow):
            raise AgiProtocolError(f"{path[:80]!r} names no flow: write AGI(agi://host/flow) in the dialplan")
        channel_id, channel_name = environment.get("uniqueid", ""), environment.get("channel", "")
        if not channel_id or not channel_name:
            raise AgiProtocolError("agi_uniqueid or agi_channel is missing: only Asterisk may connect here")
        try:
            found = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS) if query else ()
        except ValueError:
            raise AgiProtocolError(f"more than {_MAX_PARAMETERS} parameters in the agi:// address") from None
        created = _UNIQUEID.fullmatch(channel_id)
        arguments: list[str] = []
        while (argument := environment.get(f"arg_{len(arguments) + 1}")) is not None:  # as many as there are lines
            arguments.append(argument)
        return cls(
            flow=flow,
            channel_id=channel_id,
            channel_name=channel_name,
            created_at=datetime.fromtimestamp(int(created["seconds"]), UTC) if created else now,
            caller_number=text_of(environment, "callerid"),
            caller_name=text_of(environment, "calleridname"),
            called_number=text_of(environment, "dnid") or environment.get("extension", ""),
            redirecting_number=text_of(environment, "rdnis"),
            context=environment.get("context", ""),
            language=environment.get("language", ""),
            account=environment.get("accountcode", ""),
            parameters=dict(found),
            arguments=tuple(arguments),
        )


Serving = asyncio.Task[None]
OnCall = Callable[[AgiCallFacts, AgiSession], Serving | None]
"""Gives a call to a task and returns that, or None when nobody serves it.

The connection is closed, and the dialplan goes on, when the task has ended; at once without one.
"""


@dataclass(slots=True)
class AgiCounters:
    """Totals since start, for the metrics."""

    served: int = 0
    refused: int = 0
    """Connections beyond the limit."""
    malformed: int = 0
    """Connections that were no call of Asterisk."""
    crashed: int = 0


class AgiServer:
    """Accepts FastAGI connections and has each call served, at most `max_calls` at once.

    A connection too many is closed at once: the dialplan goes on after `AGI()` with `AGISTATUS=FAILURE`.
    A peer that connects and leaves, stays silent or talks nonsense costs one bounded session and a log line.
    """

    def __init__(self, host: str, port: int, on_call: OnCall, *, max_calls: int = 800) -> None:
        self.counters = AgiCounters()
        self._host = host
        self._port = port
        self._on_call = on_call
        self._max_calls = max_calls
        self._sessions: dict[AgiSession, Serving | None] = {}
        """With the task that serves each, once its call is described."""
        self._looking: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None

    @property
    def running(self) -> int:
        """How many connections are open, or have left a call behind that is still served."""
        return len(self._sessions)

    @property
    def port(self) -> int:
        """The port listened on, also when 0 was asked for."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(partial(AgiSession, self), self._host, self._port, backlog=512)

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Stop listening and cancel what runs: the callers' channels go on in the dialplan."""
        if self._server is not None:
            self._server.close()
        tasks = []
        for session, task in list(self._sessions.items()):
            if task is None:
                self._let_go(session)
            else:
                task.cancel()
                tasks.append(task)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    # --- called by sessions -------------------------------------------------------------------------------

    def opened(self, session: AgiSession) -> None:
        """See `controller.agi.session.Owner`."""
        if len(self._sessions) >= self._max_calls:
            self.counters.refused += 1
            log.warning("agi.refused", reason=f"{self._max_calls} calls at once ([calls] max_calls)")
            session.close()
            return
        self._sessions[session] = None
        loop = asyncio.get_running_loop()
        session.deadline = loop.time() + ENVIRONMENT_TIMEOUT_S
        if self._looking is None:
            self._looking = loop.call_later(_LOOK_S, self._look)

    def described(self, session: AgiSession, environment: dict[str, str]) -> None:
        """See `controller.agi.session.Owner`."""
        try:
            facts = AgiCallFacts.of(environment, datetime.now(UTC))
        except AgiProtocolError as error:
            self.unfit(session, error)
            self._let_go(session)
            return
        self.counters.served += 1
        try:
            task = self._on_call(facts, session)
        except Exception:
            # One call's bug ends that call, never its neighbour.
            self.counters.crashed += 1
            log.exception("agi.call_crashed")
            task = None
        if task is None:
            self._let_go(session)
        else:
            self._sessions[session] = task
            task.add_done_callback(partial(self._served, session))

    def unfit(self, session: AgiSession, error: TelephonyError) -> None:
        """See `controller.agi.session.Owner`."""
        del session
        self.counters.malformed += 1
        log.warning("agi.malformed", error=str(error))

    def lost(self, session: AgiSession) -> None:
        """See `controller.agi.session.Owner`: a call that is served finds it out at its next command."""
        if self._sessions.get(session) is None:
            self._sessions.pop(session, None)

    # --- the end of calls ---------------------------------------------------------------------------------

    def _served(self, session: AgiSession, task: Serving) -> None:
        self._let_go(session)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, TelephonyError):
            log.error("agi.call_failed", error=str(error))
        elif error is not None:
            self.counters.crashed += 1
            log.error("agi.call_crashed", exc_info=error)

    def _let_go(self, session: AgiSession) -> None:
        self._sessions.pop(session, None)
        session.close()

    def _look(self) -> None:
        """End the waits that are over; one timer for all, as long as there are connections."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for session in [session for session in self._sessions if session.deadline <= now]:
            session.expire()
        self._looking = loop.call_later(_LOOK_S, self._look) if self._sessions else None
