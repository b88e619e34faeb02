"""The ledger knows the two halves of a call outside."""

from __future__ import annotations

from controller.postgres.migrations import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Replace the function that compares the ledgers."""
    run_sql("0010_gate_halves.sql")
