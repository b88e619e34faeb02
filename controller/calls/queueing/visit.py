"""Performs one `Enqueue`: waits in a queue, talks, and perhaps waits again elsewhere, until the flow goes on.

Everything that must survive the controller is in `VisitProgress`, written down before it is done. A successor, and
this controller after Asterisk was out of reach, go on from it: a waiting caller has the same place, a ringing phone
goes on ringing, a conversation is not touched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import structlog

from controller.acd.model import AgentAccount, AgentId, OfferOutcome
from controller.calls.conversation.conversation import Parted
from controller.calls.conversation.standing import How
from controller.calls.queueing.place import Place
from controller.calls.queueing.stay import CONNECTING, OFFERING, WAITING, Stay, VisitNotes
from controller.calls.queueing.waiting import CallerGone, Exit, Moved, Waiting
from controller.errors import AsteriskUnreachable, TelephonyError
from controller.flow.commands import Failed, HungUp, QueueExit, QueueLeft

log = structlog.get_logger(__name__)

MAX_VISITS = 50
"""Queues that one call may pass through without its flow having a say."""
ATTEMPTS = 10
INTERRUPTED_WITHIN_S = 60.0
"""A visit is given up when Asterisk goes out of reach so often within that time."""
RECONNECT_S = 60.0
_OURS = frozenset({WAITING, OFFERING, CONNECTING})


Converse = Callable[[Stay, AgentAccount, str, str], Awaitable[Parted]]
"""Has the call, its agent, the agent's leg and the bridge until they part (`Talking`)."""


@dataclass(slots=True)
class Visit:
    """One `Enqueue`. `run` once; it returns what the flow is told, and raises `TelephonyError` like a telephone."""

    stay: Stay
    converse: Converse
    _place: Place = field(init=False)
    _interrupted: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._place = Place(self.stay)

    async def run(self) -> QueueLeft | HungUp | Failed:
        """Wait and talk, in one queue after the other."""
        stay = self.stay
        if stay.progress.queue not in stay.plans:
            return Failed(f"no queue '{stay.progress.queue}' in the version of the centre that the call runs on")
        try:
            while True:  # bounded by `_reachable_again`
                try:
                    return await self._run()
                except AsteriskUnreachable as error:
                    await self._reachable_again(error)
        except Exception:
            await self._give_up()
            raise

    async def _reachable_again(self, error: AsteriskUnreachable) -> None:
        """Wait for Asterisk to be back; raise `error` when that happens too often."""
        board = self.stay.board
        log.warning("queue.interrupted", phase=self.stay.progress.phase, error=str(error))
        self._interrupted = [at for at in self._interrupted if at > board.now() - INTERRUPTED_WITHIN_S]
        self._interrupted.append(board.now())
        if len(self._interrupted) >= ATTEMPTS:
            raise error
        await board.ready(RECONNECT_S)

    async def _run(self) -> QueueLeft | HungUp | Failed:
        stay = self.stay
        for _ in range(MAX_VISITS):
            end = await Waiting(stay, self._place).run() if stay.progress.phase in _OURS else None
            match end:
                case CallerGone(cause):
                    return HungUp(cause, talk_s=stay.notes.talk_s)
                case Exit(how):
                    return self._left(how)
                case Moved(queue, by):
                    self._begin_next(queue, from_agent=by, needs=stay.notes.needs, excluded=stay.notes.excluded)
                    continue
            parted = await self._talk()
            stay.note(talk_s=stay.notes.talk_s + parted.talk_s, agent=parted.agent or stay.notes.agent)
            if parted.how is How.CUSTOMER_GONE:
                return HungUp(parted.cause, talk_s=stay.notes.talk_s)
            if parted.how is not How.MOVED or parted.queue not in stay.plans:
                return self._left(QueueExit.TALKED)
            self._begin_next(
                parted.queue,
                from_agent=parted.from_agent,
                needs=parted.needs or {},
                excluded=(AgentId(parted.excluded),) if parted.excluded else (),
                priority=parted.priority,
            )
        log.error("queue.too_many_visits", queue=stay.progress.queue)
        return self._left(QueueExit.FAILED)

    def _begin_next(
        self,
        queue: str,
        *,
        from_agent: str,
        needs: dict[str, int],
        excluded: tuple[AgentId, ...],
        priority: int = 0,
    ) -> None:
        """Go on to another queue, with the original entry time."""
        stay, now = self.stay, self.stay.clock.now()
        self._place = Place(stay)
        stay.entered = False
        stay.notes = VisitNotes(
            began_at=stay.notes.began_at,
            visit_at=now,
            until=now + timedelta(seconds=stay.plans[queue].rules.wait_s),
            priority=max(stay.notes.priority, priority),
            needs=needs,
            excluded=excluded,
            from_agent=from_agent,
            talk_s=stay.notes.talk_s,
            agent=stay.notes.agent,
        )
        stay.progress = msgspec.structs.replace(
            stay.progress, queue=queue, visit=stay.progress.visit + 1, phase=WAITING, legs=(), connected_at=None
        )

    async def _talk(self) -> Parted:
        stay = self.stay
        board, progress = stay.board, stay.progress
        agent = stay.account(AgentId(progress.agent))
        # A leg is called into the bridge of its own number. A conversation that goes on has its own notes of both.
        number = progress.legs[0] if progress.legs else progress.bridge
        return await self.converse(stay, agent, board.leg_id(number), board.bridge_id(number))

    # --- the end ----------------------------------------------------------------------------------------------

    def _left(self, how: QueueExit) -> QueueLeft:
        stay, notes = self.stay, self.stay.notes
        stayed_s = (stay.clock.now() - notes.began_at).total_seconds()
        waited_s = max(stayed_s - notes.talk_s, 0.0)
        return QueueLeft(how, stay.progress.queue, waited_s, notes.talk_s, notes.agent)

    async def _give_up(self) -> None:
        """After a fault: free the place and the agents, and end what rings. A conversation is not ended by us."""
        stay = self.stay
        if stay.progress.phase not in _OURS:
            return
        self._place.leave(OfferOutcome.FAILED)
        for offer in stay.notes.offers:
            self._place.offer_ended(offer.agent, OfferOutcome.FAILED)
            for number in offer.legs:
                with suppress(TelephonyError):
                    await stay.board.drop(stay.board.leg_id(number))
