"""Views and functions of the figures for reports."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the views and functions."""
    run_sql("0003_figures.sql")
