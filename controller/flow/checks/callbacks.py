"""Call-backs of the queues: their flow leads to the queue, they show a number that can be called, slots fit."""

from __future__ import annotations

from controller.flow.callbackkinds import CallbackDraft, callable_number
from controller.flow.drafts import CentreDraft, FlowDraft, closure
from controller.flow.findings import Mark, clipped, did_you_mean
from controller.flow.linking import reads
from controller.flow.prompts import LANGUAGES
from controller.flow.queuekinds import QueueDraft
from controller.flow.steps.callback import Callback
from controller.flow.steps.queue import WaitInQueue
from controller.hours import Calendar
from controller.numbering.forms import number_forms


def check_callbacks(draft: CentreDraft) -> None:
    """Report call-backs after which the customer could not be brought to an agent, or would not know who calls."""
    for name, queue in draft.table("queues").items():
        callback = queue.file.callback
        if callback is not None:
            _check_flow(name, callback, draft)
            _check_caller_id(callback, draft)
            _check_slots(name, queue, callback, draft)
    for flow in draft.flows.values():
        for each in flow.steps.values():
            if isinstance(each.step, Callback):
                _check_step(each.step, each.mark, flow, draft)


def _check_step(step: Callback, mark: Mark, flow: FlowDraft, draft: CentreDraft) -> None:
    queue: QueueDraft | None = draft.table("queues").get(step.queue)
    if queue is not None and queue.whole and queue.file.callback is None:
        message = f"nobody is called back by the queue '{clipped(step.queue, 40)}'"
        draft.findings.error(mark, "no-callbacks", message, "add callback: {flow: …} to the queue in centre.yaml")
    for name, expr in step.data.items():
        secret = sorted(reads(expr) & flow.secrets)
        if secret:
            message = f"'{secret[0]}' is secret and would stand on an agent's screen as '{name}'"
            draft.findings.error(expr.mark, "secret-shown", message, "leave it out")


def _check_flow(name: str, callback: CallbackDraft, draft: CentreDraft) -> None:
    flow = draft.flows.get(callback.file.flow)
    if flow is None:
        return
    if not _leads_to(flow, name, draft, frozenset()):
        message = f"no way leads from the flow '{flow.name}' to a queue step of '{name}'"
        hint = f"whoever accepts the call must reach an adviser: add {{type: queue, queue: {name}, …}}"
        draft.findings.error(callback.flow_mark, "callback-flow", message, hint)
    elif _answers_itself(flow, name):
        message = f"whoever answers is put through by '{flow.name}' without a key: an answering machine, too"
        hint = "ask for a key first, in a menu"
        draft.findings.warning(callback.flow_mark, "callback-accept", message, hint)
    missing = [each for each in draft.head.get("languages", LANGUAGES) if each not in flow.languages]
    if missing and flow.languages:
        message = f"the flow '{flow.name}' does not speak {', '.join(missing)}, a language of the centre"
        draft.findings.error(callback.flow_mark, "callback-language", message, f"add it to languages: in {flow.file}")


def _leads_to(flow: FlowDraft, queue: str, draft: CentreDraft, above: frozenset[str]) -> bool:
    """Whether a queue step of `queue` can be reached in `flow` or one it enters; what cannot be read may be one."""
    start = flow.head.get("start", "")
    if start not in flow.steps:
        return True  # another finding
    entered = {(ref.step, ref.name) for ref in flow.ctx.references if ref.what == "flow"}
    for name in flow.reachable(start):
        step = flow.steps[name].step
        if step is None or (isinstance(step, WaitInQueue) and step.queue == queue):
            return True
        for target in (other for place, other in entered if place == name and other not in above):
            inner = draft.flows.get(target)
            if inner is None or _leads_to(inner, queue, draft, above | {flow.name}):
                return True
    return False


def _answers_itself(flow: FlowDraft, queue: str) -> bool:
    """Whether a queue step can be reached in `flow` without an act of the customer."""
    onward: dict[str, list[str]] = {}
    for edge in flow.edges:
        model = flow.steps[edge.step].model
        if not edge.moves and model is not None and not model.asks:
            onward.setdefault(edge.step, []).append(edge.target)
    steps = (flow.steps[name].step for name in closure(onward, [flow.head.get("start", "")]) if name in flow.steps)
    return any(isinstance(step, WaitInQueue) and step.queue == queue for step in steps)


def _check_caller_id(callback: CallbackDraft, draft: CentreDraft) -> None:
    written, country = callback.file.caller_id, draft.head.get("country", "FR")
    if not written:
        return
    numbers = draft.table("numbers")
    if not {form for number in numbers for form in (number, *number_forms(number, country))}.intersection(
        (written, *number_forms(written, country))
    ):
        message = f"'{clipped(written, 40)}' is none of numbers: in centre.yaml, and only its own may be shown"
        draft.findings.error(callback.caller_mark, "unknown-number", message, did_you_mean(written, numbers))
    elif not callable_number(written, country):
        message = f"'{clipped(written, 40)}' is no number that a customer can call back"
        hint = "name one of numbers: that is reached from outside, such as +33123456789"
        draft.findings.error(callback.caller_mark, "caller-id", message, hint)


def _check_slots(name: str, queue: QueueDraft, callback: CallbackDraft, draft: CentreDraft) -> None:
    slots = callback.file.slots
    chosen = slots.calendar or queue.file.calendar
    if not chosen:
        message = (
            f"customers of '{name}' may choose any time of day or night: neither it nor its slots have a calendar"
        )
        draft.findings.warning(callback.slots_mark, "slots-calendar", message, "add calendar: to the queue")
        return
    calendar: Calendar | None = draft.table("calendars").get(chosen)
    if calendar is None:
        return
    longest_s = max((hours.end_min - hours.start_min for day in calendar.week for hours in day), default=0) * 60
    if longest_s < slots.length_s:
        message = f"no slot of {slots.length_s:g}s fits into the hours of '{clipped(chosen, 40)}'"
        draft.findings.error(callback.slots_mark, "slots", message, "write a shorter length")
