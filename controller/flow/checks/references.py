"""Every name that is mentioned must exist: steps, prompts, recordings, calendars, languages, flows, extensions."""

from __future__ import annotations

from collections.abc import Collection

from controller.flow.drafts import CentreDraft, FlowDraft
from controller.flow.findings import clipped, did_you_mean
from controller.flow.prompts import LANGUAGES, Prompt
from controller.flow.reading import Reference


def check_references(draft: CentreDraft) -> None:
    """Report names that nothing bears, and prompts that lack a language."""
    known: dict[str, tuple[Collection[str], str]] = {
        "flow": (draft.flow_files, "flow"),
        "prompt": (draft.table("prompts"), "prompt in centre.yaml"),
        **_centre_names(draft),
    }
    for reference in draft.ctx.references:
        names, what = known[reference.what]
        if _check(reference, names, what, draft) and reference.what == "prompt":
            _check_queue_prompt(reference, draft)
    for media, mark in draft.ctx.recordings:
        _check_recording(media, Reference("prompt", media, mark), draft)
    for flow in draft.flows.values():
        _check_flow(flow, draft)


def _centre_names(draft: CentreDraft) -> dict[str, tuple[Collection[str], str]]:
    kinds = (("calendar", "calendars"), ("extension", "extensions"), ("queue", "queues"), ("skill", "skills"))
    return {what: (draft.table(key), f"{what} in centre.yaml") for what, key in kinds}


def _check_flow(flow: FlowDraft, draft: CentreDraft) -> None:
    known: dict[str, tuple[Collection[str], str]] = {
        "step": (flow.steps, "step"),
        "prompt": ({**draft.table("prompts"), **flow.prompts}, "prompt"),
        "flow": (draft.flow_files, "flow"),
        "language": (flow.languages, "language of this flow"),
        **_centre_names(draft),
    }
    for reference in flow.ctx.references:
        names, what = known[reference.what]
        found = _check(reference, names, what, draft)
        if found and reference.what == "prompt":
            _check_languages(reference, flow, draft)
    for media, mark in flow.ctx.recordings:
        _check_recording(media, Reference("prompt", media, mark), draft)


def _check(reference: Reference, names: Collection[str], what: str, draft: CentreDraft) -> bool:
    if reference.name in names:
        return True
    message = f"there is no {what} '{clipped(reference.name, 60)}'"
    hint = "" if draft.findings.is_full else did_you_mean(reference.name, names)
    draft.findings.error(reference.mark, f"unknown-{reference.what}", message, hint)
    return False


def _check_languages(reference: Reference, flow: FlowDraft, draft: CentreDraft) -> None:
    prompt: Prompt | None = flow.prompts.get(reference.name, draft.table("prompts").get(reference.name))
    if prompt is None:
        return
    for language in flow.languages:
        if language not in prompt.segments:
            message = f"the prompt '{prompt.name}' lacks '{language}', a language of the flow '{flow.name}'"
            draft.findings.error(prompt.mark, "prompt-language", message, f"add {language}: to the prompt")


def _check_queue_prompt(reference: Reference, draft: CentreDraft) -> None:
    """A queue's prompt is played whole, in each language of the centre: there is no flow to give it values."""
    prompt: Prompt | None = draft.table("prompts")[reference.name]
    if prompt is None:
        return
    for language in draft.head.get("languages", LANGUAGES):
        if language not in prompt.segments:
            message = f"the prompt '{prompt.name}' lacks '{language}', a language of the centre, and a queue plays it"
            draft.findings.error(prompt.mark, "prompt-language", message, f"add {language}: to the prompt")
        elif language not in prompt.fixed:
            message = f"the prompt '{prompt.name}' speaks a value, and the queue that plays it has none"
            draft.findings.error(reference.mark, "queue-prompt", message, "name a prompt of texts and recordings")


def _check_recording(media: str, reference: Reference, draft: CentreDraft) -> None:
    if media in draft.recordings:
        return
    language, _, path = media.partition("/")
    near = [name.partition("/")[2] for name in draft.recordings if name.startswith(f"{language}/")]
    message = f"there is no recording prompts/{clipped(media, 80)}.*"
    draft.findings.error(reference.mark, "missing-recording", message, did_you_mean(path, near))
