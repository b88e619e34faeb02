"""The trail of a running flow: the record of each step it leaves, and what went wrong, until somebody takes them."""

from __future__ import annotations

from datetime import datetime

from controller.flow.release import Release
from controller.flow.runstate import Frame, State, clean
from controller.flow.trace import Fault, StepRecord


class Trail:
    """Steps and faults of one run. It writes to `state` only what belongs to leaving a step: its number, its name."""

    __slots__ = ("_faults", "_release", "_state", "_steps")

    def __init__(self, release: Release, state: State) -> None:
        self._release = release
        self._state = state
        self._steps: list[StepRecord] = []
        self._faults: list[Fault] = []

    def leave(self, exit_name: str, at: datetime, frame: Frame | None = None) -> None:
        """Write the record of a step; of the innermost frame unless told otherwise."""
        state = self._state
        left = frame or state.frames[-1]
        if not left.step:
            return
        state.seq += 1
        kind = self._release.flows[left.flow].steps[left.step].type
        record = StepRecord(
            state.seq, left.flow, left.step, kind, left.entered_at, at, exit_name, left.digits, left.detail
        )
        self._steps.append(record)
        left.step = ""

    def leave_all(self, exit_name: str, at: datetime, place: int = 0) -> None:
        """Leave the steps of the frames from `place` inwards, innermost first."""
        for frame in reversed(self._state.frames[place:]):
            self.leave(exit_name, at, frame)

    def fault(self, reason: str, trace: str = "") -> None:
        """Write down what went wrong, for the log and in the record of the present step."""
        reason = clean(reason)
        flow, step = self._state.flow, ""
        if self._state.frames:
            frame = self._state.frames[-1]
            frame.detail["fault"] = reason
            flow, step = frame.flow, frame.step
        self._faults.append(Fault(flow, step, reason, trace))

    def take_steps(self) -> list[StepRecord]:
        """Return the steps left since the last call of this, in order."""
        taken, self._steps = self._steps, []
        return taken

    def take_faults(self) -> list[Fault]:
        """Return what went wrong since the last call of this."""
        taken, self._faults = self._faults, []
        return taken
