"""What is known of registered devices is believed only as long as every change would be heard of."""

from __future__ import annotations

from controller.ari.contacts import Contacts

ONE, TWO = ("PJSIP/2001/sip:a",), ("PJSIP/2001/sip:b",)


class Exchange:
    def __init__(self) -> None:
        self.answers = ONE
        self.looks = 0
        self.connection: int | None = 1

    async def look(self) -> tuple[str, ...]:
        self.looks += 1
        return self.answers


def contacts(exchange: Exchange) -> Contacts:
    known = Contacts()
    known.watched_by(lambda: exchange.connection)
    return known


async def test_asked_once():
    exchange = Exchange()
    known = contacts(exchange)
    assert [await known.of("2001", exchange.look) for _ in range(3)] == [ONE] * 3
    assert exchange.looks == 1


async def test_asked_again_after_a_change():
    exchange = Exchange()
    known = contacts(exchange)
    await known.of("2001", exchange.look)
    exchange.answers = TWO
    known.changed("2002")
    assert await known.of("2001", exchange.look) == ONE
    known.changed("2001")
    assert await known.of("2001", exchange.look) == TWO


async def test_that_there_is_none_is_asked_each_time():
    exchange = Exchange()
    exchange.answers = ()
    known = contacts(exchange)
    assert await known.of("2001", exchange.look) == ()
    exchange.answers = ONE
    assert await known.of("2001", exchange.look) == ONE


async def test_nothing_is_believed_while_nobody_watches_or_from_before():
    exchange = Exchange()
    known = contacts(exchange)
    await known.of("2001", exchange.look)
    exchange.connection = None
    exchange.answers = TWO
    assert await known.of("2001", exchange.look) == TWO
    exchange.answers = ONE
    assert await known.of("2001", exchange.look) == ONE
    exchange.connection = 2
    exchange.answers = TWO
    assert await known.of("2001", exchange.look) == TWO
    assert exchange.looks == 4


async def test_a_change_while_one_looks_counts():
    exchange = Exchange()
    known = contacts(exchange)

    async def look() -> tuple[str, ...]:
        known.changed("2001")
        return ONE

    assert await known.of("2001", look) == ONE
    exchange.answers = TWO
    assert await known.of("2001", exchange.look) == TWO


async def test_without_a_watcher_each_asks():
    exchange = Exchange()
    known = Contacts()
    assert [await known.of("2001", exchange.look) for _ in range(2)] == [ONE] * 2
    assert exchange.looks == 2
