"""Shell completion of command ids, their parameters and allowed values."""

from contextlib import closing

import click
from click.shell_completion import CompletionItem

from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.definitions import Command, parse_command
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.configuration.definitions import load_commands
from ipecs_mw.store.server.connection import open_client

_PATIENCE_SECONDS = 1.0  # whoever pressed the key is waiting


def known_commands(context: click.Context) -> dict[str, Command]:
    """Return the definitions by id: those in MongoDB where it answers at once, else those that ship."""
    try:
        file = find_bootstrap(context.find_root().params.get("bootstrap"))
        with closing(
            open_client(load_bootstrap(file).mongo_uri, str(file), seconds=_PATIENCE_SECONDS)
        ) as store:
            return load_commands(store)
    except IpecsMwError:
        documents = read_json("commands.json")["commands"]
        return {command.id: command for command in map(parse_command, documents)}


def complete_command(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ids that begin so, each with its help."""
    texts = shipped_texts()
    return [
        CompletionItem(name, help=texts.render(f"command.{name}"))
        for name in known_commands(context)
        if name.startswith(incomplete)
    ]


def complete_argument(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return `name=` of the command's parameters, and `name=value` where the values are few."""
    command = known_commands(context).get(context.params.get("command") or "")
    if command is None:
        return []
    found = []
    for parameter in command.params:
        values = parameter.choices or ("",)
        found += [f"{parameter.name}={value}" for value in values]
    return [CompletionItem(text) for text in found if text.startswith(incomplete)]
