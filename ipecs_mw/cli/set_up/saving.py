"""A changed configuration → the next revision, and what the running daemons say to it."""

import threading
from collections.abc import Mapping
from typing import Any

import click

from ipecs_mw.cli.context import Context, who
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.configuration.settings import parse_settings
from ipecs_mw.model.contents import find_dropped_hosts, restore_passwords
from ipecs_mw.store.configuration.settings import content_of, save_settings
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.server.connection import Store

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


def save(
    store: Store,
    context: Context,
    content: Mapping[str, Any],
    base: Mapping[str, Any] | None,
    *,
    is_agreed: bool = False,
) -> None:
    """Save what was made of the document `base`, None where it was missing, and tell what the daemons make of it.

    Masked passwords are those of `base`. Asks before a phone system is dropped, unless that is agreed. Raises
    IpecsMwError where a daemon refuses the new revision.
    """
    content = restore_passwords(content, content_of(base or {}))
    parse_settings(content, source=f"config/{context.profile}")
    ask_before_dropping(context, base, content, is_agreed=is_agreed)
    revision = save_settings(store, context.profile, content, who(), at=context.clock.now(), base=base)
    if base is not None and base.get("revision") == revision:
        click.echo(context.texts.render("cli.config.unchanged"))
        return
    click.echo(context.texts.render("cli.config.saved", profile=context.profile, revision=revision))
    tell_verdict(store, context, revision)


def ask_before_dropping(
    context: Context, former: Mapping[str, Any] | None, content: Mapping[str, Any], *, is_agreed: bool
) -> None:
    """Ask where `content` lacks a phone system that `former` has; raises click.Abort where the answer is no."""
    if (dropped := find_dropped_hosts(former or {}, content)) and not is_agreed:
        question = context.texts.render("cli.config.drop_question", hosts=", ".join(dropped))
        click.confirm(question, abort=True, err=True)


def tell_verdict(store: Store, context: Context, revision: int) -> None:
    """Wait some seconds until every living daemon of the profile has taken the revision, and tell.

    Raises IpecsMwError with the reason where one refuses it.
    """
    until = context.clock.monotonic() + _PATIENCE_SECONDS
    while True:
        alive = [each for each in load_instances(store, context.profile) if each["is_alive"]]
        for each in alive:
            refused = each.get("refused") or {}
            if refused.get("revision") == revision:
                facts = {
                    "revision": revision,
                    "hostname": each.get("hostname"),
                    "reason": refused.get("reason"),
                }
                raise IpecsMwError("error.revision_refused", **facts)
        if all(each.get("revision", 0) >= revision for each in alive):
            key = "cli.config.taken" if alive else "cli.config.nobody"
            break
        if context.clock.monotonic() >= until:
            key = "cli.config.no_word"
            break
        context.clock.wait(threading.Event(), _LOOK_SECONDS)
    click.echo(context.texts.render(key, profile=context.profile, seconds=f"{_PATIENCE_SECONDS:.0f}"))
