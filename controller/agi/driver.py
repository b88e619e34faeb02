"""Brings callers from FastAGI connections to the supervisor."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from controller.agi.server import AgiCallFacts
from controller.agi.session import AgiSession
from controller.agi.telephone import AgiTelephone
from controller.calls.incoming import IncomingCall, TelephoneKit
from controller.ids import CallId
from controller.ports import Clock, Telephone

DRIVER: Final = "agi"
BY_NUMBER: Final = "flow"
"""`agi://host/flow` with the called number as argument runs the flow of that number; any other path names a flow."""

ANSWERED_HOOK: Final = "rappel-answered"
"""The context of extensions.conf that notes when a dialled leg answered."""


class Calls(Protocol):
    """What becomes of callers (`controller.calls.supervisor.Supervisor`)."""

    def incoming(self, call: IncomingCall) -> asyncio.Task[None] | None:
        """Serve a call, new or left by an earlier controller, in the task returned; None when stopping."""


class AgiDriver:
    """`serve` is the server's `on_call`. A call whose controller died is resumed when the dialplan tries again."""

    def __init__(self, *, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    def serve(self, facts: AgiCallFacts, session: AgiSession) -> asyncio.Task[None] | None:
        """Have one connection served to the end of its call, in the task returned; None when stopping."""

        def telephone(call_id: CallId, kit: TelephoneKit, *, resumed: bool) -> Telephone:
            del resumed  # a new connection begins with nothing playing
            return AgiTelephone(
                session,
                channel_name=facts.channel_name,
                call_id=call_id,
                audio=kit.audio,
                legs=kit.legs,
                clock=self._clock,
                endpoint_for=kit.endpoint_for,
                answered_hook=ANSWERED_HOOK,
            )

        by_number = facts.flow == BY_NUMBER and bool(facts.arguments)
        return self._calls.incoming(
            IncomingCall(
                driver=DRIVER,
                channel_id=facts.channel_id,
                channel_name=facts.channel_name,
                created_at=facts.created_at,
                called_number=facts.arguments[0] if by_number else facts.called_number,
                caller_number=facts.caller_number,
                caller_name=facts.caller_name,
                telephone=telephone,
                flow=None if by_number else facts.flow,
            )
        )
