"""`ipecs-mw figures`: what calls and agents add up to."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo

import click

from ipecs_mw.cli.calls.names import complete_group, say_reader
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.pages import form_option, print_lines
from ipecs_mw.cli.times import Instant, check_span
from ipecs_mw.figures.answers.csv_table import write_table
from ipecs_mw.figures.answers.formulas import SERVICE_LEVELS
from ipecs_mw.figures.answers.question import USUAL_INTERVALS, Question
from ipecs_mw.figures.answers.table import Table, describe_table
from ipecs_mw.figures.time.periods import choose_span
from ipecs_mw.model.configuration.rules import is_timezone
from ipecs_mw.model.figure_names import Interval, Period, What
from ipecs_mw.model.texts import Texts
from ipecs_mw.reports.content import build_content
from ipecs_mw.reports.plain_page import align
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.process.garbage import search_seldom
from ipecs_mw.store.figures.asking import find_zone, load_what_is_allowed
from ipecs_mw.store.figures.tables import ask

_TEXTS = shipped_texts()


class Zone(click.ParamType[str]):
    """The name of a zone of the IANA database."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if not is_timezone(value):
            allowed = _TEXTS.render("allowed.timezone")
            self.fail(_TEXTS.render("cli.no_such_name", name=value, allowed=allowed), param, ctx)
        return value


def _help(name: str) -> str:
    return _TEXTS.render(f"help.figures.{name}")


@click.command(help=_TEXTS.render("help.figures"))
@click.argument("what", type=click.Choice(get_args(What)))
@click.option("--period", type=click.Choice(get_args(Period)), help=_help("period"))
@click.option("--since", type=Instant(), help=_help("since"))
@click.option("--until", type=Instant(), help=_help("until"))
@click.option("--interval", type=click.Choice(get_args(Interval)), help=_help("interval"))
@click.option("--zone", type=Zone(), help=_help("zone"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_help("host"))
@click.option("--group", type=FILLED, shell_complete=complete_group, help=_help("group"))
@click.option("--agent", type=FILLED, help=_help("agent"))
@click.option("--station", type=FILLED, help=_help("station"))
@click.option("--formula", type=click.Choice(list(SERVICE_LEVELS)), help=_help("formula"))
@click.option("--threshold", type=click.IntRange(1, 3600), help=_help("threshold"))
@click.option("--hours", type=FILLED, help=_help("hours"))
@click.option("--top", type=click.IntRange(1, 100_000), help=_help("top"))
@click.option(
    "--by", type=click.Choice(["seconds", "cost"]), default="seconds", show_default=True, help=_help("by")
)
@form_option("table", "json", "csv")
def figures(
    what: What,
    period: Period | None,
    since: datetime | None,
    until: datetime | None,
    interval: Interval | None,
    zone: str | None,
    host: str | None,
    group: str | None,
    agent: str | None,
    station: str | None,
    formula: str | None,
    threshold: int | None,
    hours: str | None,
    top: int | None,
    by: Any,
    form: str,
) -> None:
    """Print figures."""
    if period is not None and (since is not None or until is not None):
        raise click.UsageError(_TEXTS.render("cli.apart", option="--period", other="--since / --until"))
    check_span(since, until)
    context = current()
    now = context.clock.now()
    search_seldom()
    with context.open_store() as store:
        texts = load_words(store, context)
        settings = load_what_is_allowed(store, context.profile)
        here = find_zone(store, settings, zone, host).key
        begin, end = choose_span(period, since, until, ZoneInfo(here), now)
        check_span(begin, end)
        question = Question(
            what=what,
            since=begin,
            until=end,
            interval=interval or USUAL_INTERVALS.get(what, "all"),
            zone=here,
            host=host,
            group=group,
            agent=agent,
            station=station,
            formula=formula,
            threshold_seconds=threshold,
            top=top,
            hours=hours,
            order=by,
        )
        table = ask(store, settings, question)
        say_reader(store, texts)
    if form == "json":
        click.echo(to_json(describe_table(table), indent=1))
    elif form == "csv":
        print_lines(write_table(table, texts, ZoneInfo(here)))
    else:
        print_lines(_write_words(table, question, texts))


def _write_words(table: Table, question: Question, texts: Texts) -> Iterator[str]:
    content = build_content("figures", question, table, texts)
    yield content.subject
    yield ""
    if content.rows:
        yield from align(content)
        yield ""
    yield from content.notes
