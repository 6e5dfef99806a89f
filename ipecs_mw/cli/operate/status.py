"""`ipecs-mw status`: who runs, and how each host's session stands; once, or as it changes."""

import sys
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click

from ipecs_mw.cli.context import Context, current, load_words
from ipecs_mw.cli.operate.status_view import Beside, Instance, describe
from ipecs_mw.cli.operate.watching import watch as watch_view
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.live_query import load_reader
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.coordination.report_runs import load_runs
from ipecs_mw.store.events.event_query import Filter, count_events
from ipecs_mw.store.figures.alarms import load_lasting
from ipecs_mw.store.figures.place import Behind, list_behind
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_GAPS_OF = timedelta(days=1)

T = TypeVar("T")


@click.command(help=_TEXTS.render("help.status"))
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    help=_TEXTS.render("help.status.format"),
)
@click.option("--watch", is_flag=True, help=_TEXTS.render("help.status.watch"))
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=3600),
    default=2.0,
    show_default=True,
    help=_TEXTS.render("help.status.interval"),
)
def status(form: str, watch: bool, interval: float) -> None:
    """Print what the daemons say of themselves; exit 1 where none of the profile is alive."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        if watch:
            watch_view(
                context,
                texts,
                form,
                interval,
                lambda: _render(
                    store, context, texts, form, load_instances(store, context.profile), is_line=True
                ),
            )
            return
        instances = load_instances(store, context.profile)
        click.echo(_render(store, context, texts, form, instances))
    if not any(instance["is_alive"] for instance in instances):
        sys.exit(1)


def _render(
    store: Store,
    context: Context,
    texts: Texts,
    form: str,
    instances: Sequence[Instance],
    *,
    is_line: bool = False,
) -> str:
    if form == "json":
        return to_json(instances, indent=None if is_line else 1)
    profile, now = context.profile, context.clock.now()
    names = {name for instance in instances for name in instance.get("hosts") or {}}
    behind: Sequence[Behind] = _if_allowed(lambda: list_behind(store, now), [])
    beside = Beside(
        gaps=_count_gaps(store, context, names),
        reader=_if_allowed(lambda: load_reader(store), None),
        runs=_if_allowed(lambda: load_runs(store, profile).values(), ()),
        alarms=_if_allowed(lambda: load_lasting(store, profile), ()),
        alarm_runs=_if_allowed(lambda: load_runs(store, profile, is_alarm=True).values(), ()),
        behind=[each for each in behind if each.host in names],
    )
    return "\n".join(describe(instances, profile, beside, texts))


def _if_allowed(load: Callable[[], T], otherwise: T) -> T:
    """Return what is loaded; something else where this account may not ask."""
    try:
        return load()
    except StoreRefused:
        return otherwise


def _count_gaps(store: Store, context: Context, names: Collection[str]) -> dict[str, Any] | None:
    """Return how many gaps each host had lately; None where this account may not read the event log."""
    since = context.clock.now() - _GAPS_OF
    try:
        return {name: count_events(store, Filter(type="gap", host=name, since=since)) for name in names}
    except StoreRefused:
        return None
