"""RTP packets and telephone events as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.rtp import (
    DIGITS,
    Packet,
    RtpError,
    TelephoneEvent,
    digit_steps,
    parse,
    parse_event,
)

PACKETS = st.builds(
    Packet,
    st.integers(0, 127),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
    st.booleans(),
)


@given(PACKETS)
def test_a_packet_comes_back(packet: Packet):
    assert parse(packet.encode()) == packet


def test_numbers_wrap():
    assert parse(Packet(8, 2**16 + 1, 2**32 + 2, 3, b"").encode()) == Packet(8, 1, 2, 3, b"")


def test_csrcs_extension_and_padding_are_not_payload():
    plain = Packet(8, 1, 2, 3, b"").encode()
    head = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:]
    datagram = head + b"c" * 8 + b"\xbe\xde\x00\x01" + b"ext!" + b"voice" + b"\x00\x00\x03"
    assert parse(datagram).payload == b"voice"


@pytest.mark.parametrize(
    "datagram", [b"", b"\x80" * 11, b"\x00" * 12, b"\x8f" + b"\x00" * 11, b"\x90" + b"\x00" * 11]
)
def test_what_is_no_packet_is_refused(datagram: bytes):
    with pytest.raises(RtpError):
        parse(datagram)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parsers(datagram: bytes):
    for reader in (parse, parse_event):
        try:
            reader(datagram)
        except RtpError:
            continue


def test_the_event_of_rfc_4733_on_the_wire():
    # RFC 4733 section 2.3: event 11 is '#', E is the top bit, volume 10, duration 800
    assert TelephoneEvent("#", 800, end=True).encode() == bytes([11, 0x8A, 0x03, 0x20])
    assert parse_event(bytes([11, 0x8A, 0x03, 0x20])) == TelephoneEvent("#", 800, end=True)


@pytest.mark.parametrize("digit", DIGITS)
def test_every_digit_comes_back(digit: str):
    assert parse_event(TelephoneEvent(digit, 160).encode()).digit == digit


def test_an_event_that_is_no_digit():
    with pytest.raises(RtpError):
        parse_event(bytes([16, 0, 0, 0]))


def test_a_press_grows_in_steps_and_ends_three_times():
    steps = list(digit_steps("5", 100))
    assert [event.duration for event, _ in steps] == [160, 320, 480, 640, 800, 800, 800, 800]
    assert [event.end for event, _ in steps] == [False] * 5 + [True] * 3
    assert [marker for _, marker in steps] == [True] + [False] * 7


def test_a_press_of_no_length_still_begins_and_ends():
    assert [event.end for event, _ in digit_steps("0", 1)] == [False, True, True, True]


def test_what_cannot_be_pressed():
    with pytest.raises(RtpError, match="no telephone digit"):
        list(digit_steps("x", 100))
