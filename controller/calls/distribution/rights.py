"""Who may ask what of a running call, and whether it makes sense as the call stands."""

from __future__ import annotations

from typing import Protocol

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.acd.roster import UNKNOWN_AGENT
from controller.calls.asks import (
    Assigned,
    MoveTo,
    NewsOfPlace,
    QueueClosed,
    Supervise,
    SuperviseHow,
    Unpark,
    Withdrawn,
)
from controller.calls.desk import TalkView
from controller.flow.queues import QueuePlan
from controller.switchboard import Ask

_BY_DISTRIBUTION = (Assigned, Withdrawn, QueueClosed, NewsOfPlace)

_NOT_TO_BE_ASKED = Refused("not_to_be_asked", "Only the distribution tells a call that.", "Ask for something else.")
_NOT_SUPERVISOR = Refused("not_supervisor", "Only a supervisor may do that.", "Ask a supervisor.")
_NOT_YOURS = Refused("not_yours", "Another agent talks in this call.", "Ask the agent who talks there.")
_NOT_TALKING = Refused("not_talking", "Nobody talks with this customer yet.", "Try again when an agent has answered.")
_NOT_PARKED = Refused("not_parked", "This customer is not parked.", "Look at the board for parked calls.")


class Known(Protocol):
    """Whom and what there is."""

    def account(self, agent: AgentId) -> AgentAccount | None:
        """Return an agent's account."""

    def plan(self, queue: str) -> QueuePlan | None:
        """Return a queue of the release in force."""


def may(ask: Ask, agent: AgentId | None, talk: TalkView | None, known: Known) -> Refused | None:
    """Return None when `ask` may be put to a call, else why not.

    `agent`: who asks, None for a token that acts for no agent, whose scopes were checked; `talk`: the conversation,
    None when the call still waits.
    """
    if isinstance(ask, _BY_DISTRIBUTION):
        return _NOT_TO_BE_ASKED
    match ask:
        case MoveTo():
            return _may_move(ask, agent, known)
        case Supervise():
            return _may_supervise(ask, agent, talk, known)
        case Unpark():
            return _may_unpark(ask, agent, talk)
    if talk is None:
        return _NOT_TALKING
    return _NOT_YOURS if agent is not None and talk.agent != agent else None


def _may_move(ask: MoveTo, agent: AgentId | None, known: Known) -> Refused | None:
    if agent is not None and not _is_supervisor(known.account(agent)):
        return _NOT_SUPERVISOR
    if known.plan(ask.queue) is None:
        return Refused("unknown_queue", f"There is no queue {ask.queue}.", "Look at the list of queues.")
    return None


def _may_supervise(ask: Supervise, agent: AgentId | None, talk: TalkView | None, known: Known) -> Refused | None:
    """Only supervisors, each for themselves; whoever may not listen any more may still stop."""
    account = known.account(ask.supervisor.agent)
    if account is None:
        return UNKNOWN_AGENT
    for_themselves = agent is None or agent == account.agent
    if not for_themselves or not (_is_supervisor(account) or ask.how is SuperviseHow.END):
        return _NOT_SUPERVISOR
    return _NOT_TALKING if talk is None else None


def _may_unpark(ask: Unpark, agent: AgentId | None, talk: TalkView | None) -> Refused | None:
    if talk is None or not talk.parked_slot:
        return _NOT_PARKED
    return None if agent is None or agent == ask.agent.agent else _NOT_YOURS


def _is_supervisor(account: AgentAccount | None) -> bool:
    return account is not None and account.supervisor and account.enabled
