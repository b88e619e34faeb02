"""What a page may say to Asterisk: an honest call passes, everything else ends the session."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.voice.rules import Forbidden, Phase, Rules
from controller.web.voice.sip import MAX_CHARS, BadMessage, parse
from tests.unit.web.voice.messages import (
    ADDRESS,
    CONTACT,
    OFFER,
    TARGET,
    USER,
    answer,
    asked,
    inside,
    message,
    reply,
    request,
)


def up() -> Rules:
    """The rules of a call that was answered."""
    rules = Rules(USER, TARGET)
    rules.from_page(request())
    assert rules.from_asterisk(answer("401 Unauthorized"))
    rules.from_page(request("ACK"))
    rules.from_page(request(CSeq="2 INVITE", Authorization="Digest x"))
    assert rules.from_asterisk(answer("183 Session Progress", number=2))
    assert rules.from_asterisk(answer("200 OK", number=2))
    rules.from_page(inside("ACK"))
    return rules


def test_an_honest_call_passes_and_the_page_hangs_up() -> None:
    rules = up()
    assert rules.phase is Phase.UP
    dtmf = {"Content_Type": "application/dtmf-relay", "CSeq": "3 INFO"}
    rules.from_page(inside("INFO", body="Signal=5\r\nDuration=120\r\n", **dtmf))
    rules.from_page(inside("BYE", CSeq="4 BYE", Reason='SIP ;cause=200; text="ok"'))
    assert rules.phase is Phase.UP
    assert rules.from_asterisk(answer("200 OK", "BYE", 4))
    assert rules.phase is Phase.OVER


def test_asterisk_hangs_up() -> None:
    rules = up()
    assert rules.from_asterisk(asked("BYE"))
    rules.from_page(reply("200 OK", "BYE"))
    assert rules.phase is Phase.OVER


def test_a_call_is_cancelled_or_refused() -> None:
    rules = Rules(USER, TARGET)
    rules.from_page(request())
    rules.from_page(request("CANCEL"))
    assert rules.from_asterisk(answer("200 OK", "CANCEL"))
    assert rules.phase is Phase.CALLING
    assert rules.from_asterisk(answer("487 Request Terminated"))
    rules.from_page(request("ACK"))
    assert rules.phase is Phase.OVER
    with pytest.raises(Forbidden, match="another call"):
        rules.from_page(request())


def test_credentials_are_tried_once() -> None:
    rules = Rules(USER, TARGET)
    rules.from_page(request())
    rules.from_asterisk(answer("401 Unauthorized"))
    rules.from_page(request(CSeq="2 INVITE"))
    rules.from_asterisk(answer("401 Unauthorized", number=2))
    assert rules.phase is Phase.OVER


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (request(uri="sip:7002@rappel.invalid"), "destination"),
        (request(uri="sip:7001@evil.example"), "destination"),
        (request(To="<sip:7002@rappel.invalid>"), "destination"),
        (request(To=f"<{ADDRESS}>, <sip:7002@x>"), "several"),
        (request(From="<sip:2001@rappel.invalid>;tag=page"), "user"),
        (request(From=f"<sip:{USER}@rappel.invalid>"), "tag"),
        (request(From=[f"<sip:{USER}@rappel.invalid>;tag=a", "<sip:2001@x>;tag=b"]), "2 headers from"),
        (request("REGISTER", body=""), "REGISTER"),
        (request("MESSAGE", body=""), "MESSAGE"),
        (request("SUBSCRIBE", body=""), "SUBSCRIBE"),
        (request("REFER", body="", Refer_To="<sip:+33999@x>"), "header refer-to"),
        (request("OPTIONS", body=""), "OPTIONS"),
        (request("BYE", body=""), "before the call"),
        (request("INVITE", body=""), "without an offer"),
        (request(Route="<sip:10.0.0.1;lr>"), "header route"),
        (request(Replaces="x;to-tag=1;from-tag=2"), "header replaces"),
        (request(P_Asserted_Identity="<sip:2001@x>"), "header p-asserted-identity"),
        (request(Diversion="<sip:x@y>"), "header diversion"),
        (request(X_Anything="1"), "header x-anything"),
        (request(Via=["SIP/2.0/WS a;branch=z9hG4bK1", "SIP/2.0/UDP b;branch=z9hG4bK2"]), "hop"),
        (request(Content_Length="0"), "length"),
        (request(Content_Length=["5", "5"]), "content-length"),
        (request(Content_Length="-1"), "length"),
        (request(Content_Length=[]), "content-length"),
        (request(CSeq="1 BYE"), "CSeq"),
        (request(CSeq="x INVITE"), "CSeq"),
        (request(Content_Type="multipart/mixed"), "kind"),
        (request(body=OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"), "more than sound"),
        (request(body=OFFER.replace("m=audio", "m=application")), "more than sound"),
        (request(body=OFFER + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 41), "candidates"),
        (request(body="nonsense"), "none"),
        (request(body=OFFER.replace("\r\n", "\n")), "none"),
        (request().replace("Max-Forwards: 69", "Max-Forwards: 69\r\n folded"), "no header"),
        (request().replace("Max-Forwards: 69", "f: <sip:2001@x>;tag=q"), "no header"),
        (request().replace("Max-Forwards: 69", "From : <sip:2001@x>;tag=q"), "no header"),
        (request().replace("Max-Forwards: 69", "Max-Forwards: 69\nFrom: <sip:2001@x>"), "broken"),
        (request().replace("Max-Forwards: 69", "Max-Forwards: 69\rFrom: <sip:2001@x>"), "broken"),
        (request().replace("Max-Forwards: 69", "Max-Forwards: 69\x00"), "control"),
        (request().replace("SIP/2.0\r\n", "SIP/2.0 \r\n", 1), "neither"),
        (request(uri="tel:+33999"), "neither"),
        (request(uri="sip:7001@rappel.invalid\tx"), "control|neither"),
        (request("invite"), "neither"),
        (request() + request("BYE", body=""), "length"),
        (request(User_Agent="x" * 2000), "too long"),
        (request(**{f"Allow{'a' * n}": "x" for n in range(45)}), "too many"),
        ("x" * (MAX_CHARS + 1), "too long"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "neither"),
        ("", "end"),
        (reply("200 OK", "BYE"), "no question"),
    ],
)
def test_a_hostile_beginning_is_refused(text: str, why: str) -> None:
    rules = Rules(USER, TARGET)
    with pytest.raises(Forbidden, match=why):
        rules.from_page(text)
    assert rules.phase is Phase.NEW


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (request(), "another call"),
        (request(Call_ID="call-2"), "second call"),
        (inside("BYE", "sip:2001@127.0.0.1"), "outside"),
        (inside("BYE", ADDRESS), "outside"),
        (inside("BYE", To=f"<{ADDRESS}>"), "outside"),
        (inside("BYE", From=f"<sip:{USER}@rappel.invalid>;tag=other"), "tag"),
        (inside("INVITE", "sip:2001@127.0.0.1", OFFER), "outside"),
        (inside("INFO", body="Signal=5\r\nX=1", Content_Type="application/dtmf-relay"), "key"),
        (inside("INFO", body="<xml/>", Content_Type="application/media_control+xml"), "kind"),
        (inside("NOTIFY"), "NOTIFY"),
        (reply("302 Moved", "INVITE"), "no question"),
    ],
)
def test_a_hostile_request_in_a_call_is_refused(text: str, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        up().from_page(text)


def test_a_question_is_answered_once_and_never_with_a_redirection() -> None:
    rules = up()
    rules.from_asterisk(asked("INFO"))
    rules.from_page(reply("200 OK", "INFO"))
    with pytest.raises(Forbidden, match="no question"):
        rules.from_page(reply("200 OK", "INFO"))
    rules.from_asterisk(asked("INVITE", 8))
    with pytest.raises(Forbidden, match="redirection"):
        rules.from_page(reply("302 Moved Temporarily", "INVITE", 8))


def test_what_is_not_for_the_page_does_not_reach_it() -> None:
    rules = Rules(USER, TARGET)
    assert not rules.from_asterisk(answer("200 OK"))
    rules = up()
    assert not rules.from_asterisk(answer("200 OK", call_id="somebody-else"))
    assert not rules.from_asterisk("nonsense")
    assert rules.phase is Phase.UP


def test_a_long_body_counts_in_bytes() -> None:
    text = message("SIP/2.0 200 OK", {"CSeq": "1 BYE", "Call-ID": "x"}, "é")
    assert parse(text).body == "é"
    with pytest.raises(BadMessage):
        parse(text.replace("Content-Length: 2", "Content-Length: 1"))


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_a_damaged_message_is_refused_or_harmless(seed: int, changes: int) -> None:
    """Whatever bytes change, what passes still has one user, one destination, one call."""
    dice = random.Random(seed)
    text = list(request())
    for _ in range(changes):
        text[dice.randrange(len(text))] = dice.choice("\r\n\t :;,<>@=sip0A\x00é")
    rules = Rules(USER, TARGET)
    try:
        rules.from_page("".join(text))
    except Forbidden:
        return
    passed = parse("".join(text))
    assert (passed.method, passed.uri) == ("INVITE", ADDRESS)
    assert USER in passed.one("from")
    assert CONTACT not in passed.one("to")
