"""A caller's place in the waiting line: taken, kept through refused offers, and given up."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.acd.model import AgentId, Entry, OfferOutcome, Refused
from controller.calls.asks import Assigned
from controller.calls.queueing.stay import Stay
from controller.switchboard import Ask

_GONE = Refused("not_waiting", "the caller does not wait any more", "look at the board")


@dataclass(slots=True)
class Place:
    """One caller's place in one queue."""

    stay: Stay
    _asked: list[Ask] = field(default_factory=list)
    """Told through us, and not looked at yet."""
    _left: bool = False

    def take(self, queue: str = "") -> Refused | None:
        """Take the place, or move it to `queue`; one that is had already is kept."""
        stay = self.stay
        notes, command, number = stay.notes, stay.command, stay.call.caller_number
        queue = queue or stay.progress.queue
        entry = Entry(
            entry=stay.entry,
            queue=queue,
            entered_at=command.entered_at,
            priority=notes.priority,
            needs=notes.needs,
            language=command.language,
            number=number,
            sticky=stay.places.last_agent(number, queue) if number else None,
            excluded=frozenset(notes.excluded),
        )
        longest_s = max((notes.until - command.entered_at).total_seconds(), 0.0)
        return stay.places.enter(entry, self._deliver, wait_s=longest_s)

    def offer_ended(self, agent: AgentId, outcome: OfferOutcome) -> None:
        """Say that an offer came to nothing: the agent is free again, the caller waits on."""
        self.stay.places.offer_ended(self.stay.entry, agent, outcome)

    def look_at(self, ask: Ask) -> None:
        """An ask of the stream is being dealt with."""
        if ask in self._asked:
            self._asked.remove(ask)

    def leave(self, outcome: OfferOutcome) -> None:
        """Give the place up. What was asked meanwhile is refused; agents who were matched too late are free again."""
        self.stay.places.leave(self.stay.entry)
        self.close(outcome)

    def close(self, outcome: OfferOutcome) -> None:
        """Take no more asks; those that nobody looked at are refused, their agents told `outcome`."""
        self._left = True
        for ask in self._asked:
            if isinstance(ask, Assigned):
                for agent in ask.agents:
                    self.offer_ended(agent.agent, outcome)
            ask.refuse(_GONE)
        self._asked.clear()

    def _deliver(self, ask: Ask) -> bool:
        if self._left or not self.stay.board.deliver(ask):
            return False
        self._asked.append(ask)
        return True
