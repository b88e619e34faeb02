"""A Chromium whose microphone says a tone, and pages in it that run scripts."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, async_playwright

from tests.rig import chromium

_RATE = 48_000


def write_tone(path: Path, hz: int, seconds: float = 10.0) -> Path:
    """Write a WAV file with a tone at -13 dBFS that can be looped without a click."""
    count = int(seconds * hz) * _RATE // hz
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(count) / _RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


class Tab:
    """One page of one visitor."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    async def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression; a promise is waited for."""
        return await self.page.evaluate(script)

    async def until(self, script: str, limit_s: float = 10.0) -> Any:
        """Wait until an expression is true; return its value."""
        try:
            async with asyncio.timeout(limit_s):
                while not (found := await self.run(script)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not true after {limit_s} s: {script}; console: {self.console[-5:]}") from None
        return found

    async def close(self) -> None:
        """Close it as its user does."""
        await self.page.close()


async def open_tab(browser: Browser, url: str) -> Tab:
    """Open `url` as a new visitor."""
    context = await browser.new_context(locale="fr-FR")
    page = await context.new_page()
    tab = Tab(page)
    await page.goto(url)
    return tab


@asynccontextmanager
async def browsing(microphone: Path) -> AsyncIterator[Browser]:
    """Run a Chromium whose microphone plays a WAV file, again and again."""
    flags = [*chromium.FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium.find(), args=flags)
        try:
            yield browser
        finally:
            await browser.close()
