from __future__ import annotations

from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime import lockfile, sets
from controller.runtime.lockfile import Pin

PIN = Pin("amd64", "libc6", "2.43-7", "a" * 64, 10)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    other = Pin("arm64", "libc6", "2.43-7", "b" * 64, 11)
    lockfile.write(tmp_path / "x.lock", [other, PIN])
    assert lockfile.read(tmp_path / "x.lock", "amd64") == [PIN]
    assert lockfile.read(tmp_path / "x.lock", "arm64") == [other]


def test_no_lock_has_no_pins(tmp_path: Path) -> None:
    assert lockfile.read(tmp_path / "absent", "amd64") == []


@pytest.mark.parametrize("line", ["amd64 libc6 2.43-7", f"amd64 libc6 2 {'g' * 64} 5", f"amd64 libc6 2 {'a' * 64} x"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.lock").write_text(f"# head\n{line}\n")
    with pytest.raises(SetupError, match=r"x\.lock:2"):
        lockfile.read(tmp_path / "x.lock", "amd64")


@pytest.mark.parametrize("chosen", sets.ALL, ids=lambda chosen: chosen.name)
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_committed_locks_cover_what_is_asked_for(chosen: sets.PackageSet, architecture: str) -> None:
    pins = {pin.package for pin in lockfile.read(chosen.lock, architecture)}
    assert pins.issuperset(chosen.packages)
    assert "libc6" in pins
