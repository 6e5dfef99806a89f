"""The tables of the command line: each command with its options."""
# ruff: noqa: INP001

from collections.abc import Iterator

import click
from tables import TEXTS, code, codes, table

from ipecs_mw.cli import cli


def describe_command_line() -> str:
    """Return every command of `ipecs-mw` with its options."""
    return "\n".join([_describe_options("ipecs-mw", "", cli), *_describe_below(cli, "")])


def _describe_below(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context) if group is cli else group.commands:
        command = group.get_command(context, name)
        if command is None:
            continue
        yield _describe_options(f"ipecs-mw {path}{name}", f"{path}{name}.".replace(" ", "."), command)
        if isinstance(command, click.Group):
            yield from _describe_below(command, f"{path}{name} ")


def _describe_options(title: str, prefix: str, command: click.Command) -> str:
    rows = []
    for parameter in command.params:
        is_option = isinstance(parameter, click.Option)
        long = max(parameter.opts, key=len)
        key = f"help.{prefix}{long.lstrip('-').replace('-', '_')}"
        said = parameter.help if isinstance(parameter, click.Option) else ""
        rows.append(
            (
                codes(parameter.opts) if is_option else code(parameter.make_metavar(click.Context(command))),
                _allowed_option(parameter),
                "" if parameter.default in (None, False) or not is_option else _default(parameter),
                TEXTS.render(key) if key in TEXTS else said or "",
            )
        )
    key = "help." + (prefix.rstrip(".") or "ipecs_mw")
    said = TEXTS.render(key) if key in TEXTS else command.help or ""
    head = ("Option", "Allowed", "Default", "Meaning")
    return f"### {title}\n\n{said}\n\n" + (table(head, rows) if rows else "")


def _allowed_option(parameter: click.Parameter) -> str:
    if getattr(parameter, "is_flag", False):
        return "no value"
    if isinstance(parameter.type, click.Choice):
        return codes(map(str, parameter.type.choices))
    return parameter.type.name


def _default(parameter: click.Parameter) -> str:
    default = parameter.default
    return code(default) if isinstance(default, str | int | float) else ""
