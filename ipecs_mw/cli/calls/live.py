"""`ipecs-mw live`: what stations, agents and groups do now, and whether anybody can know."""

import click

from ipecs_mw.cli.calls.live_view import describe_live
from ipecs_mw.cli.calls.names import check_host, complete_group
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.operate.watching import watch as watch_view
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.pages import form_option
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.live_query import load_live

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.live"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.live.host"))
@click.option("--group", type=FILLED, shell_complete=complete_group, help=_TEXTS.render("help.live.group"))
@form_option("table", "json")
@click.option("--watch", is_flag=True, help=_TEXTS.render("help.live.watch"))
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=3600),
    default=1.0,
    show_default=True,
    help=_TEXTS.render("help.status.interval"),
)
def live(host: str | None, group: str | None, form: str, watch: bool, interval: float) -> None:
    """Print what is true now, once or as it changes."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        check_host(store, context, "live", host, texts)

        def render() -> str:
            found, now = load_live(store, host=host, group=group), context.clock.now()
            if form == "table":
                return "\n".join(describe_live(found, texts, now, group=group))
            return to_json(found.describe(now), indent=None if watch else 1)

        if watch:
            watch_view(context, texts, form, interval, render)
        else:
            click.echo(render())
