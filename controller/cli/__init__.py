"""The `rappel` command. Each module holds the commands of one kind of user."""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from controller.cli import calls, flows, operate, run
from controller.errors import FlowError, RappelError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("rappel"), prog_name="rappel")
@click.option(
    "--config", "config_path", metavar="FILE", help="Configuration file (default: rappel.toml if there is one)."
)
@click.pass_context
def cli(context: click.Context, config_path: str | None) -> None:
    """Rappel: a web call centre on Asterisk."""
    context.obj = config_path


for _module in (run, operate, flows, calls):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Run the command line; what went wrong is one message, and exit code 1 (2 for a mistake in the call)."""
    try:
        cli()
    except FlowError as error:
        for finding in error.findings:
            click.echo(str(finding), err=True)
        sys.exit(f"rappel: {error}")
    except RappelError as error:
        sys.exit(f"rappel: {error}")
