"""Parking slots: the numbers under which parked customers are taken up again."""

from __future__ import annotations

SLOTS = range(700, 720)


class Parking:
    """Which call has which slot. A call keeps its slot until it is given back."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}

    def park(self, call_id: str) -> int:
        """Return the call's slot, a free one if it has none yet; 0 when all are taken."""
        if call_id in self._slots:
            return self._slots[call_id]
        taken = set(self._slots.values())
        slot = next((slot for slot in SLOTS if slot not in taken), 0)
        if slot:
            self._slots[call_id] = slot
        return slot

    def take(self, call_id: str, slot: int) -> None:
        """Give a call the slot it had before a restart."""
        if slot in SLOTS and slot not in self._slots.values():
            self._slots[call_id] = slot

    def unpark(self, call_id: str) -> None:
        """Give the slot back."""
        self._slots.pop(call_id, None)

    def slots(self) -> dict[str, int]:
        """Return all taken slots, by call."""
        return dict(self._slots)
