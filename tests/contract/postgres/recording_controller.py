"""A controller's records and nothing else, run as a process of its own to be killed.

Arguments: folder of the journal, address of the database, number of the first call, how many. Prints the number
of each call once `record` has returned for all of it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from controller.journal import Journal
from controller.postgres.store import PostgresStore
from tests.unit.cdr.histories import history


async def main(folder: str, dsn: str, first: str, count: str) -> None:
    journal = Journal(Path(folder), PostgresStore(dsn), segment_bytes=256 * 1024)
    await journal.start()
    for number in range(int(first), int(first) + int(count)):
        for entry in history(number):
            journal.record(entry)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        await asyncio.sleep(0)
    await journal.stop(30)


asyncio.run(main(*sys.argv[1:]))
