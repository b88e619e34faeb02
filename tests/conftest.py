"""Fixtures for every test: the real Asterisk, Postgres and SIPp, got without root when a test first asks for them.

A test that needs one fails when it cannot be had, with the reason and what to do; nothing is skipped.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.errors import SetupError
from controller.postgres import migrations
from controller.runtime import asterisk as asterisk_runtime
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskInstall, AsteriskServer
from controller.runtime.postgres import PostgresServer
from tests.rig import sipp as sipp_rig
from tests.rig.asterisk import Rig
from tests.rig.sipp import Sipp

_TEMPLATE = "rappel_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def asterisk_install() -> AsteriskInstall:
    """The Asterisk that tests run: always the fetched one, so that every machine tests the same."""
    try:
        return asterisk_runtime.fetch()
    except SetupError as error:
        pytest.fail(f"These tests need Asterisk 22, which could not be fetched: {error}", pytrace=False)


@pytest.fixture(scope="session")
def sipp() -> Sipp:
    """SIPp, fetched the same way."""
    try:
        return sipp_rig.install()
    except SetupError as error:
        pytest.fail(f"These tests need SIPp, which could not be fetched: {error}", pytrace=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """One Postgres for the whole run, with a migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="rappel-pg-"))
    try:
        server = PostgresServer(postgres_runtime.find(), folder, durable=False)
        await server.start()
    except SetupError as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.fail(f"These tests need Postgres: {error}", pytrace=False)
    try:
        await migrations.upgrade(await server.create_database(_TEMPLATE))
        yield server
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A migrated database of the test's own: its address."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield await postgres_server.create_database(name, _TEMPLATE)
    await postgres_server.drop_database(name)


@pytest_asyncio.fixture
async def asterisk_rig(asterisk_install: AsteriskInstall) -> AsyncIterator[Rig]:
    """Boots Asterisks with settings of the test's choice: `await asterisk_rig.boot(controller_port=...)`."""
    rig = Rig(asterisk_install)
    yield rig
    await rig.end()


@pytest_asyncio.fixture
async def asterisk(asterisk_rig: Rig) -> AsteriskServer:
    """One Asterisk of the test's own, booted with free ports; see its `settings` and `secrets`."""
    return await asterisk_rig.boot()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_asterisk(asterisk_install: AsteriskInstall) -> AsyncIterator[AsteriskServer]:
    """One Asterisk for all tests of a module that leave it as they found it."""
    rig = Rig(asterisk_install)
    yield await rig.boot()
    await rig.end()
