"""Where calls arrive: between the driver, which is there first, and those who serve the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

from controller.calls.callback.dialler import Dialler
from controller.calls.distribution.distributor import Distributor
from controller.calls.incoming import IncomingCall
from controller.calls.supervisor import Supervisor


class Reception:
    """Implements `Calls` of `controller.ari.driver`. Before `use` nobody is there, and no call is taken."""

    def __init__(self) -> None:
        self._supervisor: Supervisor | None = None
        self._distributor: Distributor | None = None
        self._dialler: Dialler | None = None

    def use(self, supervisor: Supervisor, distributor: Distributor, dialler: Dialler) -> None:
        """Bring calls to these from now on."""
        self._supervisor, self._distributor, self._dialler = supervisor, distributor, dialler

    def runs(self, call_id: str) -> bool:
        """Tell whether a call is in progress."""
        return self._supervisor is not None and self._supervisor.runs(call_id)

    def alive(self, name: str) -> bool:
        """Tell whether a call, or a call-back, that holds a place or an agent is there."""
        return self.runs(name) or (self._dialler is not None and self._dialler.holds(name))

    def incoming(self, call: IncomingCall) -> asyncio.Task[None] | None:
        """See `Supervisor.incoming`."""
        return self._supervisor.incoming(call) if self._supervisor is not None else None

    def channel_gone(self, channel_id: str, cause: int, cause_text: str, at: datetime) -> None:
        """See `Supervisor.channel_gone`."""
        if self._supervisor is not None:
            self._supervisor.channel_gone(channel_id, cause, cause_text, at)

    def settle(self, live_channels: Collection[str]) -> None:
        """See `Supervisor.settle`; all calls that are left have been handed over by then."""
        if self._supervisor is not None and self._distributor is not None:
            # Whether customers whom we had called have talked, the record tells: the dialler looks there.
            self._distributor.settled(self._supervisor.settle(live_channels))
