from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from controller.cdr.entries import CallEnded, Disposition, Party, StateDropped, StateSaved, StepTaken
from controller.errors import StoreError
from controller.journal import Journal
from tests.unit.cdr.histories import START, history
from tests.unit.journal.memory import MemoryStore


async def drained(journal: Journal) -> None:
    async with asyncio.timeout(10):
        await journal._until_drained()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_entries_reach_the_store_in_order(tmp_path, store):
    journal = Journal(tmp_path / "j", store, batch_entries=7)
    await journal.start()
    entries = [entry for number in range(20) for entry in history(number)]
    for entry in entries:
        journal.record(entry)
    await drained(journal)
    assert store.written == entries
    assert max(store.batches) == 7
    assert (journal.pending, journal.recorded, journal.stored) == (0, len(entries), len(entries))
    assert journal.postgres_up
    assert journal.oldest_pending_age_s == 0
    await journal.stop()


async def test_the_folder_is_private(tmp_path, store):
    journal = Journal(tmp_path / "j", store)
    await journal.start()
    journal.record(*history())
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "j").iterdir())
    await journal.stop()


async def test_while_the_store_is_away_entries_wait_and_then_come_in_order(tmp_path, store):
    store.away = True
    journal = Journal(tmp_path, store)
    await journal.start()
    entries = [entry for number in range(50) for entry in history(number)]
    journal.record(*entries[:100])
    async with asyncio.timeout(5):
        await store.attempt.acquire()
        await store.attempt.acquire()
    journal.record(*entries[100:])
    assert journal.pending == len(entries)
    assert not journal.postgres_up
    assert journal.last_error == "the database is away"
    assert journal.oldest_pending_age_s > 0
    store.away = False
    await drained(journal)
    assert store.written == entries
    assert journal.last_error == ""
    await journal.stop()


async def test_what_was_not_stored_is_stored_after_a_restart_and_only_that(tmp_path, store):
    entries = [entry for number in range(30) for entry in history(number)]
    journal = Journal(tmp_path, store, segment_bytes=4000, batch_entries=13)
    await journal.start()
    journal.record(*entries[:200])
    await drained(journal)
    store.away = True
    for entry in entries[200:]:
        journal.record(entry)
    assert len(segments(tmp_path)) > 3
    await journal.stop(0.1)
    assert store.written == entries[:200]
    again = MemoryStore()
    journal = Journal(tmp_path, again, segment_bytes=4000)
    await journal.start()
    await drained(journal)
    assert again.written == entries[200:]
    assert len(segments(tmp_path)) == 1
    await journal.stop()


async def test_many_restarts_while_the_store_is_away(tmp_path, store):
    store.away = True
    entries = [entry for number in range(6) for entry in history(number)]
    for entry in entries:
        journal = Journal(tmp_path, store)
        await journal.start()
        journal.record(entry)
        await journal.stop(0)
    store.away = False
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    await journal.stop()
    assert store.written == entries


async def test_stored_segments_are_deleted(tmp_path, store):
    journal = Journal(tmp_path, store, segment_bytes=2000)
    await journal.start()
    for number in range(40):
        journal.record(*history(number))
        await drained(journal)
    assert len(segments(tmp_path)) == 1
    assert journal.size_bytes < 8000
    await journal.stop()


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
async def test_a_torn_tail_is_cut_and_appended_after(tmp_path, store, cut):
    store.away = True
    entries = history()
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*entries)
    await journal.stop(0)
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-cut])
    store.away = False
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history(1))
    await drained(journal)
    await journal.stop()
    kept = len(store.written) - len(history(1))
    assert 0 < len(entries) - kept <= 2
    assert store.written == entries[:kept] + history(1)


async def test_garbage_after_the_last_frame_is_cut(tmp_path, store):
    store.away = True
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history())
    await journal.stop(0)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b"\0" * 5000)
    store.away = False
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    await journal.stop()
    assert store.written == history()


async def test_damage_in_an_old_segment_costs_its_rest_and_is_counted(tmp_path, store):
    store.away = True
    entries = [entry for number in range(20) for entry in history(number)]
    journal = Journal(tmp_path, store, segment_bytes=4000)
    await journal.start()
    for entry in entries:
        journal.record(entry)
    await journal.stop(0)
    damaged, following = segments(tmp_path)[1:3]
    first, after = int(damaged.stem), int(following.stem)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    store.away = False
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    assert 0 < journal.damaged < after - first
    lost_from = after - journal.damaged
    assert store.written == entries[:lost_from] + entries[after:]
    assert damaged.with_suffix(".damaged").exists()
    await journal.stop()


async def test_a_newest_segment_that_is_none_is_set_aside(tmp_path, store):
    store.away = True
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history())
    await journal.stop(0)
    (tmp_path / f"{99:020d}.journal").write_bytes(b"")
    store.away = False
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    await journal.stop()
    assert store.written == history()
    assert (tmp_path / f"{99:020d}.damaged").exists()


async def test_a_torn_acknowledgement_means_once_more_from_the_start(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history())
    await drained(journal)
    await journal.stop()
    (tmp_path / "acknowledged").write_bytes(b"\1" * 12)
    again = MemoryStore()
    journal = Journal(tmp_path, again)
    await journal.start()
    await drained(journal)
    await journal.stop()
    assert again.written == history()


async def test_two_controllers_cannot_share_a_folder(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    with pytest.raises(StoreError, match=r"in use by process \d+; stop that controller"):
        await Journal(tmp_path, store).start()
    await journal.stop()
    another = Journal(tmp_path, store)
    await another.start()
    await another.stop()


async def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path, store):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be opened.*folder it may write to"):
        await Journal(tmp_path / "file" / "j", store).start()


async def test_at_its_limit_the_oldest_stay_and_the_newest_are_dropped_and_counted(tmp_path, store):
    store.away = True
    journal = Journal(tmp_path, store, max_bytes=20_000)
    await journal.start()
    entries = [entry for number in range(40) for entry in history(number)]
    taken = []
    for entry in entries:
        before = journal.recorded
        journal.record(entry)
        if journal.recorded > before:
            taken.append(entry)
    assert journal.size_bytes <= 20_000
    assert journal.recorded + journal.dropped == len(entries)
    assert journal.dropped > 300
    assert taken[:100] == entries[:100]
    store.away = False
    await drained(journal)
    assert store.written == taken
    journal.record(*history(99))
    await drained(journal)
    assert store.written[-len(history(99)) :] == history(99)
    await journal.stop()


async def test_a_refused_entry_is_set_aside_and_the_rest_goes_on(tmp_path, store):
    store.refuse = lambda entry: isinstance(entry, StepTaken) and entry.seq == 2
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history(1), *history(2))
    await drained(journal)
    assert journal.rejected == 2
    assert len(store.written) == len(history(1)) * 2 - 2
    assert journal.stored == len(store.written)
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [(line["reason"], line["entry"]["entry"], line["entry"]["seq"]) for line in lines] == [
        ("refused", "StepTaken", 2)
    ] * 2
    await journal.stop()


async def test_an_entry_that_cannot_be_encoded_is_set_aside(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    step = next(entry for entry in history() if isinstance(entry, StepTaken))
    journal.record(
        msgspec.structs.replace(step, detail={"x": object()}),
        msgspec.structs.replace(step, digits="\ud800"),
        step,
    )
    await drained(journal)
    assert journal.rejected == 2
    assert store.written == [step]
    assert len((tmp_path / "rejected.jsonl").read_text().splitlines()) == 2
    await journal.stop()


async def test_record_never_raises_even_when_the_journal_is_not_open(tmp_path, store):
    journal = Journal(tmp_path, store)
    journal.record(*history())
    assert journal.dropped == len(history())
    await journal.start()
    await journal.stop()
    journal.record(*history())
    assert journal.dropped == 2 * len(history())


def test_a_full_disk_drops_the_newest_and_goes_on_when_there_is_room(tmp_path):
    script = """
        import asyncio, resource, sys
        from pathlib import Path
        from controller.journal import Journal
        from tests.unit.cdr.histories import history
        from tests.unit.journal.memory import MemoryStore

        async def main():
            store = MemoryStore()
            store.away = True
            journal = Journal(Path(sys.argv[1]), store)
            await journal.start()
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
            entries = [entry for number in range(10) for entry in history(number)]
            taken = []
            for entry in entries:
                before = journal.dropped
                journal.record(entry)
                if journal.dropped == before:
                    taken.append(entry)
            assert 0 < journal.dropped < len(entries), journal.dropped
            assert journal.size_bytes <= 5000
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            journal.record(*history(99))
            store.away = False
            async with asyncio.timeout(10):
                await journal._until_drained()
            assert store.written == taken + history(99)
            await journal.stop()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "journal_drops_entries" in done.stdout


async def test_stop_stores_what_is_left(tmp_path, store):
    journal = Journal(tmp_path, store, linger_s=30)
    await journal.start()
    await asyncio.sleep(0)
    store.away = True
    await journal.stop(0)
    store.away = False
    journal = Journal(tmp_path, store, linger_s=0.05)
    await journal.start()
    journal.record(*history())
    await journal.stop(5)
    assert store.written == history()


async def test_stop_does_not_wait_for_a_store_that_hangs(tmp_path, store):
    store.hangs = True
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history())
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await journal.stop(0.1)
    store.hangs = False
    journal = Journal(tmp_path, store)
    await journal.start()
    await drained(journal)
    await journal.stop()
    assert store.written == history()


async def test_stop_goes_on_when_its_caller_is_cancelled(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    journal.record(*history())
    stopping = asyncio.create_task(journal.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await journal.stop()
    assert store.written == history()


# --- states of running calls ------------------------------------------------------------------------------


async def test_states_of_running_calls_outlive_segments_and_restarts(tmp_path, store):
    journal = Journal(tmp_path, store, segment_bytes=2000)
    await journal.start()
    running = history(1)[:9]
    journal.record(*running)
    for number in range(2, 40):
        journal.record(*history(number))
        await drained(journal)
    await journal.stop()
    store.away = True
    journal = Journal(tmp_path, store)
    await journal.start()
    assert await journal.live_states(0.1) == [running[8]]
    journal.record(*history(1)[9:])
    assert await journal.live_states(0.1) == []
    await journal.stop(0)
    journal = Journal(tmp_path, store)
    await journal.start()
    assert await journal.live_states(0.1) == []
    await journal.stop(0)


async def test_states_in_the_store_of_other_nodes_are_found(tmp_path, store):
    other = history(5, node="node-2")[4]
    assert isinstance(other, StateSaved)
    store.foreign = [other]
    journal = Journal(tmp_path, store)
    await journal.start()
    ours = history(1)[4]
    journal.record(ours)
    assert sorted(await journal.live_states(), key=lambda state: state.at) == [ours, other]
    await journal.stop()


async def test_of_two_states_of_a_call_the_newer_counts(tmp_path, store):
    store.away = True
    journal = Journal(tmp_path, store)
    await journal.start()
    ours = history(1)[4]
    assert isinstance(ours, StateSaved)
    journal.record(ours)
    newer = msgspec.structs.replace(ours, node="node-2", at=ours.at + timedelta(seconds=1))
    store.foreign = [newer]
    store.away = False
    await drained(journal)
    assert await journal.live_states() == [newer]
    store.foreign = [msgspec.structs.replace(newer, at=ours.at - timedelta(seconds=1))]
    assert await journal.live_states() == [ours]
    await journal.stop()


async def test_a_call_that_ended_elsewhere_is_not_running(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    ours = history(1)[4]
    assert isinstance(ours, StateSaved)
    journal.record(ours)
    store.over = {ours.call_id}
    store.written.append(CallEnded(ours.call_id, START, Disposition.LOST, Party.SYSTEM, 0))
    assert await journal.live_states() == []
    await journal.stop()


async def test_a_store_that_hangs_leaves_the_answer_to_the_journal(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    ours = history(1)[4]
    journal.record(ours)
    await drained(journal)
    store.hangs = True
    async with asyncio.timeout(1):
        assert await journal.live_states(0.1) == [ours]
    await journal.stop(0)


async def test_a_dropped_state_is_gone_here_and_in_the_store(tmp_path, store):
    journal = Journal(tmp_path, store)
    await journal.start()
    ours = history(1)[4]
    assert isinstance(ours, StateSaved)
    journal.record(ours)
    journal.record(StateDropped(ours.call_id, ours.at))
    assert await journal.live_states() == []
    await journal.stop()
    journal = Journal(tmp_path, store)
    await journal.start()
    assert await journal.live_states() == []
    await journal.stop()
