"""`ipecs-mw webhook`: who is told what by HTTP; tests, the log of deliveries, sending again."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ipecs_mw.cli.applications.webhook_view import describe_delivery, describe_preset, describe_webhook
from ipecs_mw.cli.ask import ask_secret
from ipecs_mw.cli.complete import ask_store, complete_host, offer
from ipecs_mw.cli.context import Context, current, load_words, who
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.times import Instant
from ipecs_mw.errors import InvalidDocument
from ipecs_mw.messages.formats.presets import list_formats, list_presets, load_preset
from ipecs_mw.messages.rights import TOPICS
from ipecs_mw.messages.webhook import find_format_template, list_secret_variables
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.applications.deliveries import STATES, list_deliveries
from ipecs_mw.store.applications.webhook_tasks import ask_for_test, await_task
from ipecs_mw.store.applications.webhook_tasks import replay as ask_for_replay
from ipecs_mw.store.applications.webhooks import (
    add_webhook,
    change_webhook,
    list_webhooks,
    load_webhook,
    remove_webhook,
    resume_webhook,
    rotate_secret,
)
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_ANSWER_SECONDS = 30.0
_MOST_LISTED = 1000
_STDIN = "-"

F = TypeVar("F", bound=Callable[..., Any])


def complete_webhook(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of the webhooks that begin so."""

    def read(store: Store) -> list[str]:
        return [each["name"] for each in list_webhooks(store)]

    return offer(ask_store(context, read, []), incomplete)


def complete_format(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the formats that begin so."""
    return offer(list_formats(), incomplete)


_NAME = click.argument("name", type=FILLED, shell_complete=complete_webhook)
_FORM = click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help=_TEXTS.render("help.webhook.list.format"),
)


def _filter(name: str, **options: Any) -> Callable[[F], F]:
    """Return the option of a filter, which may be given several times."""
    return click.option(
        f"--{name}",
        f"{name}s",
        multiple=True,
        type=FILLED,
        help=_TEXTS.render(f"help.webhook.add.{name}"),
        **options,
    )


@click.group(cls=Chapter, help=_TEXTS.render("help.webhook"))
def webhook() -> None:
    """Hold the commands together."""


@webhook.command(help=_TEXTS.render("help.webhook.add"))
@click.argument("name", type=FILLED)
@click.argument("url", type=FILLED)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    required=True,
    type=click.Choice(tuple(TOPICS)),
    help=_TEXTS.render("help.webhook.add.topic"),
)
@click.option(
    "--format",
    "form",
    default="standard",
    show_default=True,
    metavar="FORMAT",
    shell_complete=complete_format,
    help=_TEXTS.render("help.webhook.add.format", formats=", ".join(list_formats())),
)
@click.option("--secret", type=FILLED, metavar="-", help=_TEXTS.render("help.webhook.add.secret"))
@_filter("host", shell_complete=complete_host)
@_filter("group")
@_filter("station")
@_filter("kind")
@_filter("type")
@click.option(
    "--set", "given", multiple=True, metavar="VAR=VALUE", help=_TEXTS.render("help.webhook.add.set")
)
def add(
    name: str, url: str, form: str, secret: str | None, given: Sequence[str], **lists: Sequence[str]
) -> None:
    """Add a webhook; on stdout stands its secret alone."""
    context = current()
    content = _read_format(form)
    fields: dict[str, Any] = {
        "url": url,
        "format": content,
        **{field: list(values) for field, values in lists.items() if values},
    }
    if secret is not None:
        fields["secret"] = _ask(context, name, "secret", secret)
    hidden = list_secret_variables(find_format_template(content))
    if given:
        fields["variables"] = _read_variables(context, name, given, hidden)
    with context.open_store() as store:
        texts = load_words(store, context)
        shown, made = add_webhook(store, name, fields, by=who(), now=context.clock.now())
    for line in describe_webhook(shown, texts):
        click.echo(escape(line), err=True)
    if secret is None:
        click.echo(texts.render("cli.webhook.secret"), err=True)
        click.echo(made)


@webhook.command("list", help=_TEXTS.render("help.webhook.list"))
@_FORM
def list_(form: str) -> None:
    """Print the webhooks."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        found = list_webhooks(store)
    if form == "json":
        click.echo(to_json(found, indent=1))
        return
    if not found:
        click.echo(texts.render("cli.webhook.none"), err=True)
    for each in found:
        for line in describe_webhook(each, texts):
            click.echo(escape(line))


@webhook.command(help=_TEXTS.render("help.webhook.show"))
@_NAME
def show(name: str) -> None:
    """Print a webhook as JSON; its secret is not in it."""
    context = current()
    with context.open_store() as store:
        click.echo(to_json(load_webhook(store, name), indent=1))


@webhook.command(help=_TEXTS.render("help.webhook.remove"))
@_NAME
def remove(name: str) -> None:
    """Remove a webhook."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        remove_webhook(store, name)
    click.echo(texts.render("cli.webhook.removed", webhook=escape(name)))


@webhook.command(help=_TEXTS.render("help.webhook.pause"))
@_NAME
def pause(name: str) -> None:
    """Send nothing more for a webhook until it is resumed."""
    _change(name, "paused", partial(change_webhook, changes={"state": "paused"}))


@webhook.command(help=_TEXTS.render("help.webhook.resume"))
@_NAME
def resume(name: str) -> None:
    """Go on with a webhook that was paused or disabled."""
    _change(name, "active", resume_webhook)


@webhook.command(help=_TEXTS.render("help.webhook.test"))
@_NAME
def test(name: str) -> None:
    """Have the daemon send a test, and print what the receiver answered."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        task = ask_for_test(store, name, by=who(), now=context.clock.now())
        result = await_task(store, task, _ANSWER_SECONDS, context.clock)
    if result is None:
        click.echo(texts.render("cli.webhook.no_sender"), err=True)
        sys.exit(1)
    said = str(result.get("error") or f"{result.get('status')} {result.get('answer', '')}").strip()
    if result.get("is_delivered"):
        click.echo(
            texts.render("cli.webhook.test_taken", answer=escape(said), seconds=result["duration_seconds"])
        )
    else:
        click.echo(texts.render("cli.webhook.test_failed", answer=escape(said)), err=True)
        sys.exit(1)


@webhook.command(help=_TEXTS.render("help.webhook.deliveries"))
@_NAME
@click.option("--state", type=click.Choice(STATES), help=_TEXTS.render("help.webhook.deliveries.state"))
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_LISTED),
    default=20,
    show_default=True,
    help=_TEXTS.render("help.webhook.deliveries.limit"),
)
@_FORM
def deliveries(name: str, state: str | None, limit: int, form: str) -> None:
    """Print the newest deliveries of a webhook."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        load_webhook(store, name)
        found = list_deliveries(store, name, state=state, limit=limit, with_data=form == "json")
    if form == "json":
        click.echo(to_json(found, indent=1))
        return
    if not found:
        click.echo(texts.render("cli.webhook.no_deliveries"), err=True)
    for each in found:
        click.echo(escape(describe_delivery(each, texts)))


@webhook.command(help=_TEXTS.render("help.webhook.replay"))
@_NAME
@click.argument("ids", nargs=-1, type=FILLED)
@click.option("--since", type=Instant(), metavar="TIME", help=_TEXTS.render("help.webhook.replay.since"))
@click.option("--all", "everything", is_flag=True, help=_TEXTS.render("help.webhook.replay.all"))
def replay(name: str, ids: Sequence[str], since: datetime | None, everything: bool) -> None:
    """Have deliveries be sent again."""
    context = current()
    if ids and (since is not None or everything):
        raise click.UsageError(context.texts.render("cli.webhook.ids_or_since"))
    with context.open_store() as store:
        texts = load_words(store, context)
        task = ask_for_replay(
            store, name, by=who(), now=context.clock.now(), ids=ids, since=since, everything=everything
        )
        result = await_task(store, task, _ANSWER_SECONDS, context.clock)
    if result is None:
        click.echo(texts.render("cli.webhook.no_sender"), err=True)
        sys.exit(1)
    click.echo(texts.render("cli.webhook.replayed", count=result["count"]))


@webhook.command(help=_TEXTS.render("help.webhook.rotate"))
@_NAME
@click.option("--secret", type=FILLED, metavar="-", help=_TEXTS.render("help.webhook.add.secret"))
def rotate(name: str, secret: str | None) -> None:
    """Give a webhook another secret; on stdout stands the secret alone."""
    context = current()
    new = None if secret is None else _ask(context, name, "secret", secret)
    with context.open_store() as store:
        texts = load_words(store, context)
        made = rotate_secret(store, name, by=who(), now=context.clock.now(), secret=new)
    click.echo(texts.render("cli.webhook.rotated"), err=True)
    if secret is None:
        click.echo(made)


@webhook.command(help=_TEXTS.render("help.webhook.presets"))
@click.argument("name", required=False, type=click.Choice(list_presets()))
def presets(name: str | None) -> None:
    """Print the presets, or one as JSON: a beginning for a template of one's own."""
    if name is not None:
        click.echo(to_json(read_json(f"webhooks/{name}.json"), indent=1))
        return
    for each in list_presets():
        click.echo(describe_preset(each, load_preset(each), _TEXTS))


def _change(name: str, state: str, change: Callable[..., object]) -> None:
    """Change a webhook, and say which state it is in then."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        change(store, name, by=who(), now=context.clock.now())
    click.echo(texts.render(f"cli.webhook.{state}", webhook=escape(name)))


def _read_format(form: str) -> Any:
    """Return a format by its name, or the template in a file whose name ends so."""
    if not form.endswith(".json"):
        return form
    try:
        return json.loads(Path(form).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--format") from error


def _read_variables(
    context: Context, name: str, given: Sequence[str], hidden: frozenset[str]
) -> Mapping[str, Any]:
    """Return the variables that are given as `VAR=VALUE`, or of a table as `VAR.KEY=VALUE`."""
    found: dict[str, Any] = {}
    for each in given:
        place, equals, value = each.partition("=")
        if not equals or not place:
            raise click.BadParameter(
                _TEXTS.render("cli.webhook.bad_set", value=escape(place)), param_hint="--set"
            )
        variable, point, key = place.partition(".")
        if point:
            table = found.setdefault(variable, {})
            if isinstance(table, dict):
                table[key] = _read_value(value)
        elif variable in hidden:
            found[variable] = _ask(context, name, f"variables.{variable}", value)
        else:
            found[variable] = _read_value(value)
    return found


def _ask(context: Context, name: str, path: str, given: str) -> Any:
    """Return a secret: asked for (`-`), or where it is kept; one that all can see there is refused."""
    at = f"webhooks/{name} {path}"
    if given == _STDIN:
        return ask_secret(context, at)
    source = _read_value(given)
    if not isinstance(source, dict):
        raise InvalidDocument("error.secret_on_command_line", path=at)
    return source


def _read_value(text: str) -> Any:
    """Return a number, a truth value or an object that a text spells, else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | dict) else text
