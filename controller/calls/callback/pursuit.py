"""One attempt, from its claim to its outcome in Postgres: dial once, follow, and say how it ended.

Everything that happens to an attempt comes into one stream (`tell`), read by one task (`run` or `take_up`). Nothing
is dialled that is not claimed in Postgres, kept on disk and allowed by the right to dial, in this order.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from controller.acd.model import OfferOutcome, Refused
from controller.callback.model import AttemptState, First, NextStep, Outcome, RequestState, Source
from controller.callback.outcomes import HELD_BACK, outcome_of
from controller.callback.retry import HELD_BACK as HELD_BACK_CODE
from controller.calls.callback.books import AGAIN_S, Around, Books
from controller.calls.callback.flights import Ended, Flight
from controller.calls.callback.means import Past, WaitingAgent
from controller.calls.callback.news import AgentGone, AgentReady, Cancel, News, Over, Queued, Replied, Talked
from controller.calls.callback.outcomes import call_outcome, outcome_by_record
from controller.calls.callback.store import Lease
from controller.calls.outbound.ports import DialAnswered, DialEnded, DialRinging, DialState
from controller.errors import AsteriskRefused, StoreError, TelephonyError
from controller.outbound.model import OutboundAsk, Verdict

log = structlog.get_logger(__name__)

GRACE_S = 2.0
"""A channel that is not to be seen is waited for so long, before the attempt is dialled (again, as the same one)."""
LATE_S = 10.0
"""Beyond the ring time: then it is looked what has become of a dial that nobody told of."""
LOOK_S = 5.0
"""How often it is looked after an answered attempt."""
UNTOLD_S = 30.0
"""An ended call whose end is not in the record by then is taken for what was seen of it."""
FOREIGN_S = 30.0
"""Beyond the ring time: an attempt of another controller that has not moved by then is nobody's any more."""
LOST_S = 14_400.0
"""No call of another controller lasts longer."""
_ANSWERED = Refused("too_late", "The customer has answered.", "Let the agent who talks end it.")


class Pursuit:
    """See the module. `foreign`: the attempt is another controller's, which may live: it is never dialled here."""

    def __init__(self, flight: Flight, around: Around, *, foreign: bool = False) -> None:
        self.flight = flight
        self._around = around
        self._foreign = foreign
        self._inbox: asyncio.Queue[News] = asyncio.Queue()
        self._look_at: float | None = None
        self._ring_until = 0.0
        self._absent_since: float | None = None
        self._over_since: float | None = None
        self._agent: WaitingAgent | None = None
        self._agent_left = False
        self._cancels: list[Cancel] = []
        self._books = Books(flight, around)

    def tell(self, news: News) -> None:
        """Something has happened. Never waits."""
        if isinstance(news, DialAnswered):
            self.flight.machine = news.machine  # the call begins at once, and wants to know
        self._inbox.put_nowait(news)

    # --- life -------------------------------------------------------------------------------------------------

    async def run(self, lease: Lease) -> bool:
        """Claim the request and pursue it to its end; False when it is not ours to claim, and nothing has happened.

        Raises `StoreError` when it is not known whether it was claimed.
        """
        flight, around = self.flight, self._around
        try:
            claimed = await around.store.claim(flight.attempt, lease)
        except StoreError:
            around.line.holding.let_go(flight.call_id)
            raise
        if claimed is None:
            around.line.holding.let_go(flight.call_id)
            return False
        flight.attempt = claimed
        await around.files.keep(flight)
        around.changed(flight)
        await self._begin()
        await self._to_the_end()
        return True

    async def take_up(self) -> None:
        """Go on with an attempt of an earlier controller, or of one that has gone."""
        flight, around = self.flight, self._around
        log.info("callbacks.taken_up", attempt=flight.attempt_id, asked=flight.asked, foreign=self._foreign)
        flight.taken_up = True
        around.exit.follow(flight.attempt_id, self.tell)
        self._look_at = around.clock.monotonic()
        self._ring_until = self._look_at + flight.plan.ring_s
        if flight.plan_first is First.AGENT and not (flight.queued or self._foreign):  # over? they still hear why
            self._agent = around.agent(flight, self.tell)
            await self._agent.take_up()
        await self._to_the_end()

    async def _to_the_end(self) -> None:
        while self.flight.ended is None:  # every wait has an end: `_next`
            news = await self._next()
            try:
                if news is None:
                    await self._look()
                else:
                    await self._take(news)
            except (TelephonyError, StoreError) as error:
                log.warning("callbacks.interrupted", attempt=self.flight.attempt_id, error=str(error))
                self._look_in(AGAIN_S)
        await self._conclude(self.flight.ended)

    async def _next(self) -> News | None:
        if self._look_at is None:
            self._look_in(LOOK_S)
        left_s = max((self._look_at or 0.0) - self._around.clock.monotonic(), 0.0)
        try:
            return await asyncio.wait_for(self._inbox.get(), left_s) if left_s else self._inbox.get_nowait()
        except (TimeoutError, asyncio.QueueEmpty):
            return None

    def _look_in(self, seconds: float) -> None:
        self._look_at = self._around.clock.monotonic() + seconds

    def _end(self, outcome: Outcome, cause: int = 0, step: NextStep | None = None) -> None:
        self.flight.ended = Ended(outcome=outcome, at=self._around.clock.now(), cause=cause, step=step)

    # --- dialling ---------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Call whoever is called first."""
        if self.flight.plan_first is First.AGENT and self.flight.leg == 0:
            self._agent = self._around.agent(self.flight, self.tell)
            await self._agent.call()
            self._look_in(LOOK_S)
        else:
            await self._dial()

    async def _dial(self) -> None:
        flight, around = self.flight, self._around
        request, attempt = flight.request, flight.attempt
        ask = OutboundAsk(
            number=attempt.number,
            purpose=request.purpose,
            caller_id=flight.plan.caller_id,
            zone=request.zone,
            consent=request.consent is not None,
            request=request.request_id,
            agent=attempt.agent,
            expected_s=flight.plan.handling_s,
            asked_at=request.created_at,
        )
        flight.asked = True
        await around.files.keep(flight)
        self._ring_until = around.clock.monotonic() + flight.plan.ring_s
        self._look_in(flight.plan.ring_s + LATE_S)
        try:
            verdict = await around.exit.place(
                ask,
                attempt.attempt_id,
                self.tell,
                ring_s=flight.plan.ring_s,
                detect_voicemail=flight.plan.detect_voicemail,
                may=around.leader.may_dial,
            )
        except AsteriskRefused as error:  # nobody was called
            log.error("callbacks.not_dialled", attempt=flight.attempt_id, error=str(error))  # noqa: TRY400 - the message says it all
            self._end(Outcome.FAILED)
            return
        except TelephonyError as error:  # it may ring
            log.warning("callbacks.dial_unknown", attempt=flight.attempt_id, error=str(error))
            self._look_in(GRACE_S)
            return
        if not verdict.allowed:
            flight.asked = False
            flight.verdict = verdict
            self._end(Outcome.BLOCKED)
            return
        around.dialled(flight)
        self._books.note(AttemptState.DIALLED, verdict.cost)

    # --- what happens -----------------------------------------------------------------------------------------

    async def _take(self, news: News) -> None:  # noqa: C901 - one case for each thing that may happen
        flight = self.flight
        match news:
            case DialRinging():
                flight.rang = True
                self._books.note(AttemptState.RINGING)
            case DialAnswered(at=at):
                await self._answered(at)
            case DialEnded():
                await self._channel_gone(news)
            case Queued():
                flight.queued = True
                await self._answered(self._around.clock.now())
            case Talked():
                flight.talked = True
                self._books.note(AttemptState.CONNECTED)
                await self._around.files.keep(flight)
            case Over(talked=talked):
                flight.talked |= talked
                self._end(call_outcome(flight))
            case Replied(ended):
                flight.reply = ended
                await self._around.files.keep(flight)
            case Cancel():
                await self._cancel(news)
            case AgentReady(leg):
                await self._agent_ready(leg)
            case AgentGone(outcome):
                await self._agent_gone(outcome)

    async def _answered(self, at: datetime) -> None:
        flight = self.flight
        flight.answered_at = flight.answered_at or at
        self._books.note(AttemptState.ANSWERED)
        self._look_in(LOOK_S)
        await self._around.files.keep(flight)

    async def _channel_gone(self, news: DialEnded) -> None:
        flight = self.flight
        if flight.answered_at is not None or news.answered:
            flight.answered_at = flight.answered_at or news.at
            self._look_in(0.0)  # its call says how it ended
        elif flight.cancelled:
            self._end_cancelled(news.cause)
        elif news.already:
            self._look_in(0.0)
            self._absent_since = self._around.clock.monotonic() - GRACE_S
        else:
            outcome = outcome_of(news.cause, news.status, overrides=self._around.overrides)
            if news.status in HELD_BACK:
                flight.verdict = Verdict(False, HELD_BACK_CODE, HELD_BACK[news.status])
            self._end(outcome, news.cause)

    def _end_cancelled(self, cause: int = 0) -> None:
        """It was ended by us. A customer who had asked for the call is not to lose it because an agent hung up."""
        flight = self.flight
        if self._agent_left and flight.request.source is not Source.AGENT:
            self._end(Outcome.FAILED, cause)
        else:
            step = NextStep(state=RequestState.CANCELLED, reason=flight.cancelled)
            self._end(Outcome.CANCELLED, cause, step)

    async def _cancel(self, news: Cancel) -> None:
        flight = self.flight
        if flight.answered_at is not None:
            news.answer.set_result(_ANSWERED)
            return
        self._cancels.append(news)
        flight.cancelled = news.reason or "cancelled"
        if flight.asked:
            await self._around.exit.cancel(flight.attempt_id)
            self._look_in(GRACE_S)
        else:
            self._end_cancelled()

    async def _agent_ready(self, leg: int) -> None:
        flight, around = self.flight, self._around
        flight.leg = leg
        around.line.holding.on_the_line(flight.call_id, leg)
        if flight.asked:
            return  # an earlier controller has called the customer
        if self._agent is not None:
            await self._agent.ring()
        await self._dial()

    async def _agent_gone(self, outcome: OfferOutcome) -> None:
        flight, around = self.flight, self._around
        if flight.queued:
            return  # they are in the customer's call now
        if not flight.asked:
            around.line.holding.missed(flight.call_id, outcome)
            self._end(Outcome.NO_AGENT)
            return
        around.line.holding.let_go(flight.call_id)
        if flight.answered_at is None:
            self._agent_left = True
            flight.cancelled = flight.cancelled or "the agent hung up"
            await around.exit.cancel(flight.attempt_id)
            self._look_in(GRACE_S)

    # --- looking ----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """See how it stands, since nobody has told."""
        flight, around = self.flight, self._around
        self._look_in(LOOK_S)
        if around.calls.runs(flight.call_id):
            if flight.answered_at is None:
                await self._answered(around.clock.now())
            return
        if not flight.asked and not self._foreign:
            if self._agent is None:
                await self._not_dialled()
            return
        state = await around.exit.look(flight.attempt_id)
        if state is DialState.ABSENT:
            await self._absent()
            return
        self._absent_since = None
        if state is DialState.UP:
            if flight.answered_at is None:
                await self._answered(around.clock.now())
        elif around.clock.monotonic() >= self._ring_until + LATE_S and not self._foreign:
            await around.exit.cancel(flight.attempt_id)

    async def _absent(self) -> None:
        """There is no channel: wait a moment for it, then find out what has become of it."""
        around, now = self._around, self._around.clock.monotonic()
        if self._absent_since is None:
            self._absent_since = now
        if now < self._absent_since + GRACE_S:
            self._look_in(self._absent_since + GRACE_S - now)
            return
        flight = self.flight
        past = Past() if flight.talked else await around.record.past(flight.attempt_id)
        outcome = outcome_by_record(flight, past)
        if outcome is not None:
            self._end(outcome, past.cause)
        elif self._foreign or past.began or flight.answered_at is not None:
            if self._untold(now - self._absent_since, began=past.began):
                self._end(call_outcome(flight) if flight.answered_at is not None else Outcome.LOST)
        elif flight.cancelled and not self._agent_left:
            self._end_cancelled()
        elif flight.rang or await around.exit.was_dialled(flight.attempt_id):
            self._end_cancelled() if flight.cancelled else self._end(Outcome.LOST)
        elif flight.cancelled:  # the agent is gone, and nobody had called the customer yet
            self._end(Outcome.NO_AGENT)
        else:
            await self._not_dialled()

    async def _not_dialled(self) -> None:
        """The customer was not called: call them now, if the agent is still there for it."""
        flight, around = self.flight, self._around
        if around.line.holding.holds(flight.call_id) and around.leader.may_dial():
            log.info("callbacks.dialled_again", attempt=flight.attempt_id)
            self._absent_since = None
            await self._begin()
        else:
            self._end(Outcome.NO_AGENT)

    def _untold(self, absent_s: float, *, began: bool) -> bool:
        """Tell whether the record has had its time to say how it ended."""
        flight = self.flight
        if not self._foreign:
            return absent_s >= UNTOLD_S
        if began or flight.answered_at is not None:
            return absent_s >= LOST_S
        over_at = flight.attempt.claimed_at + timedelta(seconds=flight.plan.ring_s + FOREIGN_S)
        return self._around.clock.now() >= over_at

    # --- the end ----------------------------------------------------------------------------------------------

    async def _conclude(self, ended: Ended) -> None:
        """Free the agent at once; write the outcome down as soon as Postgres takes it."""
        flight, around = self.flight, self._around
        await around.files.keep(flight)
        around.line.holding.let_go(flight.call_id)
        if self._agent is not None:
            await self._agent.let_go(ended.outcome, queued=flight.queued)
        await self._books.conclude(ended)
        for cancel in self._cancels:
            if not cancel.answer.done():
                cancel.answer.set_result(None if ended.outcome is Outcome.CANCELLED else _ANSWERED)
