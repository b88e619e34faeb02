"""`rappel callbacks`: what a sysadmin sees of requests, whatever their customers wrote."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.callback.model import Customer, Origin, Outcome, RequestState
from controller.cli import cli
from controller.errors import ConfigError, StoreError
from controller.postgres.callbacks import PostgresCallbacks
from controller.postgres.store import PostgresStore
from tests.contract.postgres.callbacks import NOW, claimed, ended, request
from tests.contract.postgres.test_callbacks import WHOLE

HOSTILE = Customer("\x1b[2J=cmd|' /C calc'!A0", "", "a\nb", {"\x1b]0;x": "\u202ereversed"})


@pytest.fixture
def callbacks(store: PostgresStore) -> PostgresCallbacks:
    return PostgresCallbacks(store)


@pytest.fixture
def rappel(database: str, tmp_path: Path):
    """Runs `rappel callbacks` on the test's database."""
    environ = {"RAPPEL_ARI_URL": "http://127.0.0.1:9", "RAPPEL_ASTERISK_ARI_PASSWORD": "x" * 20}
    environ |= {"RAPPEL_ASTERISK_AMI_PASSWORD": "x" * 20, "RAPPEL_ASTERISK_SOCKET_PASSWORD": "x" * 20}
    environ |= {"RAPPEL_POSTGRES_URL": database, "RAPPEL_NODE_STATE_DIR": str(tmp_path)}

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, ["callbacks", *words], env=environ)

    return run


async def test_requests_are_listed(callbacks: PostgresCallbacks, rappel):
    first = request(created_at=NOW)
    later = request(created_at=NOW + timedelta(hours=1), queue="support")
    for each in (first, later):
        await callbacks.add(each)
    lines = (await rappel("list")).output.splitlines()
    assert [line.split()[0] for line in lines] == ["request_id", later.request_id, first.request_id]
    assert first.number in lines[2]
    assert "2026-03-02 10:00" in lines[2]
    assert len((await rappel("list", "--queue", "sales", "--state", "waiting")).output.splitlines()) == 2
    assert "no such requests" in (await rappel("list", "--from", "2026-03-03")).output
    assert isinstance((await rappel("list", "--zone", "Mars")).exception, ConfigError)


async def test_one_request_is_shown_with_its_attempts(callbacks: PostgresCallbacks, rappel):
    asked = request(**{**WHOLE, "customer": HOSTILE, "state": RequestState.WAITING})
    one = await claimed(callbacks, asked)
    await ended(callbacks, one, Outcome.BUSY, RequestState.SCHEDULED, due_at=NOW, reason="the line was busy")
    shown = (await rappel("show", asked.request_id)).output
    for part in ("scheduled  the line was busy", "asked       2026-03-02 10:00 Europe/Paris, slot, by svi",
                 "reason      a�b", "�[2J=cmd", "shop.example/pay, winter, mail", "version 3",
                 "claire.d  ended +60.0 s  → busy (cause 16)"):  # fmt: skip
        assert part in shown, part
    assert not {"\x1b", "\u202e"} & set(shown)
    assert isinstance((await rappel("show", "nothing\x1b")).exception, StoreError)


async def test_figures_and_where_they_came_from(callbacks: PostgresCallbacks, rappel):
    for page in ("=1+1", "=1+1", "/b"):
        await callbacks.add(request(origin=Origin(page, "+winter")))
    shown = (await rappel("figures", "--from", "2026-03-02")).output.splitlines()
    assert shown[1].split()[:6] == ["sales", "2026-03-02", "00:00", "3", "3", "0"]
    assert (await rappel("figures", "--from", "2026-03-03")).output == "Nobody asked in that time.\n"
    assert (await rappel("conversion", "--from", "2026-03-02")).output.splitlines()[1].split()[:5] == [
        "sales", "web", "+winter", "=1+1", "2",
    ]  # fmt: skip
    table = (await rappel("conversion", "--from", "2026-03-02", "--csv")).output
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["page"], row["campaign"], row["dispositions"]) for row in rows] == [
        ("'=1+1", "'+winter", "{}"),
        ("/b", "'+winter", "{}"),
    ]
    csv_ = (await rappel("figures", "--from", "2026-03-02", "--csv", "--interval", "60m")).output
    assert csv_.startswith("queue,starts_at,ends_at,requests,")
