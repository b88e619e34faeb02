"""What visitors may do without a token: be told what is possible, ask, follow, change, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from controller.acd.model import Refused
from controller.callback.model import AttemptState, RequestId, RequestState, Source, When
from controller.calls.callback.desk import Asked
from controller.web.public.server import PREFIX, WATCHERS_EACH
from controller.web.public.wire import MAX_BODY_BYTES
from tests.rig.fakecallbacks import AT, open_queue
from tests.unit.web.public.stage import MOBILE, SHOP, SITE, Stage, decoded, new_key, number, staged

BASE = f"{PREFIX}/sites/boutique"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made


# --- what is possible now -----------------------------------------------------------------------------------------


async def test_the_button_is_told_what_it_may_offer(stage: Stage) -> None:
    status, now = await stage.send("GET", "/availability")
    assert status == 200
    assert now == {
        "show": "callback", "open": True, "now": True, "asap": True, "slots": True, "voice": False, "estimate_s": 120,
        "opens_at": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "show"),
    [
        ({"open": False, "now": False, "opens_at": AT}, "slot"),
        ({"staffed": False, "now": False}, "slot"),
        ({"now": False}, "callback"),
    ],
)
async def test_nobody_there_means_slots(stage: Stage, changes: dict[str, Any], show: str) -> None:
    stage.desk.queues["ventes"] = open_queue(**changes)
    assert (await stage.send("GET", "/availability"))[1]["show"] == show


async def test_a_queue_without_call_backs_shows_no_button(stage: Stage) -> None:
    stage.desk.queues.clear()
    assert (await stage.send("GET", "/availability"))[1]["show"] == "none"


async def test_the_answer_may_be_kept_for_seconds_and_asked_for_again_cheaply(stage: Stage) -> None:
    async with stage.client.get(f"{BASE}/availability") as first:
        assert first.headers["Cache-Control"] == "public, max-age=5"
        tag = first.headers["ETag"]
    async with stage.client.get(f"{BASE}/availability", headers={"If-None-Match": tag}) as second:
        assert (second.status, await second.read()) == (304, b"")


async def test_a_page_gets_what_its_form_needs_in_its_language(stage: Stage) -> None:
    _, site = await stage.send("GET", "?lang=en")
    assert (site["title"], site["language"], site["consent_version"]) == ("Let's talk bikes", "en", "rappel-1")
    assert site["consent"].startswith("I ask")
    assert site["theme"]["position"] == "right"
    assert (await stage.send("GET", "?lang=de"))[1]["language"] == "fr"


async def test_slots_are_told_in_the_visitors_zone_and_asked_for_once(stage: Stage) -> None:
    for _ in range(3):
        status, slots = await stage.send("GET", "/slots?zone=Asia/Tokyo")
    assert status == 200
    assert slots["zone"] == "Asia/Tokyo"
    assert slots["slots"][0] == {"at": "2026-11-24T21:00:00+09:00", "until": "2026-11-24T21:30:00+09:00"}
    assert stage.desk.looks_at_slots == 1
    assert (await stage.send("GET", "/slots?zone=Asia/Tokio"))[1]["code"] == "zone_unknown"


async def test_an_unknown_site_is_told_so_in_the_visitors_language(stage: Stage) -> None:
    async with stage.client.get(f"{PREFIX}/sites/x/availability", headers={"Accept-Language": "en-GB,fr"}) as answer:
        problem = await decoded(answer)
        assert (answer.status, problem["code"]) == (404, "unknown_site")
        assert problem["detail"].startswith("There is no such")
        assert answer.content_type == "application/problem+json"
    async with stage.client.get(f"{PREFIX}/nothing") as answer:
        assert (answer.status, (await decoded(answer))["code"]) == (404, "unknown_address")
    async with stage.client.put(f"{BASE}/availability") as answer:
        assert (answer.status, (await decoded(answer))["code"]) == (405, "wrong_method")


# --- whose page it is ---------------------------------------------------------------------------------------------


async def test_the_sites_page_may_ask_and_another_may_not(stage: Stage) -> None:
    async with stage.client.get(f"{BASE}/availability", headers={"Origin": SHOP}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
    async with stage.client.get(f"{BASE}/availability", headers={"Origin": "https://evil.example"}) as answer:
        assert (answer.status, (await decoded(answer))["code"]) == (403, "not_from_here")
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_browser_that_asks_first_is_told(stage: Stage) -> None:
    headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    async with stage.client.options(f"{BASE}/requests", headers=headers) as answer:
        assert answer.status == 204
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    async with stage.client.options(f"{BASE}/requests", headers={"Origin": "https://evil.example"}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_our_own_hosted_page_may_ask(stage: Stage) -> None:
    own = str(stage.client.make_url("/")).rstrip("/")
    async with stage.client.get(f"{BASE}/availability", headers={"Origin": own}) as answer:
        assert answer.status == 200


async def test_a_refusal_can_be_read_by_the_page(stage: Stage) -> None:
    async with stage.client.post(f"{BASE}/requests", data=b"{", headers={"Origin": SHOP}) as answer:
        assert answer.status == 422
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP


async def test_no_cookie_is_ever_set(stage: Stage) -> None:
    for path in ("/availability", "/challenge", ""):
        async with stage.client.get(BASE + path) as answer:
            assert "Set-Cookie" not in answer.headers
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


# --- asking -------------------------------------------------------------------------------------------------------


async def test_a_visitor_asks_and_everything_arrives(stage: Stage) -> None:
    status, taken = await stage.ask(
        address="192.0.2.7",
        name="Zoé Martin",
        reason="Ma selle\ngrince",
        reference="C-17",
        zone="Europe/Brussels",
        language="en",
        page="https://www.shop.example/velos?email=zoe@example.org#x",
        campaign="printemps",
        medium="email",
        referrer="https://search.example/q?zoe",
    )
    assert status == 201
    assert taken["request"]["state"] == "waiting"
    asked = stage.desk.asked[0]
    assert (asked.number, asked.queue, asked.source, asked.when) == ("+33639984701", "ventes", Source.WEB, When.ASAP)
    assert (asked.language, asked.zone, asked.country) == ("en", "Europe/Brussels", "FR")
    assert (asked.customer.name, asked.customer.reason) == ("Zoé Martin", "Ma selle\ngrince")
    assert asked.consent is not None
    assert (asked.consent.version, asked.consent.ip, asked.consent.at) == ("rappel-1", "192.0.2.7", AT)
    assert asked.consent.text == SITE.consent["en"]
    assert asked.origin.page == "https://www.shop.example/velos"
    assert asked.origin.referrer == "https://search.example"
    assert (asked.origin.campaign, asked.origin.medium) == ("printemps", "email")


async def test_a_slot_is_booked(stage: Stage) -> None:
    at = stage.desk.times[0].at
    status, taken = await stage.ask(when="slot", slot_at=at.isoformat(), zone="Europe/Paris")
    assert (status, taken["request"]["state"]) == (201, "scheduled")
    assert stage.desk.asked[0].slot_at == at


async def test_twenty_equal_requests_at_once_are_one(stage: Stage) -> None:
    key = new_key()
    work = await stage.work(key)
    answers = await asyncio.gather(*(stage.ask(key=key, work=work) for _ in range(20)))
    assert {status for status, _ in answers} == {201}
    assert len({taken["ticket"] for _, taken in answers}) == 1
    assert len(stage.desk.asked) == 1


async def test_a_retry_after_a_restart_gets_the_same_ticket(stage: Stage) -> None:
    key = new_key()
    _, first = await stage.ask(key=key)
    stage.parts.requests._answers.clear()
    stage.clock.monotonic_s += 5
    _, second = await stage.ask(key=key)
    assert second["ticket"] == first["ticket"]
    assert len(stage.desk.requests) == 1


async def test_a_key_is_for_one_number(stage: Stage) -> None:
    key = new_key()
    await stage.ask(key=key)
    status, problem = await stage.ask(key=key, number=number())
    assert (status, problem["code"]) == (409, "key_reused")


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "with blanks in the key", "clé-clé-clé-clé-clé"])
async def test_a_key_must_be_one(stage: Stage, key: str) -> None:
    headers = {"Idempotency-Key": key} if key.isascii() and key else {}
    status, problem = await stage.send("POST", "/requests", {"number": MOBILE}, headers=headers)
    assert (status, problem["code"]) == (400, "key_missing")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"consent": ""}, "consent_missing"),
        ({"consent": "rappel-0"}, "consent_changed"),
        ({"zone": "Mars/Olympus"}, "zone_unknown"),
        ({"when": "slot"}, "slot_missing"),
        ({"when": "whenever"}, "invalid"),
        ({"slot_at": "2026-11-24T10:00:00"}, "invalid"),
        ({"unknown": 1}, "invalid"),
        ({"country": "fr"}, "invalid"),
        ({"name": "x" * 81}, "invalid"),
        ({"number": ""}, "number_missing"),
        ({"number": "x" * 65}, "invalid"),
    ],
)
async def test_what_is_wrong_with_a_form_is_said(stage: Stage, body: dict[str, Any], code: str) -> None:
    status, problem = await stage.ask(**body)
    assert (status in (409, 422), problem["code"]) == (True, code)
    assert problem["advice"]
    assert stage.desk.asked == []


@pytest.mark.parametrize(
    ("given_number", "code"),
    [
        ("+44 20 7946 0018", "number_country"),
        ("+1 202 555 0143", "number_country"),
        ("0 899 70 00 00", "number_kind"),
        ("0 820 00 00 00", "number_kind"),
        ("+881 6 1234 5678", "number_kind"),
        ("+882 13 300 655", "number_kind"),
        ("3 6 3 1", "number_kind"),
        ("112", "number_kind"),
        ("15", "number_kind"),
        ("06 39 98 47", "number_invalid"),
        ("06 39 98 47 01;ext=5", "number_unreadable"),
        ("tel:+33639984701", "number_unreadable"),
        ("+33639984701@evil.example", "number_unreadable"),
        ("0639984701&0899700000", "number_unreadable"),
        ("0639984701\r\nX-Evil: 1", "number_unreadable"),
        ("\u0660\u0666\u0663\u0669\u0669\u0668\u0664\u0667\u0660\u0661", "number_unreadable"),
        ("06 39 98 47 01 x5", "number_unreadable"),
        ("\uff10\uff16\uff13\uff19\uff19\uff18\uff14\uff17\uff10\uff11", "number_unreadable"),
    ],
)
async def test_numbers_that_are_not_called_from_here(stage: Stage, given_number: str, code: str) -> None:
    status, problem = await stage.ask(number=given_number)
    assert (status, problem["code"]) == (422, code)
    assert stage.desk.asked == []


@pytest.mark.parametrize(
    ("refused", "code", "status"),
    [
        ("opted_out", "not_callable", 422),
        ("frequency", "not_callable", 422),
        ("consent", "not_callable", 422),
        ("cost", "unavailable", 503),
        ("off", "unavailable", 503),
        ("no_callbacks", "unavailable", 503),
        ("slot_taken", "slot_taken", 409),
        ("not_now", "not_now", 409),
        ("something_new", "unavailable", 503),
    ],
)
async def test_what_the_desk_refuses_is_said_without_telling_on_the_number(
    stage: Stage, refused: str, code: str, status: int
) -> None:
    stage.desk.refusal = Refused(refused, "internal words", "internal advice")
    answered, problem = await stage.ask()
    assert (answered, problem["code"]) == (status, code)
    assert "internal" not in str(problem)


async def test_a_mode_that_is_off_is_refused() -> None:
    async with staged(msgspec.structs.replace(SITE, modes=frozenset({"voice"}))) as stage:
        assert (await stage.ask())[1]["code"] == "mode_off"
        assert (await stage.send("GET", "/slots"))[1]["code"] == "mode_off"


async def test_while_postgres_is_away_the_visitor_is_told_to_telephone(stage: Stage) -> None:
    stage.desk.away = True
    status, problem = await stage.ask(language="en")
    assert (status, problem["code"]) == (503, "unavailable")
    assert "Telephone us" in problem["advice"]


async def test_a_fault_of_ours_is_told_as_one_and_logged_without_the_form(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(asked: Asked) -> None:
        raise ValueError(f"cannot cope with {asked.customer.name}")

    monkeypatch.setattr(stage.desk, "ask", broken)
    with capture_logs() as logs:
        status, problem = await stage.ask(name="Zoé Martin")
    assert (status, problem["code"]) == (500, "fault")
    (entry,) = [each for each in logs if each["event"] == "public.failed"]
    assert entry["kind"] == "ValueError"
    assert "Zoé" not in str(logs)


@pytest.mark.parametrize(
    ("data", "headers", "code"),
    [
        (b"", {}, "invalid"),
        (b"[]", {}, "invalid"),
        (b"\xff\xfe", {}, "invalid"),
        (b"[" * 10_000, {}, "invalid"),
        (b"{}", {"Content-Type": "text/plain"}, "invalid"),
        (b"{}", {"Content-Encoding": "gzip"}, "invalid"),
        (b" " * (MAX_BODY_BYTES + 1), {}, "too_large"),
    ],
)
async def test_a_body_that_is_none(stage: Stage, data: bytes, headers: dict[str, str], code: str) -> None:
    sent = {"Content-Type": "application/json", "Idempotency-Key": new_key(), **headers}
    async with stage.client.post(f"{BASE}/requests", data=data, headers=sent) as answer:
        assert (answer.status in (413, 422), (await decoded(answer))["code"]) == (True, code)


FIELDS = ("name", "reason", "reference", "campaign", "medium", "referrer", "page", "number", "zone")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=80),
    field=st.sampled_from(FIELDS),
)
async def test_any_text_in_any_field_is_taken_or_refused_in_words(stage: Stage, text: str, field: str) -> None:
    stage.clock.monotonic_s += 7200
    asked = len(stage.desk.asked)
    status, answer = await stage.ask(**({"number": number()} | {field: text[:40]}))
    assert status in (201, 422), answer
    if status == 422:
        assert answer["code"] != "fault"
        return
    for customer in stage.desk.asked[asked:]:
        assert customer.number.removeprefix("+").isdecimal()
        one_line = customer.customer.name + customer.origin.page + customer.origin.campaign + customer.origin.referrer
        assert one_line.isprintable()


HOSTILE = "<script>alert(1)</script>\u202e'; DROP TABLE calls;--\x00\r\n=cmd|' /C calc'!A0 ${7*7} {{7*7}}"


async def test_hostile_text_is_data(stage: Stage) -> None:
    status, taken = await stage.ask(name=HOSTILE[:80], reason=HOSTILE, reference=HOSTILE[:60], campaign=HOSTILE[:80])
    assert status == 201
    customer = stage.desk.asked[0].customer
    for text in (customer.name, customer.reference, customer.reason.replace("\n", "")):
        assert text.isprintable()
        assert "\u202e" not in text
    assert "<script>" not in str(taken)


# --- following ----------------------------------------------------------------------------------------------------


class Stream:
    """Server-sent events as a page reads them."""

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> dict[str, Any] | None:
        """Return the next progress; None: the stream has ended."""
        data = b""
        while line := await asyncio.wait_for(self._answer.content.readline(), 5):
            if line.startswith(b"data: "):
                data = line[6:]
            elif not line.strip() and data:
                found: dict[str, Any] = msgspec.json.decode(data)
                return found
        return None


async def test_a_visitor_follows_the_request_to_its_end(stage: Stage) -> None:
    _, taken = await stage.ask(language="en")
    request_id = next(iter(stage.desk.requests))
    headers = {"Authorization": f"Ticket {taken['ticket']}", "Accept-Language": "en", "Origin": SHOP}
    async with stage.client.get(f"{BASE}/request/events", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        stream = Stream(answer)
        first = await stream.next()
        assert first is not None
        assert (first["state"], first["position"], first["estimate_s"]) == ("waiting", 2, 60)
        seen = []
        for state in (AttemptState.CLAIMED, AttemptState.RINGING, AttemptState.ANSWERED, AttemptState.CONNECTED):
            while not (stage.desk.watchers(request_id)):
                await asyncio.sleep(0)
            stage.desk.dial(request_id, state)
            while (news := await stream.next()) and news["state"] == "waiting":
                pass
            assert news is not None
            seen.append((news["state"], news["text"]))
        assert seen == [
            ("dialling", "We are dialling your number."),
            ("ringing", "Your phone is ringing."),
            ("answered", "You have answered."),
            ("connected", "You are talking with an adviser."),
        ]
        stage.desk.put(msgspec.structs.replace(stage.desk.requests[request_id], state=RequestState.DONE))
        last = await stream.next()
        assert last is not None
        assert (last["state"], last["final"]) == ("done", True)
        assert await stream.next() is None
    assert stage.desk.watchers(request_id) == 0
    assert stage.routes.watchers == 0


async def test_a_request_that_is_over_ends_the_stream_at_once(stage: Stage) -> None:
    _, taken = await stage.ask()
    await stage.with_ticket("DELETE", taken["ticket"])
    headers = {"Authorization": f"Ticket {taken['ticket']}"}
    async with stage.client.get(f"{BASE}/request/events", headers=headers) as answer:
        stream = Stream(answer)
        last = await stream.next()
        assert last is not None
        assert last["state"] == "cancelled"
        assert await stream.next() is None


async def test_one_address_watches_so_many_and_no_more(stage: Stage) -> None:
    _, taken = await stage.ask()
    headers = {"Authorization": f"Ticket {taken['ticket']}"}
    answers = [await stage.client.get(f"{BASE}/request/events", headers=headers) for _ in range(WATCHERS_EACH)]
    async with stage.client.get(f"{BASE}/request/events", headers=headers) as answer:
        assert (answer.status, (await decoded(answer))["code"]) == (429, "too_many")
    for each in answers:
        each.close()


async def test_a_stopping_controller_lets_watchers_go(stage: Stage) -> None:
    _, taken = await stage.ask()
    headers = {"Authorization": f"Ticket {taken['ticket']}"}
    async with stage.client.get(f"{BASE}/request/events", headers=headers) as answer:
        assert answer.status == 200
        assert stage.routes.watchers == 1
        await stage.routes.close()
        await asyncio.wait_for(answer.read(), 5)
    assert stage.routes.watchers == 0


# --- changing and cancelling --------------------------------------------------------------------------------------


async def test_a_visitor_changes_to_a_slot_and_cancels(stage: Stage) -> None:
    _, taken = await stage.ask()
    ticket = taken["ticket"]
    at = stage.desk.times[1].at.isoformat()
    status, view = await stage.with_ticket("PATCH", ticket, {"when": "slot", "slot_at": at, "number": number()})
    assert (status, view["state"], view["slot_at"]) == (200, "scheduled", "2026-11-24T13:00:00Z")
    assert (await stage.with_ticket("DELETE", ticket))[1]["state"] == "cancelled"
    assert (await stage.with_ticket("DELETE", ticket))[1]["state"] == "cancelled"
    assert (await stage.with_ticket("PATCH", ticket, {"when": "asap"}))[1]["code"] == "too_late"


async def test_a_call_under_way_is_not_changed(stage: Stage) -> None:
    _, taken = await stage.ask()
    stage.desk.dial(next(iter(stage.desk.requests)))
    status, problem = await stage.with_ticket("PATCH", taken["ticket"], {"when": "asap"})
    assert (status, problem["code"]) == (409, "too_late")


async def test_a_new_number_is_checked_as_the_first_was(stage: Stage) -> None:
    _, taken = await stage.ask()
    body = {"when": "asap", "number": "+44 20 7946 0018"}
    assert (await stage.with_ticket("PATCH", taken["ticket"], body))[1]["code"] == "number_country"


@pytest.mark.parametrize("ticket", ["", "x", "A" * 59, "A" * 200, "é", "../../x", "AAAA" * 13 + "A="])
async def test_a_ticket_that_is_none(stage: Stage, ticket: str) -> None:
    headers = {"Authorization": f"Ticket {ticket}"} if ticket.isascii() else {}
    for method in ("GET", "DELETE"):
        status, problem = await stage.send(method, "/request", headers=headers)
        assert (status, problem["code"]) == (401, "ticket_unknown")


async def test_a_ticket_of_another_site_is_none(stage: Stage) -> None:
    stage.sites["other"] = msgspec.structs.replace(SITE, name="other")
    _, taken = await stage.ask()
    headers = {"Authorization": f"Ticket {taken['ticket']}"}
    async with stage.client.delete(f"{PREFIX}/sites/other/request", headers=headers) as answer:
        assert answer.status == 401


async def test_a_request_that_was_purged_is_unknown(stage: Stage) -> None:
    _, taken = await stage.ask()
    stage.desk.requests.clear()
    assert (await stage.with_ticket("GET", taken["ticket"]))[1]["code"] == "ticket_unknown"


# --- somebody else's number -----------------------------------------------------------------------------------------


async def test_a_stranger_learns_nothing_and_can_change_nothing(stage: Stage) -> None:
    at = stage.desk.times[0].at.isoformat()
    _, first = await stage.ask(when="slot", slot_at=at, address="192.0.2.1")
    request_id = RequestId(next(iter(stage.desk.requests)))
    _, fresh = await stage.ask(number=number(), address="192.0.2.2")
    status, stranger = await stage.ask(address="192.0.2.3")
    assert status == 201
    assert stranger["request"] == fresh["request"]
    _, another = await stage.ask(address="192.0.2.4")
    assert len({each["ticket"] for each in (first, stranger, another)}) == 3
    assert len(stranger["ticket"]) == len(fresh["ticket"])
    _, view = await stage.with_ticket("GET", stranger["ticket"])
    assert (view["state"], view["slot_at"], view["position"]) == ("waiting", None, 3)
    status, view = await stage.with_ticket("PATCH", stranger["ticket"], {"when": "asap"})
    assert (status, view["state"]) == (200, "waiting")
    _, view = await stage.with_ticket("DELETE", stranger["ticket"])
    assert (view["state"], view["final"]) == ("cancelled", True)
    assert stage.desk.requests[request_id].state is RequestState.SCHEDULED
    assert (await stage.with_ticket("GET", first["ticket"]))[1]["state"] == "scheduled"


async def test_a_second_asker_sees_a_call_that_comes_later_but_none_from_before(stage: Stage) -> None:
    await stage.ask()
    request_id = next(iter(stage.desk.requests))
    stage.desk.dial(request_id)
    stage.clock.monotonic_s += 60
    _, second = await stage.ask()
    assert (await stage.with_ticket("GET", second["ticket"]))[1]["state"] == "waiting"
    del stage.desk.current[request_id]
    stage.desk.now = AT + timedelta(seconds=120)
    stage.desk.dial(request_id, AttemptState.RINGING)
    assert (await stage.with_ticket("GET", second["ticket"]))[1]["state"] == "ringing"
