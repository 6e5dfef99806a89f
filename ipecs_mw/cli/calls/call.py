"""`ipecs-mw call`: one call, its course in words, and the events behind it."""

import click

from ipecs_mw.cli.calls.course import describe_call
from ipecs_mw.cli.calls.names import complete_call, say_reader
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.event_table import write_table
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.pages import form_option, print_lines
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.call_events import find_call_events
from ipecs_mw.store.calls.call_query import load_call

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.call"))
@click.argument("call_id", metavar="ID", shell_complete=complete_call, type=FILLED)
@click.option("--events", "has_events", is_flag=True, help=_TEXTS.render("help.call.events"))
@form_option("table", "json")
def call(call_id: str, has_events: bool, form: str) -> None:
    """Print what happened to a call, a line a step; what nobody can know of it is said."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        say_reader(store, texts)
        found = load_call(store, call_id)
        events = find_call_events(store, found, context.profile) if has_events else []
    if form == "json":
        click.echo(to_json({**found, "events": events} if has_events else found, indent=1))
        return
    print_lines(describe_call(found, texts))
    if has_events:
        click.echo()
        print_lines(write_table(events, texts, now=context.clock.now()))
        if not events:
            click.echo(texts.render("cli.call.no_events"), err=True)
