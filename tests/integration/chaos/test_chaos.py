"""Never twice, never lost: call-backs while everything that can be killed is killed.

A controller that kills itself around each of its commands (`crashing.py`), an Asterisk and a Postgres that are killed
now and then, agents at real telephones, and the people called: one witness that shares nothing with Rappel. At the
end what the witness saw is compared with what Postgres says.

`CHAOS_REQUESTS` says how many requests (the suite has few, `make chaos` a thousand).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from controller.acd.model import AgentId
from controller.callback.model import FINAL, RequestState
from controller.postgres import migrations
from controller.postgres.tokens import PostgresTokens
from controller.runtime import postgres as postgres_runtime
from controller.runtime.asterisk import AsteriskServer
from controller.runtime.postgres import PostgresServer
from controller.runtime.settings import Trunk
from controller.softphone.media import Source
from controller.softphone.phone import IncomingCall
from controller.web.api.access import Scope, new_secret
from tests.integration.chaos import crashing
from tests.integration.chaos.witness import AGENT_HZ, Mood, Seen, Witness
from tests.rig.agents import Agents, enrolled, write_queues
from tests.rig.asterisk import Rig
from tests.rig.centre import Centre, Process, config_for, ready, until

pytestmark = pytest.mark.alone

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "24"))
MANY = REQUESTS >= 200
AGENTS = 20 if MANY else 8
AT_ONCE = 16
"""Requests that are being asked for at once."""
SURE = 3 if MANY else 1
"""How often each crash point is certain to be met, if there is work enough."""
LIMIT_S = 240.0 + REQUESTS * 2.0 + SURE * 150.0
QUEUE, AGENT_FIRST = "rappels", "dossiers"
"""Customers of the second queue are called when an agent has seen the file and has accepted with a key."""
FLOW = """
flow: client_QUEUE
start: accueil
languages: [fr, en]
limits: {duration: 5m}
defaults: {first_digit: 3s, attempts: 2}
prompts:
  bonjour: {fr: {file: bienvenue}, en: {file: bienvenue}}
  encore: {fr: {file: encore}, en: {file: encore}}
steps:
  accueil:
    type: menu
    prompt: bonjour
    choices: {1: conseiller}
    no_input: {prompt: encore, then: fin}
    invalid: {prompt: encore, then: fin}
  conseiller: {type: queue, queue: QUEUE, next: fin, timeout: fin, full: fin, closed: fin, failed: fin}
  fin: {type: hangup}
"""
CONSENT = {"text": "Rappelez-moi", "version": "1"}
OUTBOUND = {
    "caller_id": "+33353014700",
    "countries": ["FR"],
    "kinds": ["fixed"],
    "ceilings": {"hour": 90_000, "day": 90_000, "number": 1_000, "calls": 100},
    "tariffs": {"FR": {"per_min": 0.01}},
}
RETRY = {
    each: ["5s"]
    for each in ("busy", "no_answer", "unreachable", "voicemail", "refused", "failed", "lost", "left", "blocked")
}
"""So soon that whoever is called twice by mistake is called while the test looks."""


def queue_of(number: str) -> str:
    """Return for which queue `number` asks: every other one to be called by an agent who is rung first."""
    return AGENT_FIRST if int(number[-1]) % 2 else QUEUE


def talk_s(number: str) -> float:
    """Return how long `number` talks: the agent who was rung first does not know when the talk begins."""
    return 0.8 if queue_of(number) == AGENT_FIRST else 90.0


def mood(number: str, before: int) -> Mood:
    """Return what `number` does the next time: sooner or later everybody takes the call."""
    if before >= 3:
        return Mood.ACCEPTS
    chance = random.Random(f"{number} {before}").random()
    for kind, until_p in (
        (Mood.ACCEPTS, 0.55),
        (Mood.BUSY, 0.67),
        (Mood.ABSENT, 0.78),
        (Mood.REFUSES, 0.84),
        (Mood.LEAVES, 0.95),
    ):
        if chance < until_p:
            return kind
    return Mood.MACHINE


@dataclass
class Ground:
    """Everything that is killed, and who looks on."""

    rig: Rig
    asterisk: AsteriskServer
    postgres: PostgresServer
    centre: Centre
    controller: Process
    witness: Witness
    ledger: Path
    kills: Counter[str] = field(default_factory=Counter)


@pytest_asyncio.fixture
async def ground(asterisk_rig: Rig, folder: Path, audio_cache: Path, tmp_path: Path) -> AsyncIterator[Ground]:
    """A centre with call-backs, none of whose parts is safe."""
    _write_centre(folder)
    async with AsyncExitStack() as stack:
        witness = Witness(mood, talk_s)
        await witness.open()
        stack.push_async_callback(witness.close)
        postgres = PostgresServer(postgres_runtime.find(), tmp_path / "pg", durable=True)
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        dsn = await postgres.create_database("chaos")
        await migrations.upgrade(dsn)
        asterisk = await asterisk_rig.boot(trunk=Trunk(host=f"127.0.0.1:{witness.port}", calls=100))
        config = config_for(asterisk, dsn, folder, audio_cache)
        centre = Centre(config, asterisk, None)
        stack.push_async_callback(centre.store.close)
        ledger = tmp_path / "ledger"
        more = {crashing.LEDGER: str(ledger), crashing.RATE: "0.0005", crashing.EAGER: str(SURE)}
        controller = Process(config, tmp_path / "controller.log", module=crashing.__name__, more=more)
        stack.callback(controller.show_log)
        stack.push_async_callback(controller.ended)
        stack.callback(controller.kill)
        yield Ground(asterisk_rig, asterisk, postgres, centre, controller, witness, ledger)


def _write_centre(folder: Path) -> None:
    plain = {"ring": "10s", "missed_pause": "1s"}
    preview = {"whisper": "murmure", "accept": {"key": 1, "prompt": "acceptez"}}
    write_queues(folder, {QUEUE: dict(plain), AGENT_FIRST: plain | preview})
    path = folder / "centre.yaml"
    centre = yaml.safe_load(path.read_text("utf-8"))
    centre["numbers"]["+33353014700"] = {"flow": f"queue_{QUEUE}", "language": "fr"}
    for queue, first in ((QUEUE, "customer"), (AGENT_FIRST, "agent")):
        (folder / f"client_{queue}.yaml").write_text(FLOW.replace("QUEUE", queue), "utf-8")
        rules = {"flow": f"client_{queue}", "first": first, "tries": 12, "ring": "15s", "retry": RETRY}
        centre["queues"][queue]["callback"] = rules
    centre["outbound"] = OUTBOUND
    path.write_text(yaml.safe_dump(centre, allow_unicode=True), "utf-8")


# --- those who act ------------------------------------------------------------------------------------------


def answers(incoming: IncomingCall, source: Source) -> None:
    """Answer, talk a little, hang up; in the queue with a preview some do not take it, or do not wait."""
    first = incoming.invite.get("X-Rappel-Queue") == AGENT_FIRST
    incoming.ring()
    if first and random.random() < _DECLINES_P:
        incoming.reject(603)
        return
    task = asyncio.get_running_loop().create_task(_previews(incoming, source) if first else _talks(incoming, source))
    _TALKS.add(task)
    task.add_done_callback(_TALKS.discard)


async def _talks(incoming: IncomingCall, source: Source) -> None:
    call = incoming.answer(source)
    if call is None or await call.wait_ended(random.uniform(0.6, 1.2)):
        return
    await call.hangup()


async def _previews(incoming: IncomingCall, source: Source) -> None:
    call = incoming.answer(source)
    if call is None:
        return
    impatient = random.random() < _IMPATIENT_P
    for pause_s in (random.uniform(0.3, 3.5), *((1.0, 1.5) if impatient else (1.5, 2.5, 4.0, 8.0, 20.0))):
        if await call.wait_ended(pause_s):
            return
        await call.press("1")
    await call.hangup()


_DECLINES_P, _IMPATIENT_P = 0.04, 0.05
_TALKS: set[asyncio.Task[None]] = set()


async def keep_alive(ground: Ground) -> None:
    """Start the controller again whenever it has died."""
    while True:  # until the test ends
        await ground.controller.start()
        await ground.controller.ended_whenever()
        ground.kills["controller"] += 1


async def kill_the_others(ground: Ground) -> None:
    """Kill Asterisk and Postgres in turn, and start them again."""
    while True:  # until the test ends
        await asyncio.sleep(random.uniform(10, 25))
        if random.random() < 0.5:
            await ground.asterisk.kill()
            for seen in ground.witness.seen:
                ground.witness.cut(seen)
            await asyncio.sleep(random.uniform(0, 1))
            ground.asterisk = ground.rig.again(ground.asterisk)
            await ground.asterisk.start()
            ground.kills["asterisk"] += 1
        else:
            os.kill(ground.postgres.pid or 0, random.choice([signal.SIGKILL, signal.SIGINT]))
            await ground.postgres.wait()
            await asyncio.sleep(random.uniform(0, 2))
            await ground.postgres.start()
            ground.kills["postgres"] += 1


async def ask_all(ground: Ground, token: str, numbers: list[str]) -> dict[str, str]:
    """Ask for all call-backs over the API, again until each is taken; return the requests' ids by number."""
    url = f"http://127.0.0.1:{ground.centre.config.web.port}/api/v1/callbacks"
    taken: dict[str, str] = {}
    pace = asyncio.Semaphore(AT_ONCE)

    async def ask(session: aiohttp.ClientSession, number: str) -> None:
        body = {"queue": queue_of(number), "number": number, "when": "asap", "language": "fr", "consent": CONSENT}
        async with pace:
            while number not in taken:  # bounded by the test's limit
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post(url, json=body, headers={"Idempotency-Key": number}) as answer:
                        if answer.status in {200, 201}:
                            taken[number] = (await answer.json())["request"]["request_id"]
                            return
                        assert answer.status >= 429, await answer.text()
                await asyncio.sleep(0.2)

    timeout = aiohttp.ClientTimeout(total=5)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in numbers:
            group.create_task(ask(session, number))
    return taken


# --- the test -----------------------------------------------------------------------------------------------


async def test_nobody_is_called_twice_and_nobody_is_forgotten(ground: Ground) -> None:
    numbers = [f"+3319900{each:04}" for each in range(REQUESTS)]
    began = time.monotonic()
    token = await _token(ground.centre)
    async with AsyncExitStack() as stack:
        alive = asyncio.create_task(keep_alive(ground))
        stack.callback(alive.cancel)
        await ready(ground.centre, 60)
        agents = await _at_work(ground.centre, stack)
        assert agents
        ground.ledger.touch()
        killer = asyncio.create_task(kill_the_others(ground))
        stack.callback(killer.cancel)
        try:
            async with asyncio.timeout(LIMIT_S):
                taken = await ask_all(ground, token, numbers)
                await until(lambda: _all_final(ground), LIMIT_S)
            killer.cancel()
            # Whoever would be called once more is called within this time.
            await asyncio.sleep(8)
        finally:
            print(f"{REQUESTS} requests in {time.monotonic() - began:.0f} s; killed: {dict(ground.kills)}")
            await _tell(ground)
    assert not alive.done() or alive.cancelled(), alive.exception()
    await _judge(ground, taken)


async def _tell(ground: Ground) -> None:
    """Print what has happened, for people."""
    crashes = Counter(ground.ledger.read_text().split()) if ground.ledger.exists() else Counter[str]()
    print(f"crash points: {dict(sorted(crashes.items()))}")
    print(f"calls seen: {dict(Counter(f'{each.mood}: {each.how}' for each in ground.witness.seen))}")
    with suppress(Exception):  # Postgres may be away
        pool = await ground.centre.store.pool()
        for name, text in (
            ("requests", "select state, count(*) from callback_requests group by 1"),
            ("attempts", "select coalesce(outcome, state), count(*) from callback_attempts group by 1"),
            ("open", "select * from callback_requests where ended_at is null limit 5"),
            ("in flight", "select * from callback_attempts where ended_at is null limit 5"),
        ):
            print(f"{name}: {[tuple(row.values()) for row in await pool.fetch(text)]}")


async def _judge(ground: Ground, taken: dict[str, str]) -> None:
    pool = await ground.centre.store.pool()
    requests = {row["number"]: row for row in await pool.fetch("select * from callback_requests")}
    attempts: dict[str, list[str]] = {number: [] for number in taken}
    for row in await pool.fetch("select * from callback_attempts order by claimed_at"):
        attempts[row["number"]].append(f"{row['attempt_id']} {row['outcome']} {row['claimed_at']:%H:%M:%S.%f}")
    calls: dict[str, list[Seen]] = {}
    for seen in ground.witness.seen:
        calls.setdefault(seen.number, []).append(seen)
    assert ground.witness.oddities == []
    # None lost: each that was taken is there, once, and has come to an end.
    assert {number: str(row["request_id"]).replace("-", "") for number, row in requests.items()} == taken
    assert {row["state"] for row in requests.values()} <= {state.value for state in FINAL}
    # None twice: at no time two calls to one person, never after they have talked, never more than was written down.
    faults = [
        f"{number} {fault}; seen {theirs}; tried {attempts[number]}"
        for number, theirs in calls.items()
        for fault in _faults(theirs, len(attempts[number]))
    ]
    assert faults == []
    done = {number for number, row in requests.items() if row["state"] == RequestState.DONE.value}
    heard = {number for number, theirs in calls.items() if any(each.heard for each in theirs)}
    assert heard <= done, f"talked, and not known: {heard - done}"


def _faults(calls: list[Seen], attempts: int) -> list[str]:
    found = [f"had {len(calls)} calls of {attempts} attempts"] if len(calls) > attempts else []
    for earlier, later in pairwise(calls):
        if not earlier.ended or earlier.ended > later.came:
            found.append("was called while a call was there")
        if earlier.heard:
            found.append("was called after having talked")
    return found


async def _all_final(ground: Ground) -> bool:
    with suppress(Exception):  # Postgres may be away
        pool = await ground.centre.store.pool()
        open_states = [state.value for state in RequestState if state not in FINAL]
        counts = await pool.fetchrow(
            "select count(*) as all, count(*) filter (where state::text = any($1)) as open from callback_requests",
            open_states,
        )
        return bool(counts["all"] == REQUESTS and counts["open"] == 0)
    return False


async def _at_work(centre: Centre, stack: AsyncExitStack) -> Agents:
    names = [f"agent{each}" for each in range(AGENTS)]
    agents = await enrolled(centre, [QUEUE, AGENT_FIRST], *names)
    for name in names:
        await stack.enter_async_context(agents.at(AgentId(name), answers, hz=int(AGENT_HZ)))
    return agents


async def _token(centre: Centre) -> str:
    text, digest = new_secret()
    await PostgresTokens(centre.store).create(digest, "chaos", list(Scope), None, None)
    return text
