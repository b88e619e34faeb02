"""One UDP socket that speaks SIP: finds the transaction and the dialog a message belongs to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Protocol

from controller.errors import TelephonyError
from controller.softphone.digest import DigestError, authorization, choose_challenge
from controller.softphone.message import (
    Message,
    SipSyntaxError,
    address_uri,
    parameter,
    parse,
    parse_uri,
)
from controller.softphone.transaction import ClientTransaction, ServerTransaction, Timers

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"
USER_AGENT = "Rappel softphone"
MAX_TRANSACTIONS = 20_000
_UNAUTHORISED = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
_REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    603: "Decline",
}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a challenge is answered with."""

    user: str
    password: str


class Dialog(Protocol):
    """Takes the requests that arrive inside a dialog."""

    def on_request(self, request: Message, transaction: ServerTransaction) -> None:
        """Answer `request` through `transaction`."""

    def on_ack(self, request: Message) -> None:
        """Take the ACK to a 2xx of ours."""

    def on_cancel(self, invite: ServerTransaction, cancel: Message) -> None:
        """The other side cancelled `invite`, which has no final response yet."""

    def on_unacknowledged(self) -> None:
        """No ACK came for a 2xx of ours."""


def reason_of(status: int) -> str:
    """Return the reason phrase we send with `status`."""
    return _REASONS.get(status, "Response")


def new_branch() -> str:
    """Return a branch with RFC 3261's magic cookie."""
    return f"z9hG4bK{token_hex(10)}"


class Endpoint(asyncio.DatagramProtocol):
    """The transport and transaction layers of one phone.

    `on_request` gets each new request outside any dialog. `open` binds; `close` ends everything at once.
    """

    def __init__(
        self,
        local: Address,
        *,
        timers: Timers,
        credentials: Credentials | None,
        on_request: Callable[[Message, ServerTransaction, Address], None],
    ) -> None:
        self.timers = timers
        self.credentials = credentials
        self.dialogs: dict[tuple[str, str], Dialog] = {}
        self.bad_datagrams = 0
        self._on_request = on_request
        self._wanted = local
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[tuple[str, str, str], ServerTransaction] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._nonce_counts: dict[str, int] = {}

    # --- life ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Bind the socket; raise `TelephonyError` if the address is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._wanted)
        except OSError as error:
            raise TelephonyError(
                f"cannot listen on UDP {self._wanted[0]}:{self._wanted[1]} ({error}); choose another port"
            ) from error

    async def close(self) -> None:
        """Stop tasks, forget transactions, close the socket."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.timers.t4)
        for transaction in [*self._clients.values(), *self._servers.values()]:
            transaction.finish()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends or the endpoint closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def address(self) -> Address:
        """Host and port the socket is bound to."""
        if self._transport is None:
            return self._wanted
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    def address_towards(self, remote: Address) -> Address:
        """Return the address that `remote` can reach us at: our own, or the route's when bound to all."""
        host, port = self.address
        if host not in {"0.0.0.0", "::"}:  # noqa: S104 - asks whether we are bound to all, binds nothing
            return host, port
        family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(remote)  # sends nothing; the kernel picks the route's source address
            return str(probe.getsockname()[0]), port

    # --- requests of ours ---------------------------------------------------------------------------------

    def via(self, remote: Address, branch: str) -> str:
        """Return the Via value of a request to `remote`."""
        host, port = self.address_towards(remote)
        shown = f"[{host}]" if ":" in host else host
        return f"SIP/2.0/UDP {shown}:{port};rport;branch={branch}"

    def start_client(
        self,
        request: Message,
        remote: Address,
        *,
        on_response: Callable[[Message], None],
        on_timeout: Callable[[], None],
    ) -> ClientTransaction:
        """Send `request` (its Via set) to `remote` reliably."""
        if len(self._clients) >= MAX_TRANSACTIONS:
            raise TelephonyError(f"{MAX_TRANSACTIONS} requests are open; end calls before starting more")
        key = (request.branch, request.method)

        def forget() -> None:
            self._clients.pop(key, None)

        transaction = ClientTransaction(
            request,
            lambda message: self.send(message, remote),
            timers=self.timers,
            on_response=on_response,
            on_timeout=on_timeout,
            on_done=forget,
        )
        self._clients[key] = transaction
        transaction.start()
        return transaction

    async def request(
        self, build: Callable[[], Message], remote: Address, credentials: Credentials | None = None
    ) -> Message:
        """Send the request that `build` makes and return its final response; a challenge is answered once.

        `build` is called for each try and returns a request with a fresh CSeq and no Via. A timeout is a
        response 408 of our own making.
        """
        response = await self._once(build(), remote)
        if response.status in _UNAUTHORISED:
            again = build()
            if self.authorise(again, response, credentials):
                response = await self._once(again, remote)
        return response

    async def _once(self, request: Message, remote: Address) -> Message:
        final: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def responded(response: Message) -> None:
            if response.status >= 200 and not final.done():  # noqa: PLR2004 - the first final status
                final.set_result(response)

        def timed_out() -> None:
            if not final.done():
                final.set_result(Message(status=408, reason=reason_of(408)))

        request.headers.insert(0, ("Via", self.via(remote, new_branch())))
        self.start_client(request, remote, on_response=responded, on_timeout=timed_out)
        return await final

    def authorise(self, request: Message, response: Message, credentials: Credentials | None = None) -> bool:
        """Add the answer to `response`'s challenge to `request`; false when there is none to give."""
        credentials = credentials or self.credentials
        if credentials is None:
            return False
        asked, answered = _UNAUTHORISED[response.status]
        try:
            challenge = choose_challenge(response.get_all(asked))
        except DigestError:
            return False
        if len(self._nonce_counts) > MAX_TRANSACTIONS:
            self._nonce_counts.clear()
        count = self._nonce_counts[challenge.nonce] = self._nonce_counts.get(challenge.nonce, 0) + 1
        value = authorization(
            challenge,
            user=credentials.user,
            password=credentials.password,
            method=request.method,
            uri=request.uri,
            cnonce=token_hex(8),
            count=count,
        )
        request.add(answered, value)
        return True

    def send(self, message: Message, remote: Address) -> None:
        """Send one datagram, once."""
        if self._transport is not None:
            self._transport.sendto(message.encode(), remote)

    # --- what arrives -------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Hand a datagram to its transaction; keep-alives and rubbish are counted and dropped."""
        if not data.strip(b"\r\n\x00 "):
            return
        try:
            message = parse(data)
        except SipSyntaxError:
            self.bad_datagrams += 1
            return
        remote = (str(addr[0]), int(addr[1]))
        if message.is_request:
            self._request(message, remote)
            return
        client = self._clients.get((message.branch, message.cseq[1]))
        if client is not None:
            client.receive(message)

    def error_received(self, exc: Exception) -> None:
        """Ignore an ICMP error: the transaction's own timer decides."""

    def _request(self, request: Message, remote: Address) -> None:
        if not (request.call_id and request.get("From") and request.get("Via") and request.cseq[1]):
            self.bad_datagrams += 1
            return
        key = _server_key(request, "INVITE" if request.method == "ACK" else request.method)
        server = self._servers.get(key)
        if request.method == "ACK":
            self._ack(request, server)
        elif server is not None:
            server.repeated()
        elif len(self._servers) < MAX_TRANSACTIONS:
            self._dispatch(request, self._new_server(request, remote, key), remote)

    def _new_server(self, request: Message, remote: Address, key: tuple[str, str, str]) -> ServerTransaction:
        def unacknowledged(response: Message) -> None:
            dialog = self.dialogs.get((request.call_id, parameter(response.get("To"), "tag")))
            if dialog is not None:
                dialog.on_unacknowledged()

        def forget() -> None:
            self._servers.pop(key, None)

        server = ServerTransaction(
            request,
            lambda response: self.send(response, remote),
            timers=self.timers,
            on_unacknowledged=unacknowledged,
            on_done=forget,
        )
        self._servers[key] = server
        return server

    def _ack(self, request: Message, server: ServerTransaction | None) -> None:
        if server is not None:
            server.acknowledged()
        dialog = self.dialogs.get((request.call_id, parameter(request.get("To"), "tag")))
        if dialog is not None:
            dialog.on_ack(request)

    def _dispatch(self, request: Message, server: ServerTransaction, remote: Address) -> None:
        if request.method == "CANCEL":
            self._cancel(request, server)
            return
        tag = parameter(request.get("To"), "tag")
        dialog = self.dialogs.get((request.call_id, tag)) if tag else None
        if dialog is not None:
            dialog.on_request(request, server)
        elif tag:
            server.respond(response_to(request, 481))
        else:
            self._on_request(request, server, remote)

    def _cancel(self, request: Message, server: ServerTransaction) -> None:
        invite = self._servers.get(_server_key(request, "INVITE"))
        server.respond(response_to(request, 200 if invite is not None else 481, tag=token_hex(4)))
        if invite is None or invite.answered:
            return
        for (call_id, _), dialog in list(self.dialogs.items()):
            if call_id == request.call_id:
                dialog.on_cancel(invite, request)


def response_to(request: Message, status: int, *, tag: str = "", reason: str = "") -> Message:
    """Return a response with the headers copied from `request`; `tag` is put on a To without one."""
    response = Message(status=status, reason=reason or reason_of(status))
    for via in request.get_all("Via"):
        response.add("Via", via)
    for route in request.get_all("Record-Route"):
        response.add("Record-Route", route)
    response.add("From", request.get("From"))
    to = request.get("To")
    response.add("To", f"{to};tag={tag}" if tag and not parameter(to, "tag") else to)
    response.add("Call-ID", request.call_id)
    response.add("CSeq", request.get("CSeq"))
    response.add("User-Agent", USER_AGENT)
    return response


def target_address(uri: str, fallback: Address) -> Address:
    """Return where a request to `uri` goes when its host is a number, else `fallback`."""
    try:
        parsed = parse_uri(uri)
        host = parsed.host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.inet_pton(family, host)
    except (SipSyntaxError, OSError):
        return fallback
    return host, parsed.port or 5060


def contact_uri(message: Message, fallback: str) -> str:
    """Return the URI of a message's Contact, or `fallback` when it has no usable one."""
    try:
        return address_uri(message.get("Contact")) or fallback
    except SipSyntaxError:
        return fallback


def _server_key(request: Message, method: str) -> tuple[str, str, str]:
    """Return what a request's transaction is found by (RFC 3261, 17.2.3; without a branch as in RFC 2543)."""
    branch = request.branch or f"{request.call_id} {request.cseq[0]}"
    return branch, request.get("Via").split(";", 1)[0], method
