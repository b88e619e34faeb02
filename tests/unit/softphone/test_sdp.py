"""Offers and answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.sdp import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Audio,
    Codec,
    Direction,
    SdpError,
    answer,
    negotiate,
    parse,
)

OURS = (PCMA, PCMU, TELEPHONE_EVENT)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\na=sendonly\r\n"
    b"m=video 4000 RTP/AVP 99\r\nc=IN IP4 10.0.0.7\r\na=inactive\r\n"
    b"m=audio 4002 RTP/AVP 9 0 96 8\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:20\r\n"
    b"m=audio 4004 RTP/AVP 8\r\n"
)


def test_a_description_comes_back_as_it_went():
    audio = Audio("127.0.0.1", 4000, OURS, Direction.SENDONLY, (5, 6))
    again = parse(audio.encode())
    assert (again.host, again.port, again.codecs, again.direction) == (
        "127.0.0.1",
        4000,
        OURS,
        Direction.SENDONLY,
    )
    assert b"a=fmtp:101 0-16" in audio.encode()


def test_the_first_audio_stream_counts_with_the_sessions_address_and_direction():
    offer = parse(OFFER)
    assert (offer.host, offer.port, offer.direction) == ("10.0.0.9", 4002, Direction.SENDONLY)
    assert [codec.name for codec in offer.codecs] == ["G722", "PCMU", "telephone-event", "PCMA"]


def test_an_answer_takes_their_order_and_numbers():
    reply = answer(Audio("127.0.0.1", 1, OURS), parse(OFFER))
    assert reply.codecs == (PCMU, Codec(96, "telephone-event"))
    assert reply.direction is Direction.RECVONLY


def test_no_common_codec_names_both_sides():
    with pytest.raises(SdpError, match="G722"):
        negotiate((PCMA,), Audio("h", 1, (Codec(9, "G722"),)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\nm=audio 4000 RTP/AVP 8\r\n",
        b"c=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/SAVP 8\r\n",
        b"c=IN IP4 1.2.3.4\r\nm=audio x RTP/AVP 8\r\n",
        b"c=IN IP4 1.2.3.4\r\nm=audio 99999 RTP/AVP 8\r\n",
        b"c=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/AVP 200\r\n",
        b"c=IN\r\n",
        b"a=x\r\n" * 600,
    ],
)
def test_what_cannot_be_used_is_refused(body: bytes):
    with pytest.raises(SdpError):
        parse(body)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(OFFER.splitlines()), max_size=30).map(b"\n".join))
def test_no_bytes_break_the_parser(body: bytes):
    try:
        parse(body)
    except SdpError:
        return
