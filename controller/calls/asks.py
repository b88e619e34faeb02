"""What may be asked of a running call: by the distribution, by its agent, by a supervisor.

Each is put into the call's stream (`Switchboard.deliver`) and answered by the call's task. Who may ask is checked
before, by the desk; whether it makes sense now is the call's to say.
"""

from __future__ import annotations

from enum import StrEnum

from controller.acd.model import AgentAccount, AgentId
from controller.switchboard import Ask


class TargetKind(StrEnum):
    """Where a transfer or a consultation goes."""

    AGENT = "agent"
    EXTENSION = "extension"  # one of centre.yaml
    QUEUE = "queue"


class Target:
    """An agent's id, an extension, or a queue's name."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: TargetKind, value: str) -> None:
        self.kind = kind
        self.value = value

    def __repr__(self) -> str:
        return f"{self.kind.value} {self.value}"


# --- by the distribution ------------------------------------------------------------------------------------


class Assigned(Ask):
    """Ring these agents for the caller: one, or several of whom the first to answer talks."""

    def __init__(self, agents: tuple[AgentAccount, ...], queue: str, *, leg: int = 0) -> None:
        super().__init__()
        self.agents = agents
        self.queue = queue
        """The queue by whose rules they were matched: the entry's own, or one it overflows to."""
        self.leg = leg
        """The one agent is on the line already and waits, on that leg of the call; 0: to be rung."""


class Withdrawn(Ask):
    """The matched agents are not to be had any more: stop ringing them and wait on."""

    def __init__(self, agents: frozenset[AgentId]) -> None:
        super().__init__()
        self.agents = agents


class QueueClosed(Ask):
    """The queue was closed or deleted while the caller waits."""


class NewsOfPlace(Ask):
    """The caller's place or estimate changed; said at the next announcement."""


class MoveTo(Ask):
    """A supervisor moves a waiting caller to another queue, the original entry time kept."""

    def __init__(self, queue: str, by: str) -> None:
        super().__init__()
        self.queue = queue
        self.by = by


# --- in a conversation, by its agent or a supervisor ---------------------------------------------------------


class Hold(Ask):
    """Put the customer on hold with music, or take them back."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on


class Transfer(Ask):
    """Blind: hand the customer over to `target`; the agent is free at once. To a queue it is an escalation."""

    def __init__(self, target: Target, needs: dict[str, int] | None = None, note: str = "") -> None:
        super().__init__()
        self.target = target
        self.needs = needs or {}
        self.note = note


class Consult(Ask):
    """Hold the customer and call `target` (agent or extension)."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target


class ConsultEnd(StrEnum):
    """What becomes of a consultation."""

    TRANSFER = "transfer"  # customer and target talk, the agent leaves (attended transfer)
    THREE_WAY = "three_way"  # all talk
    CANCEL = "cancel"  # the target leaves, agent and customer talk


class EndConsult(Ask):
    """Bring a consultation to its end."""

    def __init__(self, how: ConsultEnd) -> None:
        super().__init__()
        self.how = how


class Park(Ask):
    """Leave the customer with music for any agent to take up; `slot` is set when done."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = 0


class Unpark(Ask):
    """An agent takes up a parked customer."""

    def __init__(self, agent: AgentAccount) -> None:
        super().__init__()
        self.agent = agent


class SuperviseHow(StrEnum):
    """How a supervisor takes part."""

    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    END = "end"


class Supervise(Ask):
    """A supervisor takes part: their phone is called, or the way changes, or they leave."""

    def __init__(self, supervisor: AgentAccount, how: SuperviseHow) -> None:
        super().__init__()
        self.supervisor = supervisor
        self.how = how


class PauseRecording(Ask):
    """Leave out of the recording what is said now (a secret), until it is turned off."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on


class EndCall(Ask):
    """The agent ends the conversation: the agent's leg is hung up, the flow goes on with the customer."""
