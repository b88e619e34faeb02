"""The FastAGI server: `agi://host/flow` in the dialplan brings a call here.

FastAGI has no authentication: listen on loopback, or on a network that holds nothing but Asterisk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, unquote

import structlog

from controller.agi.protocol import MAX_LINE_BYTES, AgiProtocolError, text_of
from controller.agi.session import AgiSession
from controller.errors import TelephonyError

log = structlog.get_logger(__name__)

ENVIRONMENT_TIMEOUT_S: Final = 5.0
_FLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_UNIQUEID = re.compile(r"(?:.*-)?(?P<seconds>\d{9,11})\.\d+\Z")
_MAX_PARAMETERS = 32


@dataclass(frozen=True, slots=True)
class AgiCallFacts:
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
    parameters: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: dict[str, str], now: datetime) -> AgiCallFacts:
        """Read an environment (names without `agi_`); raise `AgiProtocolError` if it names no flow or no channel."""
        path, _, query = environment.get("network_script", "").partition("?")
        flow = unquote(path).strip("/")
        if not _FLOW.match(flow):
            raise AgiProtocolError(f"{path[:80]!r} names no flow: write AGI(agi://host/flow) in the dialplan")
        channel_id, channel_name = environment.get("uniqueid", ""), environment.get("channel", "")
        if not channel_id or not channel_name:
            raise AgiProtocolError("agi_uniqueid or agi_channel is missing: only Asterisk may connect here")
        try:
            parameters = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS))
        except ValueError:
            raise AgiProtocolError(f"more than {_MAX_PARAMETERS} parameters in the agi:// address") from None
        created = _UNIQUEID.match(channel_id)
        numbers = range(1, len(environment) + 1)
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
            parameters=parameters,
            arguments=tuple(environment[f"arg_{n}"] for n in numbers if f"arg_{n}" in environment),
        )


OnCall = Callable[[AgiCallFacts, AgiSession], Awaitable[None]]
"""Serves one call; the connection is closed, and the dialplan goes on, when it returns or raises."""


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
    """Accepts FastAGI connections and serves each in its own task, at most `max_calls` at once.

    A connection too many is closed at once: the dialplan goes on after `AGI()` with `AGISTATUS=FAILURE`.
    A peer that connects and leaves, stays silent or talks nonsense costs one bounded task and a log line.
    """

    def __init__(self, host: str, port: int, on_call: OnCall, *, max_calls: int = 800) -> None:
        self.counters = AgiCounters()
        self._host = host
        self._port = port
        self._on_call = on_call
        self._max_calls = max_calls
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def running(self) -> int:
        """How many connections are open."""
        return len(self._tasks)

    @property
    def port(self) -> int:
        """The port listened on, also when 0 was asked for."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=MAX_LINE_BYTES, backlog=512
        )

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Stop listening and cancel what runs: the callers' channels go on in the dialplan."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._max_calls:
            self.counters.refused += 1
            log.warning("agi.refused", reason=f"{self._max_calls} calls at once ([calls] max_calls)")
            writer.close()
            return
        task = asyncio.create_task(self._serve(AgiSession(reader, writer)), name="agi connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, session: AgiSession) -> None:
        try:
            facts = await self._introduction(session)
            if facts is not None:
                self.counters.served += 1
                await self._on_call(facts, session)
        except TelephonyError as error:
            log.error("agi.call_failed", error=str(error))  # noqa: TRY400 - the message says it all
        except Exception:
            # One call's bug ends that call, never its neighbour.
            self.counters.crashed += 1
            log.exception("agi.call_crashed")
        finally:
            session.close()

    async def _introduction(self, session: AgiSession) -> AgiCallFacts | None:
        try:
            environment = await session.read_environment(ENVIRONMENT_TIMEOUT_S)
            return None if environment is None else AgiCallFacts.of(environment, datetime.now(UTC))
        except (TelephonyError, OSError) as error:
            self.counters.malformed += 1
            log.warning("agi.malformed", error=str(error))
            return None
