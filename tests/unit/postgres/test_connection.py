from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from controller.errors import StoreError
from controller.postgres import versions
from controller.postgres.connection import away, blames_the_row, database_of, describe, open_pool
from controller.postgres.statements import statement
from controller.postgres.versions import head


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://u:sekret@db.example:6543/rappel", "database rappel on db.example port 6543"),
        ("postgresql://u:sekret@/rappel?host=/run/pg&port=23000", "database rappel on /run/pg port 23000"),
        ("postgresql:///?host=/run/pg&dbname=x&password=sekret", "database x on /run/pg port 5432"),
        ("postgresql://", "database by default on the default socket port 5432"),
    ],
)
def test_an_address_is_described_without_secrets(dsn, said):
    assert describe(dsn) == said


def test_the_name_of_a_database():
    assert database_of("postgresql:///a?dbname=b") == "b"
    assert database_of("postgresql://h/a") == "a"
    assert database_of("postgresql://h") == ""


@pytest.mark.parametrize(
    ("error", "the_row"),
    [
        (asyncpg.CheckViolationError("x"), True),
        (asyncpg.NumericValueOutOfRangeError("x"), True),
        (asyncpg.ProgramLimitExceededError("x"), True),
        (asyncpg.DataError("x"), True),
        (asyncpg.UndefinedTableError("x"), False),
        (asyncpg.DiskFullError("x"), False),
        (asyncpg.AdminShutdownError("x"), False),
        (asyncpg.DeadlockDetectedError("x"), False),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (asyncpg.InterfaceError("connection is closed"), False),
    ],
)
def test_whether_the_row_or_the_server_is_to_blame(error, the_row):
    assert blames_the_row(error) is the_row


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (asyncpg.UndefinedTableError("no calls"), "upgrade the schema"),
        (asyncpg.InvalidPasswordError("no"), "check the account"),
        (asyncpg.TooManyConnectionsError("many"), "out of disk, memory or connections"),
        (TimeoutError(), "TimeoutError; check that it runs"),
    ],
)
def test_an_error_says_what_to_do(error, hint):
    assert hint in str(away(error, "postgresql://u:sekret@h/d"))
    assert "sekret" not in str(away(error, "postgresql://u:sekret@h/d"))


async def test_a_nonsensical_address_is_refused_without_repeating_it():
    with pytest.raises(StoreError, match="cannot be understood") as caught:
        await open_pool("mysql://u:sekret@h/d")
    assert "sekret" not in str(caught.value)


def test_the_package_holds_its_sql():
    newest = max(path.name for path in (Path(versions.__file__).parent / "sql" / "migrations").iterdir())
    assert newest.startswith(f"{head()}_")
    assert "create table calls" in statement("migrations/0001_records.sql")
