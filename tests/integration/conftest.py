"""A running centre per test: own Asterisk, own database, own controller, ports chosen at run time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.runtime.asterisk import AsteriskServer
from controller.softphone.phone import Phone
from tests.rig.centre import Centre, Process, config_for, copy_centre, ready, running
from tests.rig.service import Service


@pytest.fixture(scope="session")
def audio_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared audio, shared by all tests of the run, on all workers: it is kept by content, each file at once."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "audio-cache"
    shared.mkdir(exist_ok=True)
    return shared


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    """The HTTP service that the tests' centre asks."""
    service = Service()
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
def folder(tmp_path: Path, service: Service) -> Path:
    """The tests' centre, in a folder of the test's own that it may change."""
    target = tmp_path / "centre"
    target.mkdir()
    return copy_centre(target, service.port)


@pytest_asyncio.fixture
async def centre(asterisk: AsteriskServer, database: str, folder: Path, audio_cache: Path) -> AsyncIterator[Centre]:
    """A running centre."""
    async with running(asterisk, database, folder, audio_cache) as centre:
        yield centre


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[Phone]:
    """A caller's telephone."""
    async with Phone(user="33612345678") as phone:
        yield phone


@pytest_asyncio.fixture
async def process(
    asterisk: AsteriskServer, database: str, folder: Path, audio_cache: Path, tmp_path: Path
) -> AsyncIterator[tuple[Centre, Process]]:
    """A centre whose controller is a process of its own."""
    config = config_for(asterisk, database, folder, audio_cache)
    centre = Centre(config, asterisk, None)
    process = Process(config, tmp_path / "controller.log")
    try:
        await process.start()
        await ready(centre)
        yield centre, process
        process.kill()
        await process.ended()
        await centre.store.close()
    finally:
        process.show_log()
