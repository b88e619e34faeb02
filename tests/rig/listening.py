"""What was not heard in a call, and not for our own fault: test and telephones share a busy process."""

from __future__ import annotations

import time

from controller.softphone.call import Call
from controller.softphone.media import Pacer
from controller.softphone.sound import Span, gaps

_IN_FLIGHT_S = 0.1
"""What was said so shortly ago may not have arrived."""
_FRAMES_S = 0.06
"""A pause is heard so much longer than it was at most: frames that were due when it began and when it ended."""


def silences(call: Call, since: float, *speakers: Pacer, at_least_s: float) -> list[Span]:
    """Return the silences of `at_least_s` and longer in what `call` heard from `since` (monotonic) until just now.

    Those in which one of the `speakers` did not come to speak, because this process was kept from it, are left out.
    """
    origin = call.heard.origin
    begin_s = since - origin
    samples = call.heard.between(begin_s, time.monotonic() - origin - _IN_FLIGHT_S)
    late = [(due - since, sent - since) for speaker in speakers for due, sent in speaker.late]

    def ours(silence: Span) -> bool:
        return any(
            due < silence.end_s and sent > silence.start_s and silence.duration_s <= sent - due + _FRAMES_S
            for due, sent in late
        )

    return [silence for silence in gaps(samples, at_least_s=at_least_s) if not ours(silence)]
