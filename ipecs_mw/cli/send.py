"""`ipecs-mw send`: give a command through the daemon that holds the host's session."""

from typing import Any

import click

from ipecs_mw.cli.ask import ask_secret
from ipecs_mw.cli.complete import complete_argument, complete_command
from ipecs_mw.cli.context import Context, current, who
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.errors import NoSuchName
from ipecs_mw.protocol.arguments import check_arguments
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.commands import carry_out_as_station, carry_out_once, find_command
from ipecs_mw.service.session.credentials import read_secret
from ipecs_mw.store.configuration.definitions import load_codes, load_commands
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.coordination.sending import send as send_request
from ipecs_mw.store.server.connection import Store

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
@click.option("--direct", "is_direct", is_flag=True, help=_TEXTS.render("help.send.direct"))
def send(command: str, arguments: tuple[str, ...], host: str | None, timeout: float, is_direct: bool) -> None:
    """Print the host's reply as JSON."""
    context = current()
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name in given:
            raise click.UsageError(_TEXTS.render("cli.send.bad_argument", argument=name))
        given[name] = value
    with context.open_store() as store:
        definition = find_command(load_commands(store), command)
        for parameter in definition.params:
            if parameter.is_secret and given.get(parameter.name) == "-":
                given[parameter.name] = ask_secret(context, f"{command} {parameter.name}")
        if is_direct:
            click.echo(to_json(_send_directly(store, context, command, given, host), indent=1))
            return
        # what is wrong is said at once, also where no daemon runs
        check_arguments(definition, given)
        result = send_request(
            store,
            context.clock,
            command,
            given,
            host=host,
            by=who(),
            profile=context.profile,
            timeout_seconds=timeout,
            texts=context.texts,
        )
    click.echo(to_json(result, indent=1))


def _send_directly(
    store: Store, context: Context, name: str, given: dict[str, Any], host_name: str | None
) -> Any:
    """Log in at the host, carry the command out and log out, where no daemon holds the account."""
    settings, _ = load_settings(store, context.profile)
    commands, codes = load_commands(store), load_codes(store)
    command = find_command(commands, name)
    names = [host.name for host in settings.hosts]
    wanted = host_name or (names[0] if len(names) == 1 else None)
    if wanted not in names:
        raise NoSuchName("error.no_such_host", host=wanted or "-", allowed=", ".join(names))
    index = names.index(wanted)
    host = settings.hosts[index]
    decrypt = context.build_decrypt(store)
    if host.service not in command.services:
        return carry_out_as_station(host, command, given, commands, codes, context.clock, decrypt)
    at = f"config/{context.profile} hosts[{index}].password"
    password = read_secret(host.password, at, decrypt)
    return carry_out_once(host, password, command, given, commands, codes, context.clock)
