"""The command line as an operator meets it: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from controller import cli as module
from controller.cli import cli, main
from controller.errors import ConfigError, FlowError, RappelError
from controller.flow.findings import Finding
from tests.unit.calls.world import ACCUEIL, CENTRE, SECRET

PLACE = re.compile(r"/(?P<file>[a-z]+\.yaml):(?P<line>\d+):(?P<column>\d+): ")
SPOKEN = re.compile(r"(fr: )([A-ZÉ][^,}]*)(, en: )([A-Z][^,}]*)}")


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAPPEL_NODE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RAPPEL_NODE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    """A centre whose prompts are recordings that are there."""
    folder = tmp_path / "ivr_flows"
    for name, text in (("centre", CENTRE), ("accueil", ACCUEIL), ("secret", SECRET)):
        recorded = SPOKEN.sub("fr: {file: p}, en: {file: p}}", text)
        (folder).mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(recorded, "utf-8")
    for language in ("fr", "en"):
        prompt = folder / "prompts" / language / "p.wav"
        prompt.parent.mkdir(parents=True)
        prompt.write_bytes(b"RIFF")
    return folder


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, words, input=stdin)


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Run the entry point; return what it exits with."""
    monkeypatch.setattr(sys, "argv", ["rappel", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


# --- check ------------------------------------------------------------------------------------------------


def test_a_centre_without_findings(centre: Path):
    result = run("check", str(centre))
    assert result.exit_code == 0, result.output
    assert "nothing wrong found" in result.output


def test_the_centre_of_the_settings_is_checked_when_none_is_named(centre: Path, monkeypatch):
    assert run("check").exit_code == 0
    monkeypatch.setenv("RAPPEL_CENTRE_FOLDER", str(centre.parent / "elsewhere"))
    assert run("check").exit_code != 0


def test_findings_have_their_place_and_the_exit_code_says_so(centre: Path):
    flow = centre / "accueil.yaml"
    flow.write_text(flow.read_text().replace("next: menu}", "next: mnu}").replace("type: dial", "type: dail"))
    result = run("check", str(centre))
    assert result.exit_code == 1
    places = [PLACE.search(line) for line in result.stdout.splitlines()]
    found = {(place["file"], int(place["line"])) for place in places if place}
    lines = flow.read_text().splitlines()
    assert ("accueil.yaml", next(n for n, line in enumerate(lines, 1) if "mnu" in line)) in found
    assert ("accueil.yaml", next(n for n, line in enumerate(lines, 1) if "dail" in line)) in found
    assert "menu" in result.stdout
    assert "to mend" in result.stderr


def test_missing_audio_is_a_finding(centre: Path):
    (centre / "prompts" / "fr" / "p.wav").unlink()
    result = run("check", str(centre))
    assert result.exit_code == 1
    assert "fr/p" in result.stdout
    assert PLACE.search(result.stdout)


def test_strict_counts_warnings(centre: Path):
    flow = centre / "accueil.yaml"
    text = flow.read_text().replace("steps:\n", "steps:\n  nowhere: {type: say, prompt: adieu, next: adieu}\n")
    flow.write_text(text)
    relaxed, strict = run("check", str(centre)), run("check", "--strict", str(centre))
    assert "nowhere" in relaxed.stdout
    assert strict.exit_code == 1


def test_a_folder_that_is_none(tmp_path: Path):
    result = run("check", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "none" in result.stderr


# --- test, simulate, graph, schema ------------------------------------------------------------------------

SCENARIO = """
- name: nobody presses anything
  flow: accueil
  at: 2026-11-24T12:45
  from: "+33612345678"
  do: []
  expect: {visits: [salut, menu, adieu], ends: adieu}
"""


def test_scenarios_that_pass(centre: Path):
    (centre / "accueil.test.yaml").write_text(SCENARIO)
    result = run("test", str(centre), "--random", "3")
    assert result.exit_code == 0, result.output
    assert "1 scenarios passed, 0 failed; " in result.output
    assert "% of the steps" in result.output


def test_a_scenario_that_fails_shows_the_way_of_the_call(centre: Path):
    (centre / "accueil.test.yaml").write_text(SCENARIO.replace("menu, adieu]", "menu, poste]"))
    result = run("test", str(centre), "--random", "0")
    assert result.exit_code == 1
    assert "failed: accueil.test.yaml: nobody presses anything" in result.output
    assert "menu" in result.output


def test_a_scenario_that_cannot_be_read(centre: Path):
    (centre / "accueil.test.yaml").write_text("- nmae: x\n")
    result = run("test", str(centre), "--random", "0")
    assert result.exit_code == 1
    assert "accueil.test.yaml:1:" in result.output


def test_a_call_is_simulated_with_keys_from_a_pipe(centre: Path):
    result = run("simulate", "accueil", str(centre), "--at", "2026-11-24T12:45", stdin='1\n200 {"vip": true}\n')
    assert result.exit_code == 0, result.output
    for words in ("salut", "menu", "fiche", "adieu"):
        assert words in result.output


def test_a_simulated_caller_hangs_up_at_the_end_of_the_input(centre: Path):
    result = run("simulate", "accueil", str(centre))
    assert result.exit_code == 0, result.output
    assert "fiche" not in result.output


@pytest.mark.parametrize("words", [("simulate", "nowhere"), ("graph", "nowhere")])
def test_a_flow_that_does_not_exist(centre: Path, monkeypatch, capsys, words: tuple[str, ...]):
    code = run_main(monkeypatch, *words, str(centre))
    assert "nowhere" in f"{code}{capsys.readouterr().err}"
    assert code not in (0, None)


def test_a_time_that_is_none(centre: Path):
    result = run("simulate", "accueil", str(centre), "--at", "tomorrow")
    assert result.exit_code == 2
    assert "2026-11-24T12:45" in result.stderr


def test_the_graph_names_every_step(centre: Path):
    text, picture = run("graph", "accueil", str(centre)), run("graph", "accueil", str(centre), "--svg")
    assert text.exit_code == picture.exit_code == 0
    for step in ("salut", "menu", "fiche", "poste", "adieu"):
        assert step in text.output
        assert step in picture.output
    assert "<svg" in picture.output


@pytest.mark.parametrize("words", [(), ("--of", "centre"), ("--of", "scenarios")])
def test_the_schema_is_json(words: tuple[str, ...]):
    result = run("schema", *words)
    assert result.exit_code == 0
    assert json.loads(result.stdout)


# --- calls ------------------------------------------------------------------------------------------------


def test_a_call_to_nobody_says_what_to_do(centre: Path, monkeypatch):
    """Nobody listens on the SIP port: a clear message and exit code 1, not a traceback."""
    import soundfile  # noqa: PLC0415 - the audio must be real here

    for prompt in centre.glob("prompts/*/p.wav"):
        soundfile.write(prompt, [0.1, -0.1] * 4000, 8000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAPPEL_SIP_PORT", str(deaf.getsockname()[1]))
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        result = run("call", "1000", "--keys", "wait 1s, hangup", "--max", "0.3")
    assert result.exit_code == 1
    assert "Not answered: 408" in result.output
    assert "rappel doctor" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", [("calls",), ("show", "01a20cff-7d00-8acc-baed-fb88c0a155a1"), ("db", "upgrade")])
def test_a_database_that_is_away_is_one_message(monkeypatch, capsys, words: tuple[str, ...]):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code = run_main(monkeypatch, *words)
    assert str(code).startswith("rappel: ")
    assert "Traceback" not in str(code) + capsys.readouterr().err


# --- the entry point --------------------------------------------------------------------------------------


def test_help_lists_every_command():
    result = run("--help")
    assert result.exit_code == 0
    for name in ("run", "controller", "check", "test", "simulate", "graph", "schema", "speak", "call", "doctor"):
        assert re.search(rf"^  {name} ", result.output, re.MULTILINE), name


def test_every_command_has_help():
    with click.Context(cli) as context:
        for name in cli.list_commands(context):
            result = run(name, "--help")
            assert result.exit_code == 0, name
            assert "Usage:" in result.output
    assert run("nonsense").exit_code == 2
    assert run("--version").output.startswith("rappel")


@pytest.mark.parametrize("error", [RappelError("do this"), ConfigError("do this")])
def test_an_error_of_ours_is_one_message_on_standard_error(monkeypatch, error: RappelError):
    def fail() -> None:
        raise error

    monkeypatch.setattr(module, "cli", fail)
    assert run_main(monkeypatch) == "rappel: do this"


def test_findings_are_shown_before_the_message(monkeypatch, capsys):
    def fail() -> None:
        raise FlowError("the centre has 1 error", (Finding("a.yaml", 3, 5, "rule", "what is wrong"),))

    monkeypatch.setattr(module, "cli", fail)
    assert run_main(monkeypatch) == "rappel: the centre has 1 error"
    assert "a.yaml:3:5" in capsys.readouterr().err


def test_a_broken_centre_is_told_by_every_command_that_needs_it(centre: Path, monkeypatch, capsys):
    (centre / "accueil.yaml").write_text("flow: accueil\nstart: nowhere\nsteps: {}\n")
    for words in (("test",), ("graph", "accueil"), ("simulate", "accueil")):
        code = run_main(monkeypatch, *words)
        assert "accueil.yaml:" in str(code) + capsys.readouterr().err


def test_a_mistake_in_the_settings_is_told(monkeypatch):
    monkeypatch.setenv("RAPPEL_WEB_PROT", "1")
    assert "RAPPEL_WEB_PORT" in str(run_main(monkeypatch, "check"))
    monkeypatch.delenv("RAPPEL_WEB_PROT")
    assert "none.toml" in str(run_main(monkeypatch, "--config", "none.toml", "check"))


def test_a_controller_that_cannot_start_exits_for_good(monkeypatch, centre: Path):
    """78 (EX_CONFIG) tells the supervisor that starting again does not help."""
    (centre / "centre.yaml").write_text("nonsense")
    monkeypatch.setattr("controller.cli.serve.configure_logging", lambda *_: None)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run("controller")
    assert result.exit_code == 78, result.output
    assert "centre.yaml" in result.output
