"""Calls from web pages are told from those by telephone."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add what is known of the visitor, and the view for reports."""
    run_sql("0007_page_calls.sql")
