"""Names and ids of calls on the command line: checked, completed, and what is said where nothing is found."""

import click
from click.shell_completion import CompletionItem

from ipecs_mw.cli import names
from ipecs_mw.cli.complete import ask_store, offer
from ipecs_mw.cli.context import Context
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.texts import Texts
from ipecs_mw.store.calls.ids import list_ids
from ipecs_mw.store.calls.live_query import BEHIND_SECONDS, load_reader
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.values import list_values

_MOST_OFFERED = 50


def check_host(store: Store, context: Context, collection: str, name: str | None, texts: Texts) -> None:
    """Refuse a host of which neither the collection, the configuration nor any event knows."""
    if name is not None and name not in list_values(store, collection, "host"):
        names.check_host(store, context, name, texts)


def say_reader(store: Store, texts: Texts) -> None:
    """Say on stderr where nobody reads the event log, or who does is behind: something is missing then."""
    try:
        reader = load_reader(store)
    except StoreRefused:  # who may read calls alone is not told
        return
    if reader.state != "running":
        click.echo(texts.render(f"cli.reader.{reader.state}", at=local_time(reader.told_at) or "–"), err=True)
    for name, progress in reader.hosts.items():
        seconds = progress.get("behind_seconds") or 0
        if reader.state == "running" and seconds > BEHIND_SECONDS:
            click.echo(texts.render("cli.reader.behind", host=name, seconds=f"{seconds:.0f}"), err=True)


def complete_group(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the groups that calls or agents are in now, or calls were, and that begin so."""

    def read(store: Store) -> set[str]:
        return {*list_values(store, "live", "group"), *list_values(store, "calls", "groups")}

    return offer(ask_store(context, read, set()), incomplete)


def complete_call(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ids of calls that begin so, with or without their host."""
    return _complete_id(context, "calls", incomplete)


def complete_missed(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ids of missed calls that begin so, with or without their host."""
    return _complete_id(context, "missed", incomplete)


def _complete_id(context: click.Context, collection: str, incomplete: str) -> list[CompletionItem]:
    def read(store: Store) -> list[str]:
        return list_ids(store, collection, incomplete, _MOST_OFFERED)

    found: list[str] = ask_store(context, read, [])
    return offer(
        [name if name.startswith(incomplete) else name.partition(":")[2] for name in found], incomplete
    )
