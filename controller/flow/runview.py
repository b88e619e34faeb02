"""What others may know of a running flow: where it is, what it waits for, what it left behind, its state to save."""

from __future__ import annotations

from controller.flow.commands import Command
from controller.flow.release import Release
from controller.flow.runstate import Phase, State, durable, encode
from controller.flow.trace import Disposition, EndedBy, Ending, Fault, StepRecord
from controller.flow.trail import Trail
from controller.flow.turn import RunTurn


class RunView(RunTurn):
    """The run as its driver and the record see it; nothing here changes it."""

    __slots__ = ("_trail",)

    def __init__(self, release: Release, state: State) -> None:
        super().__init__(release, state)
        self._trail = Trail(release, state)

    def state(self) -> bytes:
        """Return the whole state, secrets included: for memory, never for a disk or a database.

        Take the steps first: they are not part of it.
        """
        return encode(self._state)

    def durable_state(self) -> bytes:
        """Return the state to write down before `pending` is performed: without secret values.

        A run that is resumed from it, and comes to need one, asks the caller again. Take the steps first.
        """
        return encode(durable(self._state) if self.holds_secrets else self._state)

    @property
    def pending(self) -> Command:
        """The command that was given last; `Hangup` once the run has ended."""
        return self._state.pending

    @property
    def finished(self) -> bool:
        """Whether the run has ended: nothing follows, but a pending `Hangup` may still have to be performed."""
        return self._state.phase is Phase.ENDED

    @property
    def ending(self) -> Ending:
        """How the run ended. Before its end: how it would be recorded if the call broke off now."""
        state = self._state
        if state.ending is not None:
            return state.ending
        disposition = Disposition.TALKED if state.talked else Disposition.ABANDONED
        return Ending(disposition, EndedBy.SYSTEM, 0, "the call broke off")

    @property
    def flow_name(self) -> str:
        """The flow the call is in."""
        return self._state.frames[-1].flow if self._state.frames else self._state.flow

    @property
    def step_name(self) -> str:
        """The step the call is in; "" before the first and after the last."""
        return self._state.frames[-1].step if self._state.frames else ""

    @property
    def holds_secrets(self) -> bool:
        """Whether the state holds secret values just now."""
        return any(frame.secrets for frame in self._state.frames)

    def take_steps(self) -> list[StepRecord]:
        """Return the steps left since the last call of this, in order."""
        return self._trail.take_steps()

    def take_faults(self) -> list[Fault]:
        """Return what went wrong since the last call of this, for the log."""
        return self._trail.take_faults()
