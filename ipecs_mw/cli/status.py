"""`ipecs-mw status`: who runs, and how each host's session stands."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from ipecs_mw.cli.context import current, load_words
from ipecs_mw.cli.output import to_json
from ipecs_mw.cli.words import escape, local_time
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.instances import load_instances

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.status"))
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    help=_TEXTS.render("help.status.format"),
)
def status(form: str) -> None:
    """Print what the daemons say of themselves; exit 1 where none of the profile is alive."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        instances = load_instances(store, context.profile)
    if form == "json":
        click.echo(to_json(instances, indent=1))
    else:
        for line in describe(instances, context.profile, texts):
            click.echo(line)
    if not any(instance["is_alive"] for instance in instances):
        sys.exit(1)


def describe(instances: list[dict[str, Any]], profile: str, texts: Texts) -> list[str]:
    """Return the lines of words for these daemons."""
    if not instances:
        return [texts.render("cli.status.none", profile=profile)]
    lines = []
    for instance in instances:
        key = "alive" if instance["is_alive"] else "stopped" if instance.get("state") == "stopped" else "dead"
        lines.append(
            texts.render(
                f"cli.status.{key}",
                hostname=instance.get("hostname"),
                pid=instance.get("pid"),
                version=instance.get("version"),
                since=local_time(instance.get("started_at")),
                seen=local_time(instance.get("heartbeat_at")),
                revision=instance.get("revision"),
            )
        )
        for name, host in (instance.get("hosts") or {}).items():
            lines += [f"  {line}" for line in describe_host(name, host, texts)]
    return lines


def describe_host(name: str, host: Mapping[str, Any], texts: Texts) -> list[str]:
    """Return the lines of words for one host."""
    state = texts.render(f"state.{host.get('state')}")
    lines = [
        f"{name}: {state} ({local_time(host.get('since'))})  {escape(str(host.get('system') or ''))}".rstrip()
    ]
    if reason := host.get("reason"):
        lines.append(f"  {escape(reason)}")
    if retry_at := host.get("retry_at"):
        lines.append("  " + texts.render("cli.status.retry", at=local_time(retry_at)))
    journal = host.get("journal") or {}
    lines.append(
        "  "
        + texts.render(
            "cli.status.events",
            received=host.get("received", 0),
            stored=host.get("stored", 0),
            waiting=journal.get("entries", 0),
            last=local_time(host.get("last_event_at")) or "–",
            reconnects=host.get("reconnects", 0),
        )
    )
    if problem := host.get("problem"):
        lines.append("  " + texts.render("cli.status.problem", detail=escape(problem)))
    for subscription, verdicts in (host.get("monitors") or {}).items():
        refused = ", ".join(
            f"{number} ({verdict})" for number, verdict in verdicts.get("refused", {}).items()
        )
        accepted = verdicts.get("accepted", 0)
        text = texts.render(f"cli.status.{subscription}", accepted=accepted, refused=escape(refused) or "–")
        lines.append(f"  {text}")
    return lines
