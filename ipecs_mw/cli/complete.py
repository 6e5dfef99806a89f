"""Shell completion of command ids, their parameters and allowed values, from the definitions that ship."""

import click
from click.shell_completion import CompletionItem

from ipecs_mw.model.definitions import Command, parse_command
from ipecs_mw.seeds import read_json, shipped_texts


def shipped_commands() -> dict[str, Command]:
    """Return the definitions that ship, by id."""
    commands = [parse_command(document) for document in read_json("commands.json")["commands"]]
    return {command.id: command for command in commands}


def complete_command(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ids that begin so, each with its help."""
    texts = shipped_texts()
    return [
        CompletionItem(name, help=texts.render(f"command.{name}"))
        for name in shipped_commands()
        if name.startswith(incomplete)
    ]


def complete_argument(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return `name=` of the command's parameters, and `name=value` where the values are few."""
    command = shipped_commands().get(context.params.get("command") or "")
    if command is None:
        return []
    found = []
    for parameter in command.params:
        values = parameter.choices or ("",)
        found += [f"{parameter.name}={value}" for value in values]
    return [CompletionItem(text) for text in found if text.startswith(incomplete)]
