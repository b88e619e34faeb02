"""Every phase and everything that can happen: `grid.txt` says where it leads, and nothing is ever left over.

In the grid `.` is no change, `- code` a refusal, `= how` the end (`queue!`: back to the queue, before others).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.calls.conversation.moments import What
from controller.calls.conversation.standing import Phase
from controller.calls.conversation.table import TABLE
from tests.rig.virtualtime import run
from tests.unit.calls.conversation.scenes import ACTS, SCENES, scene
from tests.unit.calls.conversation.talk import CUSTOMER, NO_GHOSTS

_LINES = [
    [cell.strip() for cell in line.split("|")]
    for line in Path(__file__).with_name("grid.txt").read_text(encoding="utf-8").splitlines()
]
GRID = {line[0]: dict(zip(_LINES[0][1:], line[1:], strict=True)) for line in _LINES[1:]}


def test_the_table_has_an_answer_for_everything() -> None:
    assert set(TABLE) == set(Phase)
    assert all(set(TABLE[phase]) == set(What) for phase in Phase)


def test_the_grid_has_every_scene_and_act() -> None:
    assert set(GRID) == set(ACTS)
    assert all(set(cells) == {phase.value for phase in SCENES} for cells in GRID.values())


@pytest.mark.parametrize("phase", SCENES, ids=lambda phase: phase.value)
def test_everything_that_can_happen_leads_where_the_grid_says(phase: Phase) -> None:
    async def outcome(act: str) -> str:
        talk = await scene(phase)
        refused = await ACTS[act](talk)
        if talk.task.done():
            parted = talk.task.result()
            to = f" {parted.queue}{'!' if parted.priority else ''}" if parted.queue else ""
            became = f"= {parted.how.value}{to}"
        elif refused is not None:
            assert refused.message
            assert refused.advice
            became = f"- {refused.code}"
        else:
            became = "." if talk.phase is phase else talk.phase.value
        talk.exchange.hang_up(CUSTOMER)
        await talk.parted()
        assert talk.ghosts() == NO_GHOSTS, act
        return became

    assert {act: run(outcome(act)) for act in ACTS} == {act: GRID[act][phase.value] for act in ACTS}
