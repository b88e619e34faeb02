"""Figures and costs without the attempts that called nobody."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Replace the views and the function."""
    run_sql("0009_not_called.sql")
