"""What the controller shows of itself, read from its parts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller import status as module
from controller.ari.connection import LinkState
from controller.callback.model import Outcome
from controller.calls.desk import QueueView
from controller.calls.distribution.matcher import Histogram
from controller.errors import StoreError
from controller.status import StatusBoard
from controller.web.metrics import Metrics
from tests.unit.calls.world import Gate, World

_COUNTERS = ("routed", "unowned", "overflowed", "served", "refused", "malformed", "events", "dropped")


class Store:
    """A store whose pool never comes; `error` is raised instead if there is one."""

    error: Exception | None = None

    async def pool(self) -> None:
        if self.error:
            raise self.error
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # A client of a frozen server: it wants to tell the server that it gives up, and waits for that, too.
            await asyncio.sleep(1)
            raise


@pytest.fixture
def parts(world: World) -> Any:
    counters = SimpleNamespace(**dict.fromkeys(_COUNTERS, 0))

    class Router:
        def __init__(self) -> None:
            self.counters = counters

        def __len__(self) -> int:
            return 0

    journal = SimpleNamespace(
        postgres_up=True,
        last_error="",
        pending=0,
        oldest_pending_age_s=0.0,
        size_bytes=0,
        recorded=7,
        stored=7,
        dropped=0,
        damaged=0,
        rejected=0,
    )
    matcher = SimpleNamespace(offers=3, latency=Histogram())
    distributor = SimpleNamespace(
        talks={},
        not_kept="",
        matcher=matcher,
        ghosts=SimpleNamespace(freed=0),
        broadcast=SimpleNamespace(readers=0, ended_for_lag=0),
    )
    queue = QueueView(
        queue="ventes",
        title="Ventes",
        open=True,
        waiting=4,
        longest_wait_s=12.5,
        agents_logged_in=2,
        agents_free=0,
        agents_talking=2,
        estimate_s=None,
    )
    dialler = SimpleNamespace(
        leader=SimpleNamespace(may_dial=lambda: True, terms=1),
        lineup=(),
        in_flight=(),
        outcomes=Counter({Outcome.TALKED: 2}),
        lateness=Histogram(),
        latency=Histogram(),
        open={"waiting": 5},
    )
    return SimpleNamespace(
        callbacks=SimpleNamespace(dialler=dialler, service=SimpleNamespace(watchers=())),
        distributor=distributor,
        services=SimpleNamespace(desk=SimpleNamespace(queues=lambda: [queue], agents=list)),
        keeping=SimpleNamespace(counts=Counter()),
        voice=SimpleNamespace(desk=SimpleNamespace(calls=1)),
        config=SimpleNamespace(node=SimpleNamespace(name="here")),
        releases=world.releases,
        journal=journal,
        store=Store(),
        supervisor=world.supervisor,
        driver=SimpleNamespace(connection=SimpleNamespace(state=LinkState.READY), router=Router()),
        agi=SimpleNamespace(counters=counters),
        ami=SimpleNamespace(
            connected=True, counters=counters, security=SimpleNamespace(counts={"InvalidPassword": 2})
        ),
    )


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def test_everything_is_there(parts: Any):
    assert [(check.name, check.ok, check.reason) for check in StatusBoard(parts).checks()] == [
        ("Asterisk", True, ""),
        ("Postgres", True, ""),
        ("AMI", True, ""),
        ("State", True, ""),
    ]


def test_what_is_away_is_named_with_its_reason(parts: Any):
    parts.driver.connection.state = LinkState.DOWN
    parts.ami.connected = False
    parts.journal.postgres_up, parts.journal.last_error, parts.journal.pending = False, "connection refused", 12
    parts.distributor.not_kept = "No space left on device"
    asterisk, postgres, ami, state = StatusBoard(parts).checks()
    assert not any(check.ok for check in (asterisk, postgres, ami, state))
    assert state.reason == "No space left on device: a restart would forget who is logged in"
    assert asterisk.reason == "ARI WebSocket down: is Asterisk up?"
    assert postgres.reason == "connection refused; 12 entries wait on disk"
    assert "manager interface" in ami.reason


async def test_the_page_comes_in_time_when_postgres_hangs(parts: Any, monkeypatch):
    monkeypatch.setattr(module, "_PAGE_TIMEOUT_S", 0.05)
    began = time.monotonic()
    status = await StatusBoard(parts).status()
    assert time.monotonic() - began < 0.9
    assert status.past == []
    assert "Postgres does not answer" in status.past_problem


async def test_the_page_says_why_postgres_is_away(parts: Any):
    parts.store.error = StoreError("connection refused")
    status = await StatusBoard(parts).status()
    assert "connection refused" in status.past_problem


async def test_the_page_shows_numbers_running_calls_and_the_refused_change(parts: Any, world: World):
    parts.store.error = StoreError("away")
    gate = Gate()
    task = world.supervisor.incoming(world.call(answering=gate))  # type: ignore[arg-type]
    await gate.reached.wait()
    (world.folder / "accueil.yaml").write_text("nonsense")
    await world.releases.reload()
    status = await StatusBoard(parts).status()
    assert status.node == "here"
    assert status.release == world.releases.current_hash
    assert [(number, flow) for number, flow, _ in status.numbers] == [("100", "accueil"), ("200", "secret")]
    (live,) = status.live
    assert (live.caller, live.called, live.driver) == ("+33612345678", "100", "ari")
    assert "accueil.yaml" in status.reload_problem
    gate.opened.set()
    assert task is not None
    await task


async def test_every_metric_can_be_read(parts: Any, world: World):
    await world.supervisor.incoming(world.call())  # type: ignore[misc]
    text = Metrics(StatusBoard(parts).samples).render().decode()
    found = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    assert found["rappel_calls_started_total"].value == 1
    assert found["rappel_calls_ended_total"].labels == {"disposition": "completed"}
    assert found["rappel_journal_recorded_total"].value == 7
    assert found["rappel_queue_waiting"].value == 4
    assert found["rappel_queue_waiting"].labels == {"queue": "ventes"}
    assert found["rappel_offers_total"].value == 3
    assert found["rappel_match_seconds_count"].value == 0
    assert found["rappel_security_events_total"].labels == {"event": "InvalidPassword"}
    up = [
        (sample.labels["part"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "rappel_up"
    ]
    assert up == [("asterisk", 1.0), ("postgres", 1.0), ("ami", 1.0), ("state", 1.0)]
