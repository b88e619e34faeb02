"""A telephone: one SIP address from which calls are placed and at which they are taken."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from controller.errors import TelephonyError
from controller.softphone import sdp
from controller.softphone.call import Call
from controller.softphone.dialog import DialogState
from controller.softphone.endpoint import (
    ALLOW,
    USER_AGENT,
    Address,
    Credentials,
    Endpoint,
    contact_uri,
    response_to,
)
from controller.softphone.heard import HeardAudio
from controller.softphone.media import MediaError, MediaSession, Pacer, Silence, Source, open_rtp_socket
from controller.softphone.message import Message, SipSyntaxError, address_uri, parameter, parse_uri, split_list
from controller.softphone.progress import CallState
from controller.softphone.transaction import ServerTransaction, Timers

DEFAULT_CODECS = (sdp.PCMA, sdp.PCMU, sdp.TELEPHONE_EVENT)
MAX_WAITING = 100
_RESOLVE_S = 5.0


class IncomingCall:
    """A call that rings here. Decide with `ring`, `answer` or `reject`; `call` is the call itself."""

    def __init__(self, call: Call, invite: Message) -> None:
        self.call = call
        self.invite = invite

    @property
    def caller(self) -> str:
        """The user part of the From address: the number the caller shows."""
        return _user_of(self.invite.get("From"))

    @property
    def called(self) -> str:
        """The user part of the request's address: the number that was dialled."""
        return _user_of(self.invite.uri)

    def ring(self) -> None:
        """Send 180 Ringing."""
        self.call.ring()

    def answer(self, source: Source | None = None) -> Call | None:
        """Answer and say `source`; None when the caller has gone."""
        if source is not None:
            self.call.media.source = source
        return self.call if self.call.answer() else None

    def reject(self, status: int = 486) -> None:
        """Refuse: 486 busy, 603 declined, 480 unavailable."""
        self.call.reject(status)


OnCall = Callable[[IncomingCall], Awaitable[None]]


def answer_after(seconds: float, source: Callable[[], Source] = Silence) -> OnCall:
    """Return a handler that rings `seconds` long, then answers and says `source()`."""

    async def handle(incoming: IncomingCall) -> None:
        incoming.ring()
        if await incoming.call.wait_for(seconds):
            incoming.answer(source())

    return handle


def reject_with(status: int) -> OnCall:
    """Return a handler that refuses every call with `status`."""

    async def handle(incoming: IncomingCall) -> None:
        incoming.reject(status)

    return handle


async def ring_forever(incoming: IncomingCall) -> None:
    """Handle a call by ringing and never answering."""
    incoming.ring()


class Phone:
    """A SIP telephone on UDP. Use it as an async context manager.

    `local` is host and port (0: any) to listen on; `rtp_ports` an inclusive range for audio (None: any).
    `password` answers challenges for `user`. `on_call` handles incoming calls; without it they wait in
    `incoming()`, at most 100, further ones are busy. Raises `TelephonyError` when the address is taken.
    """

    def __init__(
        self,
        local: Address = ("127.0.0.1", 0),
        *,
        user: str = "rappel",
        password: str = "",
        display_name: str = "",
        rtp_ports: tuple[int, int] | None = None,
        codecs: tuple[sdp.Codec, ...] = DEFAULT_CODECS,
        on_call: OnCall | None = None,
        timers: Timers | None = None,
    ) -> None:
        self.user = user
        self.codecs = codecs
        self.calls: set[Call] = set()
        self.pacer = Pacer()
        self._display_name = display_name
        self._rtp_ports = rtp_ports
        self._sockets_opened = 0
        self._on_call = on_call
        self._waiting: asyncio.Queue[IncomingCall] = asyncio.Queue(MAX_WAITING)
        credentials = Credentials(user, password) if password else None
        self.endpoint = Endpoint(
            local, timers=timers or Timers(), credentials=credentials, on_request=self._on_request
        )
        self._registrations: dict[str, asyncio.Task[None]] = {}
        self._cseq = 0

    async def __aenter__(self) -> Self:
        """Start listening."""
        await self.endpoint.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up every call, take registrations back, stop listening."""
        await self.close()

    async def close(self, grace_s: float = 2.0) -> None:
        """Hang up every call, waiting at most `grace_s` for the other sides, and stop listening."""
        last_words: list[asyncio.Future[Any]] = [asyncio.ensure_future(call.hangup()) for call in list(self.calls)]
        last_words += [asyncio.ensure_future(self.unregister(server)) for server in list(self._registrations)]
        if last_words:
            _, late = await asyncio.wait(last_words, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*last_words, return_exceptions=True)
        for call in list(self.calls):
            call.abandon()
        await self.endpoint.close()

    @property
    def address(self) -> Address:
        """Host and port this phone listens on."""
        return self.endpoint.address

    # --- calling ------------------------------------------------------------------------------------------

    async def call(
        self,
        target: str,
        *,
        source: Source | None = None,
        headers: dict[str, str] | None = None,
        caller: str | None = None,
        ring_timeout_s: float = 60.0,
        session_expires_s: int | None = None,
        codecs: tuple[sdp.Codec, ...] | None = None,
        keep_audio_s: float = 900.0,
    ) -> Call:
        """Call `target` (`sip:1000@127.0.0.1:5060`) and return when it is answered or has ended.

        See the call's `state`: a busy line is no exception. `source` is what we say (default: silence),
        `caller` the number shown. Raises `TelephonyError` when the host is unknown or no port is free,
        `SipSyntaxError` for a malformed target.
        """
        call = await self.dial(
            target,
            source=source,
            headers=headers,
            caller=caller,
            ring_timeout_s=ring_timeout_s,
            session_expires_s=session_expires_s,
            codecs=codecs,
            keep_audio_s=keep_audio_s,
        )
        await call.wait_answered(ring_timeout_s + self.endpoint.timers.t1)
        return call

    async def dial(
        self,
        target: str,
        *,
        source: Source | None = None,
        headers: dict[str, str] | None = None,
        caller: str | None = None,
        ring_timeout_s: float = 60.0,
        session_expires_s: int | None = None,
        codecs: tuple[sdp.Codec, ...] | None = None,
        keep_audio_s: float = 900.0,
    ) -> Call:
        """Like `call`, but return at once, the INVITE sent."""
        remote = await self._resolve(target)
        host, port = self.endpoint.address_towards(remote)
        user = caller if caller is not None else self.user
        name = f'"{_quoted(self._display_name)}" ' if self._display_name else ""
        dialog = DialogState(
            call_id=f"{token_hex(12)}@{host}",
            local=f"{name}<sip:{user}@{host}>",
            local_tag=token_hex(6),
            remote=f"<{target}>",
            remote_target=target,
            contact=f"<sip:{self.user}@{host}:{port}>",
            first_hop=remote,
        )
        media = self._media(host, source or Silence(), keep_audio_s)
        call = Call(
            self.endpoint,
            dialog,
            media,
            codecs or self.codecs,
            incoming=False,
            on_ended=self.calls.discard,
        )
        self.calls.add(call)
        call.start(headers or {}, ring_timeout_s, session_expires_s)
        return call

    async def options(self, target: str) -> int:
        """Ask `target` whether it is there; return the status, 408 for no answer."""
        remote = await self._resolve(target)
        response = await self.endpoint.request(lambda: self._plain("OPTIONS", target, remote), remote)
        return response.status

    # --- registration -------------------------------------------------------------------------------------

    async def register(self, registrar: str, *, expires_s: int = 300) -> int:
        """Register at `registrar` (`sip:127.0.0.1:5060`) and keep it fresh; return the status, 200 is good."""
        status, granted = await self._register(registrar, expires_s)
        if status == 200 and expires_s:  # noqa: PLR2004 - OK
            previous = self._registrations.pop(registrar, None)
            if previous is not None:
                previous.cancel()
            task = self.endpoint.spawn(self._keep_registered(registrar, expires_s, granted))
            self._registrations[registrar] = task
        return status

    async def unregister(self, registrar: str) -> int:
        """Take the registration back; return the status."""
        task = self._registrations.pop(registrar, None)
        if task is not None:
            task.cancel()
        status, _ = await self._register(registrar, 0)
        return status

    async def _keep_registered(self, registrar: str, expires_s: int, granted_s: int) -> None:
        while granted_s > 0:  # ends with the task: `unregister` and `close` cancel it
            await asyncio.sleep(granted_s / 2)
            _, granted_s = await self._register(registrar, expires_s)

    async def _register(self, registrar: str, expires_s: int) -> tuple[int, int]:
        remote = await self._resolve(registrar)
        host, port = self.endpoint.address_towards(remote)

        def build() -> Message:
            request = self._plain("REGISTER", registrar, remote)
            request.add("Contact", f"<sip:{self.user}@{host}:{port}>")
            request.add("Expires", str(expires_s))
            return request

        response = await self.endpoint.request(build, remote)
        granted = response.get("Expires", str(expires_s))
        for contact in split_list(",".join(response.get_all("Contact"))):
            if f"{host}:{port}" in contact:
                granted = parameter(contact, "expires") or granted
        return response.status, int(granted) if granted.isascii() and granted.isdigit() else expires_s

    def _plain(self, method: str, target: str, remote: Address) -> Message:
        uri = parse_uri(target)
        host, _ = self.endpoint.address_towards(remote)
        me = f"<sip:{self.user}@{uri.host if method == 'REGISTER' else host}>"
        self._cseq += 1
        request = Message(method=method, uri=target)
        request.add("Max-Forwards", "70")
        request.add("From", f"{me};tag={token_hex(6)}")
        request.add("To", me if method == "REGISTER" else f"<{target}>")
        request.add("Call-ID", f"{token_hex(12)}@{host}")
        request.add("CSeq", f"{self._cseq} {method}")
        request.add("User-Agent", USER_AGENT)
        return request

    # --- being called -------------------------------------------------------------------------------------

    async def incoming(self) -> AsyncIterator[IncomingCall]:
        """Yield calls as they come in, already ringing on the caller's side."""
        while True:
            yield await self._waiting.get()

    async def next_call(self, timeout_s: float = 10.0) -> IncomingCall:
        """Return the next incoming call; raise `TimeoutError` when none comes in `timeout_s`."""
        return await asyncio.wait_for(self._waiting.get(), timeout_s)

    def _on_request(self, request: Message, transaction: ServerTransaction, remote: Address) -> None:
        if request.method == "INVITE":
            self._on_invite(request, transaction, remote)
            return
        status = {"OPTIONS": 200, "NOTIFY": 200, "BYE": 481, "INFO": 481, "UPDATE": 481}.get(request.method, 405)
        response = response_to(request, status, tag=token_hex(4))
        response.add("Allow", ALLOW)
        transaction.respond(response)

    def _on_invite(self, request: Message, transaction: ServerTransaction, remote: Address) -> None:
        transaction.respond(response_to(request, 100))
        unsupported = {item.lower() for item in split_list(",".join(request.get_all("Require")))} - {"timer"}
        if unsupported:
            response = response_to(request, 420, tag=token_hex(4))
            response.add("Unsupported", ", ".join(sorted(unsupported)))
            transaction.respond(response)
            return
        host, port = self.endpoint.address_towards(remote)
        try:
            offer = sdp.parse(request.body)
            sdp.negotiate(self.codecs, offer)
            media = self._media(host, Silence(), 900.0)
        except sdp.SdpError:
            transaction.respond(response_to(request, 488, tag=token_hex(4)))
            return
        except MediaError:
            transaction.respond(response_to(request, 486, tag=token_hex(4)))
            return
        recorded = [route for value in request.get_all("Record-Route") for route in split_list(value)]
        dialog = DialogState(
            call_id=request.call_id,
            local=request.get("To"),
            local_tag=token_hex(6),
            remote=request.get("From").split(";tag=")[0],
            remote_tag=parameter(request.get("From"), "tag"),
            remote_target=contact_uri(request, f"sip:{remote[0]}:{remote[1]}"),
            contact=f"<sip:{self.user}@{host}:{port}>",
            first_hop=remote,
            routes=recorded,
            remote_cseq=request.cseq[0],
        )
        call = Call(self.endpoint, dialog, media, self.codecs, incoming=True, on_ended=self.calls.discard)
        self.calls.add(call)
        call.offered(transaction, offer)
        incoming = IncomingCall(call, request)
        if self._on_call is not None:
            self.endpoint.spawn(self._handle(self._on_call, incoming))
        elif self._waiting.full():
            incoming.reject(486)
        else:
            self._waiting.put_nowait(incoming)

    async def _handle(self, handler: OnCall, incoming: IncomingCall) -> None:
        try:
            await handler(incoming)
        finally:
            undecided = incoming.call.state is CallState.DIALLING
            if undecided:  # the handler failed or forgot: the caller must not wait for nothing
                incoming.reject(480)

    # --- parts --------------------------------------------------------------------------------------------

    def _media(self, host: str, source: Source, keep_audio_s: float) -> MediaSession:
        sock = open_rtp_socket(host, self._rtp_ports, self._sockets_opened)
        self._sockets_opened += 1
        return MediaSession(sock, self.pacer, HeardAudio(time.monotonic(), keep_audio_s), source)

    async def _resolve(self, target: str) -> Address:
        uri = parse_uri(target)
        port = uri.port or 5060
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_S):
                found = await loop.getaddrinfo(uri.host.strip("[]"), port, family=self._family())
        except (OSError, TimeoutError) as error:
            raise TelephonyError(f"cannot find the host of {target}: {error}; check the address") from error
        return str(found[0][4][0]), port

    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.endpoint.address[0] else socket.AF_INET


def _user_of(value: str) -> str:
    try:
        return parse_uri(address_uri(value)).user
    except SipSyntaxError:
        return ""


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
