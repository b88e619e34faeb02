"""What a load can see of a caller's later trouble. Each check adds findings; all of them always run."""

from __future__ import annotations

from collections.abc import Callable

from controller.flow.checks.callbacks import check_callbacks
from controller.flow.checks.centre import check_centre
from controller.flow.checks.outbound import check_outbound
from controller.flow.checks.queues import check_queues
from controller.flow.checks.references import check_references
from controller.flow.checks.sites import check_sites
from controller.flow.checks.structure import check_structure
from controller.flow.checks.subflows import check_subflows
from controller.flow.checks.values import check_values
from controller.flow.drafts import CentreDraft

CHECKS: tuple[Callable[[CentreDraft], None], ...] = (
    check_references,
    check_structure,
    check_subflows,
    check_values,
    check_centre,
    check_queues,
    check_callbacks,
    check_outbound,
    check_sites,
)


def run_checks(draft: CentreDraft) -> None:
    """Run every check over the centre as read; findings go to `draft.findings`."""
    for check in CHECKS:
        check(draft)
