"""What the controller shows of itself: readiness with reasons, the status page's content, the metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from controller.acd.model import AgentState
from controller.ari.connection import LinkState
from controller.callback.model import Outcome
from controller.errors import StoreError
from controller.flow.release import Release
from controller.postgres import queries
from controller.web.metrics import Sample
from controller.web.pages import Check, LiveCall, PastCall, Status

if TYPE_CHECKING:
    from controller.app import Parts

_PAGE_TIMEOUT_S = 2.0
_PAST_CALLS = 20


class StatusBoard:
    """Reads the running parts; implements `controller.web.pages.StatusSource`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._questions: set[asyncio.Task[list[PastCall]]] = set()

    def checks(self) -> Sequence[Check]:
        """Return whether each thing the controller needs is there. No waiting."""
        parts = self._parts
        linked = parts.driver.connection.state is LinkState.READY
        not_kept = parts.distributor.not_kept
        return [
            Check(
                "Asterisk",
                linked,
                "" if linked else f"ARI WebSocket {parts.driver.connection.state}: is Asterisk up?",
            ),
            Check("Postgres", parts.journal.postgres_up, self._postgres_problem()),
            Check(
                "AMI", parts.ami.connected, "" if parts.ami.connected else "not logged in to the manager interface"
            ),
            Check("State", not not_kept, f"{not_kept}: a restart would forget who is logged in" if not_kept else ""),
        ]

    def _postgres_problem(self) -> str:
        journal = self._parts.journal
        if journal.postgres_up:
            return ""
        return f"{journal.last_error or 'not reached yet'}; {journal.pending} entries wait on disk"

    async def status(self) -> Status:
        """Return what the status page shows, within 2 s whatever is away."""
        parts = self._parts
        past: list[PastCall] = []
        problem = ""
        try:
            past = await self._in_time(self._past())
        except (StoreError, TimeoutError) as error:
            problem = f"Postgres does not answer ({str(error) or 'no answer within 2 s'}). Records wait on disk."
        release = parts.releases.current.release
        return Status(
            node=parts.config.node.name,
            release=release.hash,
            checks=self.checks(),
            numbers=_numbers(release),
            live=[
                LiveCall(
                    call_id=call.incoming.call_id,
                    since=call.incoming.created_at,
                    caller=call.incoming.caller_number,
                    called=call.incoming.called_number,
                    driver=call.incoming.driver,
                )
                for call in parts.supervisor.running
            ],
            queues=parts.services.desk.queues(),
            agents=parts.services.desk.agents(),
            past=past,
            past_problem=problem,
            reload_problem=parts.releases.last_error,
        )

    async def _in_time(self, question: Coroutine[Any, Any, list[PastCall]]) -> list[PastCall]:
        """Return the answer, or raise `TimeoutError`, in time.

        A question that is cancelled first tells the server, which may be frozen; no page waits for that.
        """
        task = asyncio.create_task(question)
        self._questions.add(task)
        task.add_done_callback(self._answered)
        done, _ = await asyncio.wait({task}, timeout=_PAGE_TIMEOUT_S)
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    def _answered(self, task: asyncio.Task[list[PastCall]]) -> None:
        self._questions.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: whoever asked may have gone

    async def _past(self) -> list[PastCall]:
        pool = await self._parts.store.pool()
        rows = await queries.recent_calls(pool, _PAST_CALLS)
        ways = await queries.ways(pool, [row.call_id for row in rows])
        return [
            PastCall(
                call_id=row.call_id,
                at=row.started_at,
                caller=row.caller_number,
                called=row.called_number,
                flow=row.flow,
                duration_s=(row.ended_at - row.started_at).total_seconds(),
                disposition=row.disposition or "",
                steps=ways.get(row.call_id, ""),
            )
            for row in rows
            if row.ended_at is not None
        ]

    def samples(self) -> Iterator[Sample]:
        """Yield every value of `/metrics`."""
        parts = self._parts
        calls, journal = parts.supervisor.counters, parts.journal
        yield Sample("calls_running", "Calls in progress.", len(parts.supervisor.running))
        yield Sample("page_calls", "Lines of calls from web pages in use.", parts.voice.desk.calls)
        yield Sample("calls_started", "Calls begun.", calls.started, "counter")
        yield Sample("calls_resumed", "Calls taken up after a restart.", calls.resumed, "counter")
        yield Sample("calls_refused", "Calls refused for overload.", calls.refused, "counter")
        away = calls.ended_while_away
        yield Sample("calls_ended_while_away", "Calls that ended while no controller was there.", away, "counter")
        yield Sample("calls_crashed", "Calls ended by a fault of the controller.", calls.crashed, "counter")
        for disposition, count in sorted(calls.ended.items()):
            labels = {"disposition": disposition}
            yield Sample("calls_ended", "Calls ended, by disposition.", count, "counter", labels)
        for check in self.checks():
            yield Sample("up", "Whether a part is reachable.", float(check.ok), labels={"part": check.name.lower()})
        router = parts.driver.router.counters
        yield Sample("ari_events_routed", "ARI events that reached a call.", router.routed, "counter")
        yield Sample("ari_events_unowned", "ARI events that no call owned.", router.unowned, "counter")
        yield Sample("ari_ids", "Channels and bridges whose events belong to a call.", len(parts.driver.router))
        yield Sample("tasks", "Tasks that have not ended.", len(asyncio.all_tasks()))
        yield Sample("ari_inbox_overflows", "Calls whose inbox overflowed.", router.overflowed, "counter")
        agi, ami = parts.agi.counters, parts.ami.counters
        yield Sample("agi_calls", "FastAGI connections served.", agi.served, "counter")
        yield Sample("agi_refused", "FastAGI connections beyond the limit.", agi.refused, "counter")
        yield Sample("agi_malformed", "FastAGI connections that were no call.", agi.malformed, "counter")
        yield Sample("ami_events", "AMI events read.", ami.events, "counter")
        yield Sample("ami_dropped", "AMI events that nobody could take in time.", ami.dropped, "counter")
        for event, count in sorted(parts.ami.security.counts.items()):
            yield Sample("security_events", "Refused logins and calls, by kind.", count, "counter", {"event": event})
        yield Sample("journal_pending", "Entries that wait for Postgres.", journal.pending)
        yield Sample("journal_oldest_seconds", "Age of the oldest waiting entry.", journal.oldest_pending_age_s)
        yield Sample("journal_bytes", "Size of the journal on disk.", journal.size_bytes)
        yield Sample("journal_recorded", "Entries recorded.", journal.recorded, "counter")
        yield Sample("journal_stored", "Entries acknowledged by Postgres.", journal.stored, "counter")
        yield Sample("journal_dropped", "Entries lost because disk or limit were full.", journal.dropped, "counter")
        yield Sample("journal_damaged", "Entries that could not be read back from disk.", journal.damaged, "counter")
        yield Sample("journal_rejected", "Entries set aside as refused.", journal.rejected, "counter")
        yield from self._distribution()
        yield from self._callbacks()
        yield Sample("release_reloads", "Versions of the centre put in force.", parts.releases.reloads, "counter")
        yield Sample("release_refused", "Changes of the centre refused.", parts.releases.failures, "counter")

    def _distribution(self) -> Iterator[Sample]:
        """Yield the values of queues, agents and recordings."""
        distributor, desk = self._parts.distributor, self._parts.services.desk
        for queue in desk.queues():
            labels = {"queue": queue.queue}
            yield Sample("queue_waiting", "Customers who wait, by queue.", queue.waiting, labels=labels)
            yield Sample("queue_longest_wait_seconds", "Longest wait now.", queue.longest_wait_s, labels=labels)
            yield Sample("queue_agents", "Agents logged in, by queue.", queue.agents_logged_in, labels=labels)
            yield Sample("queue_open", "Whether the queue is open.", float(queue.open), labels=labels)
        states = Counter(agent.state.value for agent in desk.agents())
        for state in AgentState:
            yield Sample("agents", "Agents, by state.", states[state.value], labels={"state": state.value})
        yield Sample("talks", "Conversations in progress.", len(distributor.talks))
        matcher = distributor.matcher
        yield Sample("offers", "Rings of agents handed out.", matcher.offers, "counter")
        latency = matcher.latency
        help_text = "From a change until its offers were handed to the calls."
        yield Sample("match_seconds", help_text, latency.total_s, "histogram", buckets=latency.cumulative())
        yield Sample("ghosts_freed", "Agents and places that dead calls held.", distributor.ghosts.freed, "counter")
        yield Sample("watchers", "Readers of live events.", distributor.broadcast.readers)
        lagging = distributor.broadcast.ended_for_lag
        yield Sample("watchers_ended", "Readers of live events ended for their lag.", lagging, "counter")
        for what in ("kept", "erased", "lost", "failed"):
            count = self._parts.keeping.counts[what]
            yield Sample("recordings", "Recordings, by what became of them.", count, "counter", {"what": what})

    def _callbacks(self) -> Iterator[Sample]:
        """Yield the values of call-backs."""
        dialler, watchers = self._parts.callbacks.dialler, self._parts.callbacks.service.watchers
        held = float(dialler.leader.may_dial())
        yield Sample("callbacks_leading", "Whether this controller has the right to dial.", held)
        yield Sample("callbacks_terms", "How often it has taken that right.", dialler.leader.terms, "counter")
        yield Sample("callbacks_in_line", "Call-backs that stand in the line here.", len(dialler.lineup))
        yield Sample("callbacks_in_flight", "Attempts that are followed here.", len(dialler.in_flight))
        for outcome in Outcome:
            count = dialler.outcomes[outcome]
            labels = {"outcome": outcome.value}
            yield Sample("callbacks_attempts", "Attempts that have ended here, by outcome.", count, "counter", labels)
        late = dialler.lateness
        help_text = "From the time promised until the customer was called; 0 when in time."
        yield Sample("callbacks_late_seconds", help_text, late.total_s, "histogram", buckets=late.cumulative())
        dial = dialler.latency
        help_text = "From a free agent matched until Asterisk had the dial."
        yield Sample("callbacks_dial_seconds", help_text, dial.total_s, "histogram", buckets=dial.cumulative())
        for state, count in sorted(dialler.open.items()):
            yield Sample("callbacks_open", "Open requests, by state.", count, labels={"state": state})
        yield Sample("callbacks_watchers", "Readers of single requests.", len(watchers))


def _numbers(release: Release) -> list[tuple[str, str, str]]:
    """Return (number as written, flow, title) of each number of the centre once."""
    written = {entry.number: entry for entry in release.numbers.values()}
    return [(number, entry.flow, entry.title or release.flows[entry.flow].title) for number, entry in written.items()]
