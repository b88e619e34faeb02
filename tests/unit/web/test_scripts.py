"""The scripts that pages include: small, built from what is here, and with every word in both languages."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.web import scripts

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "controller/web/assets"
WIDGET = ROOT / "pages/widget"
BUTTON_MOST = 15_000
"""Bytes of rappel.js as it lies: what a page loads that includes it."""
DIALOG_MOST = 15_000
"""Bytes of all that the dialog needs, rappel.js included, as it travels (compressed)."""
FORBIDDEN = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "localStorage")
FORBIDDEN_TOO = ("document.cookie", "indexedDB", "new Worker", "<style", "cssText")


def test_a_page_that_includes_the_button_loads_less_than_15_kb() -> None:
    assert (ASSETS / "rappel.js").stat().st_size < BUTTON_MOST


def test_button_and_dialog_together_travel_in_less_than_15_kb() -> None:
    sizes = [len(gzip.compress((ASSETS / name).read_bytes(), 6)) for name in ("rappel.js", "rappel-dialog.js")]
    assert sum(sizes) < DIALOG_MOST


@pytest.mark.parametrize("name", scripts.NAMES)
def test_what_is_shipped_was_built_from_these_sources(name: str) -> None:
    first = (ASSETS / name).read_text("utf-8").partition("\n")[0]
    found = re.fullmatch(r"/\* Rappel, Apache-2\.0\. Sources: pages/(\w+) ([0-9a-f]{16}) \*/", first)
    assert found is not None
    folder = ROOT / "pages" / found[1]
    assert found[2] == _digest(folder), f"pages/{found[1]} has changed: run `make pages`"


@pytest.mark.parametrize("name", scripts.NAMES)
def test_nothing_that_a_strict_policy_forbids_or_that_stores(name: str) -> None:
    text = (ASSETS / name).read_text("utf-8")
    assert not [word for word in FORBIDDEN + FORBIDDEN_TOO if word in text]
    assert not re.findall(r"https?://(?!www\.w3\.org)[^\"'`\s]+", text)


def test_every_word_is_there_in_both_languages_with_the_same_gaps() -> None:
    catalogue = json.loads((WIDGET / "messages.json").read_text("utf-8"))
    catalogue["dial"] = json.loads((ROOT / "pages/dial/messages.json").read_text("utf-8"))
    for name, languages in catalogue.items():
        assert set(languages) == {"fr", "en"}, name
        assert languages["fr"].keys() == languages["en"].keys()
        for key, text in languages["fr"].items():
            assert text.strip()
            assert languages["en"][key].strip()
            assert re.findall(r"\{\d\}", text) == re.findall(r"\{\d\}", languages["en"][key]), (name, key)


def test_every_word_that_is_said_is_in_the_catalogue() -> None:
    catalogue = json.loads((WIDGET / "messages.json").read_text("utf-8"))
    known = {key for part in ("button", "dialog") for key in catalogue[part]["fr"]}
    said = set()
    for file in WIDGET.glob("*.js"):
        for call in re.findall(r"\bsay\(([^;]*)", file.read_text("utf-8")):
            said |= set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', call.partition(")")[0]))
    assert not said - known


async def test_served_to_any_page_and_kept_for_a_while() -> None:
    app = web.Application()
    scripts.add_scripts(app)
    async with TestClient(TestServer(app)) as client:
        for name in scripts.NAMES:
            answer = await client.get(f"/{name}")
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "max-age" in answer.headers["Cache-Control"]
            assert (await answer.read()) == (ASSETS / name).read_bytes()
            again = await client.get(f"/{name}", headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status == 304


def _digest(folder: Path) -> str:
    """As pages/build.mjs computes it."""
    digest = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        digest.update(f"{name}\0".encode() + (folder / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]
