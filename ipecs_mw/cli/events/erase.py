"""`ipecs-mw erase`: take a phone number out of the database, after saying where it stands."""

import click

from ipecs_mw.cli.context import current, load_words, who
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.numbers import LONGEST_NUMBER, PLAIN, SHORTEST_NUMBER, read_number
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.erasing import Mentions, erase_mentions, find_mentions
from ipecs_mw.store.configuration.settings import build_settings, load_document
from ipecs_mw.store.events.own_events import OwnEvents
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.erase"))
@click.argument("number")
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def erase(number: str, is_agreed: bool) -> None:
    """Count what names the number, ask, mask it there, and record that it was done, not for which number."""
    context = current()
    bare = read_number(number)
    if bare is None or len(bare) > LONGEST_NUMBER:
        raise click.UsageError(_TEXTS.render("cli.erase.bad_number", shortest=SHORTEST_NUMBER))
    with context.open_store() as store:
        texts = load_words(store, context)
        plan = _load_plan(store, context.profile)
        mentions = find_mentions(store, bare, plan)
        for line in describe(mentions, texts):
            click.echo(line)
        if not mentions.is_any:
            return
        if not is_agreed:
            click.confirm(texts.render("cli.erase.question"), abort=True)
        erase_mentions(store, mentions, bare, context.clock, plan)
        by = who()
        counts = {name: len(mentions.ids[name]) for name in ("events", "requests", "calls", "missed")}
        OwnEvents(store, context.clock).record("number.erased", **counts, by=by)
        click.echo(texts.render("number.erased", **counts, by=by))


def _load_plan(store: Store, profile: str) -> NumberSettings:
    """Return how numbers are dialled; a database without configuration says nothing of it."""
    document = load_document(store, profile)
    return PLAIN if document is None else build_settings(document, profile, [])[0].numbers


def describe(mentions: Mentions, texts: Texts) -> list[str]:
    """Return the lines of words for what names the number."""
    if not mentions.is_any:
        return [texts.render("cli.erase.none")]
    lines = [
        texts.render("cli.erase.events", kind=texts.render(f"kind.{kind}"), count=count)
        for kind, count in mentions.kinds.items()
    ]
    return lines + [
        texts.render("cli.erase.others", collection=name, count=len(ids))
        for name, ids in mentions.ids.items()
        if name != "events" and ids
    ]
