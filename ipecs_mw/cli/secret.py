"""`ipecs-mw secret`: passwords that stand in the configuration encrypted, and the key that opens them."""

from typing import Any

import click

from ipecs_mw.cli.ask import ask_secret
from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.saving import save
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.settings import HostSettings, SecretSource, parse_settings
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
@click.argument("host")
@click.option("--account", metavar="USER", help=_TEXTS.render("help.secret.account"))
@click.option("--new-key", "makes_key", is_flag=True, help=_TEXTS.render("help.secret.new_key"))
def set_(host: str, account: str | None, makes_key: bool) -> None:
    """Encrypt what is typed, or comes by standard input, and make it the password in a new revision."""
    context = current()
    key_file = find_key_file(context.state_dir)
    with context.open_store() as store:
        document = load_present(store, context.profile)
        hosts = parse_settings(document, source=f"config/{context.profile}").hosts
        content = content_of(document)
        place, path = _find_place(content, hosts, host, account, context)
        at = f"config/{context.profile} {path}"
        is_first = makes_key or not any(is_encrypted(source) for source in _list_passwords(hosts))
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


def _list_passwords(hosts: list[HostSettings]) -> list[str | SecretSource]:
    return [
        password for host in hosts for password in (host.password, *(each.password for each in host.accounts))
    ]


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
