"""`ipecs-mw migrate`: bring the schema up to date, or say how it stands."""

import click

from ipecs_mw.cli.context import current
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.schema.migrations import load_status
from ipecs_mw.store.schema.migrations import migrate as apply_migrations

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.migrate"))
@click.option("--status", "is_status", is_flag=True, help=_TEXTS.render("help.migrate.status"))
def migrate(is_status: bool) -> None:
    """Apply what is pending, or only list every step with its state."""
    context = current()
    with context.open_store() as store:
        if is_status:
            for row in load_status(store):
                state = context.texts.render(f"cli.migrate.{row.state}")
                click.echo(f"{row.number:04d}  {row.name:<24} {state}")
            return
        applied = apply_migrations(store, context.clock)
        numbers = ", ".join(f"{number:04d}" for number in applied)
        key = "cli.migrate.applied" if applied else "cli.migrate.current"
        click.echo(context.texts.render(key, numbers=numbers))
