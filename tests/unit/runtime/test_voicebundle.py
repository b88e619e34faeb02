"""When the script for calls from pages is built, with which Node, and what is said when it cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime import voicebundle
from controller.runtime.voicebundle import Node, build, digest, find_node, is_current

NPM = """#!/bin/sh
echo "npm $*" >>"{log}"
exit {code}
"""
NODE = """#!/bin/sh
if [ "$1" = --version ]; then echo {version}; exit 0; fi
echo "node $1" >>"{log}"
printf '/* Rappel. Sources: pages/voice {digest} */' >"$2"
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.sources, self.cache, self.bin = folder / "voice", folder / "cache", folder / "bin"
        self.file, self.log = folder / "rappel-voice.js", folder / "log"
        for each in (self.sources, self.bin):
            each.mkdir()
        (self.sources / "main.js").write_text("1", "utf-8")
        (self.sources / "package-lock.json").write_text("{}", "utf-8")

    def node(self, version: str = "v20.1.0", npm_code: int = 0) -> None:
        values = {"log": self.log, "version": version, "code": npm_code, "digest": digest(self.sources)}
        for name, text in (("npm", NPM), ("node", NODE)):
            path = self.bin / name
            path.write_text(text.format(**values), "utf-8")
            path.chmod(0o755)

    def build(self) -> None:
        build(self.cache, lambda _: None, self.sources, self.file)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{machine.bin}:/usr/bin:/bin")
    return machine


def test_it_is_built_when_missing_or_old_and_only_then(machine: Machine) -> None:
    machine.node()
    machine.build()
    assert is_current(machine.sources, machine.file)
    ran = machine.log.read_text("utf-8")
    assert ran.splitlines() == ["npm ci --ignore-scripts --no-audit --no-fund", "node build.mjs"]
    machine.build()
    assert machine.log.read_text("utf-8") == ran
    (machine.sources / "main.js").write_text("2", "utf-8")
    assert not is_current(machine.sources, machine.file)
    (machine.sources / "package.json").write_text("{}", "utf-8")  # the lock says it all
    machine.node()
    machine.build()
    assert is_current(machine.sources, machine.file)


def test_without_a_registry_the_old_file_stays_and_the_reason_is_said(machine: Machine) -> None:
    machine.file.write_text("old", "utf-8")
    machine.node(npm_code=1)
    with pytest.raises(SetupError, match="npm ci failed"):
        machine.build()
    assert machine.file.read_text("utf-8") == "old"
    assert [path.name for path in machine.cache.iterdir()] == ["voice.lock"]


def test_an_installed_package_needs_no_sources(machine: Machine, tmp_path: Path) -> None:
    assert not is_current(tmp_path / "none", machine.file)
    with pytest.raises(SetupError, match="install it again"):
        build(machine.cache, lambda _: None, tmp_path / "none", machine.file)
    machine.file.write_text("shipped", "utf-8")
    assert is_current(tmp_path / "none", machine.file)


def test_an_old_node_is_passed_over(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = Node(("fetched",), ("fetched",))
    monkeypatch.setattr(voicebundle, "_fetched_node", lambda _cache, _progress: fetched)
    machine.node("v16.20.0")
    assert find_node(machine.cache) is fetched
    machine.node("v22.1.0")
    assert find_node(machine.cache) == Node((str(machine.bin / "node"),), (str(machine.bin / "npm"),))


def test_what_is_built_here_is_of_these_sources_and_names_its_licences() -> None:
    """Where it has been built; the tests of calls from pages build it."""
    lock = (Path(__file__).parents[3] / "pages/voice/package-lock.json").read_text("utf-8")
    assert '"resolved"' not in lock
    if is_current():
        text = voicebundle.FILE.read_text("utf-8")
        for package in ("jssip", "debug", "sdp-transform"):
            assert re.search(rf"^{package} [\d.]+ \(MIT\)$", text, re.MULTILINE), package
