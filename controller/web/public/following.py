"""How a request is, as its visitor may see it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from controller.callback.model import FINAL, Attempt, AttemptState, Request, RequestState, When
from controller.callback.promise import told_s
from controller.calls.callback.desk import CallbackDesk, Progress
from controller.ports import Clock
from controller.web.public.forms import RequestView
from controller.web.public.tickets import Rights, Ticket
from controller.web.public.wording import state_text

HEARTBEAT_S = 15.0
LONGEST_S = 3600.0
"""Then the page connects again."""
_REMEMBERED = 5000
_ATTEMPT_STATES = {
    AttemptState.CLAIMED: "dialling",
    AttemptState.DIALLED: "dialling",
    AttemptState.RINGING: "ringing",
    AttemptState.ANSWERED: "answered",
    AttemptState.CONNECTED: "connected",
}


class Following:
    """Shows requests to those who hold a ticket."""

    def __init__(self, desk: CallbackDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._let_be: OrderedDict[str, None] = OrderedDict()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all that follow: the controller stops."""
        self._stopping.set()

    def let_be(self, text: str) -> None:
        """Remember that the holder of a `SECOND` ticket has cancelled: the first asker's request stands."""
        self._let_be[text] = None
        while len(self._let_be) > _REMEMBERED:
            self._let_be.popitem(last=False)

    async def look(self, text: str, ticket: Ticket, language: str) -> RequestView | None:
        """Return how the request is; None: there is none (any more). Raises `StoreError`."""
        progress = await self._desk.progress(ticket.request_id)
        return None if progress is None else self.view(text, ticket, progress, language)

    def view(self, text: str, ticket: Ticket, progress: Progress, language: str) -> RequestView:
        """Return what the holder of `ticket` sees of `progress`."""
        if ticket.rights is Rights.SECOND:
            return self._second(text, ticket, progress, language)
        request = progress.request
        state = self._state(request, progress.attempt)
        open_ = request.state in (RequestState.SCHEDULED, RequestState.WAITING)
        waits = state == "waiting"
        return RequestView(
            state=state,
            text=state_text(state, language),
            final=request.state in FINAL,
            position=progress.position or None if waits else None,
            estimate_s=told(progress.estimate_s) if waits else None,
            due_at=request.due_at if state == "scheduled" else None,
            slot_at=request.slot_at,
            tries=request.tries,
            may_change=open_,
        )

    def _second(self, text: str, ticket: Ticket, progress: Progress, language: str) -> RequestView:
        """As if it had been asked for with this ticket: at the end of the line, and no call seen that was before."""
        request, attempt = progress.request, progress.attempt
        state = self._state(request, attempt)
        if text in self._let_be:
            state = "cancelled"
        elif request.state not in FINAL and (attempt is None or attempt.claimed_at < ticket.at):
            state = "waiting"
        waits = state == "waiting"
        now = self._desk.availability(request.queue) if waits else None
        return RequestView(
            state=state,
            text=state_text(state, language),
            final=text in self._let_be or request.state in FINAL,
            position=(now.waiting or None) if now else None,
            estimate_s=told(now.estimate_s) if now else None,
            may_change=waits,
        )

    def _state(self, request: Request, attempt: Attempt | None) -> str:
        if request.state is RequestState.DIALLING and attempt is not None:
            return _ATTEMPT_STATES.get(attempt.state, "dialling")
        if request.state is RequestState.SCHEDULED and request.due_at <= self._clock.now():
            return RequestState.WAITING.value  # its time has come, and its place in the line is on its way
        return request.state.value

    async def follow(self, text: str, ticket: Ticket, language: str) -> AsyncIterator[RequestView | None]:
        """Yield how the request is, at once and at every change that shows, until it is over; None: a heartbeat."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LONGEST_S
        source = self._desk.watch(ticket.request_id)
        stopping = asyncio.create_task(self._stopping.wait())
        following: asyncio.Future[Progress] | None = None
        last: RequestView | None = None
        try:
            while loop.time() < ends_at and not (last and last.final):
                following = following or asyncio.ensure_future(anext(source))
                either: set[asyncio.Future[Any]] = {following, stopping}
                await asyncio.wait(either, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    return
                if not following.done():
                    yield None
                    continue
                progress, following = following.result(), None
                view = self.view(text, ticket, progress, language)
                if view != last:
                    yield view
                last = view
        except StopAsyncIteration:
            return
        finally:
            stopping.cancel()
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            if isinstance(source, AsyncGenerator):
                await source.aclose()


def asked_view(when: When, language: str) -> RequestView:
    """Return what everybody sees whose request was just taken, whether the number had one or not."""
    state = "scheduled" if when is When.SLOT else "waiting"
    return RequestView(state=state, text=state_text(state, language), final=False, may_change=True)


def told(estimate_s: float | None) -> int | None:
    """Return an estimate as it is told, in whole minutes: as `promised_at` has it."""
    return None if estimate_s is None else told_s(estimate_s)
