"""The sites: what a page offers must be there."""

from __future__ import annotations

from controller.flow.drafts import CentreDraft
from controller.numbering.forms import number_forms


def check_sites(draft: CentreDraft) -> None:
    """Report sites whose queue calls nobody back, or whose calls from the page lead nowhere."""
    queues = draft.table("queues")
    country = draft.head.get("country", "FR")
    numbers = {form for number in draft.table("numbers") for form in (number, *number_forms(number, country))}
    for name, site in draft.table("sites").items():
        wanted = site.file.voice_number
        if "voice" in site.file.modes and not wanted:
            message = f"visitors of '{name}' may talk from the page, and no number says with whom"
            draft.findings.error(site.mark, "site-voice", message, "add voice_number: one of numbers:")
        elif wanted and numbers.isdisjoint({wanted, *number_forms(wanted, country)}):
            message = f"calls from the page of '{name}' go to {wanted}, which is none of the centre's numbers"
            draft.findings.error(site.mark, "site-voice", message, "write one of numbers:, or add it there")
        queue = queues.get(site.file.queue)
        if queue is None:
            continue  # told of already: there is no such queue
        asks = [mode for mode in site.file.modes if mode != "voice"]
        if asks and queue.file.callback is None:
            message = (
                f"visitors of '{name}' may ask to be called, and the queue '{site.file.queue}' calls nobody back"
            )
            draft.findings.error(
                site.mark, "site-queue", message, "add callback: to the queue, or write modes: [voice]"
            )
