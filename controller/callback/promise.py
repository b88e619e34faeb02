"""What a customer is told of an estimated wait, and so by when they were promised a call.

An estimate is a guess in milliseconds; people are told whole minutes. One rule gives them, for the page, the
telephone, the API and the record (`Request.promised_at`), so that a promise is kept or broken by what the customer
was told. It rounds up only: nobody is told less than was estimated.
"""

from __future__ import annotations

from math import ceil
from typing import Final

MINUTE_S: Final = 60
MINUTES: Final = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30)
"""Waits as people say them: 1 stands for anything below it, too."""
HALF_HOUR_S: Final = 30 * MINUTE_S


def told_s(estimate_s: float) -> int:
    """Return the seconds that are told for an estimate of `estimate_s` (0 or more, finite).

    The next of `MINUTES`, one minute at least; beyond half an hour the next half hour. Never below the estimate. What
    was told is told as itself.
    """
    for minutes in MINUTES:
        if estimate_s <= minutes * MINUTE_S:
            return minutes * MINUTE_S
    return ceil(estimate_s / HALF_HOUR_S) * HALF_HOUR_S
