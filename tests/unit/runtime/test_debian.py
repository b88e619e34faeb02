"""Setting up when something is missing: apt stands in as a script of the test's own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime import apt as apt_module
from controller.runtime import debian, lockfile
from controller.runtime.debian import PackageSet
from controller.runtime.lockfile import Pin

CONTENT = b"a package"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - the shape of shutil.disk_usage


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose apt has one package, `thing` 2, and logs what it is asked."""
    tools = tmp_path / "bin"
    tools.mkdir()
    script = f"""#!/bin/sh
echo "$(basename "$0") $*" >> {tmp_path}/asked
case "$*" in
  *update*) exit "${{UPDATE_CODE:-0}}" ;;
  *--simulate*) [ -z "$RESOLVE_FAILS" ] || {{ echo "E: Unable to locate package thing" >&2; exit 100; }}
     echo "Inst thing (2 Debian:testing [amd64])"
     grep -q '^Package: fat' {tmp_path}/cache/apt/*/state/status || echo "Inst fat (1 Debian:testing [amd64])" ;;
  *show*) printf 'Package: thing\\nVersion: 2\\nSHA256: {SHA256}\\nSize: 9\\n\\n' ;;
  *download*) printf 'a package' > thing_2_amd64.deb ;;
  -x*) mkdir -p "$3/usr/bin" "$3/usr/share/doc/thing"; cp "$2" "$3/usr/bin/thing"; chmod 4755 "$3/usr/bin/thing" ;;
esac
"""
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("RAPPEL_DEBIAN_MIRROR", "http://mirror.example/debian")
    monkeypatch.setattr(debian, "machine_architecture", lambda: "amd64")
    monkeypatch.setattr(PackageSet, "lock", property(lambda chosen: tmp_path / f"{chosen.name}.lock"))
    return tmp_path


def asked(machine: Path) -> str:
    return (machine / "asked").read_text()


def test_what_is_wanted_is_unpacked_once(machine: Path) -> None:
    said: list[str] = []
    chosen = PackageSet("thing", ("thing",), unwanted=("fat",))
    tree = debian.install(chosen, machine / "cache", said.append)
    assert (tree / "usr/bin/thing").read_bytes() == CONTENT
    assert (tree / "usr/bin/thing").stat().st_mode & 0o7000 == 0  # no setuid bit in a private tree
    assert not (tree / "usr/share/doc").exists()
    assert "fat" not in asked(machine).partition("download")[2]
    (machine / "asked").unlink()
    assert debian.install(chosen, machine / "cache", said.append) == tree
    assert not (machine / "asked").exists()
    assert not [path for path in (machine / "cache/debian").iterdir() if path.name.startswith(".")]


def test_the_lock_saves_the_resolving(machine: Path) -> None:
    lockfile.write(machine / "thing.lock", [Pin("amd64", "thing", "2", SHA256, 9)])
    debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)
    assert "--simulate" not in asked(machine)


def test_a_pin_that_is_gone_gives_way_with_a_notice(machine: Path) -> None:
    lockfile.write(machine / "thing.lock", [Pin("amd64", "thing", "1", "0" * 64, 9)])
    said: list[str] = []
    debian.install(PackageSet("thing", ("thing",), unwanted=("fat",)), machine / "cache", said.append)
    assert any("thing=1" in line and "current, signed" in line for line in said)


def test_a_mirror_whose_file_differs_from_the_lock_is_refused(machine: Path) -> None:
    lockfile.write(machine / "thing.lock", [Pin("amd64", "thing", "2", "0" * 64, 9)])
    with pytest.raises(SetupError, match="differs from the lock"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)
    assert list((machine / "cache/debian").glob("thing-*")) == []


def test_another_major_version_is_refused(machine: Path) -> None:
    chosen = PackageSet("thing", ("thing",), unwanted=("fat",), version=r"1\..*")
    with pytest.raises(SetupError, match="not tested with"):
        debian.install(chosen, machine / "cache", lambda _line: None)


def test_no_network(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDATE_CODE", "100")
    with pytest.raises(SetupError, match="Check the network"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)


def test_no_apt(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine / "empty"))
    with pytest.raises(SetupError, match="apt-get and apt-cache and dpkg-deb not found"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)


def test_a_suite_in_transition(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESOLVE_FAILS", "1")
    with pytest.raises(SetupError, match="Unable to locate package thing"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)


def test_a_full_disk(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100, 90, 10))
    with pytest.raises(SetupError, match="Make room"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)


def test_a_cache_that_cannot_be_written(machine: Path) -> None:
    (machine / "cache").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="XDG_CACHE_HOME"):
        debian.install(PackageSet("thing", ("thing",)), machine / "cache", lambda _line: None)


def test_a_stale_index_is_fetched_again(machine: Path) -> None:
    chosen = PackageSet("thing", ("thing",), unwanted=("fat",))
    shutil.rmtree(debian.install(chosen, machine / "cache", lambda _line: None))
    tool = machine / "bin" / "apt-get"
    first_fails = f'*download*) [ -e {machine}/again ] || {{ touch {machine}/again; echo "E: 404" >&2; exit 100; }};'
    tool.write_text(tool.read_text().replace("*download*)", first_fails))
    debian.install(chosen, machine / "cache", lambda _line: None)
    assert asked(machine).count("update") == 2


def test_an_unknown_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.platform, "machine", lambda: "riscv64")
    with pytest.raises(SetupError, match="riscv64"):
        debian.machine_architecture()


def test_no_mirror_is_named_in_the_sources() -> None:
    source = Path(apt_module.__file__).read_text()
    assert "http" + "://" not in source
    assert os.sep in str(debian.default_cache())
