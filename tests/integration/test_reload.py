"""The operators' files change under a running controller: by file watch and by SIGHUP, for better and for worse."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from controller.runtime.asterisk import AsteriskServer
from controller.softphone.phone import Phone
from tests.rig.centre import Centre, Process, config_for, ready, until

MIB = 1024 * 1024
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)


class Watched:
    """A controller in a process of its own, seen from outside: its page, metrics and log."""

    def __init__(self, centre: Centre, process: Process, log: Path) -> None:
        self.centre, self.process, self.log = centre, process, log

    async def get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.centre.config.web.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text()

    async def metric(self, name: str) -> float:
        families = text_string_to_metric_families(await self.get("/metrics"))
        return next(sample.value for family in families for sample in family.samples if sample.name == name)

    async def version(self) -> str:
        found = re.search(r"centre version <code>(\w+)</code>", await self.get("/"))
        assert found is not None
        return found[1]

    def logged(self, event: str) -> list[dict[str, object]]:
        lines = (json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    async def in_force_after(self, version: str) -> float:
        """Wait until another version than `version` is in force; return how long it took."""
        began = time.monotonic()

        async def changed() -> bool:
            return await self.version() != version

        await until(changed)
        return time.monotonic() - began

    async def refused(self, count: int) -> None:
        async def counted() -> bool:
            return await self.metric("rappel_release_refused_total") >= count

        await until(counted)


@pytest_asyncio.fixture(params=["watch", "sighup"])
async def watched(
    request: pytest.FixtureRequest,
    asterisk: AsteriskServer,
    database: str,
    folder: Path,
    audio_cache: Path,
    tmp_path: Path,
) -> AsyncIterator[Watched]:
    """The controller, told of changes by the file system or, with SIGHUP, by `changed`."""
    config = config_for(asterisk, database, folder, audio_cache)
    config.centre.watch = request.param == "watch"
    config.log.format = "json"
    centre, log = Centre(config, asterisk, None), tmp_path / "controller.log"
    process = Process(config, log)
    await process.start()
    await ready(centre)
    yield Watched(centre, process, log)
    process.kill()
    await process.ended()
    await centre.store.close()


def changed(watched: Watched, path: Path, text: str | bytes) -> None:
    """Write a file as editors do, whole or not at all, and tell the controller if it does not watch."""
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(text.encode() if isinstance(text, str) else text)
    scratch.replace(path)
    if not watched.centre.config.centre.watch:
        watched.process.kill(signal.SIGHUP)


async def test_a_good_change_is_in_force_soon(watched: Watched, phone: Phone, folder: Path):
    centre = watched.centre
    old = await phone.call(centre.uri("1000"), caller="33600000001")
    await old.wait_for(1.2)
    before = await watched.version()
    text = (folder / "accueil.yaml").read_text("utf-8")
    changed(watched, folder / "accueil.yaml", text.replace("2: bravo, 0", "2: au_revoir, 0"))
    assert await watched.in_force_after(before) < 3  # 0.6 s by watch and 0.2 s by SIGHUP on an idle machine
    assert await watched.metric("rappel_release_reloads_total") == 1
    (line,) = watched.logged("release.in_force")
    assert (line["release"], line["previous"]) == (await watched.version(), before)
    new = await phone.call(centre.uri("1000"), caller="33600000002")
    await new.press("2")
    await old.press("2")
    assert await new.wait_ended(10)
    assert await old.wait_ended(10)
    assert "fr/bravo" in centre.heard(old)
    assert "fr/bravo" not in centre.heard(new)
    assert (await centre.record("33600000001")).call.release == before
    assert (await centre.record("33600000002")).call.release == await watched.version()


async def test_a_bad_change_is_refused_and_shown(watched: Watched, phone: Phone, folder: Path):
    centre = watched.centre
    before, good = await watched.version(), (folder / "accueil.yaml").read_text("utf-8")
    changed(watched, folder / "accueil.yaml", "flow: accueil\nstart: nowhere\nsteps: {a: {type: sya}}\n")
    await watched.refused(1)
    assert await watched.version() == before
    page = await watched.get("/")
    assert "The last change of the flows was refused" in page
    assert "accueil.yaml:3:" in page
    (line,) = watched.logged("release.refused")
    assert line["kept"] == before
    findings = line["findings"]
    assert isinstance(findings, list)
    assert any("accueil.yaml:2:" in finding and "nowhere" in finding for finding in findings)
    call = await phone.call(centre.uri("1000"))
    await call.press("2")
    assert await call.wait_ended(10)
    assert centre.heard(call)[-1] == "fr/au_revoir"

    changed(watched, folder / "accueil.yaml", good)

    async def mended() -> bool:
        return "was refused" not in await watched.get("/")

    await until(mended)
    assert await watched.version() == before
    assert await watched.metric("rappel_release_reloads_total") == 0


@pytest.mark.parametrize("watched", ["watch"], indirect=True)
async def test_hostile_files_disturb_no_call(watched: Watched, phone: Phone, folder: Path):
    centre = watched.centre
    before, good = await watched.version(), (folder / "accueil.yaml").read_text("utf-8")
    away = good.replace("menu: {fr: {file: menu}", "menu: {fr: {file: ../../../../../etc/passwd}", 1)
    hostile = [
        ("enorme.yaml", "# " + "x" * 2 * MIB, "enorme.yaml:1"),
        ("bombe.yaml", BOMB, "bombe.yaml:"),
        ("accueil.yaml", away, "accueil.yaml:7"),
        ("binaire.yaml", bytes(range(256)) * 64, "binaire.yaml:"),
    ]
    for count, (name, text, place) in enumerate(hostile, start=1):
        call = await phone.call(centre.uri("1000"), caller=f"3360000000{count}")
        await call.wait_for(1.1)  # in the menu
        changed(watched, folder / name, text)
        await watched.refused(count)
        await call.press("2")
        assert await call.wait_ended(10)
        assert centre.heard(call)[-2:] == ["fr/bravo", "fr/au_revoir"], name
        findings = watched.logged("release.refused")[-1]["findings"]
        assert isinstance(findings, list)
        assert any(finding.startswith(place) for finding in findings), findings[:3]
        assert sum(map(len, findings)) < 20_000
        if name == "accueil.yaml":
            changed(watched, folder / name, good)
        else:
            (folder / name).unlink()

        async def mended() -> bool:
            return "was refused" not in await watched.get("/")

        await until(mended)
    assert await watched.version() == before
    assert await watched.metric("rappel_calls_crashed_total") == 0
    await ready(centre, 1)
