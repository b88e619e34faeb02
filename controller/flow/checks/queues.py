"""The queues as a whole: overflow that goes round, queues and skills that nothing uses."""

from __future__ import annotations

from controller.flow.checks.structure import circles
from controller.flow.drafts import CentreDraft
from controller.flow.findings import Mark
from controller.flow.queuekinds import QueueDraft
from controller.flow.release import Edge
from controller.flow.steps.queue import WaitInQueue
from controller.flow.steps.voicemail import Voicemail


def check_queues(draft: CentreDraft) -> None:
    """Report overflow that leads back and steps that do not fit their queue; note what is not used."""
    queues = draft.table("queues")
    marks = {
        (name, overflow.to): mark
        for name, entry in queues.items()
        if entry.whole
        for overflow, mark in zip(entry.file.overflow, entry.overflow_marks, strict=True)
    }
    for circle in circles(Edge(name, "overflow", to) for name, to in marks):
        mark = next(mark for (name, to), mark in marks.items() if name == circle[0] and to in circle)
        if len(circle) == 1:
            message = f"the queue '{circle[0]}' overflows into itself"
            draft.findings.error(mark, "overflow-circle", message, "name another queue")
            continue
        message = f"the queues {' → '.join([*circle, circle[0]])} help each other: overflow is not passed on further"
        draft.findings.note(mark, "overflow-circle", message)
    for flow in draft.flows.values():
        for each in flow.steps.values():
            if isinstance(each.step, WaitInQueue):
                _check_step(each.step, each.mark, queues.get(each.step.queue), draft)
            elif isinstance(each.step, Voicemail):
                _check_voicemail(each.step, each.mark, queues.get(each.step.queue), draft)
    references = [ref for flow in draft.flows.values() for ref in flow.ctx.references] + draft.ctx.references
    _note_unused(draft, "queue", "queues", {ref.name for ref in references if ref.what == "queue"})
    _note_unused(draft, "skill", "skills", {ref.name for ref in references if ref.what == "skill"})


def _check_step(step: WaitInQueue, mark: Mark, queue: QueueDraft | None, draft: CentreDraft) -> None:
    if queue is None or not queue.whole:
        return
    if step.skills and len(queue.file.skills) == 1:
        message = f"what this step asks for never counts: '{step.queue}' has no item of skills with an until"
        draft.findings.warning(mark, "skills-ignored", message, "write skills: [{until: 60s}, {}] in the queue")
    longest_s = min(queue.file.wait_s, step.wait_s or queue.file.wait_s)
    for offer in (step.offer_callback, step.leave_message):
        if offer is not None and offer.after_s >= longest_s:
            message = (
                f"the key {offer.key} is offered after {offer.after_s:g}s, and the wait ends after {longest_s:g}s"
            )
            draft.findings.warning(mark, "offer-late", message, "offer it earlier")


def _check_voicemail(step: Voicemail, mark: Mark, queue: QueueDraft | None, draft: CentreDraft) -> None:
    if queue is not None and queue.whole and step.end != "#" and not step.prompt and not queue.file.message.greeting:
        message = f"the greeting that comes with Rappel says that hash ends a message, and here {step.end} does"
        draft.findings.error(mark, "greeting", message, "name a prompt, or leave end out")


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
