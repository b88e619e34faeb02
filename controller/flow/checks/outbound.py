"""Calls outside: a caller id that is ours and may be shown, destinations with a price, ceilings that make sense."""

from __future__ import annotations

from controller.flow.drafts import CentreDraft
from controller.flow.findings import Mark, clipped
from controller.flow.outboundkinds import OutboundDraft, OutboundFile, as_number, compile_outbound, near_number
from controller.numbering.model import NumberFacts
from controller.numbering.numbers import understand
from controller.numbering.tariffs import package_tariffs
from controller.outbound.national import national_rules

TRUNK = "trunk"
"""The endpoint of the carrier in `asterisk-conf/pjsip.conf.j2`."""


def check_outbound(draft: CentreDraft) -> None:
    """Report what would keep every call from being made, or let one be made that nobody meant."""
    _check_extensions(draft)
    section: OutboundDraft | None = draft.head.get("outbound")
    off = section is None or section.file.off
    if off and any(queue.file.callback is not None for queue in draft.table("queues").values()):
        message = "queues call customers back, but no call outside is allowed"
        mark = section.marks.get("off", section.mark) if section is not None else draft.marks.get("queues")
        hint = "write an outbound: section" if section is None else "set off: false"
        draft.findings.warning(mark or Mark("centre.yaml"), "outbound-off", message, hint)
    _check_classes(section.file if section is not None else OutboundFile(), draft)
    if section is None:
        return
    country: str = draft.head.get("country", "FR")
    _check_caller_id(section, country, draft)
    _check_queues(country, draft)
    _check_staff(section, country, draft)
    _check_ceilings(section, draft)
    _check_prices(section, country, draft)


def _check_extensions(draft: CentreDraft) -> None:
    for number, entry in draft.table("extensions").items():
        if entry.endpoint.lower() == TRUNK:
            message = f"the extension {number} is the carrier: calls outside are made by call-backs alone"
            mark = draft.marks.get("extensions", Mark("centre.yaml"))
            draft.findings.error(mark, "trunk", message, "name the endpoint of a telephone of yours")


def _check_caller_id(section: OutboundDraft, country: str, draft: CentreDraft) -> None:
    written = section.file.caller_id
    numbers = tuple(draft.table("numbers"))
    mark = section.marks.get("caller_id", section.mark)
    if not written:
        if not section.file.off:
            message = "calls outside need a number to show"
            draft.findings.error(mark, "no-caller-id", message, "add caller_id: with one of numbers:")
        return
    shown = understand(written, country)
    if not isinstance(shown, NumberFacts):
        draft.findings.error(mark, "caller-id", f"'{clipped(written, 40)}': {shown.message}", shown.advice)
        return
    if shown.number not in {as_number(number, country) for number in numbers}:
        message = f"'{clipped(written, 40)}' is none of numbers: in centre.yaml, and only its own may be shown"
        draft.findings.error(mark, "unknown-number", message, near_number(written, numbers))
        return
    national = national_rules(country)
    if national is not None and shown.kind in national.caller_id.refused:
        message = f"calls of a call centre may not show a number of the kind '{shown.kind.value}'"
        hint = f"name another of numbers: ({national.caller_id.law})"
        draft.findings.error(mark, "caller-id", message, hint)


def _check_queues(country: str, draft: CentreDraft) -> None:
    national = national_rules(country)
    for queue in draft.table("queues").values():
        callback = queue.file.callback
        if callback is None or national is None:
            continue
        shown = understand(callback.file.caller_id, country)
        if isinstance(shown, NumberFacts) and shown.kind in national.caller_id.refused:
            message = f"calls of a call centre may not show a number of the kind '{shown.kind.value}'"
            hint = f"name another of numbers: ({national.caller_id.law})"
            draft.findings.error(callback.caller_mark, "caller-id", message, hint)


def _check_staff(section: OutboundDraft, country: str, draft: CentreDraft) -> None:
    for i, written in enumerate(section.file.staff, start=1):
        found = understand(written, country)
        if not isinstance(found, NumberFacts):
            mark = section.marks.get(f"staff.{i}", section.mark)
            message = f"'{clipped(written, 40)}' is no telephone number: {found.message}"
            draft.findings.error(mark, "staff", message, found.advice)


def _check_ceilings(section: OutboundDraft, draft: CentreDraft) -> None:
    limits = section.file.ceilings
    mark = section.marks.get("ceilings", section.mark)
    if limits.hour > limits.day:
        message = f"an hour may cost {limits.hour:g}, more than the {limits.day:g} of a day"
        draft.findings.warning(mark, "ceilings", message, "raise day:, or lower hour:")
    if limits.number > limits.day:
        message = f"calls to one number may cost {limits.number:g}, more than the {limits.day:g} of all calls"
        draft.findings.warning(mark, "ceilings", message, "raise day:, or lower number:")


def _check_prices(section: OutboundDraft, country: str, draft: CentreDraft) -> None:
    file = section.file
    if file.currency != package_tariffs().currency and not file.tariffs:
        message = f"no price is known in {file.currency}: the table that comes with Rappel is in another currency"
        mark = section.marks.get("currency", section.mark)
        draft.findings.error(mark, "tariff", message, "add tariffs: with the prices of your carrier")
        return
    if file.off:
        return
    known = compile_outbound(section, (), country, "Europe/Paris").tariffs.outgoing
    prefixes = tuple(key for key in known if key.startswith("+"))
    for i, each in enumerate(file.countries or (country,), start=1):
        if not any(key == each or key.startswith(f"{each} ") for key in known) and not prefixes:
            mark = section.marks.get(f"countries.{i}", section.marks.get("countries", section.mark))
            message = f"what a call to {each} costs is not known, so that none is made"
            draft.findings.warning(mark, "tariff", message, f"add {each}: {{per_min: …}} to tariffs:")


def _check_classes(file: OutboundFile, draft: CentreDraft) -> None:
    known = {*package_tariffs().incoming, *file.classes}
    mark = draft.marks.get("numbers", Mark("centre.yaml"))
    for number, entry in draft.table("numbers").items():
        if entry.tariff_class and entry.tariff_class not in known:
            message = f"what calls to {number} cost is not known: there is no tariff class '{entry.tariff_class}'"
            hint = f"add it to outbound: classes:, or write one of {', '.join(sorted(known))}"
            draft.findings.note(mark, "tariff-class", message, hint)
