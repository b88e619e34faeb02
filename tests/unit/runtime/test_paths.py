from __future__ import annotations

import stat
from pathlib import Path

import pytest

from controller.errors import SetupError
from controller.runtime.paths import LONGEST, socket_dir


def test_a_short_path_is_kept(tmp_path: Path) -> None:
    assert socket_dir(Path("/run/x"), "asterisk.ctl") == Path("/run/x")


def test_a_long_path_gets_a_private_short_one(tmp_path: Path) -> None:
    wanted = tmp_path / ("long" * 30)
    short = socket_dir(wanted, ".s.PGSQL.5432")
    try:
        assert len(str(short / ".s.PGSQL.5432")) <= LONGEST
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
        assert socket_dir(wanted, ".s.PGSQL.5432") == short
        short.chmod(0o777)
        with pytest.raises(SetupError, match="belongs to somebody else"):
            socket_dir(wanted, ".s.PGSQL.5432")
    finally:
        short.rmdir()
