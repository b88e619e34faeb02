"""Every name that is mentioned must exist: steps, prompts, recordings, calendars, languages, flows, extensions."""

from __future__ import annotations

from collections.abc import Collection

from controller.flow.drafts import CentreDraft, FlowDraft
from controller.flow.findings import clipped, did_you_mean
from controller.flow.prompts import Prompt
from controller.flow.reading import Reference


def check_references(draft: CentreDraft) -> None:
    """Report names that nothing bears, and prompts that lack a language."""
    for reference in draft.ctx.references:
        _check(reference, draft.flow_files, "flow", draft)
    for media, mark in draft.ctx.recordings:
        _check_recording(media, Reference("prompt", media, mark), draft)
    for flow in draft.flows.values():
        _check_flow(flow, draft)


def _check_flow(flow: FlowDraft, draft: CentreDraft) -> None:
    known: dict[str, tuple[Collection[str], str]] = {
        "step": (flow.steps, "step"),
        "prompt": ({**draft.table("prompts"), **flow.prompts}, "prompt"),
        "calendar": (draft.table("calendars"), "calendar in centre.yaml"),
        "extension": (draft.table("extensions"), "extension in centre.yaml"),
        "flow": (draft.flow_files, "flow"),
        "language": (flow.languages, "language of this flow"),
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


def _check_recording(media: str, reference: Reference, draft: CentreDraft) -> None:
    if media in draft.recordings:
        return
    language, _, path = media.partition("/")
    near = [name.partition("/")[2] for name in draft.recordings if name.startswith(f"{language}/")]
    message = f"there is no recording prompts/{clipped(media, 80)}.*"
    draft.findings.error(reference.mark, "missing-recording", message, did_you_mean(path, near))
