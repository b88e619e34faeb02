"""The example customer service: what a company's CRM answers to the flows of the example centre.

A few invented customers, in memory, the same at every start; dates count from today, so that an appointment is
always ahead. It binds to loopback, knows no TLS and keeps nothing: an example and a rig for tests, not a CRM.
Under `/faults/…` it misbehaves on purpose, for the tests of `http` steps.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import msgspec
from aiohttp import web

from controller.errors import SetupError
from controller.runtime.example_pages import Contact, ExamplePages, Rappel

HOST = "127.0.0.1"
PORT = 8095
"""Where the example centre's flows look for it (`http: hosts:` in centre.yaml)."""

MAX_TRIES = 5
"""Wrong codes in a row after which a customer is locked (423) until the service starts again."""
HUGE_BYTES = 8 * 1024 * 1024
HANG_S = 120.0

_TOKEN_BYTES = 16
_SHUTDOWN_S = 1.0


class Order(msgspec.Struct, frozen=True):
    """An order under way: `state` is preparing, shipped or ready; the date that matters is `days` from today."""

    reference: str
    state: str
    days: int


class Appointment(msgspec.Struct, frozen=True):
    """An appointment in the workshop, `days` from today, at a local time HH:MM."""

    days: int
    time: str


class Customer(msgspec.Struct, frozen=True):
    """A customer: six digits, a code of four, what is still to be paid and by when."""

    number: str
    code: str
    name: str
    phone: str
    language: str = "fr"
    vip: bool = False
    due: str = "0.00"
    due_days: int = 0
    order: Order | None = None
    appointment: Appointment | None = None


CUSTOMERS = (
    Customer(
        "504718",
        "2580",
        "Claire Vautrin",
        "+33639980114",
        due="123.45",
        due_days=12,
        order=Order("VM-26-1184", "shipped", 2),
        appointment=Appointment(5, "14:30"),
    ),
    Customer("612903", "1379", "Karim Benali", "+33639980127", order=Order("VM-26-1190", "ready", 9), vip=True),
    Customer(
        "738251",
        "4826",
        "Emily Carter",
        "+33639980131",
        language="en",
        due="49.90",
        due_days=20,
        order=Order("VM-26-1201", "preparing", 4),
        appointment=Appointment(1, "09:00"),
    ),
    Customer("845062", "9134", "Luc Thiriet", "+33639980148", due="1071.00", due_days=3),
)
"""Their telephone numbers lie in the range that Arcep keeps for fiction (06 39 98)."""

_CUSTOMERS = web.AppKey("customers", dict[str, Customer])
_FAILURES = web.AppKey("failures", Counter[str])
_TODAY: web.AppKey[Callable[[], date]] = web.AppKey("today")

_ROUTES = web.RouteTableDef()


def make_app(today: Callable[[], date] = date.today, rappel: Rappel | None = None) -> web.Application:
    """Return the service; `today` is the day its dates count from. With `rappel` it has pages, too."""
    app = web.Application(client_max_size=16 * 1024)
    app[_CUSTOMERS] = {customer.number: customer for customer in CUSTOMERS}
    app[_FAILURES] = Counter()
    app[_TODAY] = today
    app.add_routes(_ROUTES)
    if rappel is not None:
        contacts = [Contact(each.number, each.name, each.phone) for each in CUSTOMERS]
        ExamplePages(rappel, contacts).mount(app)
    return app


class Service:
    """The running service; made by `serve`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop at once; answers that hang are cut off within a second."""
        await self._runner.cleanup()


async def serve(
    host: str = HOST, port: int = PORT, today: Callable[[], date] = date.today, rappel: Rappel | None = None
) -> Service:
    """Serve on `host`:`port` (a free one for 0). Raises `SetupError` when the port is taken."""
    runner = web.AppRunner(make_app(today, rappel), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SetupError(
            f"The example customer service cannot listen on {host}:{port} ({error.strerror}): stop what uses that "
            "port, then start again."
        ) from error
    return Service(runner)


@_ROUTES.get("/")
async def _home(_: web.Request) -> web.Response:
    return web.json_response({"service": "Example customer service of Vélos Mirabelle"})


@_ROUTES.post("/auth")
async def _auth(request: web.Request) -> web.Response:
    """Check `{customer, code}`: 200 with a token, 401, or 423 for a customer with too many wrong codes."""
    try:
        given = await request.json()
        number, code = str(given["customer"]), str(given["code"])
    except (ValueError, KeyError, TypeError):
        return _error(400, "send {customer, code}")
    failures = request.app[_FAILURES]
    customer = request.app[_CUSTOMERS].get(number)
    if failures[number] >= MAX_TRIES:
        return _error(423, "locked")
    if customer is None or not hmac.compare_digest(customer.code.encode(), code.encode()):
        if customer is not None:
            failures[number] += 1
        return _error(401, "unknown customer or wrong code")
    del failures[number]
    return web.json_response({"token": _token(customer), "name": customer.name, "language": customer.language})


@_ROUTES.get("/customers/{number}")
async def _customer(request: web.Request) -> web.Response:
    """What may be known without a code: enough to route a call, and no more."""
    customer = request.app[_CUSTOMERS].get(request.match_info["number"])
    if customer is None:
        return _error(404, "no such customer")
    return web.json_response({"number": customer.number, "vip": customer.vip, "language": customer.language})


@_ROUTES.get("/customers/{number}/order")
async def _order(request: web.Request) -> web.Response:
    order = _authorised(request).order
    if order is None:
        return _error(404, "no order")
    day = _day(request, order.days)
    return web.json_response({"reference": order.reference, "state": order.state, "date": day})


@_ROUTES.get("/customers/{number}/balance")
async def _balance(request: web.Request) -> web.Response:
    customer = _authorised(request)
    day = _day(request, customer.due_days)
    return web.json_response({"due": customer.due, "currency": "EUR", "due_date": day})


@_ROUTES.get("/customers/{number}/appointment")
async def _appointment(request: web.Request) -> web.Response:
    appointment = _authorised(request).appointment
    if appointment is None:
        return _error(404, "no appointment")
    return web.json_response({"date": _day(request, appointment.days), "time": appointment.time})


def _authorised(request: web.Request) -> Customer:
    customer = request.app[_CUSTOMERS].get(request.match_info["number"])
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if customer is None or not hmac.compare_digest(given.encode(), _token(customer).encode()):
        raise web.HTTPUnauthorized(text='{"error": "log in first"}', content_type="application/json")
    return customer


def _token(customer: Customer) -> str:
    # Deterministic, so that a call taken up by another controller goes on: an example, not a security measure.
    return hashlib.sha256(f"example\0{customer.number}\0{customer.code}".encode()).hexdigest()[: 2 * _TOKEN_BYTES]


def _day(request: web.Request, days: int) -> str:
    today = request.app[_TODAY]()
    return (today + timedelta(days=days)).isoformat()


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


# --- misbehaviour, for tests ------------------------------------------------------------------------------


@_ROUTES.get("/faults/hang")
async def _hang(_: web.Request) -> web.Response:
    """Never answers (within two minutes)."""
    await asyncio.sleep(HANG_S)
    return _error(504, "that took long")


@_ROUTES.get("/faults/drip")
async def _drip(request: web.Request) -> web.StreamResponse:
    """Answers at once, then one byte a second: each read succeeds, the whole never comes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(int(HANG_S)):
        await response.write(b" ")
        await asyncio.sleep(1.0)
    return response


@_ROUTES.get("/faults/short")
async def _short(request: web.Request) -> web.StreamResponse:
    """Promises a thousand bytes, sends a few and closes."""
    return await _raw(request, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{}")


@_ROUTES.get("/faults/long")
async def _long(request: web.Request) -> web.StreamResponse:
    """Promises two bytes and sends many more."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    return await _raw(request, head + b"{}" + b"x" * 4096)


@_ROUTES.get("/faults/redirect")
async def _redirect(_: web.Request) -> web.Response:
    """Sends the client to a host inside: it must not go there."""
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})


@_ROUTES.get("/faults/huge")
async def _huge(request: web.Request) -> web.StreamResponse:
    """Streams eight megabytes of valid JSON, without a length."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"text": "')
    for _ in range(HUGE_BYTES // 65_536):
        await response.write(b"x" * 65_536)
    await response.write(b'"}')
    return response


@_ROUTES.get("/faults/deep")
async def _deep(_: web.Request) -> web.Response:
    """A hundred thousand brackets inside each other."""
    return web.Response(body=b"[" * 100_000 + b"]" * 100_000, content_type="application/json")


@_ROUTES.get("/faults/html")
async def _html(_: web.Request) -> web.Response:
    """A page where JSON is expected."""
    return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")


@_ROUTES.get("/faults/status/{code:[2-5][0-9][0-9]}")
async def _status(request: web.Request) -> web.Response:
    """Any status, with a small JSON body."""
    return web.json_response({"error": "as you wish"}, status=int(request.match_info["code"]))


async def _raw(request: web.Request, data: bytes) -> web.StreamResponse:
    """Write `data` to the connection as it is and close it."""
    transport = request.transport
    if transport is not None:
        transport.write(data)
        transport.close()
    return web.Response()
