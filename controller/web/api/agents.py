"""Agents over the API: their accounts, and what they are doing."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from controller.acd.model import AgentAccount, AgentId, AgentView
from controller.calls.desk import Desk
from controller.calls.enrolment import (
    MAX_IMPORT,
    EnrolmentError,
    Extension,
    Grade,
    Language,
    Name,
    NewAgent,
    Rank,
    SipAccount,
    Slug,
    account_of,
    enrol,
    new_sip_account,
)
from controller.ports import AgentDirectory
from controller.web.api.access import Scope, require_self
from controller.web.api.problems import CONFLICT, NOT_FOUND, UNPROCESSABLE, Problem, done
from controller.web.api.routes import ApiRequest, Nothing, Route, missing


class AgentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an account; what is left out stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    extension: Extension | msgspec.UnsetType = msgspec.UNSET
    skills: dict[Slug, Grade] | msgspec.UnsetType = msgspec.UNSET
    languages: tuple[Language, ...] | msgspec.UnsetType = msgspec.UNSET
    queues: dict[Slug, Rank] | msgspec.UnsetType = msgspec.UNSET
    supervisor: bool | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class AgentWithView(msgspec.Struct, frozen=True):
    """An account, and what the agent is doing (None until the controller has taken the account up)."""

    account: AgentAccount
    now: AgentView | None


class PauseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and for how long (seconds; without: until resumed)."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] | None = None


class ExtendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds more."""

    seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)]


class AgentRoutes:
    """The handlers; `directory` holds the accounts, `desk` what the agents are doing."""

    def __init__(self, directory: AgentDirectory, desk: Desk) -> None:
        self._directory = directory
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        one = "/agents/{agent}"
        write, act = Scope.AGENTS_WRITE, Scope.AGENTS_ACT
        return (
            Route(
                "GET", "/agents", "listAgents", "All agents", Scope.AGENTS_READ, self.all, answer=list[AgentWithView]
            ),
            Route(
                "POST",
                "/agents",
                "createAgent",
                "Create an agent",
                write,
                self.create,
                body=NewAgent,
                answer=SipAccount,
                status=201,
                problems=(CONFLICT,),
                note="Answers the SIP account with its generated password, which is not shown again.",
            ),
            Route(
                "POST",
                "/agents/import",
                "importAgents",
                "Create or change several agents, all or none",
                write,
                self.import_,
                body=Annotated[list[NewAgent], msgspec.Meta(max_length=MAX_IMPORT)],
                answer=list[SipAccount],
                problems=(CONFLICT,),
                note="Answers the SIP accounts of those that are new.",
            ),
            Route(
                "GET",
                one,
                "getAgent",
                "One agent",
                Scope.AGENTS_READ,
                self.one,
                answer=AgentWithView,
                problems=(NOT_FOUND,),
            ),
            Route(
                "PATCH",
                one,
                "changeAgent",
                "Change an account",
                write,
                self.change,
                body=AgentChange,
                answer=AgentAccount,
                problems=(NOT_FOUND, CONFLICT),
                note="A new extension is a new SIP user name, so it needs a new password as well.",
            ),
            Route(
                "DELETE",
                one,
                "deleteAgent",
                "Delete an account",
                write,
                self.delete,
                problems=(NOT_FOUND,),
                note="A running conversation goes on to its end. Records keep the agent's id.",
            ),
            Route(
                "POST",
                one + "/password",
                "resetPassword",
                "Give the phone a new password",
                write,
                self.password,
                answer=SipAccount,
                problems=(NOT_FOUND,),
            ),
            Route("POST", one + "/login", "login", "Begin to take calls", act, self.login, problems=(CONFLICT,)),
            Route("POST", one + "/logout", "logout", "End the shift", act, self.logout, problems=(CONFLICT,)),
            Route(
                "POST",
                one + "/pause",
                "pause",
                "Take no calls for a while",
                act,
                self.pause,
                body=PauseBody,
                problems=(CONFLICT,),
                note="In a conversation it takes effect at the end of it.",
            ),
            Route("POST", one + "/resume", "resume", "End the pause", act, self.resume, problems=(CONFLICT,)),
            Route(
                "POST", one + "/ready", "endWrapUp", "End the wrap-up early", act, self.ready, problems=(CONFLICT,)
            ),
            Route(
                "POST",
                one + "/extend-wrap-up",
                "extendWrapUp",
                "Take more time for the wrap-up",
                act,
                self.extend,
                body=ExtendBody,
                problems=(CONFLICT,),
            ),
        )

    # --- accounts -----------------------------------------------------------------------------------------

    async def all(self, _: ApiRequest[Nothing, None]) -> list[AgentWithView]:
        """All accounts by id."""
        views = {view.agent: view for view in self._desk.agents()}
        return [AgentWithView(each, views.get(each.agent)) for each in await self._directory.accounts()]

    async def one(self, request: ApiRequest[Nothing, None]) -> AgentWithView:
        """One account."""
        account = await self._account(request)
        view = next((view for view in self._desk.agents() if view.agent == account.agent), None)
        return AgentWithView(account, view)

    async def create(self, request: ApiRequest[Nothing, NewAgent]) -> SipAccount:
        """Create an account; 409 when the id or the extension is taken."""
        if await account_of(self._directory, request.body.agent) is not None:
            advice = "choose another id, or change that account with PATCH"
            raise Problem(CONFLICT, "agent_exists", f"there is an agent '{request.body.agent}' already", advice)
        account = request.body.account()
        sip, secret = new_sip_account(account)
        await self._directory.put([account], [secret])
        return sip

    async def import_(self, request: ApiRequest[Nothing, list[NewAgent]]) -> list[SipAccount]:
        """Create or change many."""
        try:
            return await enrol(self._directory, request.body)
        except EnrolmentError as error:
            raise Problem(UNPROCESSABLE, "invalid", str(error)) from None

    async def change(self, request: ApiRequest[Nothing, AgentChange]) -> AgentAccount:
        """Change what is given."""
        account = await self._account(request)
        given: dict[str, Any] = {
            name: value
            for name in request.body.__struct_fields__
            if (value := getattr(request.body, name)) is not msgspec.UNSET
        }
        changed = msgspec.structs.replace(account, **given)
        await self._directory.put([changed])
        return changed

    async def delete(self, request: ApiRequest[Nothing, None]) -> None:
        """Delete the account."""
        if not await self._directory.remove(AgentId(request.path["agent"])):
            raise missing("agent", request.path["agent"])

    async def password(self, request: ApiRequest[Nothing, None]) -> SipAccount:
        """Replace the phone's password."""
        account = await self._account(request)
        sip, secret = new_sip_account(account)
        await self._directory.put([account], [secret])
        return sip

    async def _account(self, request: ApiRequest[Any, Any]) -> AgentAccount:
        return await known_account(self._directory, request.path["agent"])

    # --- what they do -------------------------------------------------------------------------------------

    async def login(self, request: ApiRequest[Nothing, None]) -> None:
        """Begin the shift."""
        done(self._desk.login(_who(request), by=request.token.actor))

    async def logout(self, request: ApiRequest[Nothing, None]) -> None:
        """End it."""
        done(self._desk.logout(_who(request), by=request.token.actor))

    async def pause(self, request: ApiRequest[Nothing, PauseBody]) -> None:
        """Pause."""
        body = request.body
        done(self._desk.pause(_who(request), body.reason, by=request.token.actor, until_s=body.seconds))

    async def resume(self, request: ApiRequest[Nothing, None]) -> None:
        """End the pause."""
        done(self._desk.resume(_who(request), by=request.token.actor))

    async def ready(self, request: ApiRequest[Nothing, None]) -> None:
        """End the wrap-up."""
        done(self._desk.end_wrap_up(_who(request), by=request.token.actor))

    async def extend(self, request: ApiRequest[Nothing, ExtendBody]) -> None:
        """Extend the wrap-up."""
        done(self._desk.extend_wrap_up(_who(request), request.body.seconds, by=request.token.actor))


async def known_account(directory: AgentDirectory, agent: str) -> AgentAccount:
    """Return the account of `agent`; a `Problem` (404) when there is none."""
    account = await account_of(directory, agent)
    if account is None:
        raise missing("agent", agent)
    return account


def _who(request: ApiRequest[Any, Any]) -> AgentId:
    agent = AgentId(request.path["agent"])
    require_self(request.token, agent)
    return agent
