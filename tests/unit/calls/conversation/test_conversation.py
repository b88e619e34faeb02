"""Conversations as the people in them have them, on the fake switchboard."""

from __future__ import annotations

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
from controller.calls.conversation.course import MAX_TALK_S, PARKED_S
from controller.calls.conversation.standing import How, Phase
from controller.cdr.entries import TalkEvent
from controller.switchboard import PartyState
from tests.rig.fakeswitchboard import BUSY, Party, Phone
from tests.rig.virtualtime import on_virtual_time
from tests.unit.calls.conversation.talk import (
    CALL,
    CUSTOMER,
    MARC,
    MUSIC,
    NO_GHOSTS,
    RECORDED,
    SOPHIE,
    TO_MARC,
    TO_RECEPTION,
    Talk,
)


@on_virtual_time
async def test_agent_and_customer_talk_until_the_customer_hangs_up() -> None:
    talk = await Talk().begin()
    assert talk.hears(CUSTOMER) == {talk.claire}
    assert talk.exchange.log == []  # what was right is not touched
    await talk.wait(60)
    talk.exchange.hang_up(CUSTOMER)
    parted = await talk.parted()
    assert (parted.how, parted.agent, round(parted.talk_s)) == (How.CUSTOMER_GONE, "claire", 60)
    assert talk.story() == ["talk 1 claire", "end 1 hangup caller"]
    assert talk.places.wrapped_up == ["claire"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_agent_hangs_up_and_the_customer_is_left_to_the_flow() -> None:
    talk = await Talk().begin()
    talk.exchange.hang_up(talk.claire)
    parted = await talk.parted()
    assert parted.how is How.AGENT_GONE
    assert talk.hears(CUSTOMER) == set()
    assert talk.story() == ["talk 1 claire", "end 1 hangup callee"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_both_hang_up_at_once() -> None:
    talk = await Talk().begin()
    talk.exchange.hang_up(talk.claire)
    talk.exchange.hang_up(CUSTOMER)
    parted = await talk.parted()
    assert parted.how in {How.AGENT_GONE, How.CUSTOMER_GONE}
    assert talk.places.wrapped_up == ["claire"]
    assert {**talk.ghosts(), "parties": []} == NO_GHOSTS


@on_virtual_time
async def test_a_lost_phone_is_no_hang_up() -> None:
    talk = await Talk().begin()
    talk.exchange.hang_up(talk.claire, 44)
    parted = await talk.parted()
    assert (parted.how, parted.queue, parted.priority, parted.excluded) == (How.MOVED, "support", 9, "")
    assert talk.hears(CUSTOMER) == MUSIC
    assert talk.story() == ["talk 1 claire", "end 1 failed system"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_a_talk_has_a_longest_time() -> None:
    talk = await Talk().begin()
    await talk.wait(MAX_TALK_S - 60)
    assert talk.phase is Phase.TALKING
    parted = await talk.parted(within_s=120)
    assert parted.how is How.AGENT_GONE
    assert talk.story()[-1] == "end 1 hangup system"
    assert talk.ghosts() == NO_GHOSTS


# --- hold ---------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_hold_by_desk_and_by_phone_are_summed() -> None:
    talk = await Talk().begin()
    assert await talk.ask(Hold(on=True)) is None
    assert talk.hears(CUSTOMER) == MUSIC
    assert talk.hears(talk.claire) == set()
    await talk.wait(30)
    assert await talk.ask(Hold(on=False)) is None
    assert talk.hears(CUSTOMER) == {talk.claire}
    talk.exchange.hold(talk.claire, on=True)
    await talk.wait(10)
    assert talk.hears(CUSTOMER) == MUSIC
    refused = await talk.ask(Hold(on=False))
    assert refused is not None
    assert refused.code == "held_by_phone"
    talk.exchange.hold(talk.claire, on=False)
    await talk.wait()
    assert talk.hears(CUSTOMER) == {talk.claire}
    assert await talk.ask(EndCall()) is None
    parted = await talk.parted()
    assert round(parted.hold_s) == 40
    assert talk.story() == [
        "talk 1 claire",
        "hold claire",
        "unhold claire",
        "hold claire",
        "unhold claire",
        "end 1 hangup callee",
    ]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_a_customer_held_by_both_stays_until_both_take_back() -> None:
    talk = await Talk().begin()
    talk.exchange.hold(talk.claire, on=True)
    await talk.wait()
    assert await talk.ask(Hold(on=True)) is None
    talk.exchange.hold(talk.claire, on=False)
    await talk.wait()
    assert talk.phase is Phase.HELD
    assert await talk.ask(Hold(on=False)) is None
    assert talk.hears(CUSTOMER) == {talk.claire}


@on_virtual_time
async def test_the_customers_own_hold_changes_nothing() -> None:
    talk = await Talk().begin()
    talk.exchange.hold(CUSTOMER, on=True)
    await talk.wait()
    assert talk.phase is Phase.TALKING


# --- blind transfer -----------------------------------------------------------------------------------------


@on_virtual_time
async def test_blind_transfer_to_an_agent() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(answers_after_s=5))
    await talk.wait(10)
    assert await talk.ask(Transfer(TO_MARC)) is None
    assert talk.hears(CUSTOMER) == MUSIC
    assert talk.claire not in talk.exchange.parties  # free at once
    assert talk.places.wrapped_up == ["claire"]
    assert talk.exchange.parties[talk.leg("2002")].plan.caller_number == "+33123456789"  # type: ignore[union-attr]
    await talk.wait(6)
    assert talk.hears(CUSTOMER) == {talk.leg("2002")}
    assert talk.places.engaged["marc"].endswith("talking")
    await talk.wait(20)
    talk.exchange.hang_up(talk.leg("2002"))
    parted = await talk.parted()
    assert (parted.how, parted.agent, round(parted.talk_s)) == (How.AGENT_GONE, "marc", 31)
    assert talk.story() == [
        "talk 1 claire",
        "transfer_blind claire",
        "end 1 transfer_blind callee",
        "talk 2 marc",
        "end 2 hangup callee",
    ]
    assert talk.places.wrapped_up == ["claire", "marc"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_blind_transfer_that_nobody_answers_comes_back_to_the_queue() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone())
    assert await talk.ask(Transfer(TO_MARC)) is None
    parted = await talk.parted(within_s=22)
    assert (parted.how, parted.queue, parted.priority, parted.from_agent) == (How.MOVED, "support", 9, "claire")
    assert parted.note == "marc: no_answer"
    assert talk.places.wrapped_up == ["claire"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_blind_transfer_to_somebody_who_is_not_to_be_had_is_refused_and_the_agent_keeps_the_customer() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002")
    for target, code in (
        (TO_MARC, "unreachable"),
        (Target(TargetKind.AGENT, "nobody"), "unknown_agent"),
        (Target(TargetKind.AGENT, "claire"), "same_agent"),
        (Target(TargetKind.EXTENSION, "999"), "unknown_extension"),
        (Target(TargetKind.QUEUE, "nowhere"), "unknown_queue"),
    ):
        refused = await talk.ask(Transfer(target))
        assert refused is not None
        assert (refused.code, bool(refused.advice)) == (code, True)
    talk.places.engaged["marc"] = "another-call talking"
    refused = await talk.ask(Transfer(TO_MARC))
    assert refused is not None
    assert refused.code == "in_a_call"
    assert talk.phase is Phase.TALKING
    assert talk.hears(CUSTOMER) == {talk.claire}
    assert "marc" not in {key for key, call in talk.places.engaged.items() if "reserved" in call}


@on_virtual_time
async def test_blind_transfer_to_an_extension() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("reception", Phone(answers_after_s=2, hangs_up_after_s=30))
    assert await talk.ask(Transfer(TO_RECEPTION)) is None
    await talk.wait(3)
    assert talk.hears(CUSTOMER) == {talk.leg("300")}
    parted = await talk.parted(within_s=40)
    assert (parted.how, parted.agent) == (How.AGENT_GONE, "claire")
    assert talk.story() == ["talk 1 claire", "transfer_blind claire", "end 1 transfer_blind callee"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_all_devices_of_an_agent_ring_and_the_first_has_the_call() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(refuses_after_s=1), Phone(answers_after_s=4), Phone())
    await talk.ask(Transfer(TO_MARC))
    assert len(talk.exchange.ringing()) == 3
    await talk.wait(5)
    assert len(talk.exchange.parties) == 2
    assert talk.phase is Phase.TALKING
    assert len(talk.hears(CUSTOMER)) == 1


@on_virtual_time
async def test_escalation_moves_the_customer_with_the_history() -> None:
    talk = await Talk().begin()
    assert await talk.ask(Transfer(Target(TargetKind.QUEUE, "gold"), {"billing": 3}, "wants a refund")) is None
    parted = await talk.parted()
    assert (parted.how, parted.queue, parted.needs) == (How.MOVED, "gold", {"billing": 3})
    assert (parted.excluded, parted.note, parted.from_agent) == ("claire", "wants a refund", "claire")
    assert parted.priority == 0
    assert talk.hears(CUSTOMER) == MUSIC
    assert talk.story() == ["talk 1 claire", "escalate claire", "end 1 escalated callee"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_the_customer_hangs_up_while_being_transferred() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone())
    await talk.ask(Transfer(TO_MARC))
    talk.exchange.hang_up(CUSTOMER)
    assert (await talk.parted()).how is How.CUSTOMER_GONE
    assert talk.places.wrapped_up == ["claire"]
    assert talk.ghosts() == NO_GHOSTS


# --- consultation -------------------------------------------------------------------------------------------


async def consulting(**phone: float) -> Talk:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(answers_after_s=phone.get("answers", 3.0)))
    assert await talk.ask(Consult(TO_MARC)) is None
    return talk


@on_virtual_time
async def test_consultation_is_not_heard_by_the_customer_and_ends_in_a_transfer() -> None:
    talk = await consulting()
    assert talk.phase is Phase.CALLING
    assert talk.exchange.parties[talk.leg("2002")].plan.caller_number == "2001"  # type: ignore[union-attr]
    await talk.wait(4)
    marc = talk.leg("2002")
    assert talk.phase is Phase.CONSULTING
    assert (talk.hears(CUSTOMER), talk.hears(talk.claire), talk.hears(marc)) == (MUSIC, {marc}, {talk.claire})
    assert await talk.ask(EndConsult(ConsultEnd.TRANSFER)) is None
    assert (talk.hears(CUSTOMER), talk.hears(marc), talk.hears(talk.claire)) == ({marc}, {CUSTOMER}, {"gone"})
    talk.exchange.hang_up(CUSTOMER)
    parted = await talk.parted()
    assert parted.agent == "marc"
    assert talk.story() == [
        "talk 1 claire",
        "consult claire",
        "transfer_attended claire",
        "end 1 transfer_attended callee",
        "talk 2 marc",
        "end 2 hangup caller",
    ]
    assert talk.places.wrapped_up == ["claire", "marc"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_three_way_and_then_one_after_the_other_leaves() -> None:
    talk = await consulting()
    await talk.wait(4)
    marc = talk.leg("2002")
    assert await talk.ask(EndConsult(ConsultEnd.THREE_WAY)) is None
    assert talk.hears(CUSTOMER) == {talk.claire, marc}
    assert talk.hears(marc) == {talk.claire, CUSTOMER}
    assert talk.hears(talk.claire) == {marc, CUSTOMER}
    talk.exchange.hang_up(talk.claire)
    await talk.wait()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {marc})
    talk.exchange.hang_up(marc)
    assert (await talk.parted()).how is How.AGENT_GONE
    assert talk.places.wrapped_up == ["claire", "marc"]
    assert talk.story() == [
        "talk 1 claire",
        "consult claire",
        "three_way claire",
        "talk 2 marc",
        "transfer_attended claire",
        "end 1 transfer_attended callee",
        "end 2 hangup callee",
    ]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_three_way_and_the_third_one_leaves() -> None:
    talk = await consulting()
    await talk.wait(4)
    await talk.ask(EndConsult(ConsultEnd.THREE_WAY))
    talk.exchange.hang_up(talk.leg("2002"))
    await talk.wait()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.claire})
    assert talk.places.wrapped_up == ["marc"]  # who talked with the customer
    assert talk.story()[-3:] == ["talk 2 marc", "consult_ended claire", "end 2 hangup callee"]


@on_virtual_time
async def test_three_way_ends_with_the_customer() -> None:
    talk = await consulting()
    await talk.wait(4)
    await talk.ask(EndConsult(ConsultEnd.THREE_WAY))
    talk.exchange.hang_up(CUSTOMER)
    assert (await talk.parted()).how is How.CUSTOMER_GONE
    assert sorted(talk.places.wrapped_up) == ["claire", "marc"]
    assert talk.story()[-2:] == ["end 1 hangup caller", "end 2 hangup caller"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_consulted_one_is_not_reached_or_leaves_and_the_customer_stays_on_hold() -> None:
    for phone in (Phone(), Phone(refuses_after_s=1, cause=BUSY), Phone(answers_after_s=1, hangs_up_after_s=1)):
        talk = await Talk().begin()
        talk.exchange.phone("2002", phone)
        assert await talk.ask(Consult(TO_MARC)) is None
        await talk.wait(25)
        assert talk.phase is Phase.HELD
        assert (talk.hears(CUSTOMER), talk.hears(talk.claire)) == (MUSIC, set())
        assert "marc" not in talk.places.engaged
        assert talk.places.wrapped_up == []
        assert await talk.ask(Hold(on=False)) is None
        assert talk.hears(CUSTOMER) == {talk.claire}
        talk.exchange.hang_up(CUSTOMER)
        await talk.parted()
        assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_cancelled_consultation_brings_agent_and_customer_together() -> None:
    for seconds in (1, 5):
        talk = await consulting()
        await talk.wait(seconds)
        assert await talk.ask(EndConsult(ConsultEnd.CANCEL)) is None
        assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.claire})
        assert len(talk.exchange.parties) == 2
        assert talk.places.wrapped_up == []


@on_virtual_time
async def test_agent_hangs_up_in_a_consultation() -> None:
    talk = await consulting()
    await talk.wait(5)
    talk.exchange.hang_up(talk.claire)
    await talk.wait()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.leg("2002")})
    talk = await consulting()
    talk.exchange.hang_up(talk.claire)
    parted = await talk.parted()
    assert (parted.how, parted.queue, parted.priority) == (How.MOVED, "support", 9)
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_transfer_while_the_other_phone_still_rings() -> None:
    talk = await consulting()
    assert await talk.ask(EndConsult(ConsultEnd.TRANSFER)) is None
    assert talk.phase is Phase.TRANSFERRING
    assert talk.hears(CUSTOMER) == MUSIC
    await talk.wait(4)
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.leg("2002")})


# --- the phone's own transfer -------------------------------------------------------------------------------


@on_virtual_time
async def test_refer_keeps_the_agent_until_somebody_answers() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(answers_after_s=3))
    talk.exchange.hold(talk.claire, on=True)
    talk.exchange.refer(talk.claire, "2002")
    await talk.wait(1)
    assert talk.phase is Phase.REFERRING
    assert talk.claire in talk.exchange.parties
    await talk.wait(3)
    assert talk.hears(CUSTOMER) == {talk.leg("2002")}
    assert talk.claire not in talk.exchange.parties
    told = [state for _, state in talk.exchange.asked("refer_progress")]
    assert told == ["channel_progress", "channel_answered"]


@on_virtual_time
async def test_refer_that_fails_gives_the_customer_back() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(refuses_after_s=3))
    talk.exchange.refer(talk.claire, "2002")
    await talk.wait(4)
    assert [state for _, state in talk.exchange.asked("refer_progress")] == ["channel_progress", "unavailable"]
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.claire})
    assert "marc" not in talk.places.engaged


@on_virtual_time
async def test_refer_and_the_phone_hangs_up_at_once() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(answers_after_s=3))
    talk.exchange.refer(talk.claire, "2002")
    talk.exchange.hang_up(talk.claire)
    await talk.wait(1)
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TRANSFERRING, MUSIC)
    await talk.wait(3)
    assert talk.hears(CUSTOMER) == {talk.leg("2002")}


@on_virtual_time
async def test_refer_to_nowhere_is_denied_and_to_a_queue_is_an_escalation() -> None:
    talk = await Talk().begin()
    talk.exchange.refer(talk.claire, "+33899000000")
    await talk.wait()
    assert talk.exchange.asked("refer_progress") == [(talk.claire, "denied")]
    assert talk.phase is Phase.TALKING
    talk.exchange.refer(CUSTOMER, "2002")
    await talk.wait()
    assert talk.exchange.asked("refer_progress")[-1] == (CUSTOMER, "denied")
    talk.exchange.refer(talk.claire, "gold")
    parted = await talk.parted()
    assert (parted.how, parted.queue, parted.excluded) == (How.MOVED, "gold", "claire")
    assert talk.exchange.asked("refer_progress")[-1] == (talk.claire, "channel_answered")


@on_virtual_time
async def test_the_phone_joins_customer_and_consulted() -> None:
    talk = await consulting()
    await talk.wait(4)
    talk.exchange.refer(talk.claire, "2002", talk.leg("2002"))
    await talk.wait()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.leg("2002")})


@on_virtual_time
async def test_the_phone_joins_its_other_call() -> None:
    for state, told, phase in ((PartyState.UP, "channel_answered", Phase.TALKING), (None, "unavailable", Phase.HELD)):
        talk = await Talk().begin()
        talk.exchange.hold(talk.claire, on=True)
        if state is not None:
            talk.exchange.parties["colleague"] = Party("colleague", state)
        talk.exchange.refer(talk.claire, "2002", "colleague")
        await talk.wait()
        assert talk.exchange.asked("refer_progress") == [(talk.claire, told)]
        assert talk.phase is phase
        assert talk.hears(CUSTOMER) == ({"colleague"} if state else MUSIC)
        await talk.kill()
        assert talk.hears(CUSTOMER) == ({"colleague"} if state else MUSIC)
        talk.exchange.hang_up(CUSTOMER)
        assert (await talk.parted()).agent == ("marc" if state else "claire")
        assert talk.ghosts() == NO_GHOSTS


# --- parking ------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_park_and_any_agent_takes_the_customer_up() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone(answers_after_s=3))
    park = Park()
    assert await talk.ask(park) is None
    assert (park.slot, talk.phase, talk.hears(CUSTOMER)) == (701, Phase.PARKED, MUSIC)
    assert talk.places.views[-1].parked_slot == 701  # type: ignore[union-attr]
    assert talk.claire not in talk.exchange.parties
    await talk.wait(60)
    assert await talk.ask(Unpark(MARC)) is None
    assert talk.phase is Phase.RETRIEVING
    await talk.wait(4)
    assert talk.hears(CUSTOMER) == {talk.leg("2002")}
    assert talk.places.slots == {}
    talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    assert talk.story() == [
        "talk 1 claire",
        "park claire",
        "end 1 parked callee",
        "unpark marc",
        "talk 2 marc",
        "end 2 hangup caller",
    ]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_no_slot_and_nobody_there_to_take_up() -> None:
    talk = await Talk().begin()
    talk.places.free_slots = 0
    refused = await talk.ask(Park())
    assert refused is not None
    assert refused.code == "no_slot"
    talk.places.free_slots = 1
    assert await talk.ask(Park()) is None
    refused = await talk.ask(Unpark(MARC))
    assert refused is not None
    assert (refused.code, talk.phase, talk.places.engaged) == ("unreachable", Phase.PARKED, {})


@on_virtual_time
async def test_who_takes_up_does_not_answer_and_the_customer_stays_parked() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2002", Phone())
    await talk.ask(Park())
    await talk.ask(Unpark(MARC))
    await talk.wait(21)
    assert (talk.phase, talk.places.slots, talk.places.engaged) == (Phase.PARKED, {CALL: 701}, {})


@on_virtual_time
async def test_parked_too_long_rings_the_agent_who_parked() -> None:
    talk = await Talk().begin()
    talk.exchange.phone("2001", Phone(answers_after_s=3))
    await talk.ask(Park())
    await talk.wait(PARKED_S + 1)
    assert talk.phase is Phase.RETRIEVING
    await talk.wait(3)
    assert talk.hears(CUSTOMER) == {talk.leg("2001")}
    assert talk.story()[-2:] == ["unpark claire", "talk 2 claire"]


@on_virtual_time
async def test_parked_too_long_and_nobody_to_be_had_goes_to_the_queue() -> None:
    for phones in ([], [Phone()], [Phone(refuses_after_s=1)]):
        talk = await Talk().begin()
        await talk.ask(Park())
        talk.exchange.phone("2001", *phones)
        parted = await talk.parted(within_s=PARKED_S + 25)
        assert (parted.how, parted.queue, parted.priority) == (How.MOVED, "support", 9)
        assert talk.ghosts() == NO_GHOSTS
    talk = await Talk().begin()
    await talk.ask(Park())
    talk.places.engaged["claire"] = "another-call talking"
    assert (await talk.parted(within_s=PARKED_S + 5)).how is How.MOVED


# --- supervision --------------------------------------------------------------------------------------------


async def supervised(how: SuperviseHow) -> tuple[Talk, str]:
    talk = await Talk().begin()
    talk.exchange.phone("2009", Phone(answers_after_s=2))
    assert await talk.ask(Supervise(SOPHIE, how)) is None
    await talk.wait(3)
    return talk, talk.leg("2009")


@on_virtual_time
async def test_who_listens_hears_both_and_is_heard_by_nobody() -> None:
    talk, sophie = await supervised(SuperviseHow.LISTEN)
    assert talk.hears(sophie) == {talk.claire, CUSTOMER}
    assert (talk.hears(CUSTOMER), talk.hears(talk.claire)) == ({talk.claire}, {CUSTOMER})
    assert talk.places.views[-1].supervisors == ("sophie",)  # type: ignore[union-attr]
    assert talk.story()[-1] == "listen sophie"


@on_virtual_time
async def test_whisper_is_heard_by_the_agent_alone_and_barging_by_both() -> None:
    talk, sophie = await supervised(SuperviseHow.WHISPER)
    assert (talk.hears(CUSTOMER), talk.hears(talk.claire)) == ({talk.claire}, {CUSTOMER, sophie})
    assert await talk.ask(Supervise(SOPHIE, SuperviseHow.BARGE)) is None
    assert (talk.hears(CUSTOMER), talk.hears(talk.claire)) == ({talk.claire, sophie}, {CUSTOMER, sophie})
    assert talk.hears(sophie) == {talk.claire, CUSTOMER}
    assert await talk.ask(Supervise(SOPHIE, SuperviseHow.LISTEN)) is None
    assert (talk.hears(CUSTOMER), talk.hears(talk.claire)) == ({talk.claire}, {CUSTOMER})
    assert len(talk.exchange.parties) == 4  # both, the supervisor, and one ear
    assert await talk.ask(Supervise(SOPHIE, SuperviseHow.END)) is None
    assert len(talk.exchange.parties) == 2
    assert len(talk.exchange.bridges) == 1
    assert talk.hears(CUSTOMER) == {talk.claire}


@on_virtual_time
async def test_a_supervisor_hangs_up_does_not_answer_or_is_refused_and_nobody_is_disturbed() -> None:
    talk, sophie = await supervised(SuperviseHow.WHISPER)
    talk.exchange.hang_up(sophie)
    await talk.wait()
    assert len(talk.exchange.parties) == 2
    talk.exchange.phone("2009", Phone())
    assert await talk.ask(Supervise(SOPHIE, SuperviseHow.LISTEN)) is None
    await talk.wait(31)
    assert len(talk.exchange.parties) == 2
    talk.exchange.phone("2009", Phone(answers_after_s=1))
    talk.exchange.refuses.add("listen")
    assert await talk.ask(Supervise(SOPHIE, SuperviseHow.LISTEN)) is None
    await talk.wait(2)
    assert len(talk.exchange.parties) == 2
    assert talk.standing.watchers == ()
    talk.exchange.phone("2009")
    refused = await talk.ask(Supervise(SOPHIE, SuperviseHow.LISTEN))
    assert refused is not None
    assert refused.code == "unreachable"
    assert (talk.hears(CUSTOMER), talk.phase) == ({talk.claire}, Phase.TALKING)
    assert talk.exchange.asked("join")[-1][1:] != (CUSTOMER,)


@on_virtual_time
async def test_supervision_ends_with_the_talk_and_whoever_barged_in_stays_with_the_customer() -> None:
    talk, sophie = await supervised(SuperviseHow.LISTEN)
    talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    assert talk.ghosts() == NO_GHOSTS
    talk, sophie = await supervised(SuperviseHow.BARGE)
    talk.exchange.hang_up(talk.claire)
    await talk.wait()
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {sophie})
    assert talk.story()[-2:] == ["end 1 hangup callee", "talk 2 sophie"]
    talk.exchange.hang_up(sophie)
    assert (await talk.parted()).agent == "sophie"
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_an_ear_is_opened_anew_for_each_partner_of_the_agent_once_the_old_one_has_gone() -> None:
    talk, sophie = await supervised(SuperviseHow.WHISPER)
    talk.exchange.phone("2002", Phone(answers_after_s=1))
    await talk.ask(Consult(TO_MARC))
    await talk.wait(2)
    marc = talk.leg("2002")
    assert (talk.hears(sophie), talk.hears(talk.claire)) == ({talk.claire, marc}, {marc, sophie})
    assert await talk.ask(EndConsult(ConsultEnd.CANCEL)) is None
    await talk.wait()
    assert (talk.hears(sophie), talk.hears(talk.claire)) == ({talk.claire, CUSTOMER}, {CUSTOMER, sophie})
    await talk.ask(Hold(on=True))
    await talk.ask(Hold(on=False))  # the same partner
    ears = [snoop for snoop, _, _ in talk.exchange.asked("listen")]
    assert len(ears) == len(set(ears)) == 3
    done = [(name, args[0]) for _, name, args in talk.exchange.log if name in {"listen", "drop"}]
    assert done.index(("drop", ears[0])) < done.index(("listen", ears[1]))
    assert len([each for each in talk.exchange.parties.values() if each.spies_on]) == 1


@on_virtual_time
async def test_a_supervisor_follows_the_agent_into_a_consultation() -> None:
    talk, sophie = await supervised(SuperviseHow.BARGE)
    talk.exchange.phone("2002", Phone(answers_after_s=1))
    await talk.ask(Consult(TO_MARC))
    await talk.wait(2)
    marc = talk.leg("2002")
    assert (talk.hears(CUSTOMER), talk.hears(marc)) == (MUSIC, {talk.claire, sophie})


# --- recording ----------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_talk_is_recorded_from_its_beginning_and_kept() -> None:
    talk = await Talk(RECORDED).begin()
    assert len(talk.exchange.recordings) == 1
    await talk.wait(20)
    assert await talk.ask(PauseRecording(on=True)) is None
    assert talk.places.views[-1].recording == "paused"  # type: ignore[union-attr]
    await talk.wait(20)
    assert await talk.ask(PauseRecording(on=False)) is None
    talk.exchange.press(CUSTOMER, "4976")
    await talk.wait(1)
    (recording,) = talk.exchange.recordings.values()
    assert recording.paused_at is not None
    await talk.wait(6)
    assert recording.paused_at is None
    assert not any("4976" in str(entry) or "Pressed" in str(entry) for entry in talk.exchange.log)
    talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    (audio,) = talk.kept.talks
    assert (audio.agent, audio.queue, audio.keep_s) == ("claire", "support", 86_400.0)
    assert audio.recording == talk.board.recording_id(1001)
    assert [each for each in talk.story() if "record" in each] == ["record_paused claire", "record_resumed claire"]
    assert talk.ghosts() == NO_GHOSTS


@on_virtual_time
async def test_what_the_customer_does_not_hear_is_not_recorded_and_each_talk_has_its_own() -> None:
    talk = await Talk(RECORDED).begin()
    talk.exchange.phone("2002", Phone(answers_after_s=2))
    await talk.ask(Hold(on=True))
    (recording,) = talk.exchange.recordings.values()
    assert recording.paused_at is not None
    await talk.ask(Hold(on=False))
    assert recording.paused_at is None
    await talk.ask(Transfer(TO_MARC))
    assert talk.exchange.recordings == {}
    await talk.wait(3)
    assert len(talk.exchange.recordings) == 1
    talk.exchange.hang_up(CUSTOMER)
    await talk.parted()
    assert [each.agent for each in talk.kept.talks] == ["claire", "marc"]


@on_virtual_time
async def test_recording_that_is_refused_costs_nothing_else() -> None:
    talk = Talk(RECORDED)
    talk.exchange.refuses.add("record")
    await talk.begin()
    await talk.wait(10)
    assert (talk.phase, talk.hears(CUSTOMER)) == (Phase.TALKING, {talk.claire})
    talk = await Talk().begin()
    refused = await talk.ask(PauseRecording(on=True))
    assert refused is not None
    assert refused.code == "not_recorded"


# --- asks that are not for us -------------------------------------------------------------------------------


@on_virtual_time
async def test_what_is_for_those_who_wait_is_answered() -> None:
    talk = await Talk().begin()
    assert await talk.ask(NewsOfPlace()) is None
    refused = await talk.ask(MoveTo("gold", "sophie"))
    assert refused is not None
    assert refused.code == "in_conversation"
    refused = await talk.ask(Supervise(SOPHIE, SuperviseHow.END))
    assert refused is not None
    assert refused.code == "not_watching"


@on_virtual_time
async def test_events_are_numbered_within_the_call() -> None:
    talk = await Talk().begin()
    for on in (True, False, True):
        await talk.ask(Hold(on=on))
    assert [entry.seq for entry in talk.places.entries if isinstance(entry, TalkEvent)] == [1, 2, 3]
