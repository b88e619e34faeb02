"""Hands a FastAGI call to the supervisor in its own words."""

from __future__ import annotations

from typing import Final

from controller.agi.server import AgiCallFacts
from controller.agi.session import AgiSession
from controller.agi.telephone import AgiTelephone, EndpointFor
from controller.calls.incoming import IncomingCall
from controller.ids import CallId
from controller.ports import AudioLibrary, Clock, LegObserver

DRIVER: Final = "agi"


def incoming_call(
    facts: AgiCallFacts, session: AgiSession, clock: Clock, endpoint_for: EndpointFor, answered_hook: str = ""
) -> IncomingCall:
    """Return the call behind a connection; its telephone may be used until the server's `on_call` returns."""

    def telephone(call_id: CallId, audio: AudioLibrary, legs: LegObserver) -> AgiTelephone:
        return AgiTelephone(
            session,
            channel_name=facts.channel_name,
            call_id=call_id,
            audio=audio,
            legs=legs,
            clock=clock,
            endpoint_for=endpoint_for,
            answered_hook=answered_hook,
        )

    return IncomingCall(
        driver=DRIVER,
        channel_id=facts.channel_id,
        channel_name=facts.channel_name,
        created_at=facts.created_at,
        called_number=facts.called_number,
        caller_number=facts.caller_number,
        caller_name=facts.caller_name,
        telephone=telephone,
        flow=facts.flow,
    )
