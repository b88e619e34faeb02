"""Alembic's folder: its environment and one short script per migration; the SQL itself is in `sql/migrations`."""
