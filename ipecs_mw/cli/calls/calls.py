"""`ipecs-mw calls`: the calls that match, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from ipecs_mw.calls.documents.outcome import DIRECTIONS, OUTCOMES
from ipecs_mw.cli.calls.call_table import DEEPER, write_table
from ipecs_mw.cli.calls.names import check_host, complete_group, say_reader
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.output import FORMS
from ipecs_mw.cli.printing.pages import (
    check_apart,
    check_csv_options,
    form_option,
    limit_option,
    print_byte_order_mark,
    print_page,
)
from ipecs_mw.cli.times import Instant, check_span
from ipecs_mw.errors import CommandRefused
from ipecs_mw.model.writing.columns import CALLS
from ipecs_mw.model.writing.csv_lines import write_fields
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.call_query import CallFilter, count_calls, find_calls
from ipecs_mw.store.calls.names import read_name
from ipecs_mw.store.calls.numbers import read_wanted

_TEXTS = shipped_texts()

# option → those that make no sense beside it; a call that lasts has no outcome yet
_APART = {"count": ("before", "after", "columns", "bom"), "open": ("outcome",)}


def _read_name(_: click.Context, __: click.Parameter, name: str | None) -> Sequence[str] | None:
    """Return the words of a name; one without a letter is wrong usage."""
    try:
        return None if name is None else read_name(name)
    except CommandRefused as error:
        raise click.BadParameter(_TEXTS.explain(error)) from error


@click.command(help=_TEXTS.render("help.calls"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.calls.host"))
@click.option("--station", type=FILLED, help=_TEXTS.render("help.calls.station"))
@click.option("--agent", type=FILLED, help=_TEXTS.render("help.calls.agent"))
@click.option("--group", type=FILLED, shell_complete=complete_group, help=_TEXTS.render("help.calls.group"))
@click.option("--number", type=FILLED, help=_TEXTS.render("help.calls.number"))
@click.option("--name", callback=_read_name, help=_TEXTS.render("help.calls.name"))
@click.option("--direction", type=click.Choice(DIRECTIONS), help=_TEXTS.render("help.calls.direction"))
@click.option("--outcome", type=click.Choice(OUTCOMES), help=_TEXTS.render("help.calls.outcome"))
@click.option("--open", "is_open", is_flag=True, help=_TEXTS.render("help.calls.open"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.calls.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.calls.until"))
@limit_option(_TEXTS.render("help.calls.limit"))
@click.option("--before", metavar="ID", help=_TEXTS.render("help.calls.before"))
@click.option("--after", metavar="ID", help=_TEXTS.render("help.calls.after"))
@form_option(*FORMS)
@click.option("--columns", metavar="NAME,…", help=_TEXTS.render("help.calls.columns"))
@click.option("--bom", is_flag=True, help=_TEXTS.render("help.events.bom"))
@click.option("--count", is_flag=True, help=_TEXTS.render("help.events.count"))
@click.pass_context
def calls(
    click_context: click.Context,
    /,
    host: str | None,
    station: str | None,
    agent: str | None,
    group: str | None,
    number: str | None,
    name: Sequence[str] | None,
    direction: str | None,
    outcome: str | None,
    is_open: bool,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: str | None,
    after: str | None,
    form: str,
    columns: str | None,
    bom: bool,
    count: bool,
) -> None:
    """Print the calls that match, newest first."""
    _check_options(click_context.params)
    chosen = CALLS if columns is None else _read_columns(columns)
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        check_host(store, context, "calls", host, texts)
        wanted = CallFilter(
            host=host,
            station=station,
            agent=agent,
            group=group,
            numbers=None if number is None else read_wanted(store, context.profile, number),
            words=name,
            direction=direction,
            outcome=outcome,
            is_open=True if is_open else None,
            since=since,
            until=until,
        )
        say_reader(store, texts)
        if count:
            click.echo(count_calls(store, wanted))
            return
        if bom:
            print_byte_order_mark()
        # one more than asked tells whether there is a next page
        found = find_calls(store, wanted, limit=limit + 1 if limit else 0, before=before, after=after)
        has_any = print_page(
            found,
            limit,
            form,
            table=lambda calls: write_table(calls, texts, now=context.clock.now()),
            csv=lambda calls: write_fields(calls, chosen),
            texts=texts,
            more="cli.calls.more",
        )
        if not has_any:
            click.echo(texts.render("cli.calls.none"), err=True)


def _check_options(given: dict[str, Any]) -> None:
    """Refuse what makes no sense together, as wrong usage."""
    check_apart({**given, "open": given["is_open"]}, _APART)
    check_csv_options(given)
    check_span(given["since"], given["until"])


def _read_columns(columns: str) -> Sequence[str]:
    chosen = [name.strip() for name in columns.split(",")]
    if unknown := [name for name in chosen if name not in (*CALLS, *DEEPER)]:
        message = _TEXTS.render(
            "cli.no_such_name", name=", ".join(unknown), allowed=", ".join((*CALLS, *DEEPER))
        )
        raise click.BadParameter(message, param_hint="--columns")
    return chosen
