"""Calls, legs, steps, running calls, versions of the centre, Asterisk's own records; the views for reports."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    run_sql("0001_records.sql")
