"""Calls that we made are told from those that came in."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, and turn the numbers round in the view for other tools."""
    run_sql("0006_outbound_calls.sql")
