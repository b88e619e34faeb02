"""What calls use of the distribution: `controller.calls.queueing.services.Services`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from controller.acd.model import AgentAccount, AgentId, Refused
from controller.acd.roster import UNKNOWN_AGENT
from controller.calls.callback.desk import CallbackDesk
from controller.calls.conversation.keeper import Keeper
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.floordesk import FloorDesk
from controller.calls.keeping import Keeping
from controller.calls.mailbox import Mailbox
from controller.calls.queueing.callref import CallRef
from controller.calls.queueing.places import Places
from controller.flow.commands import AgentActKind
from controller.flow.queuenow import QueueNow, QueuesNow
from controller.ports import Mailboxes


class LiveQueues(Mapping[str, QueueNow]):
    """The queues of the release in force, each looked at when it is asked for."""

    def __init__(self, distributor: Distributor) -> None:
        self._of = distributor

    def __getitem__(self, queue: str) -> QueueNow:
        if self._of.plan(queue) is None:
            raise KeyError(queue)
        counts = self._of.floor.counts(queue, self._of.clock.monotonic())
        estimate_s = self._of.floor.estimate_new_s(queue)
        return QueueNow(counts.waiting, counts.free, estimate_s, self._of.is_open(queue))

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.release.queues if self._of.release is not None else ())

    def __len__(self) -> int:
        return len(self._of.release.queues) if self._of.release is not None else 0


class DistributionServices:
    """`Services` of one controller. `listening`: where Asterisk finds the messages that agents listen to."""

    def __init__(self, distributor: Distributor, keeping: Keeping, messages: Mailboxes, listening: Path) -> None:
        self._distributor = distributor
        self._keeping = keeping
        self.mailbox = Mailbox(listening, keeping, messages, self._account_at)
        """See `Services.mailbox`; `run` it in a task of its own."""
        self._queues_now = LiveQueues(distributor)
        self.callbacks: CallbackDesk | None = None
        """See `Services.callbacks`; set once, before any call."""
        self.desk = FloorDesk(distributor)
        """For the API, and for what agents ask from their phones."""

    @property
    def keeper(self) -> Keeper:
        """See `Services.keeper`."""
        return self._keeping

    @property
    def queues_now(self) -> QueuesNow:
        """See `Services.queues_now`."""
        return self._queues_now

    def agent_at(self, extension: str) -> AgentId | None:
        """See `Services.agent_at`."""
        return self._distributor.accounts.by_extension(extension)

    def _account_at(self, extension: str) -> AgentAccount | None:
        agent = self.agent_at(extension)
        return self._distributor.accounts.by_id.get(agent) if agent is not None else None

    @property
    def places(self) -> Places:
        """See `Services.places`."""
        return self._distributor

    async def keep_message(
        self, call: CallRef, queue: str, recording: str, duration_s: float, keep_s: float
    ) -> Refused | None:
        """See `Services.keep_message`."""
        return await self._keeping.keep_message(call, queue, recording, duration_s, keep_s)

    def act(self, call: CallRef, act: AgentActKind, reason: str) -> Refused | None:
        """See `Services.act`."""
        agent = self.agent_at(call.endpoint)
        if agent is None:
            return UNKNOWN_AGENT
        if act is AgentActKind.PAUSE:
            return self.desk.pause(agent, reason, by=agent)
        acts: dict[AgentActKind, Callable[[AgentId], Refused | None]] = {
            AgentActKind.LOGIN: lambda who: self.desk.login(who, by=who),
            AgentActKind.LOGOUT: lambda who: self.desk.logout(who, by=who),
            AgentActKind.RESUME: lambda who: self.desk.resume(who, by=who),
            AgentActKind.END_WRAP_UP: lambda who: self.desk.end_wrap_up(who, by=who),
        }
        return acts[act](agent)
