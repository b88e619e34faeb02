"""JSON Schema (draft 2020-12) of flow and centre files, for editors; derived from the declarations that read them."""

from __future__ import annotations

from typing import Any

from controller.flow.centre import CentreFile
from controller.flow.drafts import FlowFile
from controller.flow.reading import schema_of

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def flow_schema() -> dict[str, Any]:
    """Return the schema of a flow's file."""
    return {"$schema": _DRAFT, "title": "Rappel flow", **schema_of(FlowFile)}


def centre_schema() -> dict[str, Any]:
    """Return the schema of centre.yaml."""
    return {"$schema": _DRAFT, "title": "Rappel centre", **schema_of(CentreFile)}
