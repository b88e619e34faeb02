"""Postgres: schema and migrations, the record store behind the journal, the questions pages and commands ask."""
