"""`ipecs-mw missed`: who is to be called back, and what people do about it."""

from collections.abc import Callable

import click

from ipecs_mw.cli.calls.missed_table import write_table
from ipecs_mw.cli.calls.names import check_host, complete_group, complete_missed, say_reader
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import Context, current, load_words, who
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.output import FORMS
from ipecs_mw.cli.printing.pages import form_option, limit_option, print_page
from ipecs_mw.model.writing.columns import MISSED
from ipecs_mw.model.writing.csv_lines import write_fields
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.missed_query import (
    Item,
    MissedFilter,
    close_item,
    find_items,
    note_item,
    own_item,
)
from ipecs_mw.store.calls.numbers import read_wanted
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()

_ID = click.argument("item_id", metavar="ID", shell_complete=complete_missed, type=FILLED)


@click.group(cls=Chapter, invoke_without_command=True, help=_TEXTS.render("help.missed"))
@click.pass_context
def missed(click_context: click.Context) -> None:
    """List what is open where no command is given."""
    if click_context.invoked_subcommand is None:
        click_context.invoke(list_)


@missed.command("list", help=_TEXTS.render("help.missed.list"))
@click.option("--all", "has_closed", is_flag=True, help=_TEXTS.render("help.missed.list.all"))
@click.option(
    "--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.missed.list.host")
)
@click.option(
    "--group", type=FILLED, shell_complete=complete_group, help=_TEXTS.render("help.missed.list.group")
)
@click.option("--number", type=FILLED, help=_TEXTS.render("help.missed.list.number"))
@click.option("--owner", type=FILLED, help=_TEXTS.render("help.missed.list.owner"))
@limit_option(_TEXTS.render("help.missed.list.limit"))
@click.option("--before", metavar="ID", help=_TEXTS.render("help.missed.list.before"))
@form_option(*FORMS)
def list_(
    has_closed: bool,
    host: str | None,
    group: str | None,
    number: str | None,
    owner: str | None,
    limit: int,
    before: str | None,
    form: str,
) -> None:
    """Print the missed calls that match, that of the latest call first."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        check_host(store, context, "missed", host, texts)
        wanted = MissedFilter(
            state=None if has_closed else "open",
            host=host,
            group=group,
            owner=owner,
            numbers=None if number is None else read_wanted(store, context.profile, number),
        )
        say_reader(store, texts)
        found = find_items(store, wanted, limit=limit + 1 if limit else 0, before=before)
        has_any = print_page(
            found,
            limit,
            form,
            table=lambda items: write_table(items, texts, now=context.clock.now()),
            csv=lambda items: write_fields(items, MISSED),
            texts=texts,
            more="cli.missed.more",
        )
        if not has_any:
            click.echo(texts.render("cli.missed.none"), err=True)


@missed.command(help=_TEXTS.render("help.missed.close"))
@_ID
@click.option("--note", help=_TEXTS.render("help.missed.close.note"))
def close(item_id: str, note: str | None) -> None:
    """Close an item: nobody has to be called back any more."""
    _change(
        "cli.missed.closed",
        lambda store, context: close_item(store, item_id, by=who(), at=context.clock.now(), note=note),
    )


@missed.command(help=_TEXTS.render("help.missed.note"))
@_ID
@click.argument("text", metavar="TEXT")
def note(item_id: str, text: str) -> None:
    """Write a note on an item."""
    _change(
        "cli.missed.noted",
        lambda store, context: note_item(store, item_id, text, by=who(), at=context.clock.now()),
    )


@missed.command(help=_TEXTS.render("help.missed.own"))
@_ID
@click.argument("name", metavar="NAME")
def own(item_id: str, name: str) -> None:
    """Say who sees to an item."""
    _change(
        "cli.missed.owned",
        lambda store, context: own_item(store, item_id, name, by=who(), at=context.clock.now()),
    )


def _change(said: str, change: Callable[[Store, Context], Item]) -> None:
    """Change an item and say what it is now."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        item = change(store, context)
        facts = {name: item.get(name, "–") for name in ("number", "note", "owner", "closed_by")}
        click.echo(escape(texts.render(said, id=item["_id"], **facts)))
