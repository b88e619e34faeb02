"""ARI over pooled HTTP."""

from __future__ import annotations

from typing import Self, TypeVar

import aiohttp
import msgspec
import yarl

from controller.ari.operation import Operation, answer
from controller.errors import AsteriskUnreachable

T = TypeVar("T")

MAX_CONNECTIONS = 50
"""Asterisk takes 100 HTTP sessions (`sessionlimit`) and refuses more; half of them is ours."""
# Asterisk drops an idle connection after 15 s (`session_keep_alive`); ours goes first, so that no request meets
# a connection that is being closed.
_KEEP_ALIVE_S = 10.0


class HttpTransport:
    """A `Transport` over at most `MAX_CONNECTIONS` kept HTTP connections.

    `base_url` ends in `/ari`. Use as a context manager, or `close` it. `timeout_s` is long: what comes this way
    may wait for a prompt to end.
    """

    def __init__(self, base_url: str, username: str, password: str, *, timeout_s: float = 15.0) -> None:
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=5.0)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; requests in flight end with `AsteriskUnreachable`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, operation: Operation[T]) -> T:
        """See `Transport.request`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S),
                headers=self._headers,
                timeout=self._timeout,
                trust_env=False,
            )
        body = None if operation.body is None else msgspec.json.encode(operation.body)
        headers = None if body is None else {"Content-Type": "application/json"}
        url = yarl.URL(f"{self._base}/{operation.uri}", encoded=True)
        try:
            async with self._session.request(operation.method, url, data=body, headers=headers) as reply:
                content = await reply.read()
                return answer(operation, reply.status, reply.reason or "", content)
        except TimeoutError as error:
            raise AsteriskUnreachable(
                f"{operation.name}: no answer from Asterisk over HTTP within {self._timeout.total:g} s; whether "
                "it was carried out is unknown: look with GET before sending it again"
            ) from error
        except aiohttp.ClientError as error:
            raise AsteriskUnreachable(
                f"{operation.name}: Asterisk's HTTP server at {self._base} does not answer ({error}); "
                "check that Asterisk runs and that http.conf binds this address"
            ) from error
