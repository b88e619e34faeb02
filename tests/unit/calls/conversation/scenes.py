"""How a conversation is brought into each phase, and everything that can happen to it there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.acd.model import Refused
from controller.calls.asks import (
    Consult,
    ConsultEnd,
    EndCall,
    EndConsult,
    Hold,
    MoveTo,
    NewsOfPlace,
    Park,
    PauseRecording,
    Supervise,
    SuperviseHow,
    Target,
    TargetKind,
    Transfer,
    Unpark,
)
from controller.calls.conversation.standing import Phase
from controller.flow.queues import QueuePlan
from tests.rig.fakeswitchboard import BUSY, Phone
from tests.unit.calls.conversation.talk import CUSTOMER, MARC, RECORDED, SOPHIE, TO_MARC, TO_RECEPTION, Talk

Act = Callable[[Talk], Awaitable[Refused | None]]


async def _hold(talk: Talk) -> None:
    await talk.ask(Hold(on=True))


async def _call(talk: Talk) -> None:
    await talk.ask(Consult(TO_MARC))


async def _consult(talk: Talk) -> None:
    await talk.ask(Consult(TO_MARC))
    talk.exchange.pick_up(talk.leg("2002"))


async def _three(talk: Talk) -> None:
    await _consult(talk)
    await talk.wait()
    await talk.ask(EndConsult(ConsultEnd.THREE_WAY))


async def _refer(talk: Talk) -> None:
    talk.exchange.refer(talk.claire, "2002")


async def _transfer(talk: Talk) -> None:
    await talk.ask(Transfer(TO_MARC))


async def _park(talk: Talk) -> None:
    await talk.ask(Park())


async def _retrieve(talk: Talk) -> None:
    await talk.ask(Park())
    await talk.ask(Unpark(MARC))


SCENES: dict[Phase, Callable[[Talk], Awaitable[None]] | None] = {
    Phase.TALKING: None,
    Phase.HELD: _hold,
    Phase.CALLING: _call,
    Phase.CONSULTING: _consult,
    Phase.THREE_WAY: _three,
    Phase.REFERRING: _refer,
    Phase.TRANSFERRING: _transfer,
    Phase.PARKED: _park,
    Phase.RETRIEVING: _retrieve,
}


async def scene(phase: Phase, plan: QueuePlan = RECORDED) -> Talk:
    """Return a conversation in `phase`. Marc's and the reception's phones ring until a test does something."""
    talk = Talk(plan)
    talk.exchange.phone("2002", Phone())
    talk.exchange.phone("2009", Phone(answers_after_s=1))
    talk.exchange.phone("reception", Phone())
    await talk.begin()
    enter = SCENES[phase]
    if enter is not None:
        await enter(talk)
        await talk.wait()
    assert talk.phase is phase
    return talk


def _leg(talk: Talk, extension: str) -> str:
    found = [each.party for each in talk.exchange.parties.values() if each.plan and each.plan.number == extension]
    return found[-1] if found else "nobody"


async def _hang_up(talk: Talk, party: str, cause: int = 16) -> None:
    talk.exchange.hang_up(party, cause)


def _people(act: Callable[[Talk], object]) -> Act:
    async def do(talk: Talk) -> None:
        act(talk)
        await talk.wait()

    return do


ACTS: dict[str, Act] = {
    "hold": lambda talk: talk.ask(Hold(on=True)),
    "unhold": lambda talk: talk.ask(Hold(on=False)),
    "transfer agent": lambda talk: talk.ask(Transfer(TO_MARC)),
    "transfer extension": lambda talk: talk.ask(Transfer(TO_RECEPTION)),
    "transfer queue": lambda talk: talk.ask(Transfer(Target(TargetKind.QUEUE, "gold"))),
    "consult": lambda talk: talk.ask(Consult(TO_RECEPTION)),
    "consult queue": lambda talk: talk.ask(Consult(Target(TargetKind.QUEUE, "gold"))),
    "consult: transfer": lambda talk: talk.ask(EndConsult(ConsultEnd.TRANSFER)),
    "consult: three-way": lambda talk: talk.ask(EndConsult(ConsultEnd.THREE_WAY)),
    "consult: cancel": lambda talk: talk.ask(EndConsult(ConsultEnd.CANCEL)),
    "park": lambda talk: talk.ask(Park()),
    "unpark": lambda talk: talk.ask(Unpark(MARC)),
    "listen": lambda talk: talk.ask(Supervise(SOPHIE, SuperviseHow.LISTEN)),
    "barge": lambda talk: talk.ask(Supervise(SOPHIE, SuperviseHow.BARGE)),
    "supervise: end": lambda talk: talk.ask(Supervise(SOPHIE, SuperviseHow.END)),
    "pause recording": lambda talk: talk.ask(PauseRecording(on=True)),
    "end call": lambda talk: talk.ask(EndCall()),
    "move": lambda talk: talk.ask(MoveTo("gold", "sophie")),
    "news": lambda talk: talk.ask(NewsOfPlace()),
    "phone holds": _people(lambda talk: talk.exchange.hold(talk.claire, on=True)),
    "phone unholds": _people(lambda talk: talk.exchange.hold(talk.claire, on=False)),
    "phone: REFER": _people(lambda talk: talk.exchange.refer(talk.claire, "300")),
    "phone: REFER queue": _people(lambda talk: talk.exchange.refer(talk.claire, "gold")),
    "phone: Replaces": _people(lambda talk: talk.exchange.refer(talk.claire, "2002", _leg(talk, "2002"))),
    "customer hangs up": _people(lambda talk: talk.exchange.hang_up(CUSTOMER)),
    "agent hangs up": _people(lambda talk: talk.exchange.hang_up(talk.claire)),
    "agent is lost": _people(lambda talk: talk.exchange.hang_up(talk.claire, 44)),
    "other answers": _people(lambda talk: talk.exchange.pick_up(_leg(talk, "2002"))),
    "other hangs up": _people(lambda talk: talk.exchange.hang_up(_leg(talk, "2002"), BUSY)),
    "30 s pass": lambda talk: _pass(talk, 30),
    "6 min pass": lambda talk: _pass(talk, 360),
    "5 h pass": lambda talk: _pass(talk, 18_000),
}


async def _pass(talk: Talk, seconds: float) -> None:
    await talk.wait(seconds)
