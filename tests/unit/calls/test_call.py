"""One call from its first sight to its end, and everything that can be wrong with serving it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from controller.calls.call import CONGESTION, Call, Refusal
from controller.cdr.entries import CallEnded, CallStarted, Disposition, LegEnded, LegStarted, Party, Role
from controller.cdr.fold import CallSummary
from controller.errors import AsteriskUnreachable, FlowError
from controller.flow.commands import Answer, Collect, Command, Event, Hangup, HungUp, Play
from tests.unit.calls.world import AT, NODE, World, patient, pressing

OVERLOAD = Refusal("overload", "more than 1 calls at once ([calls] max_calls)", CONGESTION)


def shape(record: CallSummary) -> tuple[Disposition, Party, int]:
    assert record.end is not None
    return record.end.disposition, record.end.ended_by, record.end.cause


def media(world: World) -> list[str]:
    return [name for command in world.recorder.of(Play) for name in command.media]


async def test_the_start_says_who_called_whom_and_what_serves_them(world: World):
    incoming = world.call()
    await world.begin(incoming)
    (start,) = world.recorder.of(CallStarted)
    assert start == CallStarted(
        call_id=incoming.call_id,
        at=AT,
        channel_id="1700.1",
        called_number="100",
        caller_number="+33612345678",
        caller_name="Zoé",
        flow="accueil",
        release=world.releases.current_hash,
        language="en",
        driver="ari",
        node=NODE,
        tariff_class="free",
    )
    (leg,) = world.recorder.of(LegStarted)
    assert (leg.role, leg.number, leg.channel_id) == (Role.CALLER, "+33612345678", "1700.1")


async def test_the_telephone_gets_the_audio_and_extensions_of_its_release(world: World):
    await world.begin(world.call())
    kit = world.telephones[0].kit
    assert kit is not None
    assert kit.endpoint_for("201") == "PJSIP/alice"
    assert kit.audio.duration_s("say/fr/excuse") == 1.0
    with pytest.raises(KeyError):
        kit.endpoint_for("999")
    with pytest.raises(KeyError):
        kit.audio.path("fr/unknown")


async def test_the_legs_that_a_telephone_creates_are_recorded(world: World):
    incoming = world.call()
    await world.begin(incoming)
    kit = world.telephones[0].kit
    assert kit is not None
    kit.legs.leg_started("b" * 32, "PJSIP/alice-1", "201", AT)
    kit.legs.leg_answered("b" * 32, AT)
    kit.legs.leg_ended("b" * 32, 16, "Normal Clearing", AT, by_callee=True)
    leg = world.recorder.call(incoming.call_id).legs[1]
    assert (leg.role, leg.number, leg.cause, leg.cause_text) == (Role.EXTENSION, "201", 16, "Normal Clearing")
    assert leg.ended_by is Party.CALLEE
    assert leg.answered_at == AT
    kit.legs.leg_started("c" * 32, "PJSIP/alice-2", "201", AT)
    kit.legs.leg_ended("c" * 32, 19, "", AT, by_callee=False)
    assert world.recorder.call(incoming.call_id).legs[2].ended_by is Party.SYSTEM


async def test_an_unknown_number_is_said_to_be_unknown(world: World):
    with capture_logs() as logs:
        record = await world.begin(world.call("0999999999"))
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 1)
    assert media(world) == ["say/fr/unknown-number"]
    assert "centre.yaml" in record.end.reason  # type: ignore[union-attr]
    assert any(line["event"] == "call.refused" for line in logs)
    assert world.telephones[0].commands == [Answer(), Play(("say/fr/unknown-number",), bargein=False), Hangup(1)]


async def test_a_flow_that_is_missing_is_excused(world: World):
    record = await world.begin(world.call(flow="nowhere"))
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 16)
    assert media(world) == ["say/en/excuse"]
    assert "nowhere does not exist" in record.end.reason  # type: ignore[union-attr]


async def test_a_flow_can_be_named_instead_of_the_number_s(world: World):
    record = await world.begin(world.call("0999999999", flow="accueil", answering=pressing("1")))
    assert shape(record) == (Disposition.COMPLETED, Party.FLOW, 16)


async def test_a_refusal_for_overload_is_heard_and_recorded(world: World):
    incoming = world.call()
    await Call(incoming, world.around).begin(OVERLOAD)
    record = world.recorder.call(incoming.call_id)
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 42)
    assert media(world) == ["say/en/overload"]
    assert record.start is not None
    assert record.start.flow == "accueil"


async def test_a_caller_who_leaves_during_a_refusal(world: World):
    incoming = world.call(answering=lambda c: HungUp(31) if isinstance(c, Play) else patient(c))
    await Call(incoming, world.around).begin(OVERLOAD)
    assert shape(world.recorder.call(incoming.call_id))[2] == 31
    assert not world.recorder.of(Hangup)


@pytest.mark.parametrize("refusal", [None, OVERLOAD])
@pytest.mark.parametrize("when", [Answer, Play, Hangup])
async def test_asterisk_goes_away_and_the_record_is_closed(
    world: World, refusal: Refusal | None, when: type[Command]
):
    def away(command: Command) -> Event | Exception:
        return AsteriskUnreachable("the WebSocket broke") if isinstance(command, when) else patient(command)

    incoming = world.call(answering=away)  # type: ignore[arg-type]
    await Call(incoming, world.around).begin(refusal)
    record = world.recorder.call(incoming.call_id)
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 0)
    assert "the WebSocket broke" in record.end.reason  # type: ignore[union-attr]
    assert record.legs[0].ended_at is not None
    assert record.state is None


async def test_a_crash_inside_the_flow_ends_in_an_apology(world: World):
    def crash(command: Command) -> Event | Exception:
        return ZeroDivisionError("a bug") if isinstance(command, Collect) else patient(command)

    with capture_logs() as logs:
        record = await world.begin(world.call(answering=crash))  # type: ignore[arg-type]
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 16)
    assert record.end.reason == "ZeroDivisionError: a bug"  # type: ignore[union-attr]
    assert world.telephones[0].commands[-2:] == [Play(("say/en/excuse",), bargein=False), Hangup(16)]
    (crashed,) = [line for line in logs if line["event"] == "call.flow_crashed"]
    assert crashed["exc_info"]
    assert (crashed["flow"], crashed["step"]) == ("accueil", "menu")


@pytest.mark.parametrize("second", [AsteriskUnreachable("gone"), ZeroDivisionError("the same bug"), OSError("disk")])
async def test_an_apology_that_fails_too_still_closes_the_record(world: World, second: Exception):
    def crash(command: Command) -> Event | Exception:
        if isinstance(command, Collect):
            return ZeroDivisionError("a bug")
        apology = isinstance(command, Play) and command.media == ("say/en/excuse",)
        return second if apology else patient(command)

    with capture_logs() as logs:
        record = await world.begin(world.call(answering=crash))  # type: ignore[arg-type]
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 0)
    assert record.end.reason == "ZeroDivisionError: a bug"  # type: ignore[union-attr]
    assert any(line["event"] == "call.apology_failed" for line in logs)


async def test_a_telephone_that_cannot_be_made_closes_the_record(world: World):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no line")

    record = await world.begin(world.call(telephone=broken))
    assert shape(record) == (Disposition.FAILED, Party.SYSTEM, 0)
    assert "no line" in record.end.reason  # type: ignore[union-attr]


async def test_a_state_of_a_version_that_is_nowhere_is_refused(world: World):
    whole = await world.begin(world.call())
    state = world.states(whole.call_id)[1]
    for broken in ({"state": b"{"}, {"release": "0" * 16}):
        fields = {name: getattr(state, name) for name in state.__struct_fields__} | broken
        with pytest.raises(FlowError):
            await Call(world.call(), world.around).resume(type(state)(**fields))


async def test_every_call_ends_once_and_with_its_leg(world: World):
    for number in ("100", "200", "0999999999"):
        await world.begin(world.call(number, channel=f"1700.{number}"))
    assert len(world.recorder.of(CallEnded)) == len(world.recorder.of(LegEnded)) == 3
