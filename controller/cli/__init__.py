"""The `rappel` command. Each module holds the commands of one kind of user, imported when one of them is used.

A controller that is restarted has callers waiting, so nothing is imported that the command at hand does not need.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

import click

from controller.errors import FlowError, RappelError

_MODULES = {
    "run": ("run",),
    "serve": ("controller",),
    "operate": ("db", "setup", "doctor", "accounts", "render-asterisk"),
    "flows": ("check", "test", "simulate", "graph", "schema", "speak"),
    "calls": ("call", "calls", "show"),
    "agents": ("agents", "tokens"),
    "board": ("board",),
    "reports": ("figures", "staffing"),
    "answer": ("answer",),
    "customer": ("customer",),
    "callbacks": ("callbacks",),
    "erase": ("erase",),
    "outbound": ("outbound", "optout"),
}


class _Commands(click.Group):
    """Finds a command in the module that has it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for names in _MODULES.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        for module, names in _MODULES.items():
            if cmd_name in names:
                commands: tuple[click.Command, ...] = importlib.import_module(f"controller.cli.{module}").COMMANDS
                return next(command for command in commands if command.name == cmd_name)
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("rappel"), prog_name="rappel")
@click.option(
    "--config", "config_path", metavar="FILE", help="Configuration file (default: rappel.toml if there is one)."
)
@click.pass_context
def cli(context: click.Context, config_path: str | None) -> None:
    """Rappel: a web call centre on Asterisk."""
    context.obj = config_path


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
