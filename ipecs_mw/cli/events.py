"""`ipecs-mw events`: ask the event log."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice

import click

from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.output import WRITERS, write_lines
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.events.event_query import Filter, count_events, find_events, follow_events

_TEXTS = shipped_texts()
_KINDS = ("acd", "call", "presence", "smdr", "system", "unknown", "undecodable")
_MOST_EVENTS = 1_000_000_000  # what MongoDB takes as a limit is a number of 32 bits
_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType[datetime]):
    """`2026-11-24`, `2026-11-24T10:00`, with or without a zone (else this machine's), or `15m`, `2h`, `7d` ago."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            if ago := _AGO.fullmatch(value.strip()):
                return current().clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return datetime.fromisoformat(value.strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(_TEXTS.render("cli.events.bad_time", value=value), param, ctx)


@click.command(help=_TEXTS.render("help.events"))
@click.option("--host", help=_TEXTS.render("help.events.host"))
@click.option("--kind", type=click.Choice(_KINDS), help=_TEXTS.render("help.events.kind"))
@click.option("--type", "type_", help=_TEXTS.render("help.events.type"))
@click.option("--code", type=int, help=_TEXTS.render("help.events.code"))
@click.option("--station", help=_TEXTS.render("help.events.station"))
@click.option("--call", type=int, help=_TEXTS.render("help.events.call"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.events.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.events.until"))
@click.option(
    "--limit",
    type=click.IntRange(min=0, max=_MOST_EVENTS),
    default=50,
    show_default=True,
    help=_TEXTS.render("help.events.limit"),
)
@click.option("--before", metavar="ID", help=_TEXTS.render("help.events.before"))
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(WRITERS)),
    default="table",
    show_default=True,
    help=_TEXTS.render("help.events.format"),
)
@click.option("--count", "is_count", is_flag=True, help=_TEXTS.render("help.events.count"))
@click.option("--follow", "is_follow", is_flag=True, help=_TEXTS.render("help.events.follow"))
def events(
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
    form: str,
    is_count: bool,
    is_follow: bool,
) -> None:
    """Print the events that match, newest first; with --follow the new ones as they come."""
    context = current()
    wanted = Filter(host, kind, type_, code, station, call, since, until)
    with context.open_store() as store:
        texts = load_words(store, context)
        if is_count:
            click.echo(count_events(store, wanted))
            return
        if is_follow:
            writer = write_lines if form == "table" else WRITERS["jsonl" if form == "json" else form]
            with suppress(KeyboardInterrupt):  # asked to stop: that is how following ends
                for line in writer(follow_events(store, wanted, context.clock), texts):
                    click.echo(line)
            return
        # one more than asked tells whether there is a next page
        found = find_events(store, wanted, limit=limit + 1 if limit else 0, before=before)
        shown = list(islice(found, limit)) if limit and form == "table" else found
        page = shown if isinstance(shown, list) or not limit else islice(shown, limit)
        for line in WRITERS[form](page, texts):
            click.echo(line)
        if isinstance(shown, list) and shown and next(iter(found), None) is not None:
            click.echo(texts.render("cli.events.more", id=shown[-1]["_id"]), err=True)
