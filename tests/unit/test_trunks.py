"""Where calls go out, as sysadmins write it."""

from __future__ import annotations

import pytest

from controller.callback.model import Outcome
from controller.config import Sip
from controller.errors import ConfigError
from controller.trunks import Way, networks_of, outcomes_of, way_out


@pytest.mark.parametrize(
    ("sip", "way"),
    [
        (Sip(), Way(softphone="1002")),
        (Sip(bind="::1"), Way(softphone="1002")),
        (Sip(bind="192.0.2.1"), Way()),
        (Sip(bind="sip.example"), Way()),
        (Sip(softphones=[]), Way()),
        (Sip(trunk="none"), Way()),
        (Sip(trunk="softphone:1001", bind="192.0.2.1"), Way(softphone="1001")),
        (Sip(trunk="sip:192.0.2.7"), Way("192.0.2.7:5060")),
        (Sip(trunk=" sip:192.0.2.7:5080;transport=TCP "), Way("192.0.2.7:5080", "tcp")),
        (Sip(trunk="sip:[2001:db8::7]"), Way("[2001:db8::7]:5060")),
        (Sip(trunk="sip:192.0.2.7;transport=tls", tls_port=5061), Way("192.0.2.7:5061", "tls")),
        (Sip(trunk="sip:sip.carrier.example", trunk_peers=["192.0.2.0/24"]), Way("sip.carrier.example:5060")),
    ],
)
def test_ways_out(sip: Sip, way: Way) -> None:
    assert way_out(sip) == way


@pytest.mark.parametrize(
    ("sip", "advice"),
    [
        (Sip(trunk="sip.carrier.example"), "sip:host:port"),
        (Sip(trunk="sip:user@192.0.2.7"), "sip:host:port"),
        (Sip(trunk="sip:192.0.2.7;transport=ws"), "tcp, tls"),
        (Sip(trunk="sip:192.0.2.7\nexten => x"), "sip:host:port"),
        (Sip(trunk="softphone:1009"), "1001, 1002"),
        (Sip(trunk="sip:sip.carrier.example"), "trunk_peers"),
        (Sip(trunk="sip:192.0.2.7;transport=tls"), "tls_port"),
        (Sip(trunk="sip:192.0.2.7", trunk_register=True), "trunk_user"),
        (Sip(trunk="sip:192.0.2.7", trunk_password="x"), "trunk_user"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_write(sip: Sip, advice: str) -> None:
    with pytest.raises(ConfigError, match=r"\[sip\] trunk") as caught:
        way_out(sip)
    assert advice in str(caught.value)


def test_a_carrier_at_an_address_may_speak_to_us() -> None:
    assert networks_of(Sip(trunk="sip:192.0.2.7", trunk_peers=["198.51.100.0/24"])) == (
        "198.51.100.0/24",
        "192.0.2.7",
    )
    assert networks_of(Sip(trunk="sip:[2001:db8::7]")) == ("2001:db8::7",)
    assert networks_of(Sip()) == ()


def test_what_single_causes_mean() -> None:
    assert outcomes_of(Sip(trunk_outcomes=["19=unreachable", "38 = busy"])) == {
        19: Outcome.UNREACHABLE,
        38: Outcome.BUSY,
    }
    for wrong in ("19", "128=busy", "19=gone", "x=busy"):
        with pytest.raises(ConfigError, match="19=unreachable"):
            outcomes_of(Sip(trunk_outcomes=[wrong]))
