"""The queues as a whole: overflow that goes round, queues and skills that nothing uses."""

from __future__ import annotations

from controller.flow.checks.structure import circles
from controller.flow.drafts import CentreDraft
from controller.flow.findings import Mark
from controller.flow.release import Edge


def check_queues(draft: CentreDraft) -> None:
    """Report overflow in a circle; note queues that nobody comes to and skills that nothing asks for."""
    queues = draft.table("queues")
    edges = [
        Edge(name, "overflow", overflow.to) for name, entry in queues.items() for overflow in entry.file.overflow
    ]
    marks = {
        (name, overflow.to): mark
        for name, entry in queues.items()
        for overflow, mark in zip(entry.file.overflow, entry.overflow_marks, strict=True)
    }
    for circle in circles(edges):
        mark = next(mark for (name, to), mark in marks.items() if name == circle[0] and to in circle)
        message = f"the queues {' → '.join([*circle, circle[0]])} overflow into each other in a circle"
        draft.findings.error(mark, "overflow-circle", message, "let one of them overflow elsewhere, or not")
    references = [ref for flow in draft.flows.values() for ref in flow.ctx.references] + draft.ctx.references
    _note_unused(draft, "queue", "queues", {ref.name for ref in references if ref.what == "queue"})
    _note_unused(draft, "skill", "skills", {ref.name for ref in references if ref.what == "skill"})


def _note_unused(draft: CentreDraft, what: str, key: str, used: set[str]) -> None:
    for name, entry in draft.table(key).items():
        if name not in used:
            mark = getattr(entry, "mark", None) or draft.marks.get(key, Mark("centre.yaml"))
            message, hint = _UNUSED[what]
            draft.findings.note(mark, f"unused-{what}", message.format(name), hint)


_UNUSED = {
    "queue": ("no step and no overflow leads to the queue '{}'", "only agents can send somebody there"),
    "skill": ("no queue and no step asks for the skill '{}'", ""),
}
