"""There is one way to a trunk: through the gate, the exit, and one context of the dialplan."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PACKAGE = ROOT / "controller"
DIALPLAN = (ROOT / "asterisk-conf" / "extensions.conf.j2").read_text(encoding="utf-8")
OUT = "rappel-outbound"
_DIALS = re.compile(
    r"\b(?:Dial|RetryDial|Originate|Page|FollowMe|Queue|Transfer|BridgeWait|Macro|Exec)\(", re.IGNORECASE
)


def contexts() -> dict[str, str]:
    """The dialplan's contexts, comments left out."""
    lines = [line for line in DIALPLAN.splitlines() if not line.lstrip().startswith(";")]
    parts = re.split(r"^\[([^\]]+)\]$", "\n".join(lines), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def modules() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")
    }


def test_one_context_names_the_trunk():
    told = {name for name, body in contexts().items() if re.search(r"@\s*trunk\b|PJSIP/trunk|trunk\.host", body)}
    assert told == {OUT}


def test_one_context_dials_what_it_is_told():
    # Others dial fixed extensions; this one a number.
    dialling = {name: _DIALS.findall(body) for name, body in contexts().items() if _DIALS.search(body)}
    assert set(dialling) == {OUT, "extensions"}
    assert dialling[OUT] == ["Dial("]
    assert re.findall(r"Dial\(([^,]+),", contexts()["extensions"]) == ["PJSIP/${EXTEN}"]


def test_nothing_in_the_dialplan_leads_to_it():
    others = {name: body for name, body in contexts().items() if name != OUT}
    assert [name for name, body in others.items() if OUT in body] == []
    assert not re.search(r"^\s*(?:include|switch|lswitch|eswitch)\s*=", DIALPLAN, re.MULTILINE)


def test_the_gate_of_attempts_comes_before_the_dial():
    body = contexts()[OUT]
    assert 0 <= body.index("rappel-attempts,open") < body.index('"first"]?no') < body.index("Dial(")
    assert ",i" in body[body.index("Dial(") :].splitlines()[0]  # a redirection is not followed


def test_one_module_asks_for_the_context_and_none_for_the_trunk():
    strings = {
        path: [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for path, tree in modules().items()
    }
    code = {path: [each for each in found if "\n" not in each] for path, found in strings.items()}
    assert {path for path, found in code.items() if any(each == OUT for each in found)} == {
        "controller/ari/attempts.py"
    }
    assert {path for path, found in code.items() if any("@trunk" in each for each in found)} == set()


def test_one_module_makes_local_channels_into_it():
    using = {
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "CONTEXT" for alias in node.names)
    }
    assert using == {"controller/ari/originate.py"}


def test_only_app_takes_the_originator_from_the_driver():
    touching = {
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("originator", "_originator")
    }
    assert touching <= {"controller/app.py", "controller/ari/driver.py", "controller/calls/outbound/exit.py"}
    assert "controller/calls/outbound/exit.py" in touching


@pytest.mark.parametrize(
    ("protected", "importers"),
    [
        ("controller.calls.outbound.originator", ["controller.calls.outbound.exit"]),
        ("controller.ari.originate", ["controller.ari.driver", "controller.app"]),
        ("controller.calls.outbound.exit", ["controller.app"]),
    ],
)
def test_the_contracts_of_imports_stand(protected, importers):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    found = [each for each in contracts if protected in each.get("protected_modules", ())]
    assert [each["allowed_importers"] for each in found] == [importers]


def test_the_way_in_holds_no_way_out():
    for name in ("from-trunk", "from-softphones", "from-agents", "from-page", "svi", "agi", "nobody"):
        assert not _DIALS.search(contexts()[name])
