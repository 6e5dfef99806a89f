"""`ipecs-mw grant`: MongoDB users with the least rights that a part of the work needs."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from ipecs_mw.cli.context import Context, current
from ipecs_mw.errors import CannotStart
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.credentials import read_secret_file
from ipecs_mw.store.schema.roles import Granted, make_uri
from ipecs_mw.store.schema.roles import grant as grant_role
from ipecs_mw.store.server.rights import RIGHTS

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.grant"))
@click.argument("role", type=click.Choice(tuple(RIGHTS)))
@click.argument("user")
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_TEXTS.render("help.grant.password_file"),
)
@click.option("--only", "is_only", is_flag=True, help=_TEXTS.render("help.grant.only"))
def grant(role: str, user: str, password_file: Path | None, is_only: bool) -> None:
    """Make or update the role and the user; a new user's password comes from the file, else from the keyboard."""
    context = current()
    password = read_secret_file(str(password_file), "--password-file") if password_file else None
    with context.open_store() as store:
        give = partial(grant_role, store, role, user, only=is_only)
        granted = _give(give, context, user, password)
        key = "cli.grant.made" if granted.is_new else "cli.grant.updated"
        facts = {"user": user, "roles": ", ".join(granted.roles), "database": store.database.name}
        click.echo(context.texts.render(key, **facts))
        click.echo(make_uri(store, user))


def _give(
    give: Callable[[str | None], Granted], context: Context, user: str, password: str | None
) -> Granted:
    try:
        return give(password)
    except KeyError:
        if not sys.stdin.isatty():
            raise CannotStart("error.grant_password", user=user) from None
        prompt = context.texts.render("cli.grant.password", user=user)
        return give(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
