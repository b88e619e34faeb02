"""Which shared libraries an ELF file asks for, and which files of a tree can therefore not be loaded.

Reads the dynamic section of 64-bit little-endian files only: amd64 and arm64, the two we set up.
Source: System V ABI, chapter 5 (program header, dynamic section).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"
_PT_LOAD = 1
_PT_DYNAMIC = 2
_DT_NEEDED = 1
_DT_STRTAB = 5
_MAX_ENTRIES = 4096


def needed(path: Path) -> list[str]:
    """Return the sonames that `path` needs, in order; none when it is not such an ELF file or is damaged."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        return []
    try:
        return _needed(data)
    except struct.error:
        return []


def _needed(data: bytes) -> list[str]:
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for index in range(count):
        kind, _flags, offset, address, _physical, in_file = struct.unpack_from(
            "<IIQQQQ", data, table + index * entry_size
        )
        if kind == _PT_LOAD:
            loads.append((address, offset, in_file))
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, in_file)
    if dynamic is None:
        return []
    names: list[int] = []
    strings = 0
    for index in range(min(dynamic[1] // 16, _MAX_ENTRIES)):
        tag, value = struct.unpack_from("<QQ", data, dynamic[0] + 16 * index)
        if tag == _DT_NEEDED:
            names.append(value)
        elif tag == _DT_STRTAB:
            strings = value
    base = next(
        (offset + strings - address for address, offset, size in loads if address <= strings < address + size), 0
    )
    return [data[base + name : data.index(b"\0", base + name)].decode("ascii", "replace") for name in names]


def unloadable(files: Iterable[Path], libraries: Path, own: Iterable[str] = ()) -> list[tuple[Path, str]]:
    """Return each of `files` that cannot be loaded from the folder `libraries`, with the soname it misses.

    Follows the libraries' own needs. `own` are sonames that the loading program brings itself.
    """
    verdicts: dict[str, str | None] = dict.fromkeys(own)

    def missing_from(path: Path) -> str | None:
        for soname in needed(path):
            if soname not in verdicts:
                found = libraries / soname
                verdicts[soname] = None  # a library may need itself through a circle
                verdicts[soname] = missing_from(found) if found.exists() else soname
            if (missing := verdicts[soname]) is not None:
                return missing
        return None

    return [(file, missing) for file in files if (missing := missing_from(file)) is not None]
