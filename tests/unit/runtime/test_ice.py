"""Which addresses browsers are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.runtime.ice import Shown, addresses
from controller.runtime.settings import StackSettings

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.1.0.0
        /24 link UNICAST
     |-- 10.1.0.7
        /32 host LOCAL
     |-- 10.1.0.255
        /32 link BROADCAST
Local:
     |-- 10.1.0.7
        /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/fib_trie").write_text(TRIE, "ascii")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (StackSettings(), Shown(("127.0.0.1/32",), (("10.1.0.7", "127.0.0.1"),))),
        (StackSettings(bind="0.0.0.0"), Shown()),  # noqa: S104 - a setting, nothing is bound
        (StackSettings(bind="10.1.0.7"), Shown(("10.1.0.7/32",))),
        (
            StackSettings(bind="0.0.0.0", external_address="203.0.113.7", media_address="10.213.87.11"),  # noqa: S104
            Shown(("10.213.87.11/32", "203.0.113.7/32"), (("10.213.87.11", "203.0.113.7"),)),
        ),
        (
            StackSettings(bind="10.1.0.7", external_address="203.0.113.7"),
            Shown(("10.1.0.7/32", "203.0.113.7/32"), (("10.1.0.7", "203.0.113.7"),)),
        ),
        (StackSettings(bind="0.0.0.0", media_address="10.213.87.11"), Shown(("10.213.87.11/32",))),  # noqa: S104
    ],
)
def test_a_browser_is_told_what_it_can_reach(settings: StackSettings, shown: Shown, proc: Path) -> None:
    assert addresses(settings, proc) == shown


def test_a_machine_without_the_table_has_no_others(tmp_path: Path) -> None:
    assert addresses(StackSettings(), tmp_path) == Shown(("127.0.0.1/32",))
