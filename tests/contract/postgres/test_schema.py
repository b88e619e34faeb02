from __future__ import annotations

import asyncio
import os

import asyncpg
import pytest

from controller.errors import StoreError
from controller.postgres import migrations, versions
from controller.runtime.postgres import PostgresServer

CDR_COLUMNS = {
    "calldate": "timestamp with time zone",
    "clid": "character varying(80)",
    "src": "character varying(80)",
    "dst": "character varying(80)",
    "dcontext": "character varying(80)",
    "channel": "character varying(80)",
    "dstchannel": "character varying(80)",
    "lastapp": "character varying(80)",
    "lastdata": "character varying(80)",
    "duration": "bigint",
    "billsec": "bigint",
    "disposition": "character varying(45)",
    "amaflags": "bigint",
    "accountcode": "character varying(20)",
    "uniqueid": "character varying(150)",
    "userfield": "character varying(255)",
    "linkedid": "character varying(150)",
    "sequence": "bigint",
    "peeraccount": "character varying(80)",
}


async def test_a_database_is_made_once_and_upgraded_by_several_at_once(postgres_server: PostgresServer):
    dsn = postgres_server.dsn(f"made_{os.getpid()}")
    try:
        with pytest.raises(StoreError, match="does not exist"):
            await versions.current(dsn)
        await asyncio.gather(*(versions.ensure_database(dsn) for _ in range(3)))
        await versions.ensure_database(dsn)
        assert await versions.current(dsn) is None
        await asyncio.gather(*(migrations.upgrade(dsn) for _ in range(4)))
        assert await versions.current(dsn) == versions.head()
    finally:
        await postgres_server.drop_database(f"made_{os.getpid()}")


async def test_an_upgraded_database_is_left_alone(database: str):
    await migrations.upgrade(database)
    assert await versions.current(database) == versions.head()


async def test_a_database_newer_than_the_package_is_refused(database: str):
    connection = await asyncpg.connect(database, timeout=5)
    await connection.execute("update schema_version set version_num = '9999'")
    await connection.close(timeout=5)
    with pytest.raises(StoreError, match=r"9999.*newer version of Rappel"):
        await migrations.upgrade(database)


async def test_a_database_that_cannot_be_reached_is_a_clear_error(tmp_path):
    dsn = f"postgresql://u:sekret@/rappel?host={tmp_path}&port=23001"
    for attempt in (migrations.upgrade, versions.current, versions.ensure_database):
        with pytest.raises(StoreError, match="check that it runs") as caught:
            await attempt(dsn)
        assert "sekret" not in str(caught.value)


async def test_every_table_view_and_column_is_explained(database: str):
    connection = await asyncpg.connect(database, timeout=5)
    rows = await connection.fetch("""
        select c.relname, a.attname,
               obj_description(c.oid, 'pg_class') as about, col_description(c.oid, a.attnum) as column_about
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and c.relname <> 'schema_version'
    """)
    await connection.close(timeout=5)
    assert {row["relname"] for row in rows} == {
        "calls", "legs", "call_steps", "live_calls", "releases", "asterisk_cdr", "cdr", "call_outcomes",
        "agents", "agent_skills", "agent_queues", "agent_secrets", "agent_states", "agent_spans",
        "queue_visits", "offers", "talks", "talk_events", "dispositions",
        "recordings", "messages", "recording_access", "erasures",
        "api_tokens", "webhooks", "webhook_deliveries", "visit_outcomes", "talk_outcomes", "wrap_ups",
        "callback_requests", "callback_attempts", "callback_keys", "callback_lease", "callback_outcomes",
        "opt_outs", "outbound_calls", "outbound_spent", "outbound_costs", "outbound_days",
        "page_calls",
    }  # fmt: skip
    assert [(row["relname"], row["attname"]) for row in rows if not (row["about"] and row["column_about"])] == []


async def test_the_cdr_view_has_asterisks_columns_and_types(database: str):
    connection = await asyncpg.connect(database, timeout=5)
    rows = await connection.fetch("""
        select attname, format_type(atttypid, atttypmod) as type from pg_attribute
        where attrelid = 'cdr'::regclass and attnum > 0 order by attnum
    """)
    await connection.close(timeout=5)
    assert dict(map(tuple, rows)) == CDR_COLUMNS | {"call_id": "uuid"}


END = "update calls set ended_at = now(), cause = {}, disposition = '{}', ended_by = '{}'"
LEG = "insert into legs (call_id, leg_id, started_at, role) select call_id, 'b', {}, '{}' from calls"
STEP = (
    "insert into call_steps (call_id, seq, flow, step, type, entered_at, left_at, exit) "
    "select {}, {}, '', '', '', now(), now(), '' from calls"
)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("update calls set ended_at = now()", "calls_end_is_whole"),
        (END.format(16, "bored", "caller"), "calls_disposition_known"),
        (END.format(16, "lost", "nobody"), "calls_ended_by_known"),
        (END.format(128, "lost", "caller"), "calls_cause_is_q850"),
        (LEG.format("now()", "caller"), "legs_one_caller"),
        (LEG.format("null", "extension"), "legs_start_is_whole"),
        (LEG.format("now()", "stranger"), "legs_role_known"),
        (STEP.format("call_id", 0), "call_steps_counted_from_one"),
        (STEP.format("gen_random_uuid()", 1), "call_steps_call_id_fkey"),
        ("insert into releases values ('r', '[]', now())", "releases_sources_by_path"),
    ],
)
async def test_what_cannot_be_true_is_refused(database: str, statement: str, constraint: str):
    connection = await asyncpg.connect(database, timeout=5)
    await connection.execute("""
        insert into calls (call_id, started_at) values (gen_random_uuid(), now());
        insert into legs (call_id, leg_id, started_at, role) select call_id, 'a', now(), 'caller' from calls;
    """)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await connection.execute(statement)
    await connection.close(timeout=5)
    assert caught.value.constraint_name == constraint
