"""The measuring caller against an exchange that answers and plays after delays that are known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.probe import Delays, Script, measure
from controller.softphone import message, rtp, sdp
from tests.rig import freeports

FRAME = bytes(range(160))


class Exchange(asyncio.DatagramProtocol):
    """Answers after 30 ms, plays `frame` 40 ms after the first end packet of a digit, then hangs up."""

    def __init__(self, frame: bytes, status: int = 200) -> None:
        self._frame = frame
        self._status = status
        self._seen: set[str] = set()
        self.media: asyncio.DatagramTransport | None = None
        self.media_port = 0

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        request = message.parse(data)
        if request.method == "INVITE" and request.call_id not in self._seen:
            self._seen.add(request.call_id)
            asyncio.get_running_loop().call_later(0.03, self._answer, request, addr)

    def _answer(self, request, addr) -> None:
        kept = [(n, v) for n in ("Via", "From", "To", "Call-ID", "CSeq") for v in request.get_all(n)]
        body = (
            f"v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.media_port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
        )
        lines = [f"SIP/2.0 {self._status} Whatever", *(f"{n}: {v}" for n, v in kept), f"Content-Length: {len(body)}"]
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), addr)
        self._caller = (addr, ("127.0.0.1", sdp.parse(request.body).port), request.call_id)

    def pressed(self) -> None:
        asyncio.get_running_loop().call_later(0.04, self._play)

    def _play(self) -> None:
        addr, media, call_id = self._caller
        assert self.media is not None
        self.media.sendto(rtp.Packet(8, 1, 0, 7, self._frame).encode(), media)
        bye = f"BYE sip:probe SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        self._transport.sendto(bye.encode(), addr)


class Media(asyncio.DatagramProtocol):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ended: set[int] = set()

    def datagram_received(self, data: bytes, addr) -> None:
        packet = rtp.parse(data)
        if rtp.parse_event(packet.payload).end and packet.ssrc not in self._ended:
            self._ended.add(packet.ssrc)
            self._exchange.pressed()


async def probe(tmp_path: Path, played: bytes, status: int = 200) -> Delays:
    prompt = tmp_path / "done.alaw"
    prompt.write_bytes(FRAME * 20)
    port = freeports.block(2)
    loop = asyncio.get_running_loop()
    exchange = Exchange(played, status)
    sip, _ = await loop.create_datagram_endpoint(lambda: exchange, local_addr=("127.0.0.1", port))
    media, _ = await loop.create_datagram_endpoint(lambda: Media(exchange), local_addr=("127.0.0.1", port + 1))
    exchange.media, exchange.media_port = media, port + 1
    try:
        return await measure(Script("1", port, prompt, before_ms=20, digit_ms=40), lines=1, duration_s=0.05)
    finally:
        sip.close()
        media.close()
        freeports.release(port, 2)


async def test_both_delays_are_measured(tmp_path: Path):
    delays = await probe(tmp_path, FRAME)
    assert (delays.calls, delays.failed) == (1, 0)
    assert 29 < delays.answer_ms[0] < 1000
    assert 39 < delays.prompt_ms[0] < 1000


async def test_another_prompt_is_not_taken_for_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("bench.probe._CALL_LIMIT_S", 0.5)
    delays = await probe(tmp_path, FRAME[::-1])
    assert (delays.failed, delays.prompt_ms) == (1, [])


@pytest.mark.parametrize("status", [404, 503])
async def test_a_refused_call_failed(tmp_path: Path, status: int):
    delays = await probe(tmp_path, FRAME, status)
    assert delays.failed >= 1
    assert delays.answer_ms == []
