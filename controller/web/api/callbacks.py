"""Call-backs over the API: ask, look, change, cancel; and an agent's own calls to customers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.callback.model import (
    Attempt,
    Consent,
    Customer,
    First,
    Origin,
    Request,
    RequestId,
    RequestState,
    Slot,
    Source,
    When,
)
from controller.callback.promise import told_s
from controller.calls.callback.desk import Asked, CallbackDesk, Taken
from controller.flow.prompts import LANGUAGES
from controller.hours import zones
from controller.outbound.model import Purpose
from controller.ports import AgentDirectory, Clock, Token
from controller.web.api.access import Scope, require_self
from controller.web.api.agents import known_account
from controller.web.api.problems import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    UNAVAILABLE,
    UNPROCESSABLE,
    Problem,
    problem_of,
)
from controller.web.api.routes import ApiRequest, Nothing, Route, missing

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Telephone = Annotated[str, msgspec.Meta(min_length=2, max_length=64, description="+33 6 …, or as in `country`")]
Country = Annotated[str, msgspec.Meta(pattern="^(?:[A-Z]{2})?$", description="ISO 3166; without: the centre's")]
Language = Annotated[str, msgspec.Meta(pattern=f"^(?:{'|'.join(LANGUAGES)})?$", description="without: the centre's")]
_ESTIMATE = "the wait to tell, in seconds: whole minutes, rounded up; null: it cannot be estimated"
_KEY = re.compile(r"[\x21-\x7e]{8,100}")
_NUMBER_CODES = frozenset({"unreadable", "invalid", "kind", "country", "caller_id"})
_ID = re.compile(r"[0-9a-f]{32}")


class AttemptBook(Protocol):
    """What has been tried for a request; raises `StoreError` while Postgres is away."""

    async def attempts(self, request_id: RequestId) -> Sequence[Attempt]:
        """Return its attempts, oldest first."""


class CustomerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent's screen shows."""

    name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    reference: Annotated[str, msgspec.Meta(max_length=60)] = ""
    reason: Text = ""
    data: Annotated[dict[Word, Text], msgspec.Meta(max_length=20)] = {}

    def customer(self) -> Customer:
        """Return it as it is kept."""
        return Customer(self.name, self.reference, self.reason, dict(self.data))


class ConsentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Proof that the customer asked: what your page showed, and when."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    at: Aware | None = None
    ip: Annotated[str, msgspec.Meta(max_length=45)] = ""


class OriginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the customer came from, for the reports."""

    page: Annotated[str, msgspec.Meta(max_length=300)] = ""
    campaign: Annotated[str, msgspec.Meta(max_length=80)] = ""
    medium: Annotated[str, msgspec.Meta(max_length=40)] = ""
    referrer: Annotated[str, msgspec.Meta(max_length=300)] = ""


class NewCallback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request. `slot_at` with `when: slot`, one of `/queues/{queue}/slots`."""

    queue: Word
    number: Telephone
    when: When = When.ASAP
    slot_at: Aware | None = None
    country: Country = ""
    zone: Annotated[str, msgspec.Meta(max_length=60, description="the customer's IANA zone")] = ""
    language: Language = ""
    purpose: Purpose | None = None
    first: First | None = None
    agent: Word | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    needs: dict[Word, Annotated[int, msgspec.Meta(ge=1, le=5)]] = {}
    customer: CustomerBody = CustomerBody()
    origin: OriginBody = OriginBody()
    consent: ConsentBody | None = None


class ChangedCallback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another time, or another number."""

    when: When
    slot_at: Aware | None = None
    number: Annotated[str, msgspec.Meta(max_length=64)] = ""


class CallbackTaken(msgspec.Struct, frozen=True):
    """The request stands. `again`: it did before, by the same key, or as the number's open request."""

    request: Request
    again: bool
    position: int
    estimate_s: Annotated[int | None, msgspec.Meta(description=_ESTIMATE)]


class CallbackDetail(msgspec.Struct, frozen=True):
    """A request with all that was tried."""

    request: Request
    attempts: list[Attempt]
    position: int
    estimate_s: Annotated[int | None, msgspec.Meta(description=_ESTIMATE)]


class CallbacksQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Narrows the list down."""

    queue: Annotated[str, msgspec.Meta(max_length=60, description="only of this queue")] = ""
    state: Annotated[RequestState | None, msgspec.Meta(description="only in this state")] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="the newest so many")] = 100


class CallbackSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose requests: a number in E.164. In the body, because addresses stand in logs."""

    number: Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{4,18}$")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class SlotsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="the soonest so many")] = 200


class NewCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that an agent makes now: the agent's phone rings first, then the customer's. One try.

    Who calls: `agent`, or `extension`, or the agent of the token. `purpose` says which rules hold: `service` is about
    a contract, an order or a case that exists; to sell is `prospecting`, and is asked for by name.
    """

    number: Telephone
    agent: Word | None = None
    extension: Annotated[str, msgspec.Meta(max_length=20)] = ""
    queue: Annotated[str, msgspec.Meta(max_length=60, description="whose rules hold; without: the agent's first")] = (
        ""
    )
    country: Country = ""
    language: Language = ""
    purpose: Purpose = Purpose.SERVICE
    customer: CustomerBody = CustomerBody()


class CallbackRoutes:
    """The handlers."""

    def __init__(self, desk: CallbackDesk, book: AttemptBook, directory: AgentDirectory, clock: Clock) -> None:
        self._desk = desk
        self._book = book
        self._directory = directory
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        read, write = Scope.CALLBACKS_READ, Scope.CALLBACKS_WRITE
        refusals = (NOT_FOUND, CONFLICT)
        key = "The header `Idempotency-Key` (8 to 100 visible characters) makes it safe to send again."
        return (
            Route(
                "GET", "/callbacks", "listCallbacks", "Requests to be called, newest first", read, self.all,
                query=CallbacksQuery, answer=list[Request],
            ),
            Route(
                "POST", "/callbacks/search", "searchCallbacks", "The requests of one number", read, self.search,
                body=CallbackSearch, answer=list[Request],
            ),
            Route(
                "POST", "/callbacks", "createCallback", "Ask that a customer be called", write, self.create,
                body=NewCallback, answer=CallbackTaken, status=201, problems=(BAD_REQUEST, *refusals),
                note=f"{key} A number has one open request a queue: asking again answers that one, with `again`.",
            ),
            Route(
                "GET", "/callbacks/{request_id}", "getCallback", "One request with its attempts", read, self.one,
                answer=CallbackDetail, problems=(NOT_FOUND,),
            ),
            Route(
                "PATCH", "/callbacks/{request_id}", "changeCallback", "Another time or number", write, self.change,
                body=ChangedCallback, answer=CallbackTaken, problems=refusals,
            ),
            Route(
                "DELETE", "/callbacks/{request_id}", "cancelCallback", "Cancel a request", write, self.cancel,
                answer=Request, problems=refusals,
                note="A call that rings is ended; one in which somebody talks is not.",
            ),
            Route(
                "GET", "/queues/{queue}/slots", "listSlots", "Times a customer may choose", read, self.slots,
                query=SlotsQuery, answer=list[Slot], problems=refusals,
            ),
            Route(
                "POST", "/calls", "dialCustomer", "Let an agent call a customer now", Scope.CALLS_DIAL, self.dial,
                body=NewCall, answer=CallbackTaken, status=202, problems=(BAD_REQUEST, FORBIDDEN, *refusals),
                note=f"{key} A token of an agent dials for that agent only. The gate of outbound calls decides.",
            ),
        )  # fmt: skip

    async def all(self, request: ApiRequest[CallbacksQuery, None]) -> list[Request]:
        """The newest."""
        query = request.query
        states = (query.state,) if query.state else ()
        return list(await self._desk.find(states=states, queue=query.queue, limit=query.limit))

    async def search(self, request: ApiRequest[Nothing, CallbackSearch]) -> list[Request]:
        """Of a number."""
        return list(await self._desk.find(number=request.body.number, limit=request.body.limit))

    async def one(self, request: ApiRequest[Nothing, None]) -> CallbackDetail:
        """One."""
        request_id = _id(request)
        progress = await self._desk.progress(request_id)
        if progress is None:
            raise missing("request", request_id)
        attempts = list(await self._book.attempts(request_id))
        return CallbackDetail(progress.request, attempts, progress.position, _told(progress.estimate_s))

    async def create(self, request: ApiRequest[Nothing, NewCallback]) -> CallbackTaken:
        """Ask."""
        body, token = request.body, request.token
        if body.when is When.SLOT and body.slot_at is None:
            raise Problem(UNPROCESSABLE, "slot_missing", "when: slot needs slot_at", "take one of /queues/…/slots")
        if body.zone and body.zone not in zones():
            raise Problem(UNPROCESSABLE, "zone_unknown", f"there is no zone '{body.zone}'", "such as Europe/Paris")
        if body.agent is not None:
            await known_account(self._directory, AgentId(body.agent))
        given = body.consent
        consent = Consent(given.text, given.version, given.at or self._clock.now(), given.ip) if given else None
        asked = Asked(
            queue=body.queue,
            number=body.number,
            when=body.when,
            # An agent who promises a call is one; to dial at once is another request of the API.
            source=Source.AGENT if token.agent and body.when is not When.NOW else Source.API,
            language=body.language,
            country=body.country,
            zone=body.zone,
            slot_at=body.slot_at if body.when is When.SLOT else None,
            purpose=body.purpose,
            first=body.first,
            agent=AgentId(body.agent) if body.agent else None,
            priority=body.priority,
            needs=dict(body.needs),
            customer=body.customer.customer(),
            origin=Origin(body.origin.page, body.origin.campaign, body.origin.medium, body.origin.referrer),
            consent=consent,
            idempotency_key=_key(request),
        )
        return _taken(await self._desk.ask(asked))

    async def change(self, request: ApiRequest[Nothing, ChangedCallback]) -> CallbackTaken:
        """Change."""
        body = request.body
        slot_at = body.slot_at if body.when is When.SLOT else None
        return _taken(await self._desk.change(_id(request), when=body.when, slot_at=slot_at, number=body.number))

    async def cancel(self, request: ApiRequest[Nothing, None]) -> Request:
        """Cancel."""
        cancelled = await self._desk.cancel(_id(request), f"by {request.token.actor}")
        if isinstance(cancelled, Refused):
            raise _refused(cancelled)
        return cancelled

    async def slots(self, request: ApiRequest[SlotsQuery, None]) -> list[Slot]:
        """The soonest."""
        slots = await self._desk.slots(request.path["queue"], most=request.query.limit)
        if isinstance(slots, Refused):
            raise _refused(slots)
        return list(slots)

    async def dial(self, request: ApiRequest[Nothing, NewCall]) -> CallbackTaken:
        """Let an agent call now."""
        body = request.body
        account = await self._caller(request.token, body)
        asked = Asked(
            queue=body.queue or self._queue_of(account),
            number=body.number,
            when=When.NOW,
            source=Source.AGENT,
            language=body.language,
            country=body.country,
            purpose=body.purpose,
            first=First.AGENT,
            agent=account.agent,
            customer=body.customer.customer(),
            idempotency_key=_key(request),
        )
        return _taken(await self._desk.ask(asked))

    async def _caller(self, token: Token, body: NewCall) -> AgentAccount:
        """Return the account of the agent who calls; the token's agent may name nobody else."""
        if body.agent and body.extension:
            raise Problem(UNPROCESSABLE, "invalid", "agent and extension are both given", "give one of them")
        if body.extension:
            accounts = await self._directory.accounts()
            found = next((each for each in accounts if each.extension == body.extension), None)
            if found is None:
                raise missing("extension", body.extension)
            account = found
        else:
            agent = body.agent or token.agent
            if agent is None:
                advice = "name the agent, or use the agent's own token"
                raise Problem(UNPROCESSABLE, "agent_missing", "nothing says who calls", advice)
            account = await known_account(self._directory, AgentId(agent))
        require_self(token, account.agent)
        if not account.enabled:
            raise Problem(CONFLICT, "agent_disabled", f"the account of {account.agent} is disabled", "enable it")
        return account

    def _queue_of(self, account: AgentAccount) -> str:
        for queue in sorted(account.queues, key=lambda name: (account.queues[name], name)):
            if self._desk.availability(queue) is not None:
                return queue
        detail = f"no queue of {account.agent} makes calls"
        raise Problem(CONFLICT, "no_callbacks", detail, "name a queue with callback: in centre.yaml")


def _id(request: ApiRequest[Any, Any]) -> RequestId:
    text = request.path["request_id"]
    if not _ID.fullmatch(text):
        raise missing("request", text)
    return RequestId(text)


def _key(request: ApiRequest[Any, Any]) -> str:
    """Return the idempotency key, so that it meets nobody else's."""
    key = request.http.headers.get("Idempotency-Key", "")
    if not key:
        return ""
    if not _KEY.fullmatch(key):
        raise Problem(BAD_REQUEST, "bad_key", "Idempotency-Key has 8 to 100 visible characters", "send a UUID")
    return "api:" + hashlib.sha256(f"{request.token.token_id}:{key}".encode()).hexdigest()[:40]


def _taken(taken: Taken | Refused) -> CallbackTaken:
    if isinstance(taken, Refused):
        raise _refused(taken)
    return CallbackTaken(taken.request, taken.again, taken.position, _told(taken.estimate_s))


def _told(estimate_s: float | None) -> int | None:
    return None if estimate_s is None else told_s(estimate_s)


def _refused(refused: Refused) -> Problem:
    """Return the problem: numbers that are none are 422, what is away is 503, the rest as everywhere."""
    if refused.code in _NUMBER_CODES:
        return Problem(UNPROCESSABLE, refused.code, refused.message, refused.advice)
    if refused.code == "unavailable":
        return Problem(UNAVAILABLE, refused.code, refused.message, refused.advice, retry_after_s=5)
    return problem_of(refused)
