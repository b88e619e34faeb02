"""Agents held for calls that are not there yet: a call-back is dialled while its agent is reserved.

An entry of the line that is a call-back is offered like a caller; its offer is then made a reservation for the call
that the customer's answer will begin (`hold`). When that call takes its place in the line, the held agent is its
first offer (`take`). Who is held survives the controller: nobody else gets the agent before the call is taken up.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from controller.acd.floor import Floor
from controller.acd.model import AgentId, AgentState, EntryId, OfferOutcome, Presence, Refused
from controller.ports import Clock


class Held(msgspec.Struct, frozen=True):
    """An agent held for a call, by the rules of `queue`. `leg`: they are on the line already, on that leg of it."""

    agent: AgentId
    queue: str
    leg: int = 0


class Holding:
    """Implements `controller.calls.callback.means.Line` over the floor. `changed` is called after every change."""

    def __init__(self, floor: Floor, clock: Clock, changed: Callable[[], None]) -> None:
        self._floor = floor
        self._clock = clock
        self._changed = changed
        self._held: dict[str, Held] = {}

    def hold(self, entry: EntryId, agent: AgentId, call_id: str, queue: str) -> bool:
        """Make the offer of `entry` a reservation for `call_id`, out of the line; False when it is no offer."""
        if not self._floor.take_out(entry, agent, call_id, self._clock.monotonic()):
            return False
        self._held[call_id] = Held(agent, queue)
        self._changed()
        return True

    def reserve(self, agent: AgentId, call_id: str, queue: str) -> Refused | None:
        """Hold an agent who was not offered anything: a click to dial, or an attempt that is taken up again."""
        refused = self._floor.reserve(agent, call_id, queue, self._clock.monotonic())
        if refused is None and call_id not in self._held:
            self._held[call_id] = Held(agent, queue)
        self._changed()
        return refused

    def on_the_line(self, call_id: str, leg: int) -> None:
        """The held agent has picked up, and waits for the customer on the `leg`-th leg of the call to be."""
        held = self._held.get(call_id)
        if held is not None:
            self._held[call_id] = msgspec.structs.replace(held, leg=leg)
            self._changed()

    def let_go(self, call_id: str) -> bool:
        """Free the agent held for a call that will not come; False when there is none (any more)."""
        held = self._held.pop(call_id, None)
        if held is None:
            return False
        self._release(held, call_id)
        self._changed()
        return True

    def missed(self, call_id: str, outcome: OfferOutcome) -> None:
        """The held agent was called first, and did not take it: as with an offer, there may follow a pause."""
        held = self._held.pop(call_id, None)
        if held is not None:
            self._floor.offer_ended(EntryId(call_id), held.agent, outcome, self._clock.monotonic())
            self._changed()

    def holds(self, call_id: str) -> bool:
        """Tell whether an agent is held for a call."""
        return call_id in self._held

    def take(self, call_id: str) -> Held | None:
        """The call has taken its place in the line: return who is to ring for it first, None when it is nobody.

        An agent who cannot be rung any more, or who has asked for a pause, is let go: the call is for the next one.
        """
        held = self._held.pop(call_id, None)
        if held is None:
            return None
        now = self._clock.monotonic()
        facts = self._floor.view(held.agent, now)
        wanted = held.leg or (facts is not None and facts.presence is Presence.READY)
        if not wanted or self._floor.reserve(held.agent, call_id, held.queue, now) is not None:
            self._release(held, call_id)
            return None
        return held

    def _release(self, held: Held, call_id: str) -> None:
        now = self._clock.monotonic()
        facts = self._floor.view(held.agent, now)
        if facts is not None and facts.call_id == call_id and facts.state is AgentState.OFFERED:
            self._floor.released(held.agent, now, wrap_up=False)

    # --- over a restart

    def kept(self) -> dict[str, Held]:
        """Return who is held, by call."""
        return dict(self._held)

    def restore(self, held: dict[str, Held]) -> None:
        """Take up who was held; `again` reserves them once their accounts are known."""
        self._held = dict(held)

    def again(self) -> None:
        """Reserve everybody who is held again, after a start."""
        now = self._clock.monotonic()
        for call_id, held in self._held.items():
            self._floor.reserve(held.agent, call_id, held.queue, now)
