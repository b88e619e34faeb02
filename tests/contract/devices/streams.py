"""A telephone of the least kind on a stream, TCP or TLS: it registers, and keeps the requests it gets."""

from __future__ import annotations

import asyncio
import re
import ssl
from secrets import token_hex

from controller.softphone.digest import authorization, choose_challenge
from controller.softphone.message import Message, parse

_LENGTH = re.compile(rb"^(?:Content-Length|l)\s*:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


class StreamPhone:
    """Speaks SIP on one connection."""

    def __init__(self, user: str, password: str, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self.requests: asyncio.Queue[Message] = asyncio.Queue(100)
        self._responses: asyncio.Queue[Message] = asyncio.Queue(100)
        self._user = user
        self._password = password
        self._registrar = f"sip:{host}:{port};transport={'tls' if context else 'tcp'}"
        self._at = host, port, context

    async def open(self) -> None:
        host, port, context = self._at
        self._reader, self._writer = await asyncio.open_connection(
            host, port, ssl=context, local_addr=("127.0.0.3", 0)
        )
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reading.cancel()
        self._writer.transport.abort()  # a TLS farewell that Asterisk does not answer would be waited for 30 s
        await asyncio.gather(self._reading, self._writer.wait_closed(), return_exceptions=True)

    async def register(self) -> int:
        """Register, answering the challenge; return the status."""
        first = await self._ask(1, "")
        if first.status != 401:
            return first.status
        challenge = choose_challenge(first.get_all("WWW-Authenticate"))
        answer = authorization(
            challenge,
            user=self._user,
            password=self._password,
            method="REGISTER",
            uri=self._registrar,
            cnonce=token_hex(4),
        )
        return (await self._ask(2, answer)).status

    async def _ask(self, number: int, authorized: str) -> Message:
        kind = "TLS" if self._at[2] else "TCP"
        host, port = self._writer.get_extra_info("sockname")[:2]
        me = f"<sip:{self._user}@{self._at[0]}>"
        request = Message(method="REGISTER", uri=self._registrar)
        request.add("Via", f"SIP/2.0/{kind} {host}:{port};branch=z9hG4bK{token_hex(6)};rport")
        request.add("Max-Forwards", "70")
        request.add("From", f"{me};tag={token_hex(4)}")
        request.add("To", me)
        request.add("Call-ID", token_hex(8))
        request.add("CSeq", f"{number} REGISTER")
        request.add("Contact", f"<sip:{self._user}@{host}:{port};transport={kind.lower()}>")
        request.add("Expires", "300")
        if authorized:
            request.add("Authorization", authorized)
        self._writer.write(request.encode())
        return await asyncio.wait_for(self._responses.get(), 5)

    async def _read(self) -> None:
        while True:  # ends with the connection
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await self._reader.readexactly(int(length[1]) if length else 0)
            message = parse(head.lstrip(b"\r\n") + body)
            (self.requests if message.is_request else self._responses).put_nowait(message)
