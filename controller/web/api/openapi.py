"""The OpenAPI 3.1 document of the API, made from the routes themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from controller.web.api.access import Scope
from controller.web.api.problems import (
    FORBIDDEN,
    MEDIA_TYPE,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNPROCESSABLE,
    ProblemBody,
    statuses,
)
from controller.web.api.routes import Nothing, Route

_ALWAYS = (UNAUTHORIZED, FORBIDDEN, UNPROCESSABLE, TOO_MANY, UNAVAILABLE)
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the document as plain data."""
    types: list[Any] = [ProblemBody]
    for route in routes:
        types += [each for each in (route.query, route.body, route.answer) if each not in (None, Nothing)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip((id(each) for each in types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rappel",
            "version": version,
            "description": "Agents, queues, calls, records and events of a Rappel call centre. "
            "Every refusal is an `application/problem+json` (RFC 9457) whose `code` is stable.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`rappel tokens create` makes one. Scopes: " + ", ".join(Scope),
                }
            },
        },
    }


def _operation(route: Route, by_type: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    needs = f"Scope: `{route.scope.value}`." if route.scope else "Any valid token."
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"{route.note}\n\n{needs}".strip(),
        "tags": [route.path.strip("/").partition("/")[0]],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.parameters
        ],
        "responses": {},
    }
    if route.query is not Nothing:
        operation["parameters"] += _query_parameters(route.query, components)
    if route.body is not None:
        content = {"application/json": {"schema": by_type[id(route.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    responses = operation["responses"]
    if route.answer is not None:
        schema = by_type[id(route.answer)]
        responses[str(route.status)] = {"description": "Done", "content": {route.media_type: {"schema": schema}}}
    elif route.media_type != "application/json":
        responses["200"] = {"description": "Done", "content": {route.media_type: {}}}
    else:
        responses["204"] = {"description": "Done"}
    titles = statuses()
    problem = {MEDIA_TYPE: {"schema": by_type[id(ProblemBody)]}}
    for status in sorted({*_ALWAYS, *route.problems}):
        responses[str(status)] = {"description": titles[status], "content": problem}
    return operation


def _query_parameters(query: type, components: dict[str, Any]) -> list[dict[str, Any]]:
    schema = components[query.__name__]
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": each.pop("description", ""),
            "schema": each,
        }
        for name, each in ((name, dict(each)) for name, each in schema["properties"].items())
    ]
