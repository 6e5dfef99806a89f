"""`ipecs-mw events`: ask the event log."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

import click
from click.core import ParameterSource

from ipecs_mw.cli.complete import complete_host, complete_type
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.names import FILLED, check_host, check_type
from ipecs_mw.cli.printing.event_csv import BASE, find_columns, find_unknown, write_csv
from ipecs_mw.cli.printing.event_table import write_table
from ipecs_mw.cli.printing.output import FORMS, write_as
from ipecs_mw.cli.printing.pages import (
    check_apart,
    check_csv_options,
    form_option,
    limit_option,
    print_byte_order_mark,
    print_lines,
    print_page,
)
from ipecs_mw.cli.times import Instant, check_span
from ipecs_mw.errors import CannotStart
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.configuration.definitions import load_codes
from ipecs_mw.store.events.event_query import Filter, count_events, find_events, follow_events
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_KINDS = ("acd", "call", "presence", "smdr", "system", "unknown", "undecodable")

# option → those that make no sense beside it
_APART = {
    "follow": ("until", "before", "count"),
    "count": ("before", "after", "columns", "bom"),
}


@click.command(help=_TEXTS.render("help.events"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.events.host"))
@click.option("--kind", type=click.Choice(_KINDS), help=_TEXTS.render("help.events.kind"))
@click.option(
    "--type", "type_", type=FILLED, shell_complete=complete_type, help=_TEXTS.render("help.events.type")
)
@click.option("--code", type=int, help=_TEXTS.render("help.events.code"))
@click.option("--station", type=FILLED, help=_TEXTS.render("help.events.station"))
@click.option("--call", type=int, help=_TEXTS.render("help.events.call"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.events.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.events.until"))
@limit_option(_TEXTS.render("help.events.limit"))
@click.option("--before", metavar="ID", help=_TEXTS.render("help.events.before"))
@click.option("--after", metavar="ID", help=_TEXTS.render("help.events.after"))
@form_option(*FORMS)
@click.option("--columns", metavar="NAME,…", help=_TEXTS.render("help.events.columns"))
@click.option("--bom", is_flag=True, help=_TEXTS.render("help.events.bom"))
@click.option("--count", is_flag=True, help=_TEXTS.render("help.events.count"))
@click.option("--follow", is_flag=True, help=_TEXTS.render("help.events.follow"))
@click.pass_context
def events(
    click_context: click.Context,
    /,
    host: str | None,
    kind: str | None,
    type_: str | None,
    code: int | None,
    station: str | None,
    call: int | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: str | None,
    after: str | None,
    form: str,
    columns: str | None,
    bom: bool,
    count: bool,
    follow: bool,
) -> None:
    """Print the events that match, newest first; with --follow the new ones as they come."""
    _check_options(click_context.params)
    context = current()
    wanted = Filter(host, kind, type_, code, station, call, since, until)
    with context.open_store() as store:
        texts = load_words(store, context)
        check_host(store, context, host, texts)
        check_type(store, type_, texts)
        if count:
            click.echo(count_events(store, wanted))
            return
        chosen = _choose_columns(store, wanted, columns) if form == "csv" else ()
        if bom:
            print_byte_order_mark()
        if follow:
            is_limited = click_context.get_parameter_source("limit") is not ParameterSource.DEFAULT
            coming = follow_events(store, wanted, context.clock, after=after)
            lines = write_as(
                "jsonl" if form == "json" else form,  # an array that never ends is no JSON
                islice(coming, limit) if is_limited and limit else coming,
                table=lambda events: write_table(events, texts, now=context.clock.now(), is_live=True),
                csv=lambda events: write_csv(events, chosen),
            )
            with suppress(KeyboardInterrupt):  # asked to stop: that is how following ends
                print_lines(lines)
            return
        # one more than asked tells whether there is a next page
        found = find_events(store, wanted, limit=limit + 1 if limit else 0, before=before, after=after)
        print_page(
            found,
            limit,
            form,
            table=lambda events: write_table(events, texts, now=context.clock.now()),
            csv=lambda events: write_csv(events, chosen),
            texts=texts,
            more="cli.events.more",
        )


def _check_options(given: dict[str, Any]) -> None:
    """Refuse what makes no sense together, as wrong usage."""
    check_apart(given, _APART)
    check_csv_options(given)
    check_span(given["since"], given["until"])


def _choose_columns(store: Store, wanted: Filter, columns: str | None) -> Sequence[str]:
    if columns is None:
        try:
            tables = load_codes(store).rows
        except CannotStart:  # never seeded
            tables = read_json("codes.json")
        return find_columns(tables, kind=wanted.kind, type_=wanted.type, code=wanted.code)
    chosen = [name.strip() for name in columns.split(",")]
    if unknown := find_unknown(chosen):
        allowed = ", ".join((*BASE, "data", "data.NAME", "problems", "raw", "seq"))
        message = _TEXTS.render("cli.no_such_name", name=", ".join(unknown), allowed=allowed)
        raise click.BadParameter(message, param_hint="--columns")
    return chosen
