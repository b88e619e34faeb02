"""The promise of a request: what its customer was told, from when it is due."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controller.callback.model import Source, When
from controller.calls.callback.desk import Taken
from controller.calls.callback.terms import ON_THE_LINE_S
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.callback.office import Office


@pytest.mark.parametrize(
    ("estimate_s", "told_s"), [(0.0, 60), (0.03, 60), (61.0, 120), (310.0, 420), (2000.0, 3600), (None, None)]
)
@pytest.mark.parametrize("source", [Source.WEB, Source.SVI])
@on_virtual_time
async def test_promised_is_what_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Source, estimate_s: float | None, told_s: int | None
) -> None:
    office = await Office(tmp_path).open()
    monkeypatch.setattr(office.hall.distributor.floor, "estimate_new_s", lambda _: estimate_s)
    asked_at = office.clock.now()
    request = await office.ask(source=source)
    due_at = asked_at + timedelta(seconds=ON_THE_LINE_S if source is Source.SVI else 0)
    assert request.due_at == due_at
    assert request.promised_at == (due_at + timedelta(seconds=told_s) if told_s is not None else None)
    await office.kill()


@on_virtual_time
async def test_a_call_at_once_on_a_quiet_day_keeps_the_promise(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    office.hall.login("anne")
    request = await office.ask()
    await office.dialled()
    assert request.promised_at == request.created_at + timedelta(minutes=1)
    assert request.created_at < office.clock.now() <= request.promised_at
    await office.kill()


@on_virtual_time
async def test_a_slot_is_promised_until_its_end(tmp_path: Path) -> None:
    office = await Office(tmp_path).open()
    (slot, *_) = await office.desk.slots("support")  # type: ignore[misc]
    request = await office.ask(when=When.SLOT, slot_at=slot.at)
    assert request.promised_at == slot.at + timedelta(seconds=slot.length_s)
    changed = await office.desk.change(request.request_id, when=When.ASAP)
    assert isinstance(changed, Taken)
    assert changed.request.promised_at is None  # nobody on duty: nothing was told
    await office.kill()
