"""Tables of calls outside: the list of those who are not called, every decision, and what was spent."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables."""
    run_sql("0005_outbound.sql")
