"""Starts one task per call, keeps count, and takes running calls up after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.calls.call import CONGESTION, Call, Refusal, Surroundings
from controller.calls.incoming import IncomingCall
from controller.calls.queueing import unseen
from controller.cdr.entries import CallEnded, Disposition, LegEnded, Party, StateDropped, StateSaved
from controller.errors import RappelError
from controller.ids import CallId, LegId

log = structlog.get_logger(__name__)

_GONE_REMEMBERED = 4096


@dataclass(slots=True)
class Counters:
    """Totals since start, for the metrics. `ended` counts by disposition."""

    started: int = 0
    resumed: int = 0
    refused: int = 0
    crashed: int = 0
    ended_while_away: int = 0
    ended: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Gone:
    cause: int
    cause_text: str
    at: datetime


class Supervisor:
    """Owns the tasks of all calls on this controller.

    `incoming` is the one door: a channel seen for the first time starts a call, one whose state was saved by an
    earlier controller resumes it, one that is already served changes nothing.
    """

    def __init__(self, around: Surroundings, *, max_calls: int) -> None:
        self.counters = Counters()
        self._around = around
        self._max_calls = max_calls
        self._calls: dict[CallId, tuple[Call, asyncio.Task[None]]] = {}
        self._saved: dict[CallId, StateSaved] = {}
        self._gone: dict[str, _Gone] = {}
        self._accepting = True

    @property
    def running(self) -> list[Call]:
        """The calls in progress, oldest first."""
        return [call for call, _ in self._calls.values()]

    def runs(self, call_id: str) -> bool:
        """Tell whether the call is in progress here."""
        return call_id in self._calls

    def expect(self, states: Iterable[StateSaved]) -> None:
        """Remember the states that an earlier controller left, before the first channel is seen."""
        self._saved.update({state.call_id: state for state in states})

    def expects(self, call_id: CallId) -> bool:
        """Tell whether an earlier controller left the state of this call."""
        return call_id in self._saved

    def incoming(self, incoming: IncomingCall) -> asyncio.Task[None] | None:
        """Serve `incoming` in a task of its own and return it; None when this controller is stopping.

        The task ends with the call and raises nothing but `CancelledError`.
        """
        call_id = incoming.call_id
        if call_id in self._calls:
            return self._calls[call_id][1]
        if not self._accepting:
            return None
        call = Call(incoming, self._around)
        task = asyncio.create_task(self._serve(call, self._saved.pop(call_id, None)), name=f"call {call_id}")
        self._calls[call_id] = (call, task)
        task.add_done_callback(lambda _: self._calls.pop(call_id, None))
        return task

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        """Note the end of a channel that no running call owns (an event from while we were away)."""
        if len(self._gone) >= _GONE_REMEMBERED:
            del self._gone[next(iter(self._gone))]  # the oldest: ends of calls that were served come here as well
        self._gone[channel_id] = _Gone(cause, cause_text, at)

    def settle(self, live_channels: Collection[str]) -> Collection[CallId]:
        """Close the record of every expected call on this node whose channel is not live any more; return which."""
        closed = []
        for call_id, state in list(self._saved.items()):
            if state.node == self._around.node and state.channel_id not in live_channels:
                del self._saved[call_id]
                self._close_unseen(state)
                closed.append(call_id)
        self._gone.clear()
        return closed

    async def stop(self, timeout_s: float) -> None:
        """Let go of every call without ending it: the channels stay with Asterisk for the next controller."""
        self._accepting = False
        tasks = [task for _, task in self._calls.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def _serve(self, call: Call, saved: StateSaved | None) -> None:
        structlog.contextvars.bind_contextvars(call_id=call.incoming.call_id)  # in the context of this task
        try:
            await self._begin_or_resume(call, saved)
        except asyncio.CancelledError:
            log.info("call.left_running", channel=call.incoming.channel_name)
            raise
        except Exception:
            log.exception("call.crashed", channel=call.incoming.channel_name)
            self.counters.crashed += 1
        if call.ending:
            ended = self.counters.ended
            ended[call.ending.disposition] = ended.get(call.ending.disposition, 0) + 1

    async def _begin_or_resume(self, call: Call, saved: StateSaved | None) -> None:
        if saved is not None:
            self.counters.resumed += 1
            try:
                await self._around.releases.fetch(saved.release)
                await call.resume(saved)
            except RappelError as error:
                # The caller is there and must not wait in silence: begin again with the version in force.
                log.error("call.state_unreadable", error=str(error))  # noqa: TRY400 - the message says it all
            except Exception:
                log.exception("call.state_unreadable")
            else:
                return
        self.counters.started += 1
        refusal = None
        if len(self._calls) > self._max_calls:
            self.counters.refused += 1
            reason = f"more than {self._max_calls} calls at once ([calls] max_calls)"
            refusal = Refusal("overload", reason, CONGESTION)
        await call.begin(refusal)

    def _close_unseen(self, state: StateSaved) -> None:
        """The caller left while no controller was there: write down what is known, and no more."""
        gone = self._gone.get(state.channel_id)
        now = self._around.clock.now()
        at, cause, text = (gone.at, gone.cause, gone.cause_text) if gone else (now, 0, "")
        by = Party.CALLER if gone else Party.SYSTEM
        disposition = Disposition.ABANDONED if gone else Disposition.LOST
        reason = "ended while the controller was away"
        self._around.recorder.record(
            *unseen.entries_of(state, at, by),
            LegEnded(state.call_id, LegId(state.channel_id), at, cause, text, by),
            CallEnded(state.call_id, at, disposition, by, cause, "", reason),
            StateDropped(state.call_id, now),
        )
        self.counters.ended_while_away += 1
        log.warning("call.ended_while_away", call_id=state.call_id, cause=cause, seen=gone is not None)
