"""Where values go: secrets that would be heard or sent in the open, hosts that are not allowed, prompts too long."""

from __future__ import annotations

from urllib.parse import urlsplit

from controller.flow.centre import HttpRules
from controller.flow.drafts import CentreDraft, FlowDraft
from controller.flow.findings import Mark, clipped
from controller.flow.linking import reads
from controller.flow.prompts import Prompt
from controller.flow.reading import Template, Use
from controller.flow.release import HttpHost

_PORTS = {"http": 80, "https": 443}
_LONG_MENU_S = 30.0


def check_values(draft: CentreDraft) -> None:
    """Report values that must not go where they go."""
    rules: HttpRules = draft.head.get("http", HttpRules(()))
    for flow in draft.flows.values():
        for use in flow.ctx.uses:
            _check_secret(use, flow, draft)
            if use.place == "url" and isinstance(use.value, Template):
                _check_host(use.value, frozenset(rules.hosts), use.mark, draft)
        _check_lengths(flow, draft)
        _check_secret_entries(flow, draft)


def _check_secret(use: Use, flow: FlowDraft, draft: CentreDraft) -> None:
    secret = sorted(reads(use.value) & flow.secrets)
    if not secret:
        return
    name = secret[0]
    if use.place == "prompt":
        message = f"'{name}' is secret and would be spoken aloud"
        draft.findings.error(use.mark, "secret-spoken", message, "speak something else")
    elif use.place == "url":
        message = f"'{name}' is secret and would stand in a URL, which servers and proxies log"
        draft.findings.error(use.mark, "secret-in-url", message, "send it in the body of a post")


def _check_secret_entries(flow: FlowDraft, draft: CentreDraft) -> None:
    """A variable that one step fills as a secret and another in the open is a slip."""
    secret_steps = {name for name, each in flow.steps.items() if getattr(each.step, "secret", False)}
    outside = [write for write in flow.ctx.writes if write.source is None and write.step]
    secret = {write.name for write in outside if write.step in secret_steps}
    for write in outside:
        if write.name in secret and write.step not in secret_steps:
            message = f"'{write.name}' is secret in another step, but not here"
            draft.findings.error(write.mark, "secret-mixed", message, "add secret: true")


def _check_host(url: Template, allowed: frozenset[HttpHost], mark: Mark, draft: CentreDraft) -> None:
    split = urlsplit(url.parts[0])
    host = HttpHost(split.scheme, (split.hostname or "").lower(), split.port or _PORTS.get(split.scheme, 0))
    if host in allowed:
        return
    plain = "" if host.scheme == "https" else "http://"
    port = "" if host.port == _PORTS[host.scheme] else f":{host.port}"
    written = f"{plain}{host.host}{port}"
    message = f"http steps may not reach {clipped(written, 80)}"
    draft.findings.error(
        mark, "host-not-allowed", message, f"add '{clipped(written, 80)}' to http: hosts: in centre.yaml"
    )


def _check_lengths(flow: FlowDraft, draft: CentreDraft) -> None:
    """A caller does not remember the first choice of a menu that is read for longer than half a minute."""
    shared = draft.table("prompts")
    for name, each in flow.steps.items():
        if each.step is None or not each.step.asks:
            continue
        for prompt_name in getattr(each.step, "prompt", ()):
            prompt: Prompt | None = flow.prompts.get(prompt_name, shared.get(prompt_name))
            seconds = max(prompt.seconds.values(), default=0.0) if prompt is not None else 0.0
            if prompt is not None and seconds > _LONG_MENU_S:
                message = f"'{prompt_name}' lasts about {seconds:.0f} s before '{name}' waits for a digit"
                draft.findings.warning(prompt.mark, "long-prompt", message, "split the menu")
