"""Shell completion: command ids with their parameters and values, hosts, types of events, paths of settings."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.cli.names import list_hosts, list_types
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.contents import name_entries
from ipecs_mw.model.definitions import Command, parse_command
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.configuration.definitions import load_commands
from ipecs_mw.store.configuration.settings import load_document
from ipecs_mw.store.server.connection import Store, open_client
from ipecs_mw.store.server.values import list_values

_PATIENCE_SECONDS = 1.0  # whoever pressed the key is waiting

T = TypeVar("T")


def ask_store(context: click.Context, read: Callable[[Store], T], default: T) -> T:
    """Return what `read` finds in MongoDB, `default` where MongoDB does not answer at once."""
    try:
        file = find_bootstrap(context.find_root().params.get("bootstrap"))
        uri = load_bootstrap(file).mongo_uri
        with closing(open_client(uri, str(file), seconds=_PATIENCE_SECONDS)) as store:
            return read(store)
    except IpecsMwError:
        return default


def known_commands(context: click.Context) -> Mapping[str, Command]:
    """Return the definitions by id: those in MongoDB, else those that ship."""
    return ask_store(context, load_commands, {}) or {
        command.id: command for command in map(parse_command, read_json("commands.json")["commands"])
    }


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


def complete_host(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the hosts that are configured or named by events, and begin so."""
    profile = context.find_root().params.get("profile") or "default"

    def read(store: Store) -> set[str]:
        return {*list_hosts(store, profile), *list_values(store, "events", "host")}

    return offer(ask_store(context, read, set()), incomplete)


def complete_type(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the types of events that begin so."""
    return offer(ask_store(context, list_types, []), incomplete)


def complete_path(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the paths of the settings that the profile has, else of those that ship, and that begin so."""
    profile = context.find_root().params.get("profile") or "default"
    shipped = read_json("config.json")
    found = ask_store(context, lambda store: load_document(store, profile), None) or shipped
    return offer(_list_paths({**shipped, **found}), incomplete)


def _list_paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each setting, in the order of the document: `hosts[main].port`."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _list_paths(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        entries = name_entries(value) or {str(index): part for index, part in enumerate(value)}
        for name, part in entries.items():
            yield from _list_paths(part, f"{path}[{name}]")
    else:
        yield path


def offer(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those that begin so."""
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
