"""SQL stays SQL: statements live in named files under `sql/` and ship with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>`; raise `FileNotFoundError` if the package lacks it."""
    return files("controller.postgres").joinpath("sql", *name.split("/")).read_text(encoding="utf-8")
