"""`ipecs-mw rebuild`: calls, agents' states and missed calls made anew from the event log, or compared with it."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from ipecs_mw.calls.steps.options import build_reading_options
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words, who
from ipecs_mw.cli.names import FILLED, check_host
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.cli.times import Instant, check_span
from ipecs_mw.clock import Clock
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.process.garbage import search_seldom
from ipecs_mw.service.readers.figure_maker import count_what_is_due
from ipecs_mw.service.readers.rebuilding import Rebuilt
from ipecs_mw.service.readers.rebuilding import rebuild as rebuild_host
from ipecs_mw.store.calls.ordered import list_hosts
from ipecs_mw.store.calls.writing import Span
from ipecs_mw.store.configuration.settings import load_settings

_TEXTS = shipped_texts()
_MOST_LINES = 20
_EVERY_SECONDS = 1.0
_EVERY_SECONDS_IN_A_PIPE = 30.0


@click.command(help=_TEXTS.render("help.rebuild"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.rebuild.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.rebuild.until"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.rebuild.host"))
@click.option("--check", "is_check", is_flag=True, help=_TEXTS.render("help.rebuild.check"))
def rebuild(since: datetime | None, until: datetime | None, host: str | None, is_check: bool) -> None:
    """Read the log host by host and say what was put right, or what differs; then the exit code is 1."""
    check_span(since, until)
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        check_host(store, context, host, texts)
        settings = load_settings(store, context.profile)[0]
        options = build_reading_options(settings)
        search_seldom()
        progress = _Progress(texts, context.clock)
        has_any = has_differences = False
        for name in [host] if host is not None else list_hosts(store):
            done = rebuild_host(
                store,
                name,
                options,
                context.clock,
                span=Span(since, until),
                only_compares=is_check,
                on_progress=progress.tell,
            )
            progress.end()
            has_any |= bool(done.events)
            has_differences |= bool(done.counts)
            _say(name, done, texts, is_check=is_check)
        if not has_any:
            click.echo(texts.render("cli.rebuild.no_events"), err=True)
        if not is_check:
            count_what_is_due(store, who(), settings, context.clock, progress.tell_figures)
            progress.end()
    if is_check and has_differences:
        sys.exit(1)


class _Progress:
    """Says on stderr how far it is: in one line at a terminal, else from time to time."""

    def __init__(self, texts: Texts, clock: Clock) -> None:
        self._texts = texts
        self._clock = clock
        self._is_terminal = sys.stderr.isatty()
        self._pause_seconds = _EVERY_SECONDS if self._is_terminal else _EVERY_SECONDS_IN_A_PIPE
        self._begun_at = self._told_at = clock.monotonic()
        self._has_line = False

    def tell(self, host: str, events: int, at: datetime) -> None:
        """Say how many events were read, and until when."""
        now = self._clock.monotonic()
        if now - self._told_at < self._pause_seconds:
            return
        self._told_at = now
        rate = round(events / (now - self._begun_at))
        line = self._texts.render(
            "cli.rebuild.progress", host=escape(host), events=events, rate=rate, at=local_time(at)
        )
        self._write(line)

    def tell_figures(self, told: Mapping[str, Any]) -> None:
        """Say how far the figures of a host are."""
        now = self._clock.monotonic()
        if now - self._told_at < self._pause_seconds:
            return
        self._told_at = now
        line = self._texts.render(
            "cli.rebuild.figures",
            host=escape(told["host"]),
            days=round(told["behind_seconds"] / 86400),
            quarters=told["waiting"],
        )
        self._write(line)

    def _write(self, line: str) -> None:
        click.echo(f"\r{line}\x1b[K" if self._is_terminal else line, nl=not self._is_terminal, err=True)
        self._has_line = self._is_terminal

    def end(self) -> None:
        """Leave the line."""
        if self._has_line:
            click.echo("\r\x1b[K", nl=False, err=True)
        self._has_line = False


def _say(host: str, done: Rebuilt, texts: Texts, *, is_check: bool) -> None:
    click.echo(texts.render("cli.rebuild.events", host=escape(host), events=done.events))
    for (collection, kind), count in sorted(done.counts.items()):
        key = f"cli.rebuild.check.{kind}" if is_check else f"cli.rebuild.done.{kind}"
        click.echo("  " + texts.render(key, collection=collection, count=count))
    if not done.counts:
        click.echo("  " + texts.render("cli.rebuild.nothing"))
    if is_check:
        for each in done.told[:_MOST_LINES]:
            fields = ", ".join(escape(field) for field in each.fields) or "–"
            click.echo(
                "  "
                + texts.render(
                    f"cli.rebuild.line.{each.kind}",
                    collection=each.collection,
                    id=escape(each.id),
                    fields=fields,
                )
            )
        if (more := sum(done.counts.values()) - _MOST_LINES) > 0:
            click.echo("  " + texts.render("cli.rebuild.more", count=more))
