"""docs/operators.md is the whole language: every key, step type, rule of a check and exit is named there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from controller.flow.callbackkinds import CallbackFile
from controller.flow.centre import CentreFile
from controller.flow.drafts import FlowFile
from controller.flow.kinds import ListOf, Nested
from controller.flow.outboundkinds import OutboundFile
from controller.flow.queuekinds import QueueFile
from controller.flow.reading import fields_of
from controller.flow.sitekinds import SiteFile
from controller.flow.steps import STEP_TYPES
from controller.simulator.scenario import Expect, ScenarioSpec

PAGE = (Path(__file__).parents[3] / "docs" / "operators.md").read_text(encoding="utf-8")
CHECKS = sorted((Path(__file__).parents[3] / "controller" / "flow").rglob("*.py"))
SHARED = {"file-size"}


def keys_of(model: type[msgspec.Struct]) -> set[str]:
    """The keys of a declaration, those of nested ones included."""
    keys = set()
    for field in fields_of(model):
        keys.add(field.key)
        kind = field.kind.kind if isinstance(field.kind, ListOf) else field.kind
        if isinstance(kind, Nested):
            keys |= keys_of(kind.model)
    return keys


@pytest.mark.parametrize(
    "model",
    [
        CentreFile,
        FlowFile,
        QueueFile,
        CallbackFile,
        SiteFile,
        OutboundFile,
        ScenarioSpec,
        Expect,
        *STEP_TYPES.values(),
    ],
    ids=lambda model: model.__name__,
)
def test_every_key_is_on_the_page(model: type[msgspec.Struct]) -> None:
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`\n]+`|```.*?```", PAGE, re.DOTALL))))
    assert keys_of(model) - words == set()


def test_every_step_type_has_its_place() -> None:
    headings = " ".join(re.findall(r"^### (.+)$", PAGE, re.MULTILINE))
    assert {name for name in STEP_TYPES if not re.search(rf"\b{name}\b", headings)} == set()


def test_every_rule_is_on_the_page() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in CHECKS)
    called = re.findall(r"findings\.(?:error|warning|note)\(\s*[^\"]*?,\s*\"([a-z-]+)\"", source)
    assert len(set(called)) > 40
    assert {rule for rule in called if f"`{rule}`" not in PAGE} - SHARED == set()
