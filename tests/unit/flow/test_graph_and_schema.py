from __future__ import annotations

import json
import re
import typing
from xml.etree import ElementTree as ET

import pytest

from controller.flow.drafts import FlowFile
from controller.flow.graph import mermaid, svg
from controller.flow.kinds import ListOf, Nested
from controller.flow.reading import Kind, fields_of
from controller.flow.refkinds import ExitMap
from controller.flow.schema import centre_schema, flow_schema
from controller.flow.steps import LATER_TYPES, STEP_TYPES
from tests.unit.flow.centres import ACCUEIL, NOBODY, flow, release


def test_mermaid_has_every_step_and_exit() -> None:
    found = release().flows["accueil"]
    text = mermaid(found)
    for name in found.steps:
        assert f"  s_{name}" in text
    assert (
        's_menu -->|"no_input, invalid, 0"| s_poste' in text or 's_menu -->|"0, no_input, invalid"| s_poste' in text
    )
    assert text.count("-->") == len({(edge.step, edge.target) for edge in found.edges}) + 1


def test_svg_is_well_formed_and_no_boxes_overlap() -> None:
    found = release().flows["accueil"]
    root = ET.fromstring(svg(found))  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    boxes = [(int(box.attrib["x"]), int(box.attrib["y"])) for box in root.iter(f"{space}rect")]
    assert len(boxes) == len(found.steps)
    for i, (x, y) in enumerate(boxes):
        for other_x, other_y in boxes[i + 1 :]:
            assert abs(x - other_x) >= 150 or abs(y - other_y) >= 44
    texts = {text.text for text in root.iter(f"{space}text")}
    assert set(found.steps) <= texts


def test_titles_and_keys_cannot_break_out_of_a_picture() -> None:
    text = flow(
        "a: {type: menu, prompt: p, choices: {'#': b, '*': b}, no_input: {then: b}, invalid: {then: b}}\n"
        "b: {type: hangup}",
        f"{NOBODY}\ntitle: '</title><script>alert(1)</script>'",
    )
    found = release(text).flows["accueil"]
    assert "<script>" not in svg(found)
    assert '"#35;, *' in mermaid(found)


def test_schemas_are_plain_json_and_name_every_type() -> None:
    text = json.dumps(flow_schema())
    for name in STEP_TYPES:
        assert f'"const": "{name}"' in text
    assert not LATER_TYPES & STEP_TYPES.keys()
    assert "calendars" in centre_schema()["properties"]


def test_every_declared_field_has_a_schema_with_its_key() -> None:
    schema = flow_schema()
    assert set(schema["properties"]) == {field.key for field in fields_of(FlowFile)}
    assert schema["required"] == ["flow", "start", "languages", "steps"]
    durations = schema["properties"]["defaults"]["properties"]
    assert set(durations) == {"first_digit", "inter_digit", "total", "attempts"}
    assert re.fullmatch(durations["first_digit"]["pattern"], "2.5s")


@pytest.mark.parametrize("name", sorted(STEP_TYPES))
def test_every_type_is_declared_whole(name: str) -> None:
    model = STEP_TYPES[name]
    assert model.type == name
    assert (model.__doc__ or "").strip()
    assert model.needs <= {"play", "collect", "lookup", "dial", "queue", "record", "agents", "callback"}
    hints = typing.get_type_hints(model, include_extras=True)
    for field in fields_of(model):
        assert isinstance(field.kind, Kind)
        assert field.name in hints
        assert isinstance(field.kind.schema(), dict)
        if isinstance(field.kind, (Nested, ListOf, ExitMap)):
            assert field.kind.schema()["type"] in ("object", "array")


def test_exits_that_runs_take_are_exits_that_flows_declare() -> None:
    found = release().flows["accueil"]
    declared = {(edge.step, edge.exit) for edge in found.edges}
    assert {("menu", "1"), ("menu", "no_input"), ("crm", "status.404"), ("crm", "status.5xx")} <= declared
    assert {("tri", "cases.1"), ("tri", "cases.2"), ("tri", "else"), ("poste", "no_answer")} <= declared
    assert ACCUEIL.count("type:") == len(found.steps)
