"""The centre as a whole: numbers that mean the same, languages and limits that make sense."""

from __future__ import annotations

from controller.flow.drafts import CentreDraft
from controller.flow.findings import Mark
from controller.numbering.forms import number_forms


def check_centre(draft: CentreDraft) -> None:
    """Report numbers written twice, languages that a flow does not speak, flows that nothing uses."""
    _check_numbers(draft)
    _check_unused(draft)
    for flow in draft.flows.values():
        languages = flow.languages
        if len(set(languages)) != len(languages):
            draft.findings.error(flow.mark, "language", f"a language of '{flow.name}' stands twice", "delete one")


def _check_numbers(draft: CentreDraft) -> None:
    country = draft.head.get("country", "FR")
    seen: dict[str, str] = {}
    mark = draft.marks.get("numbers", Mark("centre.yaml"))
    for written, entry in draft.table("numbers").items():
        forms = number_forms(written, country)
        form = next((each for each in forms if each.startswith("+")), forms[0]) or written
        if form in seen:
            message = f"'{written}' and '{seen[form]}' are the same number"
            draft.findings.error(mark, "same-number", message, "delete one of them")
        seen[form] = written
        flow = draft.flows.get(entry.flow)
        if flow is not None and entry.language and flow.languages and entry.language not in flow.languages:
            message = f"the number {written} begins in '{entry.language}', which '{entry.flow}' does not speak"
            draft.findings.error(mark, "number-language", message, f"add it to languages: in {flow.file}")


def _check_unused(draft: CentreDraft) -> None:
    used = {ref.name for ref in draft.ctx.references if ref.what == "flow"}
    for flow in draft.flows.values():
        used |= {ref.name for ref in flow.ctx.references if ref.what == "flow"}
    for flow in draft.flows.values():
        if flow.name not in used:
            message = f"no number and no subflow step leads to the flow '{flow.name}'"
            draft.findings.warning(flow.mark, "unused-flow", message, "add it to numbers: in centre.yaml")
