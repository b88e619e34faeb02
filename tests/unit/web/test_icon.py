"""The icon: every page names it, the listener serves it, and it needs nothing that the pages' policy forbids."""

from __future__ import annotations

from importlib.resources import files
from xml.etree import ElementTree as ET

import pytest
from aiohttp.test_utils import TestClient, TestServer

from controller.web.icon import PATHS
from controller.web.metrics import Metrics
from controller.web.pages import make_pages
from tests.unit.web.test_pages import Source, content

WEB = files("controller.web")
PICTURE = (WEB / "assets" / "icon.svg").read_bytes()


@pytest.mark.parametrize("path", PATHS)
async def test_served_as_a_picture_and_kept(path: str) -> None:
    async with TestClient(TestServer(make_pages(Source(content()), Metrics(list)))) as client:
        answer = await client.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
        assert await answer.read() == PICTURE
        assert "max-age" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "img-src 'self'" in answer.headers["Content-Security-Policy"]
        assert (await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})).status == 304


def test_every_page_names_it() -> None:
    pages = [each for each in (WEB / "templates").iterdir() if each.name.endswith(".html")]
    assert {each.name for each in pages} == {"hosted.html", "status.html"}
    for each in pages:
        assert '<link rel="icon" href="/icon.svg" type="image/svg+xml">' in each.read_text("utf-8"), each.name


def test_it_is_drawn_without_styles_scripts_and_what_lies_elsewhere() -> None:
    nodes = list(ET.fromstring(PICTURE).iter())  # noqa: S314 - our own file
    assert {node.tag.partition("}")[2] for node in nodes} <= {"svg", "title", "rect", "g", "path"}
    assert not {name for node in nodes for name in node.attrib} & {"style", "href", "onload"}
