"""Queues and conversations over the API: who waits, who talks, and what may be done with a call."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from controller.acd.model import AgentId
from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndCall,
    EndConsult,
    Hold,
    MoveTo,
    Park,
    PauseRecording,
    Supervise,
    SuperviseHow,
    Target,
    TargetKind,
    Transfer,
    Unpark,
)
from controller.calls.desk import Desk, QueueView, TalkView, WaitingView
from controller.ports import AgentDirectory
from controller.switchboard import Ask
from controller.web.api.access import Scope, require_self
from controller.web.api.agents import known_account
from controller.web.api.problems import CONFLICT, FORBIDDEN, NOT_FOUND, Problem, done
from controller.web.api.routes import ApiRequest, Nothing, Route, missing

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9*#+._-]+$")]
Note = Annotated[str, msgspec.Meta(max_length=2000)]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to: an agent's id, an extension of the centre, or a queue's name."""

    kind: TargetKind
    value: Word


class TransferBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hand the customer over. To a queue it is an escalation: `needs` are grades by skill, `note` is kept."""

    to: Place
    needs: dict[Word, Annotated[int, msgspec.Meta(ge=1, le=5)]] = {}
    note: Note = ""


class ConsultBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to ask while the customer waits."""

    to: Place


class EndConsultBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the consultation."""

    how: ConsultEnd


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On or off."""

    on: bool


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The queue to wait in; the original entry time is kept."""

    queue: Word


class SuperviseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes part and how. The supervisor's phone rings first."""

    supervisor: Word
    how: SuperviseHow


class UnparkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes the customer up; the agent's phone rings."""

    agent: Word


class DisposeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of the call: one of the queue's codes. `agent` is needed unless the token is an agent's."""

    code: Word
    note: Note = ""
    agent: Word | None = None


class Parked(msgspec.Struct, frozen=True):
    """Where the customer waits."""

    slot: int


class WaitingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Narrows the list down to one queue."""

    queue: Annotated[str, msgspec.Meta(description="name of a queue; without: all", max_length=60)] = ""


class FloorRoutes:
    """The handlers."""

    def __init__(self, desk: Desk, directory: AgentDirectory) -> None:
        self._desk = desk
        self._directory = directory

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        talk = "/talks/{call_id}"
        act = Scope.CALLS_ACT
        refusals = (NOT_FOUND, CONFLICT)
        return (
            Route(
                "GET",
                "/queues",
                "listQueues",
                "All queues at this moment",
                Scope.QUEUES_READ,
                self.queues,
                answer=list[QueueView],
            ),
            Route(
                "GET",
                "/queues/{queue}",
                "getQueue",
                "One queue at this moment",
                Scope.QUEUES_READ,
                self.queue,
                answer=QueueView,
                problems=(NOT_FOUND,),
            ),
            Route(
                "GET",
                "/waiting",
                "listWaiting",
                "Who waits, first one first",
                Scope.QUEUES_READ,
                self.waiting,
                query=WaitingQuery,
                answer=list[WaitingView],
            ),
            Route(
                "POST",
                "/waiting/{call_id}/move",
                "moveWaiting",
                "Let a waiting customer wait in another queue",
                Scope.SUPERVISE,
                self.move,
                body=MoveBody,
                problems=refusals,
            ),
            Route(
                "GET",
                "/talks",
                "listTalks",
                "The conversations, oldest first",
                Scope.QUEUES_READ,
                self.talks,
                answer=list[TalkView],
            ),
            Route(
                "POST",
                talk + "/hold",
                "hold",
                "Put the customer on hold, or take them back",
                act,
                self.hold,
                body=Switch,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/transfer",
                "transfer",
                "Hand the customer over without talking first",
                act,
                self.transfer,
                body=TransferBody,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/consult",
                "consult",
                "Ask somebody while the customer is on hold",
                act,
                self.consult,
                body=ConsultBody,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/consult/end",
                "endConsult",
                "Hand over, talk in three, or go back",
                act,
                self.end_consult,
                body=EndConsultBody,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/park",
                "park",
                "Leave the customer for any agent to take up",
                act,
                self.park,
                answer=Parked,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/unpark",
                "unpark",
                "Take a parked customer up",
                act,
                self.unpark,
                body=UnparkBody,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/recording",
                "pauseRecording",
                "Leave out what is said now, or go on",
                act,
                self.recording,
                body=Switch,
                problems=refusals,
                note="`on: false` pauses the recording, `on: true` goes on with it.",
            ),
            Route(
                "POST",
                talk + "/end",
                "endTalk",
                "Hang the agent's side up; the flow goes on",
                act,
                self.end,
                problems=refusals,
            ),
            Route(
                "POST",
                talk + "/supervise",
                "supervise",
                "Listen, whisper, barge in, or leave",
                Scope.SUPERVISE,
                self.supervise,
                body=SuperviseBody,
                problems=(*refusals, FORBIDDEN),
            ),
            Route(
                "POST",
                "/calls/{call_id}/disposition",
                "dispose",
                "Say what became of a call",
                act,
                self.dispose,
                body=DisposeBody,
                problems=refusals,
            ),
        )

    async def queues(self, _: ApiRequest[Nothing, None]) -> list[QueueView]:
        """All queues."""
        return list(self._desk.queues())

    async def queue(self, request: ApiRequest[Nothing, None]) -> QueueView:
        """One queue."""
        for view in self._desk.queues():
            if view.queue == request.path["queue"]:
                return view
        raise missing("queue", request.path["queue"])

    async def waiting(self, request: ApiRequest[WaitingQuery, None]) -> list[WaitingView]:
        """Who waits."""
        return list(self._desk.waiting(request.query.queue))

    async def talks(self, _: ApiRequest[Nothing, None]) -> list[TalkView]:
        """Who talks."""
        return list(self._desk.talks())

    async def move(self, request: ApiRequest[Nothing, MoveBody]) -> None:
        """To another queue."""
        await self._ask(request, MoveTo(request.body.queue, request.token.actor))

    async def hold(self, request: ApiRequest[Nothing, Switch]) -> None:
        """Hold or take back."""
        await self._ask(request, Hold(request.body.on))

    async def transfer(self, request: ApiRequest[Nothing, TransferBody]) -> None:
        """Blind."""
        body = request.body
        await self._ask(request, Transfer(_target(body.to), dict(body.needs), body.note))

    async def consult(self, request: ApiRequest[Nothing, ConsultBody]) -> None:
        """Begin to consult."""
        await self._ask(request, Consult(_target(request.body.to)))

    async def end_consult(self, request: ApiRequest[Nothing, EndConsultBody]) -> None:
        """End it."""
        await self._ask(request, EndConsult(request.body.how))

    async def park(self, request: ApiRequest[Nothing, None]) -> Parked:
        """Park."""
        ask = Park()
        await self._ask(request, ask)
        return Parked(ask.slot)

    async def unpark(self, request: ApiRequest[Nothing, UnparkBody]) -> None:
        """Take up. Any agent may, so the token's agent need not be the one who talked."""
        agent = AgentId(request.body.agent)
        require_self(request.token, agent)
        account = await known_account(self._directory, agent)
        await self._put(request, Unpark(account), agent=None)

    async def recording(self, request: ApiRequest[Nothing, Switch]) -> None:
        """Pause or go on."""
        await self._ask(request, PauseRecording(not request.body.on))

    async def end(self, request: ApiRequest[Nothing, None]) -> None:
        """Hang the agent up."""
        await self._ask(request, EndCall())

    async def supervise(self, request: ApiRequest[Nothing, SuperviseBody]) -> None:
        """Listen, whisper, barge."""
        supervisor = AgentId(request.body.supervisor)
        require_self(request.token, supervisor)
        account = await known_account(self._directory, supervisor)
        if not account.supervisor:
            advice = "let an account with supervisor: true do it"
            raise Problem(FORBIDDEN, "not_a_supervisor", f"{supervisor} is no supervisor", advice)
        await self._put(request, Supervise(account, request.body.how), agent=None)

    async def dispose(self, request: ApiRequest[Nothing, DisposeBody]) -> None:
        """Give the call its code."""
        body = request.body
        agent = request.token.agent or (AgentId(body.agent) if body.agent else None)
        if agent is None:
            advice = "name the agent, or use the agent's own token"
            raise Problem(CONFLICT, "agent_missing", "a disposition is given by an agent", advice)
        require_self(request.token, agent)
        done(self._desk.dispose(request.path["call_id"], agent, body.code, body.note))

    async def _ask(self, request: ApiRequest[Any, Any], ask: Ask) -> None:
        """Ask as the token's agent, if it has one."""
        await self._put(request, ask, agent=request.token.agent)

    async def _put(self, request: ApiRequest[Any, Any], ask: Ask, *, agent: AgentId | None) -> None:
        done(await self._desk.ask(request.path["call_id"], ask, agent=agent, by=request.token.actor))


def _target(place: Place) -> Target:
    return Target(place.kind, place.value)
