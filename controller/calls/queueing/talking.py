"""Hands a connected caller over to a conversation."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from controller.acd.model import AgentAccount
from controller.calls.conversation.conversation import Conversation, Parted
from controller.calls.conversation.keeper import Keeper
from controller.calls.conversation.numbers import Numbers
from controller.calls.queueing.stay import Stay


@dataclass(frozen=True, slots=True)
class Talking:
    """Has the call until agent and customer part. Only who was told of it is recorded."""

    keeper: Keeper
    numbers: Numbers

    async def __call__(self, stay: Stay, agent: AgentAccount, leg: str, bridge: str) -> Parted:
        """Have the call, from its beginning or where an earlier controller was."""
        plan = stay.plan if stay.announced else msgspec.structs.replace(stay.plan, record=None)
        conversation = Conversation(
            stay.board,
            stay.places,
            plan,
            stay.call,
            stay.take,
            stay.progress,
            agent,
            leg,
            bridge,
            stay.clock,
            keeper=self.keeper,
            numbers=self.numbers,
        )
        return await conversation.run(stay.plans)
