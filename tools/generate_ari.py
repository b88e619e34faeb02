"""Write `controller/ari/generated/` from Asterisk's own description of ARI.

The description (Swagger 1.1, `rest-api/*.json`) comes with every Asterisk: a folder of an installation
(`share/asterisk/rest-api`) or, of a running one, its HTTP address. Only facts are taken from it (names, types,
which values are allowed); its texts are Asterisk's own and stay there.

    python tools/generate_ari.py /usr/share/asterisk/rest-api
    python tools/generate_ari.py --check http://127.0.0.1:8088/ari     (ARI_USER and ARI_PASSWORD in the environment)
"""

from __future__ import annotations

import argparse
import base64
import json
import keyword
import os
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Description = dict[str, dict[str, Any]]
"""Resource name (`channels`) to its API declaration."""

TARGET = Path(__file__).parent.parent / "controller" / "ari" / "generated"

_SCALARS = {
    "string": "str",
    "int": "int",
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "Date": "datetime",
    "object": "dict[str, Any]",
    "containers": "Any",
    "void": "None",
    "binary": "bytes",
}
# Named an event in the description, but not sent as one: the answer to a request over the WebSocket, without a time.
_ANSWER = "RESTResponse"
_HEADER = '''"""{title}

Written by tools/generate_ari.py from the ARI description of Asterisk {version}. Do not edit: run the generator.
"""

from __future__ import annotations

'''


def load(source: str) -> Description:
    """Read the description from a folder or from `<http address>/api-docs`. Raises `OSError` if it is not there."""
    if source.startswith(("http://", "https://")):
        return _load_http(source.rstrip("/"))
    folder = Path(source)
    index = json.loads((folder / "resources.json").read_text())
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in _resources(index)}


def _load_http(base: str) -> Description:
    login = f"{os.environ.get('ARI_USER', '')}:{os.environ.get('ARI_PASSWORD', '')}"
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}

    def fetch(name: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{base}/api-docs/{name}.json", headers=headers)  # noqa: S310 - http(s) was checked by the caller
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - as above
            loaded: dict[str, Any] = json.load(reply)
            return loaded

    return {name: fetch(name) for name in _resources(fetch("resources"))}


def _resources(index: dict[str, Any]) -> list[str]:
    return sorted(api["path"].removeprefix("/api-docs/").split(".")[0] for api in index["apis"])


def generate(description: Description, version: str) -> dict[str, str]:
    """Return the text of every generated file by its name."""
    return {
        "__init__.py": '"""What tools/generate_ari.py wrote from Asterisk\'s description of ARI."""\n',
        "models.py": _HEADER.format(title="What Asterisk sends: objects and events.", version=version)
        + "".join(_models(description)),
        "operations.py": _HEADER.format(title="What Asterisk can be asked, one function each.", version=version)
        + "".join(_operations(description)),
    }


# --- models -----------------------------------------------------------------------------------------------


def _models(description: Description) -> Iterator[str]:
    models = {name: model for api in description.values() for name, model in api.get("models", {}).items()}
    events = [name for name in models["Event"]["subTypes"] if name != _ANSWER]
    events += [name for name in models["Message"]["subTypes"] if name != "Event"]
    yield "from datetime import datetime\nfrom typing import Any\n\nimport msgspec\n"
    plain = sorted(name for name in models if name not in {*events, "Event", "Message", _ANSWER})
    for name in plain:
        yield _struct(name, models[name]["properties"], base="")
    message = {k: v for k, v in models["Message"]["properties"].items() if k != "type"}
    yield _struct("Message", message, base="")
    yield _struct("Event", models["Event"]["properties"], base="Message")
    yield _struct(_ANSWER, models[_ANSWER]["properties"], base="Message", tag=_ANSWER)
    for name in sorted(events):
        base = "Event" if name in models["Event"]["subTypes"] else "Message"
        yield _struct(name, models[name]["properties"], base=base, tag=name)
    yield f"\n\nAnyEvent = (\n    {_lines(' | ', sorted(events))}\n)\n"
    yield '"""Every event that the description names, told apart by `type`."""\n'
    yield f"\nAnyMessage = {_ANSWER} | AnyEvent\n"
    yield '"""Whatever arrives on the WebSocket."""\n'


def _lines(separator: str, names: list[str]) -> str:
    return f"\n    {separator.strip()} ".join(names)


def _struct(name: str, properties: dict[str, Any], *, base: str, tag: str = "") -> str:
    options = "kw_only=True" + (f', tag_field="type", tag="{tag}"' if tag else "")
    renamed = {_name(p): p for p in properties if _name(p) != p}
    if renamed:
        options += f", rename={renamed!r}".replace("'", '"')
    lines = [f"\n\nclass {name}({base or 'msgspec.Struct'}, {options}):"]
    values = [
        f"`{_name(p)}`: {', '.join(map(str, info['allowableValues']['values']))}."
        for p, info in properties.items()
        if "values" in info.get("allowableValues", {})
    ]
    lines.append(f'    """ARI\'s {name}.{" " if values else ""}{" ".join(values)}"""\n')
    for required in (True, False):
        for prop, info in properties.items():
            if bool(info.get("required")) is required:
                kind = _type(info["type"])
                lines.append(f"    {_name(prop)}: {kind}" if required else f"    {_name(prop)}: {kind} | None = None")
    return "\n".join(lines).rstrip() + "\n"


def _type(swagger: str, prefix: str = "") -> str:
    match = re.fullmatch(r"List\[(.+)\]", swagger)
    if match:
        return f"list[{_type(match[1], prefix)}]"
    return _SCALARS.get(swagger) or prefix + swagger


def _name(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower() if not name.isupper() else name.lower()
    snake = snake.replace("-", "_")
    return f"{snake}_" if keyword.iskeyword(snake) else snake


# --- operations -------------------------------------------------------------------------------------------


def _operations(description: Description) -> Iterator[str]:
    yield "from collections.abc import Sequence\nfrom types import NoneType\nfrom typing import Any\n\n"
    yield "from controller.ari.generated import models\nfrom controller.ari.operation import Operation, escape\n"
    for resource, api in description.items():
        for path in api["apis"]:
            for operation in path["operations"]:
                if not operation.get("upgrade"):
                    yield _function(resource, path["path"].lstrip("/"), operation)


def _function(resource: str, path: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    by_kind = {kind: [p for p in parameters if p["paramType"] == kind] for kind in ("path", "query", "body")}
    response = _type(operation["responseClass"], "models.")
    signature = [f"{_name(p['name'])}: str" for p in by_kind["path"]]
    named = sorted(by_kind["query"] + by_kind["body"], key=lambda p: not p.get("required"))
    if named:
        signature.append("*")
        signature += [_argument(p) for p in named]
    name = f"{_name(resource)}_{_name(operation['nickname'])}"
    label = f"{resource}.{operation['nickname']}"
    lines = [
        f"\n\ndef {name}(" + (f"\n    {_comma(signature)}\n" if signature else "") + f") -> Operation[{response}]:"
    ]
    lines.append(f'    """{operation["httpMethod"]} /{path}."""')
    query = "()"
    if by_kind["query"]:
        required = [p for p in by_kind["query"] if p.get("required")]
        optional = [p for p in by_kind["query"] if not p.get("required")]
        pairs = "".join(f'("{p["name"]}", {_text(p)}), ' for p in required)
        query = f"({pairs.rstrip(' ')})"
        if optional:
            lines.append(f"    query: list[tuple[str, str]] = [{pairs.rstrip(', ')}]")
            for p in optional:
                lines.append(f"    if {_name(p['name'])} is not None:")
                lines.append(f'        query.append(("{p["name"]}", {_text(p)}))')
            query = "tuple(query)"
    body = "None"
    for p in by_kind["body"]:
        argument = _name(p["name"])
        # A container is one member of the body; an object is the body itself.
        body = (
            argument
            if p["dataType"] == "object"
            else f'None if {argument} is None else {{"{p["name"]}": {argument}}}'
        )
    filled = re.sub(r"\{(\w+)\}", lambda m: f"{{escape({_name(m[1])})}}", path)
    text = f'f"{filled}"' if by_kind["path"] else f'"{path}"'
    kind = "NoneType" if response == "None" else response
    lines.append(
        f'    return Operation(\n        "{label}", "{operation["httpMethod"]}", "{path}", {text},\n'
        f"        {query}, {body}, {kind},\n    )"
    )
    return "\n".join(lines) + "\n"


def _comma(parts: list[str]) -> str:
    return ",\n    ".join(parts) + ","


def _argument(parameter: dict[str, Any]) -> str:
    kind = _type(parameter["dataType"])
    if parameter.get("allowMultiple"):
        kind = f"Sequence[{kind}]"
    name = _name(parameter["name"])
    if parameter.get("required"):
        return f"{name}: {kind}"
    return f"{name}: {kind} | None = None" if kind != "Any" else f"{name}: Any = None"


def _text(parameter: dict[str, Any]) -> str:
    """Return the expression that turns an argument into the text of the query string."""
    name = _name(parameter["name"])
    if parameter.get("allowMultiple"):
        return f'",".join({name})'
    return {
        "string": name,
        "boolean": f'"true" if {name} else "false"',
    }.get(parameter["dataType"], f"str({name})")


# --- command ----------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Write the files, or with `--check` say which of them differ; the exit status is 1 then."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "source", help="folder with Asterisk's rest-api files, or http://host:port/ari of a running one"
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--version", default="22", help="Asterisk's major version, for the headers")
    options = parser.parse_args(argv)
    files = generate(load(options.source), options.version)
    if options.check:
        stale = [name for name, text in files.items() if (TARGET / name).read_text() != text]
        print(f"differs: {', '.join(stale)}" if stale else "up to date")
        return 1 if stale else 0
    TARGET.mkdir(exist_ok=True)
    for name, text in files.items():
        (TARGET / name).write_text(text)
        print(TARGET / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
