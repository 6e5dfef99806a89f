"""`ipecs-mw migrate`: bring the schema up to date, or say how it stands."""

import sys
from contextlib import suppress

import click

from ipecs_mw.cli.context import current
from ipecs_mw.errors import StoreRefused
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.schema.comparison import describe_differences, put_right
from ipecs_mw.store.schema.migrations import load_status
from ipecs_mw.store.schema.migrations import migrate as apply_migrations
from ipecs_mw.store.schema.retention import find_differences

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.migrate"))
@click.option("--status", "is_status", is_flag=True, help=_TEXTS.render("help.migrate.status"))
def migrate(is_status: bool) -> None:
    """Apply what is pending, or only list every step with its state."""
    context = current()
    say = context.texts.render
    with context.open_store() as store:
        if is_status:
            for row in load_status(store):
                click.echo(f"{row.number:04d}  {row.name:<24} {say(f'cli.migrate.{row.state}')}")
            with suppress(StoreRefused):  # who may see no more than the steps is shown those
                if differences := find_differences(store):
                    click.echo(say("cli.migrate.differs", parts=describe_differences(differences)))
            return
        applied = apply_migrations(store, context.clock)
        outcome = put_right(store, context.clock, find_differences)
    numbers = ", ".join(f"{number:04d}" for number in applied)
    if applied:
        click.echo(say("cli.migrate.applied", numbers=numbers))
    elif outcome.mended:
        click.echo(say("cli.migrate.mended", parts=describe_differences(outcome.mended)))
    elif not outcome.left:
        click.echo(say("cli.migrate.current"))
    if outcome.left:
        parts = describe_differences(outcome.left)
        click.echo(say("cli.migrate.left", parts=parts, detail=outcome.reason), err=True)
        sys.exit(1)
