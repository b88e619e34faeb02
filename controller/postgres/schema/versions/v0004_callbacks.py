"""Tables of call-backs: requests, attempts, idempotency keys, and the right to dial."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    run_sql("0004_callbacks.sql")
