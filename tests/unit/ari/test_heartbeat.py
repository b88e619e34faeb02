"""An Asterisk that says nothing is asked, and given up when it does not answer."""

from __future__ import annotations

import asyncio

import pytest

from controller.ari import heartbeat
from controller.ari.heartbeat import until_dead
from controller.errors import AsteriskRefused, AsteriskUnreachable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK_S", 0.01), ("IDLE_S", 0.05), ("REPLY_S", 0.05)):
        monkeypatch.setattr(heartbeat, name, seconds)


class Far:
    def __init__(self, *answers: object) -> None:
        self.messages = 0
        self.asked = 0
        self._answers = list(answers)

    def heard(self) -> int:
        return self.messages

    async def ask(self) -> object:
        self.asked += 1
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        self.messages += 1
        return answer


async def test_who_talks_is_not_asked():
    far = Far()
    watch = asyncio.create_task(until_dead(far.heard, far.ask))
    for _ in range(20):
        await asyncio.sleep(0.01)
        far.messages += 1
    assert (far.asked, watch.done()) == (0, False)
    watch.cancel()


async def test_who_answers_lives_on_and_who_does_not_is_given_up():
    far = Far("pong", AsteriskRefused("booting", status=503, reason=""), "pong")
    async with asyncio.timeout(2):
        await until_dead(far.heard, far.ask)
    assert far.asked == 4


async def test_who_cannot_be_asked_is_given_up():
    far = Far(AsteriskUnreachable("gone"))
    async with asyncio.timeout(2):
        await until_dead(far.heard, far.ask)
    assert far.asked == 1
