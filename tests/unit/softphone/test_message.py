"""SIP messages: what goes out comes back, and no datagram breaks the parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.message import (
    Message,
    SipSyntaxError,
    Uri,
    address_uri,
    parameter,
    parse,
    parse_uri,
    split_list,
)

INVITE = (
    b"INVITE sip:1000@127.0.0.1 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKabc;rport\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKdef\r\n"
    b'f: "Doe; \\"J\\" <x>" <sip:joe@127.0.0.1>;tag=99\r\n'
    b"t: <sip:1000@127.0.0.1>\r\n"
    b"i: 1@host\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: two\r\n lines\r\n"
    b"l: 4\r\n\r\nv=0\nrest"
)


def test_a_request_with_compact_headers_folding_and_a_body():
    message = parse(INVITE)
    assert message.method == "INVITE"
    assert message.uri == "sip:1000@127.0.0.1"
    assert message.branch == "z9hG4bKabc"
    assert len(message.get_all("via")) == 2
    assert message.cseq == (7, "INVITE")
    assert message.call_id == "1@host"
    assert message.get("Subject") == "two lines"
    assert message.body == b"v=0\n"
    assert parameter(message.get("From"), "tag") == "99"
    assert address_uri(message.get("From")) == "sip:joe@127.0.0.1"


def test_a_response():
    message = parse(b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n")
    assert (message.status, message.reason, message.is_request) == (486, "Busy Here", False)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\n",
        b"INVITE sip:x SIP/3.0\r\n\r\n",
        b"INVITE sip:x y SIP/2.0\r\n\r\n",
        b"SIP/2.0 999 Nine\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\n folded first\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\nno colon\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\nContent-Length: 10\r\n\r\nshort",
        b"BYE sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        "BYE sip:x SIP/2.0\r\nContent-Length: ٣\r\n\r\nabc".encode(),
        b"BYE sip:x SIP/2.0\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_no_message_is_refused(datagram: bytes):
    with pytest.raises(SipSyntaxError):
        parse(datagram)


def test_a_value_cannot_start_a_header_of_its_own():
    message = Message(method="INVITE", uri="sip:a@b", headers=[("From", "x\r\nEvil: yes")])
    assert parse(message.encode()).get("Evil") == ""


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:1000@127.0.0.1:5060", Uri("1000", "127.0.0.1", 5060)),
        ("sip:pbx.example", Uri("", "pbx.example")),
        ("SIPS:+331@[::1]:5061;transport=tls", Uri("+331", "[::1]", 5061, ";transport=tls", "sips")),
    ],
)
def test_uris(text: str, uri: Uri):
    assert parse_uri(text) == uri
    assert parse_uri(str(uri)) == uri


@pytest.mark.parametrize("text", ["", "1000", "sip:", "sip:a@b:0", "sip:a@b:70000", "sip:a b@c", "tel:+33"])
def test_what_is_no_uri_says_how_to_write_one(text: str):
    with pytest.raises(SipSyntaxError):
        parse_uri(text)


def test_lists_split_outside_quotes_and_brackets():
    assert split_list('<sip:a,b>, "x, \\" y" <sip:c> ,, d') == ["<sip:a,b>", '"x, \\" y" <sip:c>', "d"]


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: INVITE[:200] + tail))
def test_no_bytes_break_the_parser(datagram: bytes):
    try:
        message = parse(datagram)
    except SipSyntaxError:
        return
    _ = (message.cseq, message.branch, message.call_id)
    again = parse(message.encode())
    assert (again.method, again.status, again.body) == (message.method, message.status, message.body)


@given(st.text(max_size=200))
def test_no_header_value_breaks_the_readers(value: str):
    parameter(value, "tag")
    split_list(value)
    for reader in (address_uri, parse_uri):
        try:
            reader(value)
        except SipSyntaxError:
            continue


TOKEN = st.text("abcDEF123-.", min_size=1, max_size=20)
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60).map(str.strip)


@given(TOKEN, st.lists(st.tuples(TOKEN.map("X-{}".format), VALUE), max_size=20), st.binary(max_size=200))
def test_what_goes_out_comes_back(method: str, headers: list[tuple[str, str]], body: bytes):
    message = Message(method=method, uri="sip:a@b", headers=headers, body=body)
    again = parse(message.encode())
    assert (again.method, again.uri, again.headers, again.body) == (method, "sip:a@b", headers, body)
