from __future__ import annotations

from structlog.testing import capture_logs

from controller.ami.security import WINDOW_S, SecurityLog, source_of

HEADERS = {"RemoteAddress": "IPV4/UDP/192.0.2.7/5060", "AccountID": "100", "Service": "PJSIP"}


def test_a_flood_is_one_line_and_a_count() -> None:
    security = SecurityLog()
    with capture_logs() as logs:
        for n in range(500):
            security.take("InvalidPassword", HEADERS, at=100 + n / 1000)
        security.take("InvalidPassword", HEADERS, at=100 + WINDOW_S)
    assert [(line["event_name"], line["source"], line.get("also")) for line in logs] == [
        ("InvalidPassword", "192.0.2.7", None),
        ("InvalidPassword", "192.0.2.7", 499),
    ]
    assert security.counts == {"InvalidPassword": 501}


def test_what_was_only_counted_is_logged_when_it_ends() -> None:
    security = SecurityLog()
    with capture_logs() as logs:
        security.take("FailedACL", HEADERS, at=1.0)
        security.take("FailedACL", HEADERS, at=2.0)
        security.sweep(3.0)
        assert len(logs) == 1
        security.sweep(1.0 + WINDOW_S)
        security.sweep(2.0 + WINDOW_S)
    assert [line.get("count") for line in logs] == [None, 1]


def test_many_sources_do_not_fill_the_memory() -> None:
    security = SecurityLog()
    with capture_logs() as logs:
        for n in range(5000):
            security.take("InvalidAccountID", {"RemoteAddress": f"IPV4/UDP/10.0.{n // 256}.{n % 256}/5060"}, at=1.0)
    assert len(security._window) <= 1025
    assert len(logs) <= 1025
    assert security.counts["InvalidAccountID"] == 5000


def test_sources() -> None:
    assert source_of("IPV6/TLS/2001:db8::1/5061") == "2001:db8::1"
    assert source_of("") == "(unknown)"
    assert source_of("a/b\n/c") == "(unknown)"


def test_what_a_stranger_typed_is_cut() -> None:
    with capture_logs() as logs:
        SecurityLog().take("InvalidAccountID", {**HEADERS, "AccountID": "x" * 5000}, at=1.0)
    assert logs[0]["account"] == "x" * 64
