"""Telephones that went away in a conversation are ended; those only out of reach or only silent are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.ari import lostphones
from controller.ari.generated import models
from controller.ari.lostphones import NO_SOUND, LostPhones
from controller.errors import AsteriskUnreachable, ChannelGone


class Exchange:
    """Answers as Asterisk would: `counts` are the packets that each look at a channel finds, None: no stream."""

    def __init__(self, counts: dict[str, list[int | None]]) -> None:
        self.counts = counts
        self.ended: list[tuple[str, str]] = []
        self.away = False

    async def request(self, operation: Any) -> Any:
        await asyncio.sleep(0)
        if self.away:
            raise AsteriskUnreachable("away")
        if operation.name == "endpoints.get":
            return models.Endpoint(
                technology="PJSIP", resource="2001", channel_ids=list(self.counts), state="offline"
            )
        channel = operation.path.split("/")[1]
        if operation.name == "channels.hangup":
            self.ended.append((channel, dict(operation.query)["reason_code"]))
            return None
        found = self.counts[channel].pop(0)
        if found is None:
            raise ChannelGone("no stream", status=404, reason="")
        stat = dict.fromkeys(
            ("txcount", "txploss", "rxploss", "local_ssrc", "remote_ssrc", "txoctetcount", "rxoctetcount"), 0
        )
        return models.RTPstat(channel_uniqueid=channel, rxcount=found, **stat)


class Accounts:
    def serves(self, endpoint: str) -> bool:
        return endpoint == "2001"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lostphones, "LISTEN_S", 0.0)


async def after(exchange: Exchange, *happened: tuple[str, str]) -> list[tuple[str, str]]:
    phones = LostPhones(exchange, Accounts())  # type: ignore[arg-type]
    for endpoint, status in happened:
        phones.contact(endpoint, status)
    await asyncio.gather(*phones._looks.values())
    await phones.close()
    assert phones.ended == len(exchange.ended)
    return exchange.ended


@pytest.mark.parametrize("status", ["Unreachable", "Removed"])
async def test_a_silent_phone_that_does_not_answer_is_ended(status: str):
    assert await after(Exchange({"a": [500, 500]}), ("2001", status)) == [("a", str(NO_SOUND))]


async def test_one_that_is_heard_talks_on():
    assert await after(Exchange({"a": [500, 520], "b": [7, 7]}), ("2001", "Unreachable")) == [("b", str(NO_SOUND))]


async def test_one_that_rings_is_left_to_ring():
    assert await after(Exchange({"a": [None]}), ("2001", "Unreachable")) == []


async def test_what_was_hung_up_meanwhile_is_not_ended_again():
    assert await after(Exchange({"a": [500, None]}), ("2001", "Removed")) == []


@pytest.mark.parametrize("happened", [("2001", "Reachable"), ("2001", "Created"), ("trunk", "Unreachable")])
async def test_other_news_are_none_of_its_business(happened: tuple[str, str]):
    assert await after(Exchange({"a": [500, 500]}), happened) == []


async def test_told_twice_it_looks_once():
    exchange = Exchange({"a": [500, 500]})
    assert await after(exchange, ("2001", "Unreachable"), ("2001", "Removed")) == [("a", str(NO_SOUND))]


async def test_an_asterisk_that_is_away_is_no_fault():
    exchange = Exchange({"a": [500, 500]})
    exchange.away = True
    assert await after(exchange, ("2001", "Unreachable")) == []
