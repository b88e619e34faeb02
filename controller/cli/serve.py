"""`rappel controller`: the controller alone."""

from __future__ import annotations

import sys

import click
import uvloop

from controller.app import run_controller
from controller.cli.common import completed
from controller.errors import ConfigError, FlowError
from controller.logs import configure_logging

_EXIT_CONFIGURATION = 78
"""EX_CONFIG: starting again will not help; the supervisor gives up on it."""


@click.command()
@click.pass_context
def controller(context: click.Context) -> None:
    """Run the controller alone (Asterisk and Postgres are run by somebody else, or by `rappel run`)."""
    config = completed(context.obj)
    configure_logging(config.log.format, config.log.level)
    try:
        uvloop.run(run_controller(config))
    except (FlowError, ConfigError) as error:
        click.echo(f"rappel: {error}", err=True)
        sys.exit(_EXIT_CONFIGURATION)


COMMANDS = (controller,)
