"""From the operators' files to a release: read, link, check, compile. All findings at once; no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from controller.errors import FlowError
from controller.flow.centre import CENTRE_FILE, HttpRules
from controller.flow.checks import run_checks
from controller.flow.drafts import CentreDraft, FlowDraft, FlowFile, read_centre, read_flow
from controller.flow.findings import Finding, Findings, Mark, Severity, clipped
from controller.flow.kinds import NAME
from controller.flow.linking import compile_expr, find_secrets, link
from controller.flow.outboundkinds import compile_outbound
from controller.flow.prompts import LANGUAGES, Prompt
from controller.flow.queues import compile_queue
from controller.flow.release import Extension, Flow, Number, Release
from controller.flow.sitekinds import Site, compile_site
from controller.flow.steps.base import Step
from controller.flow.yamltext import MapNode, Node, read_yaml
from controller.hours import Calendar
from controller.numbering.forms import number_forms

MAX_FLOWS = 300
_HASH_LENGTH = 16
_SHOWN = 20


def compile_release(sources: Mapping[str, bytes], recordings: Mapping[str, str]) -> Release:
    """Return the release that `sources` make.

    `sources`: the content of centre.yaml and the flow files (`<flow>.yaml`), by file name. `recordings`: the
    recorded prompts, `<lang>/<path without extension>` → digest of the content. The release's hash is over both.
    Raises `FlowError` with all findings if one of them is an error.
    """
    draft = read_draft(sources, recordings)
    findings = draft.findings.sorted()
    if draft.findings.has_errors:
        raise FlowError(_summary(findings), findings)
    return _build(draft, _hash(sources, recordings), findings)


def check_sources(sources: Mapping[str, bytes], recordings: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return everything a load finds, errors, warnings and notes, in file order."""
    return read_draft(sources, recordings).findings.sorted()


def read_draft(sources: Mapping[str, bytes], recordings: Mapping[str, str]) -> CentreDraft:
    """Read, link and check; everything found is in the draft's `findings`."""
    findings = Findings()
    nodes = _read_files(sources, findings)
    if CENTRE_FILE not in sources:
        findings.error(Mark(CENTRE_FILE), "no-centre", "there is no centre.yaml", "write one with numbers:")
    centre_ctx, head = read_centre(nodes.get(CENTRE_FILE), findings)
    flow_files = {name.removesuffix(".yaml"): name for name in nodes if name != CENTRE_FILE}
    flows = {}
    for name, file in flow_files.items():
        node = nodes[file]
        if node is not None:
            flows[name] = read_flow(name, file, node, findings)
    draft = CentreDraft(findings, centre_ctx, head, flows, frozenset(recordings), frozenset(flow_files))
    centre_node = nodes.get(CENTRE_FILE)
    if isinstance(centre_node, MapNode):
        draft.marks = {key: mark for key, (mark, _) in centre_node.entries.items()}
    for expr in centre_ctx.expressions:
        compile_expr(expr, {}, findings)
    for flow in flows.values():
        link(flow, findings, head.get("queues", ()))
    find_secrets(flows)
    draft.head["calendars"] = _calendars(draft)
    run_checks(draft)
    return draft


def _read_files(sources: Mapping[str, bytes], findings: Findings) -> dict[str, Node | None]:
    nodes: dict[str, Node | None] = {}
    if len(sources) > MAX_FLOWS:
        message = f"{len(sources)} files, the limit is {MAX_FLOWS}"
        findings.error(Mark(CENTRE_FILE), "too-many-files", message)
        return nodes
    for file in sorted(sources):
        stem = file.removesuffix(".yaml")
        if stem == file or not NAME.fullmatch(stem):
            lowered = re.sub(r"[^a-z0-9_]+", "_", file.lower().removesuffix(".yaml").removesuffix(".yml")).strip("_")
            hint = f"name it {lowered}.yaml" if NAME.fullmatch(lowered) else ""
            message = "a flow's file is named as the flow: lower-case letters, digits and _, then .yaml"
            findings.error(Mark(clipped(file, 100)), "file-name", message, hint)
            continue
        nodes[file] = read_yaml(sources[file], file, findings)
    return nodes


def _calendars(draft: CentreDraft) -> dict[str, Calendar | None]:
    zone = draft.head.get("zone", "Europe/Paris")
    return {name: entry.finished(zone, draft.ctx) for name, entry in draft.table("calendars").items()}


def _build(draft: CentreDraft, digest: str, remarks: tuple[Finding, ...]) -> Release:
    head = draft.head
    country = head.get("country", "FR")
    http: HttpRules = head.get("http", HttpRules(()))
    calendars = {name: calendar for name, calendar in draft.table("calendars").items() if calendar is not None}
    return Release(
        hash=digest,
        title=head.get("centre", ""),
        country=country,
        zone=head.get("zone", "Europe/Paris"),
        default_language=head.get("languages", LANGUAGES)[0],
        numbers=_numbers(draft, country),
        extensions={
            number: Extension(number, entry.endpoint, entry.label)
            for number, entry in draft.table("extensions").items()
        },
        calendars=calendars,
        http_hosts=frozenset(http.hosts),
        flows={name: _flow(flow, draft.table("prompts")) for name, flow in draft.flows.items()},
        skills=draft.table("skills"),
        queues={
            name: compile_queue(name, entry.file, draft.table("prompts"), country)
            for name, entry in draft.table("queues").items()
        },
        sites=_sites(draft, country),
        outbound=compile_outbound(
            head.get("outbound"), tuple(draft.table("numbers")), country, head.get("zone", "Europe/Paris")
        ),
        remarks=remarks,
    )


def _sites(draft: CentreDraft, country: str) -> dict[str, Site]:
    titles = {name: entry.file.title for name, entry in draft.table("queues").items()}
    languages = draft.head.get("languages", LANGUAGES)
    return {
        name: compile_site(name, entry.file, country=country, languages=languages, titles=titles)
        for name, entry in draft.table("sites").items()
    }


def _numbers(draft: CentreDraft, country: str) -> dict[str, Number]:
    """Return the numbers in every form a trunk may deliver; a form as written wins over a derived one."""
    table: dict[str, Number] = {}
    entries = draft.table("numbers")
    for written, entry in entries.items():
        number = Number(written, entry.flow, entry.language, entry.tariff_class, entry.title)
        for form in number_forms(written, country):
            table.setdefault(form, number)
    for written, entry in entries.items():
        table[written] = Number(written, entry.flow, entry.language, entry.tariff_class, entry.title)
    return table


def _flow(draft: FlowDraft, shared: Mapping[str, Prompt | None]) -> Flow:
    """Return the flow of a draft that has no errors."""
    head: dict[str, Any] = draft.head
    file = FlowFile(**head)
    steps: dict[str, Step] = {name: each.step for name, each in draft.steps.items() if each.step is not None}
    prompts = {name: prompt for name, prompt in {**shared, **file.prompts}.items() if prompt is not None}
    return Flow(
        name=draft.name,
        title=file.title,
        start=file.start,
        languages=file.languages,
        limits=file.limits,
        defaults=file.defaults,
        steps=steps,
        marks={name: each.mark for name, each in draft.steps.items()},
        edges=draft.edges,
        prompts=prompts,
        variables=file.variables,
        inputs=file.inputs,
        on_hangup=file.on_hangup,
        on_failure=file.on_failure,
        secrets=draft.secrets,
    )


def _hash(sources: Mapping[str, bytes], recordings: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name}\0{len(sources[name])}\0".encode())
        digest.update(sources[name])
    for name in sorted(recordings):
        digest.update(f"{name}\0{recordings[name]}\0".encode())
    return digest.hexdigest()[:_HASH_LENGTH]


def _summary(findings: tuple[Finding, ...]) -> str:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    lines = [str(finding) for finding in errors[:_SHOWN]]
    if len(errors) > _SHOWN:
        lines.append(f"… and {len(errors) - _SHOWN} more")
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return "\n".join([f"the centre has {count}; mend these and load it again:", *lines])
