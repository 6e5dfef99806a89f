"""`ipecs-mw config`: show, edit and compare settings, and go back to a former revision."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import click
from msgspec import to_builtins

from ipecs_mw.cli.ask import read_setting
from ipecs_mw.cli.complete import complete_path
from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.words import describe_difference, local_time
from ipecs_mw.cli.set_up.config_host import host
from ipecs_mw.cli.set_up.saving import save
from ipecs_mw.errors import ChangedMeanwhile, InvalidDocument, NoSuchName
from ipecs_mw.logs import mask
from ipecs_mw.model.configuration.settings import parse_settings, read_bookkeeping
from ipecs_mw.model.contents import MASK, Difference, find_differences, mask_passwords
from ipecs_mw.model.paths import find_value, put_value, split_path
from ipecs_mw.model.schemas import build_config_schema
from ipecs_mw.model.validation import refuse_duplicates
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.settings import (
    build_missing,
    content_of,
    find_newest_revision,
    list_profiles,
    load_document,
    load_history,
    load_present,
)
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_MOST_TRIES = 5


@click.group(cls=Chapter, help=_TEXTS.render("help.config"))
def config() -> None:
    """Hold the commands together."""


@config.command(help=_TEXTS.render("help.config.show"))
def show() -> None:
    """Print the whole configuration, secrets masked."""
    context = current()
    with context.open_store() as store:
        click.echo(to_json(mask_passwords(content_of(load_present(store, context.profile))), indent=1))


@config.command(help=_TEXTS.render("help.config.schema"))
def schema() -> None:
    """Print the JSON Schema of a configuration file; needs no database."""
    click.echo(to_json(build_config_schema(), indent=1))


@config.command(help=_TEXTS.render("help.config.get"))
@click.argument("path", shell_complete=complete_path)
def get(path: str) -> None:
    """Print one setting as JSON, defaults included, secrets masked."""
    context = current()
    with context.open_store() as store:
        document = load_present(store, context.profile)
    settings = parse_settings(document, source=f"config/{context.profile}")
    try:
        value = find_value(to_builtins(settings), path)
    except LookupError as error:
        raise _no_such_setting(context, path, str(error)) from None
    click.echo(to_json(mask_passwords(value, path.rpartition(".")[2]), indent=1))


@config.command("set", help=_TEXTS.render("help.config.set"))
@click.argument("path", shell_complete=complete_path)
@click.argument("value")
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def set_(path: str, value: str, is_agreed: bool) -> None:
    """Write one setting as a new revision, after the whole configuration proved valid with it."""
    context = current()
    name = split_path(path)[-1][0]
    parsed = read_setting(context, f"config/{context.profile} {path}", name, value)
    with context.open_store() as store:
        document = load_present(store, context.profile)
        for tries_left in reversed(range(_MOST_TRIES)):
            content = _put(context, content_of(document), path, parsed)
            if type(parsed) in (int, float) and not _is_valid(content):
                # digits that are text there, such as a country code
                as_text = _put(context, content_of(document), path, value)
                content = as_text if _is_valid(as_text) else content
            try:
                save(store, context, content, document, is_agreed=is_agreed)
            except ChangedMeanwhile:
                # this changes one setting only, so what somebody else changed can stay, unless hosts[0] is
                # another host by now
                before, document = document, load_present(store, context.profile)
                if not tries_left or _list_hosts(before) != _list_hosts(document):
                    raise
            else:
                return


@config.command(help=_TEXTS.render("help.config.history"))
def history() -> None:
    """Print each revision with what it changed, the present one first."""
    context = current()
    with context.open_store() as store:
        revisions = _load_history(store, context)
    for newer, older in pairwise([*revisions, {}]):
        kept = read_bookkeeping(newer, source=f"config_history/{context.profile}")
        at = local_time(kept.updated_at)
        facts = {"revision": kept.revision, "updated_by": escape(kept.updated_by)}
        key = "cli.config.revision" if kept.revision else "cli.config.uncounted"
        click.echo(context.texts.render(key, **facts, at=at))
        for line in _describe_changes(older, newer, [newer], context) if older else ():
            click.echo(f"  {line}")


@config.command(help=_TEXTS.render("help.config.diff"))
@click.argument("revision", type=int, required=False)
@click.argument("other", type=int, required=False)
def diff(revision: int | None, other: int | None) -> None:
    """Print what changed from one revision to another: without OTHER to the present one, without both by it."""
    context = current()
    with context.open_store() as store:
        known = _by_number(context, _load_history(store, context))
    newest = max(known, default=0)
    first = revision if revision is not None else max((r for r in known if r < newest), default=newest)
    last = other if other is not None else newest
    before, after = (_find_revision(context, known, number) for number in (first, last))
    between = [known[number] for number in known if min(first, last) < number <= max(first, last)]
    lines = _describe_changes(before, after, between, context)
    for line in lines or [context.texts.render("cli.config.same", first=first, last=last)]:
        click.echo(line)


@config.command(help=_TEXTS.render("help.config.edit"))
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def edit(is_agreed: bool) -> None:
    """Open the configuration in the editor until it is valid or given up; passwords are not shown there."""
    context = current()
    with context.open_store() as store:
        found = load_present(store, context.profile)
        text = to_json(mask_passwords(content_of(found)), indent=2) + "\n"
        before = text
        while True:
            text = click.edit(text, extension=".json", require_save=False) or ""
            if text == before:
                click.echo(context.texts.render("cli.config.unchanged"))
                return
            try:
                save(store, context, _read(text, context), found, is_agreed=is_agreed)
            except InvalidDocument as error:
                if not sys.stdin.isatty():
                    raise
                for sentence in context.texts.explain_each(error):
                    click.echo(escape(mask(sentence)), err=True)
                click.confirm(context.texts.render("cli.config.again"), default=True, abort=True, err=True)
            else:
                return


@config.command(help=_TEXTS.render("help.config.rollback"))
@click.argument("revision", type=int)
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def rollback(revision: int, is_agreed: bool) -> None:
    """Make a former revision's content the next revision."""
    context = current()
    with context.open_store() as store:
        present = load_document(store, context.profile)
        known = _by_number(context, _load_history(store, context))
        content = content_of(_find_revision(context, known, revision))
        save(store, context, content, present, is_agreed=is_agreed)


config.add_command(host)


def _load_history(store: Store, context: Context) -> list[dict[str, Any]]:
    """Return every revision, the newest first; say so where the configuration itself is missing."""
    revisions = load_history(store, context.profile)
    if load_document(store, context.profile) is None:
        newest = find_newest_revision(store, context.profile)
        missing = build_missing(context.profile, list_profiles(store), newest)
        if not revisions:
            raise missing
        click.echo(escape(context.texts.explain(missing)), err=True)
    return revisions


def _by_number(context: Context, revisions: Iterable[dict[str, Any]]) -> dict[float, dict[str, Any]]:
    """Return number → revision; what is not counted yet comes after all, and has no number to be called by."""
    source = f"config_history/{context.profile}"
    return {read_bookkeeping(found, source=source).revision or math.inf: found for found in revisions}


def _put(context: Context, content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the content with one setting changed."""
    try:
        put_value(content, path, value)
    except LookupError as error:
        raise _no_such_setting(context, path, str(error)) from None
    return content


def _is_valid(content: dict[str, Any]) -> bool:
    try:
        parse_settings(content, source="")
    except InvalidDocument:
        return False
    return True


def _find_revision(
    context: Context, known: Mapping[float, dict[str, Any]], revision: float
) -> dict[str, Any]:
    if revision not in known:
        numbers = [str(number) for number in known if number != math.inf]
        raise NoSuchName(
            "error.config_revision",
            profile=context.profile,
            revision=revision,
            allowed=", ".join(numbers) or "-",
        )
    return known[revision]


def _describe_changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    revisions: Iterable[Mapping[str, Any]],
    context: Context,
) -> list[str]:
    """Return a line for each setting that differs; a changed password is known from the `revisions` between."""
    shown = [mask_passwords(content_of(document)) for document in (before, after)]
    differences = {found.path: found for found in find_differences(*shown)}
    for place in (place for revision in revisions for place in revision.get("secrets_changed") or ()):
        differences.setdefault(place, Difference(place, MASK, MASK))
    return [describe_difference(found, context.texts) for found in differences.values()]


def _read(text: str, context: Context) -> dict[str, Any]:
    document = f"config/{context.profile}"
    try:
        content = json.loads(text, object_pairs_hook=partial(refuse_duplicates, document))
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            "error.not_json", file=document, line=error.lineno, column=error.colno, reason=error.msg
        ) from error
    except RecursionError as error:
        raise InvalidDocument("error.file_unreadable", file=document, reason="nested too deeply") from error
    if not isinstance(content, dict):
        value = type(content).__name__
        raise InvalidDocument(
            "error.field_value", document=document, path="$", value=value, allowed="an object: {…}"
        )
    # what an editor finds the schema by is no setting
    return {name: value for name, value in content.items() if name != "$schema"}


def _list_hosts(document: Mapping[str, Any]) -> list[Any]:
    hosts = document.get("hosts")
    return [host.get("name") for host in hosts if isinstance(host, dict)] if isinstance(hosts, list) else []


def _no_such_setting(context: Context, path: str, allowed: str) -> NoSuchName:
    return NoSuchName(
        "error.field_unknown", document=f"config/{context.profile}", path=path, value="-", allowed=allowed
    )
