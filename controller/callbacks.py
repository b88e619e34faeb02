"""Wires the call-backs: the one who takes requests, the one who dials, and what both work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.ari.driver import AriDriver
from controller.ari.switchboard import AriSwitchboard
from controller.callback.model import Request
from controller.calls.callback.agentfirst import FirstAgent
from controller.calls.callback.booking import Booking
from controller.calls.callback.dialler import Dialler
from controller.calls.callback.flights import Flight
from controller.calls.callback.means import Calls, Exit, Settings
from controller.calls.callback.news import News
from controller.calls.callback.service import CallbackService
from controller.calls.callback.telling import Telling
from controller.calls.callback.terms import Terms
from controller.calls.distribution.distributor import Distributor
from controller.calls.distribution.services import DistributionServices
from controller.calls.releases import Releases
from controller.config import Config
from controller.ids import CallId
from controller.ports import Clock
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.pastcalls import PastCalls
from controller.postgres.store import PostgresStore
from controller.switchboard import Switchboard
from controller.trunks import outcomes_of


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The parts that others meet."""

    service: CallbackService
    dialler: Dialler


class _Boards:
    """Boards for agents who are called before their customers."""

    def __init__(self, driver: AriDriver, releases: Releases) -> None:
        self._driver = driver
        self._releases = releases

    def board(self, call_id: CallId) -> Switchboard:
        """See `Boards.board`."""
        return self._driver.board(call_id, self._releases.current.audio)

    def close(self, board: Switchboard) -> None:
        """See `Boards.close`."""
        if isinstance(board, AriSwitchboard):
            board.let_go()


def make_callbacks(
    config: Config,
    *,
    store: PostgresStore,
    distributor: Distributor,
    services: DistributionServices,
    way_out: Exit,
    calls: Calls,
    driver: AriDriver,
    releases: Releases,
    clock: Clock,
) -> Callbacks:
    """Return the call-backs of a controller; `Dialler.start` and `Dialler.run` are the caller's to call."""
    requests, past = PostgresCallbacks(store), PastCalls(store)
    telling = Telling(distributor.told, clock)
    boards = _Boards(driver, releases)
    given = config.callbacks

    def agent(flight: Flight, tell: Callable[[News], None]) -> FirstAgent:
        return FirstAgent(flight, tell, boards, distributor)

    def flight_changed(flight: Flight) -> None:
        telling.flight_changed(flight)
        service.flight_changed(flight)

    def expired(request: Request) -> None:
        service.changed(request)

    dialler = Dialler(
        store=requests,
        line=distributor,
        way_out=way_out,
        calls=calls,
        record=past,
        clock=clock,
        settings=Settings(
            node=config.node.name,
            lease_s=given.lease_s,
            in_line=given.in_line,
            most_dials=given.most_dials,
        ),
        state_dir=Path(config.node.state_dir),
        agent=agent,
        changed=flight_changed,
        expired=expired,
        overrides=outcomes_of(config.sip),
    )
    booking = Booking(requests, past, distributor, clock, distributor.serving)
    service = CallbackService(
        store=requests,
        line=distributor,
        terms=Terms(requests, distributor, services.queues_now, booking, clock),
        way_out=way_out,
        dialler=dialler,
        booking=booking,
        clock=clock,
        told=telling.request_changed,
    )
    distributor.listeners.append(dialler.listen)
    return Callbacks(service, dialler)
