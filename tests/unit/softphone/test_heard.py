"""The timeline of received audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.g711 import from_alaw
from controller.softphone.heard import HeardAudio
from controller.softphone.rtp import Packet
from controller.softphone.sdp import PCMA, PCMU


def packet(number: int, timestamp: int, *, fill: int | None = None, marker: bool = False, ssrc: int = 1) -> Packet:
    return Packet(8, number, timestamp, ssrc, bytes([number if fill is None else fill]) * 160, marker)


def test_packets_that_follow_each_other_stay_together_whatever_the_network_did():
    heard = HeardAudio(origin=100.0)
    for index, late in enumerate([0.0, 0.015, 0.002, 0.03]):
        heard.add(packet(index, 1000 + index * 160), PCMA, 101.02 + index * 0.02 + late)
    assert [item.start for item in heard.packets] == [8160, 8320, 8480, 8640]
    assert np.array_equal(heard.samples[8320:8480], from_alaw(b"\x01" * 160))
    assert not heard.samples[:8160].any()
    assert heard.duration_s == pytest.approx(1.1)
    assert heard.arrival(1.045) == pytest.approx(1.055)
    assert heard.arrival(0.5) is None
    assert heard.arrival(2.0) is None


def test_late_and_swapped_packets_find_their_place():
    heard = HeardAudio(origin=0.0)
    for number, at in [(0, 0.02), (2, 0.06), (1, 0.061), (3, 0.08)]:
        heard.add(packet(number, number * 160), PCMA, at)
    assert [item.start for item in heard.packets] == [160, 480, 320, 640]


def test_a_loss_leaves_a_gap():
    heard = HeardAudio(origin=0.0)
    heard.add(packet(0, 0), PCMA, 0.02)
    heard.add(packet(2, 320), PCMA, 0.06)
    assert not heard.samples[320:480].any()


def test_after_a_silence_a_marked_packet_stands_where_it_arrived():
    heard = HeardAudio(origin=0.0)
    heard.add(packet(0, 0), PCMA, 0.02)
    heard.add(packet(1, 160 + 7, marker=True), PCMA, 1.52)
    assert [item.start for item in heard.packets] == [160, 12_160]


def test_another_source_stands_where_it_arrived_even_if_its_clock_is_elsewhere():
    heard = HeardAudio(origin=0.0)
    heard.add(packet(0, 0), PCMA, 0.02)
    heard.add(packet(1, 3_000_000_000, ssrc=2), PCMA, 0.05)
    heard.add(packet(2, 3_000_000_160, ssrc=2), PCMA, 0.06)
    assert [item.start for item in heard.packets] == [160, 400, 560]


def test_timestamps_wrap():
    heard = HeardAudio(origin=0.0)
    heard.add(packet(0, 2**32 - 160), PCMA, 0.02)
    heard.add(packet(1, 0), PCMA, 0.04)
    assert [item.start for item in heard.packets] == [160, 320]


def test_both_laws_in_one_call():
    heard = HeardAudio(origin=0.0)
    heard.add(packet(0, 0, fill=0xD5), PCMA, 0.02)
    heard.add(packet(1, 160, fill=0xFF), PCMU, 0.04)
    assert heard.samples.tolist() == [0] * 160 + [8] * 160 + [0] * 160


def test_what_is_kept_has_a_limit():
    heard = HeardAudio(origin=0.0, limit_s=0.1)
    for index in range(10):
        heard.add(packet(index, index * 160), PCMA, 0.02 * (index + 1))
    assert (len(heard.packets), heard.overflow) == (5, 5)
    assert heard.jitter_ms() == pytest.approx((20.0, 20.0))
    assert HeardAudio(0.0).jitter_ms() == (0.0, 0.0)


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 2), st.integers(0, 320)), max_size=30)
)
def test_no_timestamps_make_the_timeline_explode(packets):
    heard = HeardAudio(origin=0.0)
    for index, (timestamp, marker, ssrc, size) in enumerate(packets):
        heard.add(Packet(8, index, timestamp, ssrc, b"x" * size, marker), PCMA, 0.02 * (index + 1))
    assert len(heard.samples) <= 8000 + 320 * len(packets) + 2000
