"""`ipecs-mw send`: give a command through the daemon that holds the host's session."""

import getpass
import socket
from typing import Any

import click

from ipecs_mw.cli.complete import complete_argument, complete_command
from ipecs_mw.cli.context import current
from ipecs_mw.cli.output import to_json
from ipecs_mw.client import send as send_request
from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.send"))
@click.argument("command", shell_complete=complete_command)
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_argument)
@click.option("--host", help=_TEXTS.render("help.send.host"))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=3600),
    default=30.0,
    show_default=True,
    help=_TEXTS.render("help.send.timeout"),
)
def send(command: str, arguments: tuple[str, ...], host: str | None, timeout: float) -> None:
    """Print the host's reply as JSON."""
    context = current()
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name in given:
            raise click.UsageError(_TEXTS.render("cli.send.bad_argument", argument=name))
        given[name] = value
    with context.open_store() as store:
        by = f"{getpass.getuser()}@{socket.gethostname()}"
        result = send_request(store, context.clock, command, given, host=host, by=by, timeout_seconds=timeout)
    click.echo(to_json(result, indent=1))
