"""`ipecs-mw secret`: passwords that stand in the configuration encrypted, and the key that opens them."""

from typing import Any

import click

from ipecs_mw.cli.ask import ask_secret
from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.set_up.saving import save
from ipecs_mw.errors import CannotStart, NoSuchName
from ipecs_mw.model.configuration.settings import HostSettings, list_passwords, parse_settings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.credentials import find_key_file, is_encrypted
from ipecs_mw.store.configuration.encryption import encrypt
from ipecs_mw.store.configuration.encryption import rotate as rotate_key
from ipecs_mw.store.configuration.settings import content_of, load_present

_TEXTS = shipped_texts()


@click.group(cls=Chapter, help=_TEXTS.render("help.secret"))
def secret() -> None:
    """Hold the commands together."""


@secret.command("set", help=_TEXTS.render("help.secret.set"))
@click.argument("host", required=False, shell_complete=complete_host)
@click.option("--account", metavar="USER", help=_TEXTS.render("help.secret.account"))
@click.option("--mail", "is_mail", is_flag=True, help=_TEXTS.render("help.secret.mail"))
@click.option("--new-key", "makes_key", is_flag=True, help=_TEXTS.render("help.secret.new_key"))
def set_(host: str | None, account: str | None, is_mail: bool, makes_key: bool) -> None:
    """Encrypt what is typed, or comes by standard input, and make it the password in a new revision."""
    context = current()
    if is_mail == (host is not None) or (is_mail and account is not None):
        raise click.UsageError(context.texts.render("cli.secret.whose"))
    key_file = find_key_file(context.state_dir)
    with context.open_store() as store:
        document = load_present(store, context.profile)
        settings = parse_settings(document, source=f"config/{context.profile}")
        content = content_of(document)
        place, path = (
            _find_mail(content, context)
            if host is None
            else _find_place(content, settings.hosts, host, account, context)
        )
        at = f"config/{context.profile} {path}"
        is_first = makes_key or not any(is_encrypted(source) for source in list_passwords(settings))
        place["password"] = {
            "encrypted": encrypt(store, key_file, ask_secret(context, at), at, makes_key=makes_key)
        }
        if is_first:  # now that something depends on it, whenever the file was made
            click.echo(context.texts.render("cli.secret.key_file", file=str(key_file.absolute())))
        save(store, context, content, document)


@secret.command(help=_TEXTS.render("help.secret.rotate"))
def rotate() -> None:
    """Put a new master key in the place of the present one; ended half-way, it goes on with the next call."""
    context = current()
    key_file = find_key_file(context.state_dir)
    with context.open_store() as store:
        count = rotate_key(store, key_file)
    click.echo(context.texts.render("cli.secret.rotated", count=count, file=str(key_file.absolute())))


def _find_mail(content: dict[str, Any], context: Context) -> tuple[dict[str, Any], str]:
    """Return the part of the configuration that holds the password of the mail server, and its path."""
    part: dict[str, Any] | None = content.get("mail")
    if part is None or part.get("user") is None:
        raise CannotStart("error.mail_without_user", profile=context.profile)
    return part, "mail.password"


def _find_place(
    content: dict[str, Any], hosts: list[HostSettings], name: str, account: str | None, context: Context
) -> tuple[dict[str, Any], str]:
    """Return the part of the configuration that holds the password, and its path."""
    index = next((index for index, found in enumerate(hosts) if found.name == name), None)
    if index is None:
        names = ", ".join(found.name for found in hosts)
        raise NoSuchName("error.host_unknown", host=name, profile=context.profile, allowed=names or "-")
    part: dict[str, Any] = content["hosts"][index]
    if account is None:
        return part, f"hosts[{index}].password"
    users = [found.user for found in hosts[index].accounts]
    if account not in users:
        allowed = ", ".join(users) or "-"
        raise NoSuchName("error.account_unknown", account=account, host=name, allowed=allowed)
    number = users.index(account)
    return part["accounts"][number], f"hosts[{index}].accounts[{number}].password"
