"""The exchange of the softphone's contract tests, for SIPp."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from controller.runtime.asterisk import AsteriskInstall
from controller.softphone import Phone
from tests.contract.softphone.exchange import Exchange, a_phone, an_exchange


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def exchange(asterisk_install: AsteriskInstall, tmp_path_factory) -> AsyncIterator[Exchange]:
    async with an_exchange(asterisk_install, tmp_path_factory.mktemp("sounds")) as booted:
        yield booted


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as opened:
        yield opened
