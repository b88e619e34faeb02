"""What operators type: check, simulate, test, graph, schema, speak."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from controller.calls.releases import read_recordings, read_sources
from controller.config import load_config
from controller.errors import FlowError
from controller.flow.findings import Finding, Severity
from controller.flow.graph import mermaid, svg
from controller.flow.loader import check_sources, compile_release
from controller.flow.release import Release
from controller.flow.schema import centre_schema, flow_schema
from controller.simulator.console import simulate as simulate_call
from controller.simulator.scenario import SUFFIX, scenario_schema
from controller.simulator.suite import run_fuzz, run_suite
from controller.simulator.trace import TraceLine
from controller.speech.release import audio_findings

_EXIT_FINDINGS = 1
_SHOWN_TRACE = 40

folder_argument = click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)


def _folder(context: click.Context, given: Path | None) -> Path:
    return given or Path(load_config(context.obj).centre.folder)


def _release(folder: Path) -> Release:
    return compile_release(read_sources(folder), read_recordings(folder))


@click.command()
@folder_argument
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.pass_context
def check(context: click.Context, folder: Path | None, strict: bool) -> None:
    """Look for everything that is wrong with the centre in FOLDER; exit code 1 when something is."""
    folder = _folder(context, folder)
    findings: Sequence[Finding] = check_sources(read_sources(folder), read_recordings(folder))
    if not _blocking(findings, strict=False):
        findings = [*findings, *audio_findings(folder, _release(folder))]
    for finding in findings:
        click.echo(f"{folder}/{finding}")
    blocking = _blocking(findings, strict=strict)
    if blocking:
        click.echo(f"{blocking} to mend.", err=True)
        sys.exit(_EXIT_FINDINGS)
    click.echo(f"{folder}: nothing wrong found.")


def _blocking(findings: Sequence[Finding], *, strict: bool) -> int:
    weights = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return sum(finding.severity in weights for finding in findings)


@click.command("test")
@folder_argument
@click.option("--random", "random_calls", default=50, show_default=True, help="Calls at random into each flow.")
@click.option("--seed", default=1, show_default=True, help="Repeats the calls at random.")
@click.pass_context
def run_tests(context: click.Context, folder: Path | None, random_calls: int, seed: int) -> None:
    """Run the scenarios (*.test.yaml) of FOLDER, and calls at random, on a virtual clock."""
    folder = _folder(context, folder)
    release = _release(folder)
    files = {path.name: path.read_bytes() for path in sorted(folder.glob(f"*{SUFFIX}"))}
    suite = run_suite(release, files)
    for finding in suite.findings:
        click.echo(f"{folder}/{finding}")
    failed = [result for result in suite.results if not result.passed]
    for result in failed:
        click.secho(f"failed: {result.scenario.mark.file}: {result.scenario.name}", fg="red")
        for problem in result.problems:
            click.echo(f"  {problem}")
        _show_trace(result.call.trace)
    random = run_fuzz(release, seed=seed, calls=random_calls) if random_calls else ()
    endless = [each for each in random if each.problems]
    for each in endless:
        click.secho(f"failed: a call at random into {each.flow} (seed {each.seed})", fg="red")
        for problem in each.problems:
            click.echo(f"  {problem}")
        _show_trace(each.call.trace)
    for covered in suite.coverage:
        missing = f"; never: {', '.join(covered.missing_steps)}" if covered.missing_steps else ""
        click.echo(f"{covered.flow}: {covered.percent} % of the steps{missing}")
    passed = len(suite.results) - len(failed)
    click.echo(
        f"{passed} scenarios passed, {len(failed)} failed; {len(random)} calls at random, {len(endless)} failed."
    )
    if failed or endless or suite.findings:
        sys.exit(_EXIT_FINDINGS)


def _show_trace(trace: Sequence[TraceLine]) -> None:
    for line in trace[-_SHOWN_TRACE:]:
        click.echo(f"    {line}")


@click.command()
@click.argument("flow")
@folder_argument
@click.option("--at", metavar="TIME", help="When, as 2026-11-24T12:45 in the centre's time zone (default: now).")
@click.option("--from", "caller", default="+33612345678", show_default=True, help="The caller's number.")
@click.option("--language", default="", help="Begin in this language.")
@click.pass_context
def simulate(
    context: click.Context, flow: str, folder: Path | None, at: str | None, caller: str, language: str
) -> None:
    """Walk through FLOW in the terminal: the keys are the telephone, and no time is waited for."""
    release = _release(_folder(context, folder))
    zone = ZoneInfo(release.zone)
    try:
        when = datetime.fromisoformat(at).replace(tzinfo=zone) if at else datetime.now(zone)
    except ValueError as error:
        raise click.BadParameter(f"{at}: write a time such as 2026-11-24T12:45") from error
    result = simulate_call(
        release, flow, at=when, read=_read_line, write=click.echo, caller=caller, language=language
    )
    if result.problems:
        sys.exit(_EXIT_FINDINGS)


def _read_line(prompt: str) -> str | None:
    click.echo(prompt, nl=False)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(line.rstrip("\n"))
    return line.rstrip("\n") if line else None


@click.command()
@click.argument("flow")
@folder_argument
@click.option("--svg", "as_svg", is_flag=True, help="An SVG picture instead of Mermaid text.")
@click.pass_context
def graph(context: click.Context, flow: str, folder: Path | None, as_svg: bool) -> None:
    """Draw FLOW: Mermaid text, or an SVG picture."""
    release = _release(_folder(context, folder))
    found = release.flows.get(flow)
    if found is None:
        raise FlowError(f"there is no flow {flow}; there is {', '.join(sorted(release.flows))}")
    click.echo(svg(found) if as_svg else mermaid(found), nl=False)


@click.command()
@click.option("--of", "what", type=click.Choice(["flow", "centre", "scenarios"]), default="flow", show_default=True)
def schema(what: str) -> None:
    """Print the JSON Schema of a flow, of centre.yaml or of scenarios, for editors."""
    made = {"flow": flow_schema, "centre": centre_schema, "scenarios": scenario_schema}[what]()
    click.echo(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())


@click.command()
@folder_argument
@click.option("--clean", is_flag=True, help="Also remove audio of texts that no flow uses any more.")
@click.pass_context
def speak(context: click.Context, folder: Path | None, clean: bool) -> None:
    """Make the audio of every prompt given as text that has none yet (needs rappel[speech])."""
    from controller.speech import speak as maker  # noqa: PLC0415 - the engine is an optional extra
    from controller.speech.engines import Kokoro  # noqa: PLC0415 - the engine is an optional extra

    config = load_config(context.obj)
    folder = _folder(context, folder)
    release = _release(folder)
    texts = release.texts()
    engine = Kokoro(Path(config.node.cache_dir))
    made = maker.speak(folder, texts, engine, lambda media: click.echo(f"speaking {media}"))
    click.echo(f"{len(made)} prompts spoken.")
    stale = maker.unused(folder, [media for _, _, media in texts])
    for path in stale:
        if clean:
            path.unlink()
        click.echo(f"{'removed' if clean else 'no longer used'}: {path}")


COMMANDS = (check, run_tests, simulate, graph, schema, speak)
