"""What Asterisk should be doing for a conversation that stands so: who shares which bridge, who hears music."""

from __future__ import annotations

from dataclasses import dataclass

from controller.calls.asks import SuperviseHow
from controller.calls.conversation.standing import Phase, Standing, Watcher
from controller.switchboard import Listening

APART = frozenset(
    {
        Phase.HELD,
        Phase.CALLING,
        Phase.CONSULTING,
        Phase.REFERRING,
        Phase.TRANSFERRING,
        Phase.PARKED,
        Phase.RETRIEVING,
    }
)
"""The phases in which the customer hears music."""
_IN_CONSULT = frozenset({Phase.CALLING, Phase.CONSULTING})
_LISTENING = {SuperviseHow.LISTEN: Listening.LISTEN, SuperviseHow.WHISPER: Listening.WHISPER}


@dataclass(frozen=True, slots=True)
class Wanted:
    """`bridges`: the parties in each by its number; `recording`: (number, bridge, paused)."""

    bridges: dict[int, frozenset[str]]
    music: frozenset[str]
    recording: tuple[int, int, bool] | None


def wanted(standing: Standing, customer: str, *, keys: bool = False) -> Wanted:
    """Return what should be. `keys`: the customer is pressing keys, which no recording shall have."""
    if standing.phase is Phase.OVER:
        moved = standing.ending is not None and bool(standing.ending.queue)
        return Wanted({}, frozenset({customer} if moved else ()), None)
    rooms: dict[int, set[str]] = {standing.talk_bridge: set()}
    if standing.consult_bridge:
        rooms[standing.consult_bridge] = set()
    apart = standing.phase in APART
    if not apart:
        rooms[standing.talk_bridge].add(customer)
    room = standing.consult_bridge if standing.phase in _IN_CONSULT else standing.talk_bridge
    rooms[room] |= {person.leg.party for person in (standing.lead, standing.other) if person is not None}
    rooms[room] |= {each.legs[0].party for each in standing.watchers if each.up and each.how is SuperviseHow.BARGE}
    recording = standing.recording
    return Wanted(
        {number: frozenset(parties) for number, parties in rooms.items()},
        frozenset({customer} if apart else ()),
        (recording.number, recording.bridge, recording.paused or apart or keys) if recording else None,
    )


def listening(watcher: Watcher) -> Listening | None:
    """Return how a supervisor's ear is to be opened; None when there is none."""
    return _LISTENING.get(watcher.how) if watcher.up and watcher.snoop is not None else None
