"""A call's record in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.cdr.entries import Disposition, Party
from controller.cdr.visits import DispositionSummary, EventSummary, OfferSummary, TalkSummary, VisitSummary
from controller.cli.record import show_record
from controller.ids import CallId
from controller.postgres.queries import CallRecord, CallRow

CALL = CallId("01a209a2-b057-8b51-99f6-7f9d4bfbd5df")
BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def row() -> CallRow:
    texts = {name: "" for name in CallRow.__struct_fields__ if CallRow.__annotations__[name] == "str"}
    nothing = {name: None for name in CallRow.__struct_fields__ if name not in texts}
    return CallRow(
        **(
            nothing
            | texts
            | {
                "call_id": CALL,
                "started_at": BEGAN,
                "answered_at": after(0.004),
                "ended_at": after(50),
                "caller_number": "+33353014711",
                "called_number": "+33353014700",
                "disposition": Disposition.TALKED,
                "ended_by": Party.CALLEE,
                "caller_cause": 16,
            }
        )
    )


def test_queue_offers_talks_and_results_are_told_in_order(capsys: pytest.CaptureFixture[str]):
    show_record(
        CallRecord(
            call=row(),
            legs=(),
            steps=(),
            visits=(
                VisitSummary(
                    call_id=CALL,
                    visit=1,
                    queue="ventes",
                    began_at=BEGAN,
                    exited_at=after(9),
                    exit="connected",
                    position=2,
                ),
                VisitSummary(call_id=CALL, visit=2, queue="expert", began_at=after(40), from_agent="anne"),
            ),
            offers=(
                OfferSummary(
                    call_id=CALL,
                    offer=1,
                    visit=1,
                    agent="bruno",
                    made_at=after(2),
                    ended_at=after(5),
                    outcome="no_answer",
                ),
                OfferSummary(call_id=CALL, offer=2, visit=1, agent="anne", made_at=after(6)),
            ),
            talks=(
                TalkSummary(
                    call_id=CALL,
                    talk=1,
                    visit=1,
                    agent="anne",
                    started_at=after(9),
                    ended_at=after(40),
                    ended_by=Party.CALLEE,
                    hold_s=4.0,
                    how="moved",
                ),
            ),
            events=(EventSummary(call_id=CALL, seq=1, at=after(12), kind="hold", agent="anne", detail={"on": True}),),
            dispositions=(DispositionSummary(call_id=CALL, agent="anne", at=after(45), code="vendu", note="vélo"),),
        )
    )
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert told[4:] == [
        "ended after 50.0 s: talked, by callee, cause 16",
        "queue 1 ventes 9.00 s → connected, place 2",
        "offer 1 bruno 3.00 s → no_answer",
        "offer 2 anne → rings",
        "talk 1 anne 31.00 s → moved by callee, 4 s of it on hold",
        "queue 2 expert → waits, from anne",
        "event 1 after 12.0 s: hold anne on True",
        "result vendu by anne (vélo)",
    ]
