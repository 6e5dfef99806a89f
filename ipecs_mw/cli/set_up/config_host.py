"""`ipecs-mw config host`: add a phone system to the configuration, or drop one."""

from collections.abc import Sequence

import click

from ipecs_mw.cli.ask import read_setting
from ipecs_mw.cli.context import current
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.set_up.saving import save
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.paths import put_value
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.settings import content_of, load_present

_TEXTS = shipped_texts()


@click.group("host", cls=Chapter, help=_TEXTS.render("help.config.host"))
def host() -> None:
    """Hold the commands together."""


@host.command(help=_TEXTS.render("help.config.host.add"))
@click.argument("name")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
def add(name: str, settings: Sequence[str]) -> None:
    """Write the configuration with one more phone system as a new revision."""
    context = current()
    entry = {"name": name}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(context.texts.render("cli.send.bad_argument", argument=setting))
        parsed = read_setting(context, f"config/{context.profile} hosts[{name}].{path}", path, value)
        try:
            put_value(entry, path, parsed)
        except LookupError:
            raise click.UsageError(context.texts.render("cli.send.bad_argument", argument=setting)) from None
    with context.open_store() as store:
        document = load_present(store, context.profile)
        content = content_of(document)
        save(store, context, {**content, "hosts": [*content.get("hosts", ()), entry]}, document)


@host.command(help=_TEXTS.render("help.config.host.remove"))
@click.argument("name")
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def remove(name: str, is_agreed: bool) -> None:
    """Write the configuration without a phone system as a new revision, after a question."""
    context = current()
    with context.open_store() as store:
        document = load_present(store, context.profile)
        content = content_of(document)
        kept = [entry for entry in content["hosts"] if entry.get("name") != name]
        if len(kept) == len(content["hosts"]):
            names = ", ".join(str(entry.get("name")) for entry in kept) or "-"
            raise NoSuchName("error.host_unknown", host=name, profile=context.profile, allowed=names)
        save(store, context, {**content, "hosts": kept}, document, is_agreed=is_agreed)
