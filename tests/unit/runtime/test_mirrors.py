from __future__ import annotations

from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime.mirrors import candidates


def apt(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        where = tmp_path / "sources.list" if stem == "main" else tmp_path / "sources.list.d" / f"{stem}.{suffix}"
        where.write_text(text)
    return tmp_path


def test_deb822_sources_are_read(tmp_path: Path) -> None:
    text = """\
# the archive
Types: deb deb-src
URIs: http://mirror.example/debian
# a comment inside
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
    assert candidates({}, apt(tmp_path, debian_sources=text)) == ["http://mirror.example/debian"]


def test_one_line_sources_are_read(tmp_path: Path) -> None:
    text = (
        "# old\ndeb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian/ trixie main # why\n"
        "deb-src http://x/debian trixie main\n"
    )
    assert candidates({}, apt(tmp_path, main_list=text)) == ["https://mirror.example/debian/"]


def test_the_archive_comes_before_others_that_use_its_suite_names(tmp_path: Path) -> None:
    vendor = "deb http://vendor.example/apt bookworm main\n"
    debian = "Types: deb\nURIs: http://mirror.example/mirrors/debian\nSuites: bookworm\nComponents: main\n"
    found = candidates({}, apt(tmp_path, a_list=vendor, b_sources=debian))
    assert found == ["http://mirror.example/mirrors/debian", "http://vendor.example/apt"]


@pytest.mark.parametrize(
    "text",
    [
        "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
        "Types: deb-src\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n",
        "Types: deb\nURIs: cdrom:[Debian]/debian\nSuites: bookworm\nComponents: main\n",
        "Types: deb\nURIs: http://m.example/ubuntu\nSuites: noble\nComponents: main\n",
        "",
    ],
)
def test_no_archive_is_an_error_that_names_the_setting(tmp_path: Path, text: str) -> None:
    with pytest.raises(SetupError, match="RAPPEL_DEBIAN_MIRROR"):
        candidates({}, apt(tmp_path, debian_sources=text))


def test_the_setting_stands_alone(tmp_path: Path) -> None:
    chosen = {"RAPPEL_DEBIAN_MIRROR": "http://own.example/debian"}
    assert candidates(chosen, apt(tmp_path)) == ["http://own.example/debian"]
