"""Digest answers against the worked examples of RFC 2617 and RFC 7616."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softphone.digest import Challenge, DigestError, authorization, choose_challenge, parse_challenge

RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str):
    value = authorization(
        parse_challenge(RFC7616.format(algorithm)),
        user="Mufasa",
        password="Circle of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{response}"' in value
    assert f"algorithm={algorithm}" in value
    assert "nc=00000001" in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_rfc_2617_section_3_5():
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth")
    value = authorization(
        challenge,
        user="Mufasa",
        password="Circle Of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in value


def test_without_qop_there_is_no_counter():
    value = authorization(
        parse_challenge('Digest realm="r", nonce="n"'), user="u", password="p", method="M", uri="u", cnonce="c"
    )
    assert "nc=" not in value
    assert "cnonce" not in value


def test_the_first_challenge_we_know_is_taken():
    values = [RFC7616.format("SHA-512-256"), RFC7616.format("SHA-256"), RFC7616.format("MD5")]
    assert choose_challenge(values).algorithm == "SHA-256"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic realm=x",
        "Digest",
        'Digest realm="x"',
        'Digest nonce="x"',
        'Digest realm="x", nonce="y", qop="auth-int"',
        'Digest realm="x", nonce="y", algorithm=AKAv1-MD5',
        'Digest realm="x" "y"',
    ],
)
def test_what_cannot_be_answered(value: str):
    with pytest.raises(DigestError):
        parse_challenge(value)
    with pytest.raises(DigestError):
        choose_challenge([value])


def test_a_user_name_cannot_break_out_of_its_quotes():
    with pytest.raises(DigestError):
        authorization(Challenge("r", "n"), user='u", realm="x', password="p", method="M", uri="u", cnonce="c")


@given(st.text(max_size=300).map("Digest {}".format) | st.text(max_size=50))
def test_no_text_breaks_the_parser(value: str):
    try:
        parse_challenge(value)
    except DigestError:
        return
