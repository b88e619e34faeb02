"""What a call's version of the centre says to the queues and conversations of that call."""

from __future__ import annotations

from dataclasses import dataclass

from controller.calls.asks import Target, TargetKind
from controller.calls.queueing.services import Services
from controller.flow.release import Release


@dataclass(frozen=True, slots=True)
class CentreNumbers:
    """Whom agents may call: other agents, extensions, and queues by their name."""

    release: Release
    services: Services

    def endpoint(self, extension: str) -> str:
        """Return the SIP endpoint behind an extension of the centre; "" when there is none."""
        found = self.release.extensions.get(extension)
        return found.endpoint if found is not None else ""

    def target(self, number: str) -> Target | None:
        """Return what a number that an agent's phone asked for stands for; None when it may not be reached."""
        agent = self.services.agent_at(number)
        if agent is not None:
            return Target(TargetKind.AGENT, agent)
        if number in self.release.extensions:
            return Target(TargetKind.EXTENSION, number)
        if number in self.release.queues:
            return Target(TargetKind.QUEUE, number)
        return None
