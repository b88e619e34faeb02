"""A real Chromium, driven over its DevTools protocol: pages, scripts, and a microphone that plays a file."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

_START_S = 30.0
_ANSWER_S = 30.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--remote-debugging-port=0",
)


class PageError(AssertionError):
    """A script in the page threw."""


def find() -> str:
    """Return the path of this machine's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise FileNotFoundError("These tests need Chromium; on Debian: apt install chromium")
    return path


def write_tone(path: Path, hz: int, seconds: float = 10.0) -> Path:
    """Write a WAV file with a tone at -13 dBFS that can be looped without a click."""
    rate = 48_000
    count = int(seconds * hz) * rate // hz
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(count) / rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, target: str) -> None:
        self.target = target
        self.console: list[str] = []
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_ANSWER_S):
            return await answer

    async def open(self, url: str) -> None:
        """Go to `url`; return when it has loaded."""
        await self.send("Page.enable")
        await self.send("Runtime.enable")
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        async with asyncio.timeout(_ANSWER_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression; a promise is waited for. `PageError`: it threw."""
        found = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details.get("text"))
        return found["result"].get("value")

    async def until(self, script: str, limit_s: float = 10.0) -> Any:
        """Wait until an expression is true; return its value."""
        try:
            async with asyncio.timeout(limit_s):
                while not (found := await self.run(script)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise PageError(f"not true after {limit_s} s: {script}; console: {self.console[-5:]}") from None
        return found

    async def close(self) -> None:
        """Stop listening; `Browser.close_tab` closes the page itself."""
        await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            answer = self._answers.pop(message.get("id", 0), None)
            if answer is not None and not answer.done():
                if "error" in message:
                    answer.set_exception(PageError(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
            elif message.get("method") == "Page.loadEventFired":
                self._loaded.set()
            elif message.get("method") == "Runtime.consoleAPICalled":
                texts = [str(each.get("value", each.get("description"))) for each in message["params"]["args"]]
                self.console.append(" ".join(texts))
            elif message.get("method") == "Runtime.exceptionThrown":
                self.console.append(json.dumps(message["params"]["exceptionDetails"])[:1000])


class Browser:
    """A running Chromium."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._base = f"http://127.0.0.1:{port}"
        self._tabs: list[Tab] = []

    async def tab(self, url: str) -> Tab:
        """Open a page."""
        async with self._session.put(f"{self._base}/json/new?about:blank") as answer:
            found = await answer.json()
        socket = await self._session.ws_connect(found["webSocketDebuggerUrl"], max_msg_size=0)
        tab = Tab(socket, found["id"])
        self._tabs.append(tab)
        await tab.open(url)
        return tab

    async def close_tab(self, tab: Tab) -> None:
        """Close a page as its user does."""
        async with self._session.get(f"{self._base}/json/close/{tab.target}"):
            pass

    async def close(self) -> None:
        """Let go of all pages."""
        for tab in self._tabs:
            await tab.close()


@asynccontextmanager
async def browsing(path: str, microphone: Path | None = None) -> AsyncIterator[Browser]:
    """Run a Chromium whose microphone plays the WAV file `microphone`, again and again."""
    profile = Path(tempfile.mkdtemp(prefix="rappel-browser-"))
    sound = (f"--use-file-for-fake-audio-capture={microphone}",) if microphone else ()
    log = (profile / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        path, *_FLAGS, *sound, f"--user-data-dir={profile}", "about:blank", stdout=log, stderr=log
    )
    try:
        port = await _port(profile, process)
        async with aiohttp.ClientSession() as session:
            browser = Browser(session, port)
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        log.close()
        shutil.rmtree(profile, ignore_errors=True)


async def _port(profile: Path, process: asyncio.subprocess.Process) -> int:
    file = profile / "DevToolsActivePort"
    async with asyncio.timeout(_START_S):
        while not file.exists() or not file.read_text("ascii").partition("\n")[0]:
            if process.returncode is not None:
                raise RuntimeError(f"Chromium ended: {(profile / 'log').read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.05)
    return int(file.read_text("ascii").partition("\n")[0])
