"""Python's cyclic garbage collector, set for a process that makes much rubbish and few cycles.

With Python's defaults every 700 new containers are looked through, and now and then the whole heap is, most of which
never changes: the program itself, a centre's flows. That was a tenth of the controller's CPU. Almost everything a
call leaves behind is freed by its reference count, so looking less often costs nothing but a few MiB.
"""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 10_000, 5, 5
"""Containers made before the youngest are looked through, and how often that happens before the older ones are."""


def settle() -> None:
    """Collect once, leave out from now on what is alive after the start, and look less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
