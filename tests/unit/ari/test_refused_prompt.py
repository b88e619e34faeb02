"""What becomes of a prompt that Asterisk refuses to begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.ari.line import Line
from controller.ari.operation import Operation
from controller.ari.router import Router
from controller.ari.telephone import AriTelephone
from controller.errors import AsteriskRefused, TelephonyError
from controller.flow.commands import Failed, Play
from controller.ids import CallId


class Refusing:
    """Refuses every prompt; whatever else is asked about is there."""

    def post(self, operation: Operation[Any], failed: Callable[[TelephonyError], object]) -> None:
        failed(AsteriskRefused(f"{operation.name}: no", status=500))

    async def request(self, operation: Operation[Any]) -> Any:
        return operation


class Audio:
    def path(self, media: str) -> str:
        return f"/audio/{media}"

    def duration_s(self, _: str) -> float:
        return 1.0


async def test_a_refused_prompt_is_a_failure_at_once() -> None:
    anything: Any = None
    ways: Any = Refusing()
    audio: Any = Audio()
    router = Router(arrival=lambda _: None)
    line = Line(CallId("c"), "1.1", application="rappel", transport=ways, router=router)
    phone = AriTelephone(line, link=anything, audio=audio, legs=anything, endpoint_for=str)
    assert await phone.perform(Play(("welcome",))) == Failed("channels.playWithId: no")
