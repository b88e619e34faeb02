"""View and functions of the figures of call-backs."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the view and the functions."""
    run_sql("0008_callback_figures.sql")
