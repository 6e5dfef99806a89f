"""`ipecs-mw token`: what lets applications in, what each may do, and how it is shut out again."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words, who
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.cli.times import Instant
from ipecs_mw.messages.rights import Scope
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.applications.tokens import create_token, list_tokens, revoke_token, spell_rights

_TEXTS = shipped_texts()
_AHEAD = re.compile(r"([0-9]{1,5})\s*([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Expiry(Instant):
    """`90d`, `12h`, `4w` from now, or an instant."""

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant in UTC; refuses one that is over."""
        ahead = _AHEAD.fullmatch(value.strip()) if isinstance(value, str) else None
        now = current().clock.now()
        try:
            at = now + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])}) if ahead else self.read(value)
        except (ValueError, OverflowError):
            at = now
        if at <= now:
            self.fail(_TEXTS.render("cli.token.bad_expiry", value=value), param, ctx)
        return at


@click.group(cls=Chapter, help=_TEXTS.render("help.token"))
def token() -> None:
    """Hold the commands together."""


@token.command(help=_TEXTS.render("help.token.create"))
@click.argument("name", type=FILLED)
@click.option(
    "--right",
    "rights",
    multiple=True,
    required=True,
    metavar="RIGHT",
    help=_TEXTS.render("help.token.create.right", rights=spell_rights()),
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    type=FILLED,
    shell_complete=complete_host,
    help=_TEXTS.render("help.token.create.host"),
)
@click.option("--group", "groups", multiple=True, type=FILLED, help=_TEXTS.render("help.token.create.group"))
@click.option(
    "--station", "stations", multiple=True, type=FILLED, help=_TEXTS.render("help.token.create.station")
)
@click.option("--expires", type=Expiry(), metavar="TIME", help=_TEXTS.render("help.token.create.expires"))
def create(
    name: str,
    rights: Sequence[str],
    hosts: Sequence[str],
    groups: Sequence[str],
    stations: Sequence[str],
    expires: datetime | None,
) -> None:
    """Make a token; on stdout stands the token alone."""
    context = current()
    scope = Scope(frozenset(hosts), frozenset(stations), frozenset(groups))
    with context.open_store() as store:
        made = create_token(store, name, rights, scope, at=context.clock.now(), by=who(), expires_at=expires)
    click.echo(context.texts.render("cli.token.made", name=escape(name)), err=True)
    click.echo(made)


@token.command("list", help=_TEXTS.render("help.token.list"))
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
def list_(form: str) -> None:
    """Print the tokens."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        tokens = list(list_tokens(store))
    if form == "json":
        click.echo(to_json(tokens, indent=1))
        return
    if not tokens:
        click.echo(texts.render("cli.token.none"), err=True)
    for each in tokens:
        for line in _describe(each, texts, context.clock.now()):
            click.echo(escape(line))


def _describe(document: dict[str, Any], texts: Texts, now: datetime) -> list[str]:
    """Return the lines of a token: its name and state, then a fact a line."""
    expires_at = document.get("expires_at")
    is_over = isinstance(expires_at, datetime) and expires_at <= now
    state = "is_revoked" if "revoked_at" in document else "expired" if is_over else "valid"
    scope = [
        f"{part[:-1]} {each}" for part in ("hosts", "groups", "stations") for each in document.get(part) or ()
    ]
    facts = {
        "rights": " ".join(map(str, document.get("rights") or ())),
        "scope": ", ".join(scope),
        "expires": local_time(expires_at) if isinstance(expires_at, datetime) else "",
        "used": local_time(document.get("last_used_at")) or texts.render("cli.token.never"),
    }
    lines = [f"{document['_id']}  {texts.render(f'cli.token.{state}')}"]
    return lines + [
        f"  {texts.render(f'cli.token.{name}')}: {value}" for name, value in facts.items() if value
    ]


@token.command(help=_TEXTS.render("help.token.revoke"))
@click.argument("name", type=FILLED)
def revoke(name: str) -> None:
    """Revoke a token."""
    context = current()
    with context.open_store() as store:
        revoke_token(store, name, at=context.clock.now(), by=who())
    click.echo(context.texts.render("cli.token.revoked", name=escape(name)))
