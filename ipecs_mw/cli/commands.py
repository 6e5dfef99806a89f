"""`ipecs-mw commands`: what the host can be told, in words."""

import click

from ipecs_mw.cli.complete import complete_command
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.definitions import Command, Parameter
from ipecs_mw.model.texts import Texts
from ipecs_mw.protocol.arguments import describe
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.definitions import load_commands

_TEXTS = shipped_texts()
_EXAMPLES = {
    "bool": "true",
    "dial": "0123456",
    "digits": "1001",
    "digits[]": "1000-1099",
    "int": "0",
    "posint": "1",
    "query": '{"StationNumber":"1001"}',
    "string": "…",
}


@click.command(help=_TEXTS.render("help.commands"))
@click.argument("command_id", metavar="[ID]", required=False, shell_complete=complete_command)
def commands(command_id: str | None) -> None:
    """List every command, or explain one."""
    context = current()
    with context.open_store() as store:
        known = load_commands(store)
        texts = load_words(store, context)
    if command_id is None:
        for name, command in known.items():
            click.echo(
                f"{name:<26} {texts.render(f'command.{name}') if f'command.{name}' in texts else command.path}"
            )
        return
    if command_id not in known:
        raise NoSuchName("error.command_unknown", command=command_id)
    for line in explain(known[command_id], texts):
        click.echo(line)


def explain(command: Command, texts: Texts) -> list[str]:
    """Return the lines that explain a command: parameters, an example, what follows, what it needs."""
    lines = [f"{command.id}  {texts.render(f'command.{command.id}')}", "", example(command), ""]
    lines += [
        f"  {parameter.name:<16} {_explain_parameter(command, parameter, texts)}"
        for parameter in command.params
    ]
    facts = {
        "licence": command.licence,
        "returns": ", ".join(command.returns),
        "emits": ", ".join(command.emits),
        "errors": ", ".join(command.errors),
        "services": ", ".join(command.services),
        "request": f"{command.method} /ipxapi/{command.path}",
    }
    lines += [
        "",
        *(texts.render(f"cli.commands.{name}", value=value) for name, value in facts.items() if value),
    ]
    return lines + ([texts.render("cli.commands.uncertain")] if command.is_uncertain else [])


def example(command: Command) -> str:
    """Return how to send a command, with a value for each argument that it needs."""
    needed = [p for p in command.params if p.is_required]
    return " ".join(
        [
            "ipecs-mw send",
            command.id,
            *(f"{p.name}={p.choices[0] if p.choices else _EXAMPLES[p.type]}" for p in needed),
        ]
    )


def _explain_parameter(command: Command, parameter: Parameter, texts: Texts) -> str:
    keys = (f"param.{command.id}.{parameter.name}", f"param.{parameter.name}")
    words = next((texts.render(key) for key in keys if key in texts), "")
    need = texts.render("cli.commands.required" if parameter.is_required else "cli.commands.optional")
    return f"{need:<10} {describe(parameter)}  {words}".rstrip()
