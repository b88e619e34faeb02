"""Limits, proof of work, tickets, addresses: the parts, and floods through the door."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from controller.callback.model import RequestId, RequestState
from controller.errors import ConfigError
from controller.web.public.forms import cleaned, without_query
from controller.web.public.keys import FILE, public_key
from controller.web.public.limits import Limiter, Rate, address_keys
from controller.web.public.origin import client_address, networks
from controller.web.public.protection import ASKS, NUMBER, NUMBER_DAY, READS
from controller.web.public.refusals import _DESK, _STATUS
from controller.web.public.tickets import Rights, Seal, Ticket
from controller.web.public.wording import PAGE, REFUSALS, STATES, language_of
from controller.web.public.work import BASE_BITS, CALM, LIFETIME_S, MAX_BITS, MAX_USED, USES, Flaw, Work, solve
from tests.rig.fakecallbacks import AT
from tests.unit.web.public.stage import MOBILE, Stage, new_key, number, staged

KEY = "an-idempotency-key-0001"
NOW = AT.timestamp()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made


# --- limits -------------------------------------------------------------------------------------------------------


def test_a_limit_lets_a_burst_through_then_makes_wait() -> None:
    limiter = Limiter(Rate(3, 60.0))
    assert [limiter.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    assert limiter.take("b", 0.0) == 0.0
    assert limiter.take("a", 19.0) == 1.0
    assert limiter.take("a", 20.0) == 0.0
    assert limiter.refused == 2


@given(st.lists(st.floats(0, 30), max_size=60))
def test_nobody_gets_more_than_the_rate(waits: list[float]) -> None:
    limiter, now, taken = Limiter(Rate(5, 60.0)), 0.0, []
    for wait in waits:
        now += wait
        if limiter.take("a", now) == 0.0:
            taken.append(now)
    for begin in taken:
        # A burst of 5, and one each 12 s after.
        assert sum(begin <= at < begin + 60.0 for at in taken) <= 10


def test_a_flood_of_keys_takes_no_more_room_and_frees_nobody() -> None:
    limiter = Limiter(Rate(2, 60.0), max_keys=100)
    for _ in range(2):
        assert limiter.take("known", 0.0) == 0.0
    for n in range(10_000):
        limiter.take(f"10.0.{n >> 8}.{n & 255}", 0.001 * n)
    assert len(limiter) <= 100
    assert limiter.take("known", 10.0) > 0
    assert sum(limiter.take(f"172.16.0.{n % 256}", 11.0) == 0.0 for n in range(100_000, 110_000)) < 2500
    assert limiter.take("somebody", 200.0) == 0.0


def test_the_table_empties_itself() -> None:
    limiter = Limiter(Rate(2, 60.0), max_keys=100)
    for n in range(100):
        limiter.take(str(n), 0.0)
    for n in range(40):
        assert limiter.take(f"later {n}", 100.0) == 0.0
    assert len(limiter) <= 50


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        ("192.0.2.7", ("192.0.2.7", "192.0.2.0/24")),
        ("::ffff:192.0.2.7", ("192.0.2.7", "192.0.2.0/24")),
        ("2001:db8:1:2:3:4:5:6", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("2001:db8:1:2:ffff::1%eth0", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("nonsense", ("unknown", "unknown")),
        ("", ("unknown", "unknown")),
    ],
)
def test_addresses_are_counted_with_their_neighbours(address: str, keys: tuple[str, str]) -> None:
    assert address_keys(address) == keys


# --- addresses behind proxies -------------------------------------------------------------------------------------


class _Transport:
    def __init__(self, peer: str) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 1) if name == "peername" else default


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("203.0.113.9", "192.0.2.1", [], "203.0.113.9"),
        ("203.0.113.9", "192.0.2.1", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.2", "192.0.2.1", ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.2", "6.6.6.6, 192.0.2.1", ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.2", "6.6.6.6, 192.0.2.1, 10.0.0.3", ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.2", "192.0.2.1:4711", ["10.0.0.2"], "192.0.2.1"),
        ("10.0.0.2", "[2001:db8::1]:4711", ["10.0.0.2"], "2001:db8::1"),
        ("10.0.0.2", "::ffff:192.0.2.1", ["10.0.0.2"], "192.0.2.1"),
        ("::ffff:10.0.0.2", "192.0.2.1", ["10.0.0.2"], "192.0.2.1"),
        ("10.0.0.2", "6.6.6.6, nonsense", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.2", "", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.2", ", ".join(["10.0.0.2"] * 5000), ["10.0.0.2"], "10.0.0.2"),
        ("fe80::1", "192.0.2.1", ["fe80::/10"], "192.0.2.1"),
    ],
)
def test_only_a_proxy_of_ours_is_believed(peer: str, forwarded: str, proxies: list[str], address: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers, transport=_Transport(peer))
    assert client_address(request, networks(proxies)) == address


async def test_a_visitor_who_forges_the_header_is_counted_as_who_they_are() -> None:
    async with staged(proxies=()) as stage:
        statuses = [(await stage.ask(number=number(), address=f"198.51.100.{n}"))[0] for n in range(ASKS.count + 1)]
        assert statuses == [201] * ASKS.count + [429]
        consents = [asked.consent for asked in stage.desk.asked]
        assert {consent.ip for consent in consents if consent} == {"127.0.0.1"}


# --- floods -------------------------------------------------------------------------------------------------------


async def test_an_address_that_asks_a_lot_has_to_wait_and_others_do_not(stage: Stage) -> None:
    for _ in range(ASKS.count):
        assert (await stage.ask(address="192.0.2.1", number=number()))[0] == 201
    status, problem = await stage.ask(address="192.0.2.1", number=number())
    assert (status, problem["code"]) == (429, "too_many")
    assert (await stage.ask(address="192.0.2.2", number=number()))[0] == 201
    assert (await stage.ask(address="2001:db8::1", number=number()))[0] == 201
    stage.clock.monotonic_s += 101
    assert (await stage.ask(address="192.0.2.1", number=number()))[0] == 201


async def test_a_wait_is_told(stage: Stage) -> None:
    for _ in range(READS.count):
        assert (await stage.send("GET", "/availability"))[0] == 200
    async with stage.client.get("/public/v1/sites/boutique/availability") as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1


async def test_one_number_is_not_called_again_and_again_by_strangers(stage: Stage) -> None:
    for n in range(NUMBER.count):
        assert (await stage.ask(address=f"192.0.{n}.1"))[0] == 201
    assert (await stage.ask(address="192.0.99.1"))[1]["code"] == "too_many"


async def test_a_numbers_day_is_counted_where_a_restart_changes_nothing(stage: Stage) -> None:
    for n in range(NUMBER_DAY):
        stage.clock.monotonic_s += 1000
        stage.desk.now = stage.clock.now()
        assert (await stage.ask(address=f"192.0.{n}.1"))[0] == 201
        for each in list(stage.desk.requests.values()):
            stage.desk.put(msgspec.structs.replace(each, state=RequestState.DONE))
    async with staged() as after_restart:
        after_restart.desk.requests = stage.desk.requests
        after_restart.clock.monotonic_s = stage.clock.monotonic_s + 1000
        assert (await after_restart.ask())[1]["code"] == "too_many"
        after_restart.clock.monotonic_s += 86_400
        assert (await after_restart.ask())[0] == 201


async def test_numbers_of_a_block_are_counted_together(stage: Stage) -> None:
    codes = []
    for n in range(31):
        _, answer = await stage.ask(address=f"192.{n}.0.1", number=f"06 39 98 {n:04d}")
        codes.append(answer.get("code", "taken"))
    assert codes == ["taken"] * 30 + ["too_many"]


async def test_a_site_has_its_day(stage: Stage) -> None:
    stage.sites["boutique"] = msgspec.structs.replace(stage.sites["boutique"], per_day=2)
    answers = [await stage.ask(address=f"192.{n}.0.1", number=number()) for n in range(3)]
    assert [status for status, _ in answers] == [201, 201, 429]


async def test_the_metrics_tell_of_abuse(stage: Stage) -> None:
    await stage.ask()
    await stage.ask(worked=False)
    await stage.send("DELETE", "/request", headers={"Authorization": "Ticket forged"})
    async with stage.client.get("/metrics") as answer:
        families = {each.name: each for each in text_string_to_metric_families(await answer.text())}
    counts = {each.labels["what"]: each.value for each in families["rappel_public_events"].samples}
    assert counts["requests"] == 1
    assert counts["answered_work_missing"] == 1
    assert counts["wrong_tickets"] == 1
    assert families["rappel_public_work_bits"].samples[0].value == BASE_BITS
    assert {each.labels["limit"] for each in families["rappel_public_limited_keys"].samples} >= {"asks", "number"}


async def test_nothing_personal_is_logged(stage: Stage) -> None:
    with capture_logs() as logs:
        await stage.ask(name="Zoé Martin", reason="secret", address="192.0.2.77")
        stage.desk.away = True
        await stage.ask(number=number(), name="Zoé Martin", address="192.0.2.77")
    for secret in ("Zoé", "secret", "639984701", "192.0.2.77", "Ticket"):
        assert secret not in str(logs)


# --- proof of work ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solved() -> tuple[str, str]:
    challenge = Work(b"k" * 32).challenge("boutique", NOW).challenge
    return challenge, solve(challenge, KEY)


def test_work_that_was_done_is_taken_so_often(solved: tuple[str, str]) -> None:
    work = Work(b"k" * 32)
    flaws = [work.flaw(*solved, KEY, "boutique", NOW + 5) for _ in range(USES + 1)]
    assert flaws == [None] * USES + [Flaw.USED]


def test_work_is_what_the_page_is_told(solved: tuple[str, str]) -> None:
    challenge, solution = solved
    _, _, bits, puzzles, _, _, _ = challenge.split(".")
    texts = solution.split(".")
    assert len(texts) == int(puzzles)
    for i, text in enumerate(texts):
        digest = hashlib.sha256(f"{challenge}:{KEY}:{i}:{text}".encode()).digest()
        assert int.from_bytes(digest, "big") >> (256 - int(bits)) == 0


@pytest.mark.parametrize(
    ("key", "site", "at", "flaw"),
    [
        ("another-key-of-somebody", "boutique", NOW, Flaw.WRONG),
        (KEY, "other", NOW, Flaw.WRONG),
        (KEY, "boutique", NOW + LIFETIME_S + 1, Flaw.EXPIRED),
        (KEY, "boutique", NOW - 3600, Flaw.EXPIRED),
    ],
)
def test_work_is_for_one_request_one_site_and_a_time(
    solved: tuple[str, str], key: str, site: str, at: float, flaw: Flaw
) -> None:
    assert Work(b"k" * 32).flaw(*solved, key, site, at) is flaw


def test_work_of_another_key_is_forged(solved: tuple[str, str]) -> None:
    assert Work(b"x" * 32).flaw(*solved, KEY, "boutique", NOW) is Flaw.WRONG


def test_an_easier_challenge_cannot_be_made(solved: tuple[str, str]) -> None:
    challenge, _ = solved
    parts = challenge.split(".")
    for place, value in ((2, "0"), (3, "1"), (1, str(int(NOW) + 9)), (5, "0" * 16), (6, "0" * 32)):
        easier = ".".join([*parts[:place], value, *parts[place + 1 :]])
        assert (
            Work(b"k" * 32).flaw(easier, "0" if place == 3 else ".".join("0" * 8), KEY, "boutique", NOW) is Flaw.WRONG
        )


@given(challenge=st.text(max_size=220), solution=st.text(max_size=420))
def test_any_text_is_no_work(challenge: str, solution: str) -> None:
    flaw = Work(b"k" * 32).flaw(challenge, solution, KEY, "boutique", NOW)
    assert flaw in (Flaw.MISSING, Flaw.WRONG)


@given(solution=st.text("0123456789abcxyz.", max_size=180))
def test_any_solution_of_a_real_challenge_is_wrong(solved: tuple[str, str], solution: str) -> None:
    flaw = Work(b"k" * 32).flaw(solved[0], solution, KEY, "boutique", NOW)
    assert flaw in (Flaw.MISSING, Flaw.WRONG)


def test_much_work_makes_it_harder_and_calm_easier_again() -> None:
    work, bits = Work(b"k" * 32), []
    for n in range(CALM * 20):
        work._use(str(n), NOW + LIFETIME_S, NOW)
        bits.append(work.challenge("boutique", NOW).bits)
    assert bits[CALM // 2] == BASE_BITS
    assert bits[CALM + 1] == BASE_BITS + 1
    assert bits[-1] == BASE_BITS + 5 == MAX_BITS
    assert work.bits(NOW + 60) == MAX_BITS
    assert work.bits(NOW + 180) == BASE_BITS


def test_challenges_that_nobody_solves_make_it_harder_for_nobody() -> None:
    work = Work(b"k" * 32)
    assert {work.challenge("boutique", NOW).bits for _ in range(1000)} == {BASE_BITS}


def test_who_asks_a_lot_works_more() -> None:
    assert Work(b"k" * 32).challenge("boutique", NOW, 1.0).bits == BASE_BITS + 3


def test_the_memory_of_work_is_bounded(solved: tuple[str, str]) -> None:
    work = Work(b"k" * 32)
    for n in range(MAX_USED):
        work._use(str(n), NOW + LIFETIME_S, NOW)
    assert work.flaw(*solved, KEY, "boutique", NOW) is Flaw.USED
    assert work.flaw(*solved, KEY, "boutique", NOW + LIFETIME_S) is Flaw.USED
    work._use("later", NOW + 2 * LIFETIME_S, NOW + LIFETIME_S + 1)
    assert len(work._used) == 1


def test_checking_costs_little(solved: tuple[str, str]) -> None:
    work = Work(b"k" * 32)
    begun = time.perf_counter()
    for _ in range(200):
        work.flaw(*solved, KEY, "boutique", NOW)
    assert (time.perf_counter() - begun) / 200 < 0.002


async def test_nothing_is_taken_without_work_or_with_somebody_elses(stage: Stage) -> None:
    assert (await stage.ask(worked=False))[1]["code"] == "work_missing"
    work = await stage.work("the-key-of-somebody-else")
    assert (await stage.ask(work=work))[1]["code"] == "work_wrong"
    key = new_key()
    work = await stage.work(key)
    stage.clock.monotonic_s += LIFETIME_S + 1
    assert (await stage.ask(key=key, work=work))[1]["code"] == "work_expired"
    assert stage.desk.asked == []


async def test_work_replayed_for_other_numbers_brings_one_request(stage: Stage) -> None:
    key = new_key()
    work = await stage.work(key)
    assert (await stage.ask(key=key, work=work, number="06 39 98 47"))[1]["code"] == "number_invalid"
    codes = [(await stage.ask(key=key, work=work, number=number()))[1].get("code", "taken") for _ in range(5)]
    assert codes == ["taken", "key_reused", "key_reused", "key_reused", "work_used"]
    assert len(stage.desk.requests) == 1


async def test_a_captcha_is_asked_when_there_is_one() -> None:
    asked: list[tuple[str, str]] = []

    class Service:
        async def passed(self, token: str, address: str) -> bool:
            asked.append((token, address))
            return token == "human"

    async with staged(captcha=Service()) as stage:
        assert (await stage.ask(captcha="robot"))[1]["code"] == "captcha_failed"
        assert (await stage.ask(captcha="human"))[0] == 201
        assert asked == [("robot", "127.0.0.1"), ("human", "127.0.0.1")]


# --- tickets ------------------------------------------------------------------------------------------------------

REQUEST = RequestId("0123456789abcdef0123456789abcdef")


@given(st.binary(min_size=16, max_size=16), st.sampled_from(list(Rights)), st.integers(0, 4_000_000_000))
def test_a_ticket_opens_as_it_was_sealed(name: bytes, rights: Rights, at: int) -> None:
    seal = Seal(b"k" * 16)
    ticket = Ticket(RequestId(name.hex()), rights, AT.fromtimestamp(at, AT.tzinfo))
    text = seal.seal(ticket, "boutique")
    assert seal.open(text, "boutique") == ticket
    assert len(text) == 59
    assert Seal(b"K" * 16).open(text, "boutique") is None
    assert seal.open(text, "other") is None


def test_no_bit_of_a_ticket_can_be_changed() -> None:
    seal = Seal(b"k" * 16)
    text = seal.seal(Ticket(REQUEST, Rights.SECOND, AT), "boutique")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, char in enumerate(text):
        other = alphabet[(alphabet.index(char) + 5) % 64]
        assert seal.open(text[:place] + other + text[place + 1 :], "boutique") is None


def test_a_ticket_tells_nothing() -> None:
    seal = Seal(b"k" * 16)
    own = seal.seal(Ticket(REQUEST, Rights.OWN, AT), "boutique")
    second = seal.seal(Ticket(REQUEST, Rights.SECOND, AT), "boutique")
    assert sum(one == other for one, other in zip(own, second, strict=True)) < 8
    assert seal.reference(own) != seal.reference(second)
    assert len(seal.reference(own)) == 8


# --- texts and words ----------------------------------------------------------------------------------------------


@given(st.text())
def test_cleaned_text_can_stand_anywhere(text: str) -> None:
    line = cleaned(text, 50)
    assert len(line) <= 50
    assert not set(line) & set("\r\n\t\x00\u202e\u2028\u200b")


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://shop.example/a?email=x#y", "https://shop.example/a"),
        ("https://user:secret@shop.example:8443/a", "https://shop.example:8443/a"),
        ("javascript:alert(1)", ""),
        ("https://[x", ""),
        ("https://shop.example:99999/", ""),
        ("", ""),
    ],
)
def test_addresses_lose_what_may_be_personal(address: str, kept: str) -> None:
    assert without_query(address) == kept


def test_every_word_is_there_in_both_languages() -> None:
    codes = {*_STATUS, *_DESK.values(), *(flaw.value for flaw in Flaw)}
    codes |= {f"number_{code}" for code in ("missing", "unreadable", "invalid", "kind", "country")}
    assert codes <= set(REFUSALS)
    for words in REFUSALS.values():
        assert set(words) == {"fr", "en"}
        assert all(said.detail and said.advice for said in words.values())
    assert {state.value for state in RequestState} | {"ringing", "answered", "connected"} == set(STATES)
    assert set(PAGE["fr"]) == set(PAGE["en"])


@pytest.mark.parametrize(
    ("header", "language"),
    [("en-GB,en;q=0.9", "en"), ("de, en;q=0.5", "en"), ("de", "fr"), ("", "fr"), ("*", "fr"), ("x" * 10_000, "fr")],
)
def test_a_browsers_language_is_followed(header: str, language: str) -> None:
    assert language_of(header, ("fr", "en")) == language


# --- the key ------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = public_key("", tmp_path / "state")
    assert len(first) == 32
    assert public_key("", tmp_path / "state") == first
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o077 == 0
    assert public_key("a key that is told", tmp_path) == b"a key that is told"


def test_a_key_that_is_none_is_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(ConfigError, match="delete it"):
        public_key("", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        public_key("", tmp_path / "file" / "state")


def test_the_number_of_the_tests_is_one_of_fiction() -> None:
    assert MOBILE.startswith("06 39 98")
