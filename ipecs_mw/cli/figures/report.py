"""`ipecs-mw report`: which reports there are, what one would say now, and sending one now."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click
from click.shell_completion import CompletionItem

from ipecs_mw.cli.complete import ask_store, offer
from ipecs_mw.cli.context import Context, current, load_words
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.table import screen_width, write_rows
from ipecs_mw.errors import NoSuchName
from ipecs_mw.figures.answers.cells import spell_instant
from ipecs_mw.model.configuration.report_settings import ReportSettings, is_mail_address
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.reports.content import build_content
from ipecs_mw.reports.html_page import render_html
from ipecs_mw.reports.message import render_csv
from ipecs_mw.reports.plain_page import render_text
from ipecs_mw.reports.question import find_zone
from ipecs_mw.reports.schedule import build_schedule, find_next
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.reports import asking
from ipecs_mw.service.reports.sending import (
    Answer,
    answer_report,
    describe_report,
    read_password,
    require_mail,
    send_report,
)
from ipecs_mw.store.applications.webhooks import list_webhooks
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.coordination.report_runs import Run, load_runs
from ipecs_mw.store.figures.reports import keep_report
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_HEAD = ("name", "what", "period", "every", "next", "last")
_WIDEST = (24, 12, 10, 5, 25)


class _MailAddress(click.ParamType[str]):
    """A mail address and nothing beside it."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as it is."""
        if not is_mail_address(value):
            self.fail(_TEXTS.render("cli.report.bad_address", value=value), param, ctx)
        return value


def complete_report(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of the configured reports that begin so."""
    profile = context.find_root().params.get("profile") or "default"

    def read(store: Store) -> list[str]:
        return [report.name for report in load_settings(store, profile)[0].reports]

    return offer(ask_store(context, read, []), incomplete)


_NAME = click.argument("name", shell_complete=complete_report)


@click.group(cls=Chapter, help=_TEXTS.render("help.report"))
def report() -> None:
    """Hold the commands together."""


@report.command("list", help=_TEXTS.render("help.report.list"))
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help=_TEXTS.render("help.report.list.format"),
)
def list_(form: str) -> None:
    """Print each report, when it is sent next, and what became of it last."""
    context = current()
    with context.open_store() as store:
        settings = load_settings(store, context.profile)[0]
        texts = load_words(store, context)
        runs = load_runs(store, context.profile)
    if not settings.reports:
        click.echo(texts.render("cli.report.none", profile=context.profile), err=True)
    if form == "json":
        listed = [_to_document(each, runs.get(each.name), settings, context) for each in settings.reports]
        click.echo(to_json(listed, indent=1))
    elif settings.reports:
        for line in _write_list(settings, runs, texts, context):
            click.echo(line)


@report.command(help=_TEXTS.render("help.report.preview"))
@_NAME
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "html", "csv")),
    default="text",
    show_default=True,
    help=_TEXTS.render("help.report.preview.format"),
)
def preview(name: str, form: str) -> None:
    """Print what the mail would hold if it were due now."""
    context = current()
    with context.open_store() as store:
        answer = _answer(store, context, load_settings(store, context.profile)[0], name)
    content = build_content(name, answer.question, answer.table, answer.texts)
    pages = {
        "text": lambda: render_text(content),
        "html": lambda: render_html(content),
        "csv": lambda: render_csv(answer.question, answer.table, answer.texts).replace("\r\n", "\n"),
    }
    click.echo(pages[form](), nl=False)


@report.command(help=_TEXTS.render("help.report.send"))
@_NAME
@click.option("--to", multiple=True, type=_MailAddress(), help=_TEXTS.render("help.report.send.to"))
def send(name: str, to: Sequence[str]) -> None:
    """Send a report now, as if it were due; that it is sent at its time too does not change."""
    context = current()
    with context.open_store() as store:
        settings = load_settings(store, context.profile)[0]
        texts = load_words(store, context)
        addresses = list(to) or _find(settings, name, context).to
        mail, password = None, None
        if addresses:
            mail = require_mail(settings, context.profile)
            password = read_password(mail, context.profile, context.build_decrypt(store))
        found, now = _find(settings, name, context), context.clock.now()
        run = f"{context.profile}:{name}:{now.isoformat()}"
        answer = _answer(store, context, settings, name)
        if not to:
            keep_report(store, run, describe_report(answer, found, due_at=now, made_at=now))
            told = ", ".join(_list_webhooks(store, found))
            if told or not addresses:
                click.echo(texts.render("cli.report.told", report=name, webhooks=told or "-"))
    if mail is None:
        return
    refused = send_report(answer, mail, password, run=run, to=addresses, left=addresses, clock=context.clock)
    sent = ", ".join(address for address in addresses if address not in refused)
    click.echo(texts.render("cli.report.sent", report=name, to=sent))
    for address, reply in refused.items():
        click.echo(texts.render("cli.report.refused", address=address, reply=reply), err=True)
    if refused:
        sys.exit(1)


def _list_webhooks(store: Store, found: ReportSettings) -> Iterator[str]:
    """Yield the webhooks that are told a report."""
    for each in list_webhooks(store):
        if "reports" in each.get("topics", ()) and (not found.webhooks or each["name"] in found.webhooks):
            yield each["name"]


def _find(settings: Settings, name: str, context: Context) -> ReportSettings:
    """Return the report of this name; raises NoSuchName."""
    reports = {each.name: each for each in settings.reports}
    if name not in reports:
        allowed = ", ".join(reports) or "-"
        raise NoSuchName("error.report_unknown", report=name, profile=context.profile, allowed=allowed)
    return reports[name]


def _answer(store: Store, context: Context, settings: Settings, name: str) -> Answer:
    found = _find(settings, name, context)
    ask = asking.build_ask(store, settings)
    return answer_report(settings, found, load_words(store, context), ask, context.clock.now())


def _find_next(found: ReportSettings, settings: Settings, context: Context) -> tuple[Any, str]:
    """Return when a report is sent next, and its zone."""
    zone = find_zone(settings, found)
    return find_next(build_schedule(found, zone), context.clock.now()), zone


def _write_list(settings: Settings, runs: Mapping[str, Run], texts: Texts, context: Context) -> Iterator[str]:
    rows = []
    for each in settings.reports:
        at, zone = _find_next(each, settings, context)
        told = describe_run(runs[each.name], texts, ZoneInfo(zone)) if each.name in runs else "–"
        rows.append(
            (each.name, each.what, each.period, each.every, f"{spell_instant(at, ZoneInfo(zone))}", told)
        )
    head = [texts.render(f"cli.report.head.{name}") for name in _HEAD]
    widest = [max(size, len(title)) for size, title in zip(_WIDEST, head, strict=False)]
    yield from write_rows(head, rows, screen_width(), widest=widest)


def describe_run(run: Run, texts: Texts, zone: ZoneInfo) -> str:
    """Return in a line what became of a report that was due."""
    state = "waiting" if run.state in ("preparing", "sending") else run.state
    said = texts.render(f"report.state.{state}", at=spell_instant(run.sent_at or run.due_at, zone))
    return escape(f"{said}: {run.error}" if run.error else said)


def _to_document(
    found: ReportSettings, run: Run | None, settings: Settings, context: Context
) -> Mapping[str, Any]:
    at, zone = _find_next(found, settings, context)
    last = None
    if run is not None:
        last = {
            "due_at": run.due_at,
            "state": run.state,
            "tries": run.tries,
            "sent_at": run.sent_at,
            "error": run.error,
        }
    return {
        "name": found.name,
        "what": found.what,
        "period": found.period,
        "every": found.every,
        "to": found.to,
        "webhooks": found.webhooks,
        "zone": zone,
        "next_at": at,
        **({"last": {name: value for name, value in last.items() if value is not None}} if last else {}),
    }
