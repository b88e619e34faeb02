"""Rings agents for a waiting caller, on all their devices, until one of them will talk.

Ids first: the numbers of the legs are written down before one of them is called. A leg is called into a bridge of its
own (create → bridge → dial), or alone when the agent is to hear something first; the caller is brought in when the
agent will talk. `chosen` is that agent's offer then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from controller.acd.model import AgentAccount, AgentId, OfferOutcome
from controller.calls.queueing.announcer import Announcer
from controller.calls.queueing.callref import headers_for
from controller.calls.queueing.offer import Offer, OfferLeg, Stage, hears_first
from controller.calls.queueing.place import Place
from controller.calls.queueing.stay import CONNECTING, OFFERING, WAITING, OfferNote, Stay, unless_gone
from controller.calls.queueing.unseen import one_more_talk, talk_of
from controller.cdr.entries import OfferEnded, OfferMade, Party, QueueExited, Role
from controller.errors import AsteriskRefused, TelephonyError
from controller.flow.commands import VisitProgress
from controller.flow.queues import QueuePlan
from controller.switchboard import Gone, LegPlan, PartyState, PickedUp, Pressed, SoundEnded

log = structlog.get_logger(__name__)

ACCEPT_S = 10.0
"""For the accept key, from the end of what asks for it."""
WHISPER_S = 30.0
"""Longest whisper: its end is not waited for any longer."""
ANNOUNCEMENT_S = 30.0
"""Longest wait of an agent for the caller to have heard that the conversation is recorded."""
MAX_DEVICES = 10
_ELSEWHERE = 26
_ENGAGED = "in_a_call"
_NORMAL = 16
_NO_ANSWER = 19
_NEVER = float("inf")


@dataclass(slots=True)
class Offering:
    """The offers of one caller in one queue."""

    stay: Stay
    place: Place
    announcer: Announcer
    offers: list[Offer] = field(default_factory=list)
    connected: Offer | None = None
    _doubt: VisitProgress | None = None
    """As it was found: an earlier controller was connecting, and they may have talked since."""
    _over: set[str] = field(default_factory=set)
    """Parties that we have dropped: one that answers all the same is dropped again."""

    @property
    def engaged(self) -> bool:
        """Whether an agent has answered already: the caller is not taken away any more."""
        return any(offer.picked is not None for offer in self.offers)

    @property
    def chosen(self) -> Offer | None:
        """The offer whose agent can be connected now."""
        if self.announcer.announcing:
            ready = [offer for offer in self._ready if self.stay.board.now() >= offer.until]
        else:
            ready = self._ready
        return next(iter(ready), None)

    @property
    def _ready(self) -> list[Offer]:
        return [offer for offer in self.offers if offer.stage is Stage.READY]

    def next_at(self) -> float:
        """Return when something is to be looked after next."""
        return min((offer.deadline for offer in self.offers), default=_NEVER)

    # --- beginning --------------------------------------------------------------------------------------------

    async def make(self, agents: Iterable[AgentAccount], queue: str) -> None:
        """Ring `agents`, matched by the rules of `queue`."""
        stay, now = self.stay, self.stay.board.now()
        plan = stay.plans.get(queue, stay.plan)
        fresh = [agent for agent in agents if all(offer.agent.agent != agent.agent for offer in self.offers)]
        contacts = await self._contacts(fresh)
        number, leg = stay.progress.offer, stay.progress.leg
        made: list[Offer] = []
        calls: list[tuple[Offer, OfferLeg, str]] = []
        for agent, devices in zip(fresh, contacts, strict=True):
            number += 1
            offer = Offer(number, agent, queue, now + plan.rules.ring_s)
            for device in devices[:MAX_DEVICES]:
                leg += 1
                offer.legs.append(OfferLeg(leg, stay.board.leg_id(leg)))
                calls.append((offer, offer.legs[-1], device))
            made.append(offer)
        self.offers += made
        stay.note(ring_until=stay.clock.now() + timedelta(seconds=plan.rules.ring_s))
        self._keep(offer=number, leg=leg, bridge=leg)
        call_id, visit, at = stay.call.call_id, stay.progress.visit, stay.clock.now()
        for offer in made:
            stay.places.told(OfferMade(call_id, visit, offer.number, offer.agent.agent, queue, at))
        await self._call(calls, plan)
        for offer in [each for each in self.offers if not each.legs]:
            await self.end(offer, OfferOutcome.UNREACHABLE)
        if plan.caller_hears == "ringing" and self.offers:
            await self.announcer.ring(on=True)

    async def join(self, agent: AgentAccount, queue: str, number: int) -> bool:
        """Offer the call to an agent who is on the line already, on the `number`-th leg; False when they are not."""
        stay = self.stay
        if any(offer.agent.agent == agent.agent for offer in self.offers):
            return True  # an earlier controller did
        leg = OfferLeg(number, stay.board.leg_id(number))
        if await stay.board.adopt(leg.party, agent.extension, Role.AGENT) is not PartyState.UP:
            return False
        offer = Offer(stay.progress.offer + 1, agent, queue, stay.board.now(), [leg])
        offer.picked = leg
        self.offers.append(offer)
        self._keep(offer=offer.number, leg=max(stay.progress.leg, number), bridge=max(stay.progress.bridge, number))
        at = stay.clock.now()
        stay.places.told(OfferMade(stay.call.call_id, stay.progress.visit, offer.number, agent.agent, queue, at))
        await self._ready_to_talk(offer)
        return True

    async def _contacts(self, agents: list[AgentAccount]) -> list[tuple[str, ...]]:
        board = self.stay.board
        try:
            return await asyncio.gather(*(board.contacts(agent.extension) for agent in agents))
        except TelephonyError:
            for agent in agents:
                self.place.offer_ended(agent.agent, OfferOutcome.FAILED)
            raise

    async def _call(self, calls: list[tuple[Offer, OfferLeg, str]], plan: QueuePlan) -> None:
        board, call = self.stay.board, self.stay.call
        alone = hears_first(plan, call.language)
        for offer, leg, device in calls:
            await board.call(
                LegPlan(
                    party=leg.party,
                    device=device,
                    number=offer.agent.extension,
                    role=Role.AGENT,
                    ring_s=plan.rules.ring_s,
                    caller_number=call.caller_number,
                    caller_name=call.caller_name or plan.title,
                    bridge="" if alone else board.bridge_id(leg.number),
                    headers=headers_for(call, offer.queue),
                )
            )

    async def adopt(self) -> None:
        """Take up the offers that an earlier controller left: what rings goes on ringing, what has ended is over."""
        stay = self.stay
        connecting = stay.progress.phase == CONNECTING
        left_s = (stay.notes.ring_until - stay.clock.now()).total_seconds() if stay.notes.ring_until else 0.0
        # An agent whose phone is not known yet cannot be engaged so soon, but it rings: only another call counts.
        refusals = [stay.places.reserve(note.agent, stay.call.call_id, note.queue) for note in stay.notes.offers]
        for note in stay.notes.offers:
            offer = Offer(note.offer, stay.account(note.agent), note.queue, stay.board.now() + left_s)
            offer.legs = [OfferLeg(number, stay.board.leg_id(number)) for number in note.legs]
            self.offers.append(offer)  # all, before the first is looked at: what is kept names them all
        self._doubt = stay.progress if connecting else None
        ups = [await self._look_at(offer) for offer in self.offers]
        if self._doubt and not any(offer.alive for offer in self.offers if offer.agent.agent == self._doubt.agent):
            self._have_talked(self._doubt)
        for offer, up, refused in zip(list(self.offers), ups, refusals, strict=True):
            log.info("queue.offer_adopted", agent=offer.agent.agent, alive=len(offer.alive))
            if refused is not None and refused.code == _ENGAGED:
                await self.end(offer, OfferOutcome.WITHDRAWN)
            elif not offer.alive:
                await self.end(offer, OfferOutcome.FAILED)  # nobody saw how: the agent is not to be blamed
            elif up is not None and not connecting:
                await self._answered(offer, up)
            elif up is not None and offer.agent.agent == stay.progress.agent:
                offer.picked = up
                await self._ready_to_talk(offer)

    def _have_talked(self, found: VisitProgress) -> None:
        """Say that they may have talked, and have parted. A caller who is there waits for another agent."""
        at = self.stay.clock.now()
        for entry in talk_of(found, self.stay.call.call_id, at, Party.SYSTEM, how="failed"):
            self.stay.places.told(entry)
        self._doubt = None
        self._keep(detail=one_more_talk(found))

    async def _look_at(self, offer: Offer) -> OfferLeg | None:
        """See which legs are there; return one that was answered."""
        up = None
        for leg in offer.legs:
            state = await self.stay.board.state_of(leg.party)
            leg.gone = state is PartyState.ABSENT
            up = leg if state is PartyState.UP else up
        return up

    # --- what happens -----------------------------------------------------------------------------------------

    async def picked_up(self, event: PickedUp) -> None:
        """A leg was answered."""
        if event.party in self._over:
            with unless_gone("drop"):
                await self.stay.board.drop(event.party)
            return
        for offer in self.offers:
            leg = offer.leg(event.party)
            if leg is not None and offer.picked is None:
                await self._answered(offer, leg)
                return

    async def _answered(self, offer: Offer, leg: OfferLeg) -> None:
        stay = self.stay
        plan = stay.plans.get(offer.queue, stay.plan)
        offer.picked = leg
        media = (*plan.whisper(stay.call.language), *plan.accept(stay.call.language))
        if not media and not plan.accept_key:
            await self._ready_to_talk(offer)
            return
        offer.stage = Stage.ANNOUNCING
        offer.until = stay.board.now() + WHISPER_S
        try:
            offer.sound = await stay.board.play(leg.party, media)
        except AsteriskRefused as error:
            log.warning("queue.whisper_failed", agent=offer.agent.agent, error=str(error))
            offer.until = stay.board.now() + ACCEPT_S
        await self._drop([other for other in offer.alive if other is not leg], _ELSEWHERE)
        if not plan.accept_key:
            await self._end_others(offer)

    async def _ready_to_talk(self, offer: Offer) -> None:
        offer.stage = Stage.READY
        offer.until = self.stay.board.now() + ANNOUNCEMENT_S

    async def gone(self, event: Gone) -> None:
        """A leg has ended: with the last one its offer is over."""
        self._over.discard(event.party)
        for offer in self.offers:
            leg = offer.leg(event.party)
            if leg is None:
                continue
            leg.gone, leg.cause = True, event.cause
            if offer.picked is leg and self._asks_key(offer):
                await self.end(offer, OfferOutcome.NOT_ACCEPTED)
            elif offer.picked is leg or not offer.alive:
                await self.end(offer, offer.outcome())
            return

    async def pressed(self, event: Pressed) -> None:
        """An agent pressed a key."""
        for offer in self.offers:
            plan = self.stay.plans.get(offer.queue, self.stay.plan)
            heard = offer.picked is not None and offer.picked.party == event.party
            if heard and offer.stage is Stage.ANNOUNCING and event.digit == plan.accept_key:
                if offer.sound:
                    with unless_gone("stop"):
                        await self.stay.board.stop_sound(offer.sound)
                await self._ready_to_talk(offer)
                return

    async def sound_ended(self, event: SoundEnded) -> None:
        """An agent has heard what there was to hear."""
        for offer in self.offers:
            if offer.stage is Stage.ANNOUNCING and offer.sound == event.sound:
                offer.sound = ""
                if self._asks_key(offer):
                    offer.until = self.stay.board.now() + ACCEPT_S
                else:
                    await self._ready_to_talk(offer)
                return

    async def due(self) -> None:
        """End what has lasted long enough."""
        now = self.stay.board.now()
        for offer in list(self.offers):
            if offer.deadline > now:
                continue
            if offer.stage is Stage.RINGING:
                await self.end(offer, OfferOutcome.NO_ANSWER)
            elif offer.stage is Stage.ANNOUNCING and self._asks_key(offer):
                await self.end(offer, OfferOutcome.NOT_ACCEPTED)
            elif offer.stage is Stage.ANNOUNCING:
                await self._ready_to_talk(offer)

    async def connect(self, offer: Offer) -> bool:
        """Bring caller and agent together; False when one of them has gone meanwhile, and the caller waits on."""
        stay, leg = self.stay, offer.picked
        if leg is None:
            return False
        board, bridge = stay.board, stay.board.bridge_id(leg.number)
        now = stay.clock.now()
        others = [other.number for each in self.offers for other in each.alive if other is not leg]
        stay.note(offers=self._notes())
        stay.keep(
            phase=CONNECTING,
            agent=offer.agent.agent,
            legs=(leg.number, *others),
            connected_at=now,
        )
        await self.announcer.hush()
        try:
            await board.bridge(bridge)
            await board.join(bridge, board.caller, leg.party)
        except AsteriskRefused as error:
            log.info("queue.not_connected", agent=offer.agent.agent, error=str(error))
            await self._not_connected(offer, leg)
            return False
        self.connected, self._doubt = offer, None
        self.offers.remove(offer)
        stay.places.told(OfferEnded(stay.call.call_id, offer.number, now, OfferOutcome.CONNECTED.value))
        stay.places.told(QueueExited(stay.call.call_id, stay.progress.visit, now, "connected", offer.agent.agent))
        stay.places.connected(stay.entry, offer.agent.agent)
        await self._drop([other for other in offer.alive if other is not leg], _ELSEWHERE)
        await self._close([other for other in offer.legs if other is not leg])
        await self.end_all(OfferOutcome.ELSEWHERE)
        # Not before: should Asterisk go out of reach meanwhile, all this is done again from the notes.
        stay.let_go(leg.number)
        return True

    async def _not_connected(self, offer: Offer, leg: OfferLeg) -> None:
        """Somebody has gone in the very moment; whose end it was is the stream's to tell."""
        board = self.stay.board
        if await board.state_of(board.caller) is PartyState.ABSENT:
            await self.end(offer, OfferOutcome.CUSTOMER_LEFT)
            return
        absent = await board.state_of(leg.party) is PartyState.ABSENT
        await self.end(offer, OfferOutcome.DECLINED if absent else OfferOutcome.FAILED)
        await self.announcer.go_on()

    # --- ending -----------------------------------------------------------------------------------------------

    async def withdraw(self, agents: frozenset[AgentId]) -> None:
        """Stop ringing `agents`: they are not to be had any more."""
        for offer in [each for each in self.offers if each.agent.agent in agents]:
            await self.end(offer, OfferOutcome.WITHDRAWN)

    async def end_all(self, outcome: OfferOutcome) -> None:
        """Stop ringing everybody."""
        for offer in list(self.offers):
            await self.end(offer, outcome)

    async def _end_others(self, chosen: Offer) -> None:
        for offer in [each for each in self.offers if each is not chosen]:
            await self.end(offer, OfferOutcome.ELSEWHERE)

    async def end(self, offer: Offer, outcome: OfferOutcome) -> None:
        """End one offer: its legs stop ringing, the agent is free, and the caller waits on."""
        if offer.stage is Stage.ENDED:
            return
        stay = self.stay
        if self._doubt and self._doubt.agent == offer.agent.agent:
            self._have_talked(self._doubt)
        offer.stage = Stage.ENDED
        self.offers.remove(offer)
        cause = {OfferOutcome.ELSEWHERE: _ELSEWHERE, OfferOutcome.NO_ANSWER: _NO_ANSWER}.get(outcome, _NORMAL)
        await self._drop(offer.alive, cause)
        await self._close(offer.legs)
        stay.places.told(OfferEnded(stay.call.call_id, offer.number, stay.clock.now(), outcome.value))
        log.info("queue.offer_ended", agent=offer.agent.agent, outcome=outcome.value)
        if self.connected is None:
            self._keep()
        self.place.offer_ended(offer.agent.agent, outcome)
        if not self.offers and self.connected is None and outcome is not OfferOutcome.CUSTOMER_LEFT:
            await self.announcer.ring(on=False)

    async def _drop(self, legs: list[OfferLeg], cause: int) -> None:
        for leg in legs:
            leg.gone = True
            self._over.add(leg.party)
            with unless_gone("drop"):
                await self.stay.board.drop(leg.party, cause)

    async def _close(self, legs: list[OfferLeg]) -> None:
        """End the bridges into which these legs were called."""
        for leg in legs:
            with unless_gone("close"):
                await self.stay.board.close(self.stay.board.bridge_id(leg.number))

    def _asks_key(self, offer: Offer) -> bool:
        return bool(self.stay.plans.get(offer.queue, self.stay.plan).accept_key)

    def _notes(self) -> tuple[OfferNote, ...]:
        return tuple(
            OfferNote(offer.number, offer.agent.agent, offer.queue, tuple(leg.number for leg in offer.alive))
            for offer in self.offers
        )

    def _keep(self, **changes: Any) -> None:
        notes = self._notes()
        self.stay.note(offers=notes)
        phase, agent = OFFERING if notes else WAITING, notes[0].agent if len(notes) == 1 else ""
        self.stay.keep(
            phase=CONNECTING if self._doubt else phase,
            agent=self._doubt.agent if self._doubt else agent,
            legs=tuple(number for note in notes for number in note.legs),
            **changes,
        )
