from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime import secrets


def test_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secrets.json"
    first = secrets.load(path, ["1001"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secrets.load(path, ["1001"]) == first
    assert len({first.ari_password, first.ami_password, first.controller_password, first.softphones["1001"]}) == 4


def test_a_new_extension_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = secrets.load(tmp_path / "s", ["1001"])
    second = secrets.load(tmp_path / "s", ["1001", "1002"])
    assert second.softphones["1001"] == first.softphones["1001"]
    assert len(second.softphones["1002"]) > 20


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    kept = secrets.load(tmp_path / "s", ["1001"])
    for hidden in (kept.ari_password, kept.softphones["1001"]):
        assert hidden not in repr(kept)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secrets.load(tmp_path / "s", [])
    (tmp_path / "s").chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600"):
        secrets.load(tmp_path / "s", [])


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"ari": 5}), json.dumps({"ari": "short"})])
def test_a_broken_file_is_not_replaced_silently(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(SetupError, match="Restore the file, or delete it"):
        secrets.load(path, [])
    assert path.read_text() == text
