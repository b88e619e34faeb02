"""The journal: entries of the record, durable on this machine first, in Postgres soon after."""

from __future__ import annotations

from controller.journal.journal import Journal

__all__ = ["Journal"]
