"""A real Chromium, and visitors in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from controller.errors import SetupError
from tests.rig import chromium
from tests.rig.shop import Shop, open_shop

_LIMIT_S = 10.0
Visit = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each visitor has a profile of their own."""
    try:
        program = chromium.find()
    except SetupError as error:
        pytest.fail(f"These tests need Chromium, which could not be fetched: {error}", pytrace=False)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(chromium.FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop() -> AsyncIterator[Shop]:
    """A shop whose queue is open and staffed."""
    async with open_shop() as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens a page as a new visitor; at the end nothing may have broken the page's CSP or thrown."""
    contexts = []
    faults: list[str] = []

    async def go(url: str, **options: Any) -> Page:
        context = await browser.new_context(
            **{"locale": "fr-FR", "timezone_id": "Europe/Paris", "reduced_motion": "reduce"} | options
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(1000 * _LIMIT_S)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_fault(message.text) else None)
        await page.goto(url)
        return page

    yield go
    for context in contexts:
        await context.close()
    assert not faults


async def until(page: Page, script: str) -> None:
    """Wait until a JavaScript expression is true. (Playwright's own way needs eval, which the page forbids.)"""
    async with asyncio.timeout(_LIMIT_S):
        while not await page.evaluate(script):
            await asyncio.sleep(0.02)


def _is_fault(text: str) -> bool:
    return any(word in text for word in ("Content Security Policy", "Trusted", "rappel:", "Uncaught"))
