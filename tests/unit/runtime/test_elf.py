from __future__ import annotations

import struct
from pathlib import Path

from controller.runtime import elf

HEADER = 64
SEGMENT = 56


def library(path: Path, *needed: str) -> Path:
    """Write the smallest ELF file that asks for `needed`."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    offsets, at = [], 1
    for name in needed:
        offsets.append(at)
        at += len(name) + 1
    dynamic_at = HEADER + 2 * SEGMENT
    entries = [(1, offset) for offset in offsets]
    strings_at = dynamic_at + 16 * (len(entries) + 2)
    entries += [(5, strings_at), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    size = strings_at + len(strings)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER, 0, 0, HEADER, SEGMENT, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    dyn = struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8)
    path.write_bytes(head + load + dyn + dynamic + strings)
    return path


def test_needed_sonames_in_order(tmp_path: Path) -> None:
    assert elf.needed(library(tmp_path / "a.so", "libc.so.6", "libx.so.1")) == ["libc.so.6", "libx.so.1"]


def test_other_files_need_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "cut").write_bytes(b"\x7fELF\x02\x01")
    assert elf.needed(tmp_path / "text") == []
    assert elf.needed(tmp_path / "cut") == []


def test_a_module_is_unloadable_when_a_library_of_its_library_is_absent(tmp_path: Path) -> None:
    library(tmp_path / "libgood.so.1", "libgood.so.1")  # needs itself, as a circle would
    library(tmp_path / "libhalf.so.1", "libabsent.so.9")
    good = library(tmp_path / "good.so", "libgood.so.1", "own.so")
    bad = library(tmp_path / "bad.so", "libgood.so.1", "libhalf.so.1")
    assert elf.unloadable([good, bad], tmp_path, own=["own.so"]) == [(bad, "libabsent.so.9")]
