"""Silences in what was heard, told apart from those of a process that was kept from speaking."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from controller.softphone.heard import HeardAudio
from controller.softphone.media import Pacer, tone
from controller.softphone.rtp import Packet
from controller.softphone.sdp import PCMA
from tests.rig.listening import silences


def heard(pause: range) -> SimpleNamespace:
    """Return a call that began two seconds ago and heard a tone but in the frames of `pause`."""
    audio, said = HeardAudio(time.monotonic() - 2), tone(440)
    for number in range(100):
        frame = said.frame(PCMA)
        if number not in pause:
            audio.add(Packet(8, number, number * 160, 1, frame), PCMA, audio.origin + number * 0.02)
    return SimpleNamespace(heard=audio)


@pytest.mark.parametrize(
    ("due_s", "sent_s", "found"), [(0.98, 1.3, []), (0.98, 1.1, [0.3]), (0.2, 0.6, [0.3]), (None, None, [0.3])]
)
def test_only_what_nobody_here_kept_from_being_said_counts(due_s, sent_s, found):
    call, pacer = heard(range(50, 65)), Pacer()
    if due_s is not None:
        pacer.late.append((call.heard.origin + due_s, call.heard.origin + sent_s))
    silent = silences(call, call.heard.origin, pacer, at_least_s=0.2)
    assert [round(span.duration_s, 2) for span in silent] == found
