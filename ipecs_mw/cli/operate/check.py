"""`ipecs-mw check`: everything that the daemon needs, looked at one by one, with what to do where it lacks."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.errors import IpecsMwError, NoSuchProfile
from ipecs_mw.logs import mask
from ipecs_mw.model.configuration.settings import HostSettings, Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.doctor.alarm_findings import examine_alarms
from ipecs_mw.service.doctor.api_findings import examine_api
from ipecs_mw.service.doctor.figure_findings import examine_figures
from ipecs_mw.service.doctor.findings import (
    Finding,
    Notes,
    examine_contents,
    examine_mongodb,
    examine_secrets,
)
from ipecs_mw.service.doctor.host_findings import (
    Ask,
    examine_daemon,
    examine_events,
    examine_monitoring,
    examine_switches,
    examine_way,
    examine_writing,
    log_in,
)
from ipecs_mw.service.doctor.mail_findings import examine_mail
from ipecs_mw.service.doctor.reader_findings import examine_reader
from ipecs_mw.service.doctor.webhook_findings import examine_named, examine_webhooks
from ipecs_mw.store.configuration.definitions import load_codes, load_commands
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.coordination.sending import send
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_ANSWER_SECONDS = 20.0


@click.command(help=_TEXTS.render("help.check"))
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help=_TEXTS.render("help.check.format"),
)
@click.option("--no-login", "is_login_left_out", is_flag=True, help=_TEXTS.render("help.check.no_login"))
def check(form: str, is_login_left_out: bool) -> None:
    """Print the findings; exit 1 where one of them is an error."""
    context = current()
    findings = list(examine(context, may_log_in=not is_login_left_out))
    if form == "json":
        click.echo(to_json([to_document(finding, context.texts) for finding in findings], indent=1))
    else:
        for finding in findings:
            for line in describe(finding, context.texts):
                click.echo(line)
    if any(finding.level == "error" for finding in findings):
        sys.exit(1)


def examine(context: Context, *, may_log_in: bool) -> Iterator[Finding]:
    """Yield every finding, in the order of the start; what needs something that failed is left out.

    Raises NoSuchProfile: what was typed is wrong, and nothing of the installation.
    """
    explain = context.texts.explain
    notes = Notes("bootstrap", explain)
    try:
        with context.open_store() as store:
            notes.add("bootstrap", database=store.database.name)
            yield from notes.findings
            yield from examine_mongodb(store, explain, context.clock)
            findings, settings = examine_contents(store, context.profile, explain)
            yield from findings
            if settings is None or settings.calls.enabled:
                alive = [instance for instance in load_instances(store) if instance["is_alive"]]
                yield from examine_reader(store, alive, context.clock, explain)
                yield from examine_figures(store, alive, context.clock, explain)
            running = [instance for instance in load_instances(store) if instance["is_alive"]]
            yield from examine_webhooks(store, running, context.clock, explain)
            if settings is not None:
                yield from examine_named(store, settings, explain)
                yield from _examine_hosts(store, context, settings, may_log_in=may_log_in)
                yield from examine_api(store, context.profile, settings.api, context.clock, explain)
                yield from _examine_alarms(store, context, settings)
                yield from _examine_mail(store, context, settings, may_log_in=may_log_in)
    except NoSuchProfile:
        raise
    except IpecsMwError as error:
        yield Finding("bootstrap", "store_failed", "error", {"detail": explain(error)})


def _examine_alarms(store: Store, context: Context, settings: Settings) -> Sequence[Finding]:
    alive = [instance for instance in load_instances(store, context.profile) if instance["is_alive"]]
    return examine_alarms(store, context.profile, settings, alive, context.clock, context.texts.explain)


def _examine_mail(
    store: Store, context: Context, settings: Settings, *, may_log_in: bool
) -> Sequence[Finding]:
    is_running = any(instance["is_alive"] for instance in load_instances(store, context.profile))
    return examine_mail(
        store,
        context.profile,
        settings,
        context.build_decrypt(store),
        context.clock,
        context.texts.explain,
        may_log_in=may_log_in,
        missing="warning" if is_running else "error",  # the daemon may have it in its own environment
    )


def _examine_hosts(
    store: Store, context: Context, settings: Settings, *, may_log_in: bool
) -> Iterator[Finding]:
    alive = [instance for instance in load_instances(store, context.profile) if instance["is_alive"]]
    decrypt = context.build_decrypt(store)
    for index, host in enumerate(settings.hosts):
        notes = Notes(host.name, context.texts.explain)
        # the daemon may have an environment of its own, with secrets that are not in ours
        at = f"config/{context.profile} hosts[{index}]"
        password = examine_secrets(host, at, decrypt, notes, "warning" if alive else "error")
        examine_writing(store, host, notes)
        if examine_way(host, context.clock, notes):
            if alive:
                _examine_running(store, context, host, alive, notes)
            else:
                if may_log_in and password is not None:
                    _examine_by_login(store, context, host, password, notes)
                examine_events(store, host, None, context.clock, notes)
        yield from notes.findings


def _examine_running(
    store: Store, context: Context, host: HostSettings, alive: Sequence[Mapping[str, Any]], notes: Notes
) -> None:
    """Take a running daemon's word: a second login would be refused, so what is asked goes through it."""
    states = [found for instance in alive if (found := (instance.get("hosts") or {}).get(host.name))]
    if not states:
        notes.add("not_in_daemon", "warning", revision=alive[0].get("revision"))
        return
    # one daemon holds the session, others may stand by
    state = next((state for state in states if state.get("state") == "up"), states[0])
    is_up = examine_daemon(state, notes)
    if is_up:
        examine_switches(_build_ask(store, context, host), host, notes)
    examine_events(store, host, state.get("since") if is_up else None, context.clock, notes)


def _build_ask(store: Store, context: Context, host: HostSettings) -> Ask:
    def ask(command: str, arguments: Any) -> Any:
        return send(
            store,
            context.clock,
            command,
            dict(arguments),
            host=host.name,
            by="ipecs-mw check",
            profile=context.profile,
            timeout_seconds=_ANSWER_SECONDS,
            texts=context.texts,
        )

    return ask


def _examine_by_login(
    store: Store, context: Context, host: HostSettings, password: str, notes: Notes
) -> None:
    with notes.step("command_failed"):
        commands, codes = load_commands(store), load_codes(store)
        with log_in(host, password, commands, codes, context.clock, notes) as ask:
            if ask is not None:
                examine_switches(ask, host, notes)
                examine_monitoring(ask, host, notes)


def to_document(finding: Finding, texts: Texts) -> dict[str, Any]:
    """Return a finding as JSON shows it."""
    text, advice = _sentences(finding, texts)
    document = {"where": finding.where, "check": finding.name, "level": finding.level, "text": text}
    return document | ({"advice": advice} if advice else {}) | {"facts": texts.say_all(finding.facts)}


def describe(finding: Finding, texts: Texts) -> list[str]:
    """Return the lines of words for a finding: what it is, and what to do."""
    text, advice = _sentences(finding, texts)
    level = texts.render(f"level.{finding.level}")
    lines = [f"{level:<9}{escape(finding.where):<15}{text}"]
    return lines + ([f"{'':<24}→ {advice}"] if advice else [])


def _sentences(finding: Finding, texts: Texts) -> tuple[str, str]:
    facts = {
        name: local_time(fact) if isinstance(fact, datetime) else fact for name, fact in finding.facts.items()
    }
    text = escape(mask(texts.render(f"check.{finding.name}", **facts)))
    key = f"advice.{finding.name}"
    return text, escape(mask(texts.render(key, **facts))) if finding.level != "ok" and key in texts else ""
