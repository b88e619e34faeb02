"""The sites: what a page offers must be there."""

from __future__ import annotations

from controller.flow.drafts import CentreDraft


def check_sites(draft: CentreDraft) -> None:
    """Report sites whose queue calls nobody back."""
    queues = draft.table("queues")
    for name, site in draft.table("sites").items():
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
