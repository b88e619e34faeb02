from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from controller.agi.protocol import AgiProtocolError, Response
from controller.agi.server import AgiCallFacts, AgiServer
from controller.agi.session import AgiSession
from controller.errors import AsteriskUnreachable
from tests.unit.agi.asterisk import ENVIRONMENT, FakeAsterisk, environment


class Calls:
    """What the server handed over; each call runs `behave`."""

    def __init__(self) -> None:
        self.facts: list[AgiCallFacts] = []
        self.errors: list[BaseException] = []
        self.entered: asyncio.Queue[None] = asyncio.Queue()
        self.over = asyncio.Event()

    async def behave(self, session: AgiSession) -> None:
        await session.command("ANSWER")

    def __call__(self, facts: AgiCallFacts, session: AgiSession) -> asyncio.Task[None]:
        return asyncio.create_task(self._serve(facts, session))

    async def _serve(self, facts: AgiCallFacts, session: AgiSession) -> None:
        self.facts.append(facts)
        self.entered.put_nowait(None)
        try:
            await self.behave(session)
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self.over.set()


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
async def server(calls: Calls) -> AsyncIterator[AgiServer]:
    server = AgiServer("127.0.0.1", 0, calls, max_calls=3)
    await server.start()
    yield server
    await server.stop()
    assert server.running == 0


async def test_the_call_is_described_and_the_connection_ends_with_it(server: AgiServer, calls: Calls) -> None:
    asterisk = await FakeAsterisk.connect(server.port, arg_1="a", arg_2="b c")
    await asterisk.answer("200 result=0")
    assert await asterisk.closed()
    assert calls.facts == [
        AgiCallFacts(
            flow="accueil",
            channel_id="1795433542.1",
            channel_name="PJSIP/trunk-00000001",
            created_at=datetime.fromtimestamp(1795433542, UTC),
            caller_number="+33612345678",
            caller_name="Zo\u00e9 Lef\u00e8vre",
            called_number="0800123456",
            context="inbound",
            language="fr",
            parameters={"lang": "fr"},
            arguments=("a", "b c"),
        )
    ]
    assert asterisk.commands == ["ANSWER"]
    assert server.counters.served == 1


async def test_connect_and_close_disturbs_nobody(calls: Calls) -> None:
    server = AgiServer("127.0.0.1", 0, calls)
    await server.start()
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer("200 result=0")
    assert await asterisk.closed()
    await server.stop()
    assert (server.counters.malformed, server.counters.served) == (0, 1)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n",
        b"agi_network: yes\nagi_network: yes\n\n",
        b"agi_network: yes\nnonsense\n\n",
        b"agi_network: yes\n" * 4000,
        b"agi_network: yes\n" + b"agi_calleridname: " + b"x" * 40000 + b"\n\n",
        b"".join(b"agi_v%d: 1\n" % n for n in range(200)) + b"\n",
        environment(network_script="../../etc/passwd"),
        environment(network_script=""),
        environment(network_script="a?" + "&".join(f"p{n}=1" for n in range(50))),
        environment(uniqueid=""),
        b"agi_network: yes\nagi_channel: PJSIP",
    ],
)
async def test_nonsense_costs_one_closed_connection(server: AgiServer, calls: Calls, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    writer.write_eof()
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert server.counters.malformed == 1
    assert calls.facts == []


async def test_a_silent_peer_is_let_go(monkeypatch: pytest.MonkeyPatch, server: AgiServer) -> None:
    monkeypatch.setattr("controller.agi.server.ENVIRONMENT_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"agi_network: yes\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert server.counters.malformed == 1


async def test_one_call_too_many_is_closed_at_once(server: AgiServer, calls: Calls) -> None:
    waiting = [await FakeAsterisk.connect(server.port) for _ in range(3)]
    for _ in waiting:
        await asyncio.wait_for(calls.entered.get(), 5)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert server.counters.refused == 1
    for asterisk in waiting:
        await asterisk.answer("200 result=0")
        assert await asterisk.closed()


async def test_a_crash_ends_one_call_only(server: AgiServer, calls: Calls) -> None:
    async def crash(session: AgiSession) -> None:
        raise RuntimeError("a bug")

    calls.behave = crash  # type: ignore[method-assign]
    asterisk = await FakeAsterisk.connect(server.port)
    assert await asterisk.closed()
    assert server.counters.crashed == 1
    del calls.behave  # type: ignore[attr-defined]
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer("200 result=0")
    assert await asterisk.closed()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"nonsense", AgiProtocolError),
        (b"x" * 20000, AgiProtocolError),
        (b"100 Trying\n" * 70, AgiProtocolError),
        (b"520-Usage\n" + b"line\n" * 70, AgiProtocolError),
    ],
)
async def test_unreadable_answers_end_the_call(
    server: AgiServer, calls: Calls, answer: bytes, error: type[Exception]
) -> None:
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer(answer)
    await asyncio.wait_for(calls.over.wait(), 5)
    assert [type(e) for e in calls.errors] == [error]
    asterisk.writer.close()


@pytest.mark.parametrize(
    "said", [b"200 result=0\n", b"\n", b"HANGUP\n" * 70, b"x" * 9000], ids=["answer", "nothing", "flood", "long"]
)
async def test_what_nobody_asked_for_ends_the_connection(server: AgiServer, calls: Calls, said: bytes) -> None:
    go_on = asyncio.Event()

    async def behave(session: AgiSession) -> None:
        await go_on.wait()
        await session.command("ANSWER")

    calls.behave = behave  # type: ignore[method-assign]
    asterisk = await FakeAsterisk.connect(server.port)
    asterisk.writer.write(said)
    assert await asterisk.closed()
    assert server.running == 1, "the call is not over: it does something else just now"
    go_on.set()
    await asyncio.wait_for(calls.over.wait(), 5)
    assert [type(e) for e in calls.errors] == [AgiProtocolError]


async def test_a_caller_who_leaves_between_two_commands_is_noted(server: AgiServer, calls: Calls) -> None:
    seen: list[object] = []

    async def behave(session: AgiSession) -> None:
        await session.command("ANSWER")
        async with asyncio.timeout(5):
            while not session.hung_up:
                await asyncio.sleep(0.001)
        seen.append(await session.command("GET VARIABLE", "HANGUPCAUSE"))
        with pytest.raises(AsteriskUnreachable, match="during ANSWER"):
            await session.command("ANSWER")

    calls.behave = behave  # type: ignore[method-assign]
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer("200 result=0\nHANGUP", "200 result=1 (16)")
    asterisk.writer.close()
    await asyncio.wait_for(calls.over.wait(), 5)
    assert seen == [Response(200, 1, "16")]
    assert calls.errors == []


async def test_one_command_at_a_time(server: AgiServer, calls: Calls) -> None:
    async def behave(session: AgiSession) -> None:
        first = asyncio.create_task(session.command("ANSWER"))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="ANSWER is not answered"):
            await session.command("WAIT FOR DIGIT", 1)
        await first

    calls.behave = behave  # type: ignore[method-assign]
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer("200 result=0")
    assert await asterisk.closed()
    assert calls.errors == []


async def test_lines_are_put_together_from_any_pieces(server: AgiServer, calls: Calls) -> None:
    seen: list[object] = []

    async def behave(session: AgiSession) -> None:
        seen.append(await session.command("STREAM FILE", "menu", "1"))

    calls.behave = behave  # type: ignore[method-assign]
    asterisk = FakeAsterisk(*await asyncio.open_connection("127.0.0.1", server.port))
    for byte in environment():
        asterisk.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    await asterisk.reader.readline()
    for byte in b"200 result=49 endpos=8\r\n":
        asterisk.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await asterisk.closed()
    assert seen == [Response(200, 49, endpos=8)]
    assert calls.facts[0].caller_name == "Zo\u00e9 Lef\u00e8vre"


async def test_usage_text_and_notices_belong_to_the_answer(server: AgiServer, calls: Calls) -> None:
    seen = []

    async def behave(session: AgiSession) -> None:
        seen.append((await session.command("WAIT FOR DIGIT")).code)
        seen.append(session.hung_up)
        seen.append((await session.command("GET VARIABLE", "HANGUPCAUSE")).data)
        seen.append(session.hung_up)

    calls.behave = behave  # type: ignore[method-assign]
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.answer(
        "520-Invalid command syntax.  Proper usage follows:\nUsage: WAIT FOR DIGIT\n200 result=9\n520 End of usage.",
        "HANGUP\n200 result=1 (17)",
    )
    assert await asterisk.closed()
    assert seen == [520, False, "17", True]


async def test_no_answer_and_a_lost_connection_are_told_apart_from_a_hang_up(server: AgiServer, calls: Calls) -> None:
    async def behave(session: AgiSession) -> None:
        await session.command("ANSWER", timeout_s=0.05)

    calls.behave = behave  # type: ignore[method-assign]
    silent = await FakeAsterisk.connect(server.port)
    await asyncio.wait_for(calls.over.wait(), 5)
    calls.over.clear()
    lost = await FakeAsterisk.connect(server.port)
    await lost.reader.readline()
    lost.writer.close()
    await asyncio.wait_for(calls.over.wait(), 5)
    assert [type(e) for e in calls.errors] == [AsteriskUnreachable, AsteriskUnreachable]
    assert "within" in str(calls.errors[0])
    assert "closed the FastAGI connection" in str(calls.errors[1])
    silent.writer.close()


async def test_stopping_cancels_the_calls_and_closes_their_connections(calls: Calls) -> None:
    server = AgiServer("127.0.0.1", 0, calls)
    await server.start()
    asterisk = await FakeAsterisk.connect(server.port)
    await asterisk.reader.readline()
    await server.stop()
    assert await asterisk.closed()
    assert [type(e) for e in calls.errors] == [asyncio.CancelledError]
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", server._port or 1)


@pytest.mark.parametrize("uniqueid", ["1795433542.1", "node-1-1795433542.17"])
def test_the_time_of_creation_comes_from_the_unique_id(uniqueid: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    facts = AgiCallFacts.of({**ENVIRONMENT, "uniqueid": uniqueid}, now)
    assert facts.created_at == datetime.fromtimestamp(1795433542, UTC)
    assert AgiCallFacts.of({**ENVIRONMENT, "uniqueid": "odd"}, now).created_at == now
