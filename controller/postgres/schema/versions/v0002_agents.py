"""Agents' accounts, what distribution leaves in the record, recordings, tokens and webhooks of the API."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    run_sql("0002_agents.sql")
