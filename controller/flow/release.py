"""A release: one version of a centre, checked and compiled, that calls run on. Immutable; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from controller.flow import spoken
from controller.flow.commands import MediaId
from controller.flow.findings import Finding, Mark
from controller.flow.kinds import Duration, Integer
from controller.flow.mailbox import PAUSE
from controller.flow.prompts import Prompt
from controller.flow.queues import QueuePlan
from controller.flow.reading import Expr
from controller.flow.sitekinds import Site
from controller.flow.spoken.callbacks import CALLBACKS
from controller.flow.spoken.mailbox import MAILBOX
from controller.flow.spoken.waiting import WAITING
from controller.flow.steps.base import DayStatus, Defaults, Step
from controller.numbering.forms import number_forms
from controller.outbound.model import OutboundRules

CALLBACK_TYPES = frozenset({"callback", "callback_cancel", "opt_out"})
"""The types of steps that say notices about call-backs."""
APOLOGY = "excuse"
"""The prompt played before a call ends for a fault or a limit; the fragment of that name, if there is none."""


class Limits(msgspec.Struct, frozen=True):
    """What bounds one run of a flow; conversations do not count towards the duration."""

    duration_s: Annotated[float, Duration(10, 7200)] = 900.0
    steps: Annotated[int, Integer(5, 2000)] = 200


class Edge(msgspec.Struct, frozen=True):
    """An exit of a step. `moves`: taking it takes an act of the caller, or a conversation."""

    step: str
    exit: str
    target: str
    moves: bool = False


class Flow(msgspec.Struct, frozen=True):
    """One flow, ready to run."""

    name: str
    title: str
    start: str
    languages: tuple[str, ...]
    limits: Limits
    defaults: Defaults
    steps: dict[str, Step]
    marks: dict[str, Mark]
    edges: tuple[Edge, ...]
    prompts: dict[str, Prompt]
    variables: dict[str, Expr]
    inputs: tuple[str, ...]
    on_hangup: str = ""
    on_failure: str = ""
    secrets: frozenset[str] = frozenset()
    """Variables that can hold a secret, as far as a load can see."""


class Number(msgspec.Struct, frozen=True):
    """A number of the company: where a call to it goes. `number` is as written in centre.yaml."""

    number: str
    flow: str
    language: str = ""
    tariff_class: str = ""
    title: str = ""


class Extension(msgspec.Struct, frozen=True):
    """An extension that flows may dial: the SIP endpoint behind it."""

    number: str
    endpoint: str
    label: str = ""


class HttpHost(msgspec.Struct, frozen=True, order=True):
    """A host that `http` steps may reach."""

    scheme: str
    host: str
    port: int


class Release(msgspec.Struct, frozen=True):
    """One version of a centre. `hash` is over all sources and recordings: equal hashes, equal behaviour."""

    hash: str
    title: str
    country: str
    zone: str
    default_language: str
    numbers: dict[str, Number]
    extensions: dict[str, Extension]
    calendars: Mapping[str, DayStatus]
    http_hosts: frozenset[HttpHost]
    flows: dict[str, Flow]
    skills: dict[str, str] = {}
    """What agents can do: name → what people call it."""
    queues: dict[str, QueuePlan] = {}
    sites: dict[str, Site] = {}
    """Pages on which visitors may ask to be called, by name."""
    outbound: OutboundRules = OutboundRules()
    """What calls outside are allowed; without a section of centre.yaml, none."""
    remarks: tuple[Finding, ...] = ()
    """Warnings and notes of the load."""

    def number(self, called: str) -> Number | None:
        """Return the entry for a called number, in whatever of its forms the trunk delivers it."""
        for form in (called.strip(), *number_forms(called, self.country)):
            found = self.numbers.get(form)
            if found is not None:
                return found
        return None

    def texts(self) -> list[tuple[str, str, MediaId]]:
        """Return (language, text, media id) of everything to synthesise, each once."""
        found = {
            media: (language, text, media)
            for flow in self.flows.values()
            for prompt in flow.prompts.values()
            for language, text, media in prompt.texts
        }
        return [found[media] for media in sorted(found)]

    def media(self) -> set[MediaId]:
        """Return everything a call can play: recordings, texts, and the fragments values are spoken from."""
        found: set[MediaId] = set()
        for flow in self.flows.values():
            found |= {f"say/{language}/{APOLOGY}" for language in flow.languages}
            for prompt in flow.prompts.values():
                for language, segments in prompt.segments.items():
                    for segment in segments:
                        if isinstance(segment, tuple):
                            found.update(segment)
                        else:
                            found |= {f"say/{language}/{name}" for name in spoken.VALUES[language]}
        if self.queues:
            found |= {f"say/{language}/{name}" for language, names in WAITING.items() for name in names}
        types = {step.type for flow in self.flows.values() for step in flow.steps.values()}
        if types & CALLBACK_TYPES:
            for language, names in CALLBACKS.items():
                spoken_too = (*names, *spoken.VALUES[language])  # the numbers, days and hours of call-backs
                found |= {f"say/{language}/{name}" for name in spoken_too}
        if "messages" in types:
            heard = {
                language: (*names, *spoken.VALUES[language])  # the days, hours and numbers of messages
                for language, names in MAILBOX.items()
            }
            found |= {f"say/{language}/{name}" for language, names in heard.items() for name in names}
            found.add(PAUSE)
        return found
