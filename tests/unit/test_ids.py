from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from controller.ids import CallId, call_id_for, derived_id

FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOMENTS = st.floats(FIRST.timestamp(), LAST.timestamp()).map(lambda at: datetime.fromtimestamp(at, UTC))
CHANNELS = st.text(max_size=40)


@given(CHANNELS, MOMENTS)
def test_a_call_s_id_is_a_uuid_of_its_channel_and_time(channel: str, at: datetime):
    found = call_id_for(channel, at)
    parsed = UUID(found)
    assert (str(parsed), len(found)) == (found, 36)
    assert (parsed.version, parsed.variant) == (8, RFC_4122)
    assert call_id_for(channel, at) == found


@given(CHANNELS, CHANNELS, MOMENTS, st.integers(1, 10**9))
def test_ids_of_calls_sort_by_time(first: str, second: str, at: datetime, later_ms: int):
    later = at + timedelta(milliseconds=later_ms)
    assert call_id_for(first, at) < call_id_for(second, later)


@given(CHANNELS, CHANNELS, MOMENTS, MOMENTS)
def test_another_channel_or_another_time_is_another_call(one: str, two: str, at: datetime, then: datetime):
    assert (call_id_for(one, at) == call_id_for(two, then)) == ((one, at) == (two, then))


@given(st.sampled_from(["leg", "bridge", "playback"]), st.integers(0, 10**6), st.integers(0, 10**6))
def test_derived_ids_have_one_length_and_repeat(kind: str, number: int, other: int):
    call = CallId("01a20cff-7d00-8acc-baed-fb88c0a155a1")
    found = derived_id(call, kind, number)
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")
    assert derived_id(call, kind, number) == found
    assert (derived_id(call, kind, other) == found) == (number == other)
    assert derived_id(call, f"{kind}s", number) != found
    assert derived_id(CallId("x"), kind, number) != found
