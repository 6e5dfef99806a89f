"""`ipecs-mw config`: show, get and set settings, and go back to a former revision."""

import getpass
import json
import re
import socket
from itertools import pairwise
from typing import Any

import click
from msgspec import to_builtins

from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.output import to_json
from ipecs_mw.cli.words import escape, local_time
from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.model.settings import parse_settings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.connection import Store
from ipecs_mw.store.seed_files import mask_passwords
from ipecs_mw.store.seeding import find_differences
from ipecs_mw.store.settings import content_of, load_history, save_settings

_TEXTS = shipped_texts()
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@click.group(help=_TEXTS.render("help.config"))
def config() -> None:
    """Hold the commands together."""


@config.command(help=_TEXTS.render("help.config.show"))
def show() -> None:
    """Print the whole configuration, secrets masked."""
    context = current()
    with context.open_store() as store:
        click.echo(to_json(mask_passwords(_present(store, context)), indent=1))


@config.command(help=_TEXTS.render("help.config.get"))
@click.argument("path")
def get(path: str) -> None:
    """Print one setting as JSON, defaults included, secrets masked."""
    context = current()
    with context.open_store() as store:
        settings = parse_settings(_present(store, context), source=f"config/{context.profile}")
    value: Any = to_builtins(settings)
    for step in _steps(path):
        try:
            value = value[step]
        except (LookupError, TypeError):
            allowed = (
                ", ".join(value) if isinstance(value, dict) else f"0 … {len(value) - 1}" if value else "-"
            )
            raise _no_such_setting(context, path, allowed) from None
    click.echo(to_json(mask_passwords(value, path.rpartition(".")[2]), indent=1))


@config.command("set", help=_TEXTS.render("help.config.set"))
@click.argument("path")
@click.argument("value")
def set_(path: str, value: str) -> None:
    """Write one setting as a new revision, after the whole configuration proved valid with it."""
    context = current()
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value  # a bare word is a string
    with context.open_store() as store:
        content = _present(store, context)
        place: Any = content
        *parents, last = _steps(path)
        for step in parents:
            try:
                place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
            except (LookupError, TypeError, AttributeError):
                raise _no_such_setting(context, path, "-") from None
        try:
            place[last] = parsed
        except (LookupError, TypeError):
            raise _no_such_setting(context, path, "-") from None
        _save(store, context, content)


@config.command(help=_TEXTS.render("help.config.history"))
def history() -> None:
    """Print each revision with what it changed, the present one first."""
    context = current()
    with context.open_store() as store:
        revisions = load_history(store, context.profile)
    for newer, older in pairwise([*revisions, {}]):
        facts = {name: newer.get(name, "-") for name in ("revision", "updated_by")}
        click.echo(
            context.texts.render("cli.config.revision", **facts, at=local_time(newer.get("updated_at")))
        )
        if older:
            for path, before, after in find_differences(content_of(older), content_of(newer)):
                click.echo("  " + escape(f"{path}: {before} -> {after}"))


@config.command(help=_TEXTS.render("help.config.rollback"))
@click.argument("revision", type=int)
def rollback(revision: int) -> None:
    """Make a former revision's content the next revision."""
    context = current()
    with context.open_store() as store:
        revisions = {found.get("revision"): found for found in load_history(store, context.profile)}
        if revision not in revisions:
            known = ", ".join(str(number) for number in revisions)
            raise InvalidDocument(
                "error.config_revision", profile=context.profile, revision=revision, allowed=known
            )
        _save(store, context, content_of(revisions[revision]))


def _present(store: Store, context: Context) -> dict[str, Any]:
    revisions = load_history(store, context.profile)
    if not revisions:
        raise CannotStart("error.config_missing", profile=context.profile, profiles="-")
    return content_of(revisions[0])


def _save(store: Store, context: Context, content: dict[str, Any]) -> None:
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    revision = save_settings(store, context.profile, content, by, at=context.clock.now())
    click.echo(context.texts.render("cli.config.saved", profile=context.profile, revision=revision))


def _steps(path: str) -> list[str | int]:
    return [name or int(index) for name, index in _STEP.findall(path)] or [path]


def _no_such_setting(context: Context, path: str, allowed: str) -> InvalidDocument:
    return InvalidDocument(
        "error.field_unknown", document=f"config/{context.profile}", path=path, value="-", allowed=allowed
    )
