from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.journal import frames
from controller.journal.frames import Kind, decode_entry, encode_entry, frame, kind_of, read_frames
from tests.unit.cdr.histories import any_history, history


@given(any_history())
def test_entries_come_back_as_they_were(entries):
    data = b"".join(frame(kind_of(entry), 1.5, encode_entry(entry)) for entry in entries)
    found = list(read_frames(data, 100))
    assert [decode_entry(each.payload) for each in found] == entries
    assert [each.kind for each in found] == [kind_of(entry) for entry in entries]
    assert found[0].offset == 100
    assert found[-1].end == 100 + len(data)


@given(st.data())
def test_a_torn_tail_costs_only_the_frame_it_tears(data):
    whole = [frame(Kind.ENTRY, 0.0, encode_entry(entry)) for entry in history()[:5]]
    blob = b"".join(whole)
    cut = data.draw(st.integers(0, len(blob) - 1))
    found = list(read_frames(blob[:cut]))
    lengths = [sum(map(len, whole[: n + 1])) for n in range(len(whole))]
    assert len(found) == sum(length <= cut for length in lengths)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_noticed(place, flip):
    blob = bytearray(b"".join(frame(Kind.ENTRY, 0.0, encode_entry(entry)) for entry in history()[:5]))
    place %= len(blob)
    blob[place] ^= flip
    for found in read_frames(bytes(blob)):
        assert found.end <= place or found.offset > place  # never a frame that holds the flipped byte


def test_an_entry_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "MAX_PAYLOAD", 10)
    with pytest.raises(ValueError, match="more than 10"):
        encode_entry(history()[0])
