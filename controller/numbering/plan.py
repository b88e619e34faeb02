"""What is known of ranges of numbers beyond the library of number plans: `plan.yaml`, beside this module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec
import msgspec.yaml

from controller.numbering.model import NumberKind


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers that begin alike. `valid`: they exist for us although the library does not know them."""

    kind: NumberKind
    source: str
    prefixes: tuple[str, ...]
    valid: bool = False


def range_of(digits: str) -> Range | None:
    """Return the range with the longest prefix that E.164 digits begin with; None when nothing is said of them."""
    ranges = _ranges()
    for length in range(len(digits), 0, -1):
        found = ranges.get(digits[:length])
        if found is not None:
            return found
    return None


@cache
def _ranges() -> MappingProxyType[str, Range]:
    raw = files("controller.numbering").joinpath("plan.yaml").read_bytes()
    return MappingProxyType(
        {prefix: each for each in msgspec.yaml.decode(raw, type=list[Range]) for prefix in each.prefixes}
    )
