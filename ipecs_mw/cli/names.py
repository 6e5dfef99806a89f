"""Names on the command line: one that nothing bears is wrong usage, and those that there are get listed."""

from collections.abc import Iterable
from typing import NoReturn

import click

from ipecs_mw.cli.context import Context
from ipecs_mw.errors import CannotStart, StoreRefused
from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts
from ipecs_mw.seeds import read_json, shipped_strings, shipped_texts
from ipecs_mw.store.configuration.definitions import load_codes
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.events.event_query import Filter, has_any
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.values import list_values

_TEXTS = shipped_texts()
_TABLES = ("acd_events", "call_events")
_ONE_TYPE_EACH = ("smdr", "undecodable")  # kinds whose events have the kind's name as type
_SYSTEM = "system."


class _Filled(click.ParamType[str]):
    """A text that is not blank: a blank one would be looked for, and found nowhere."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is."""
        if not value.strip():
            self.fail(_TEXTS.render("cli.blank"), param, ctx)
        return value


FILLED = _Filled()


def check_host(store: Store, context: Context, name: str | None, texts: Texts) -> None:
    """Refuse a host that is neither configured nor named by any event."""
    if name is None or has_any(store, Filter(host=name)):
        return
    configured = list_hosts(store, context.profile)
    if name not in configured:
        refuse("--host", name, {*configured, *list_values(store, "events", "host")}, texts)


def check_type(store: Store, name: str | None, texts: Texts) -> None:
    """Refuse a type that neither the tables nor any event knows."""
    if name is None or name in (known := list_types(store)) or has_any(store, Filter(type=name)):
        return
    refuse("--type", name, {*known, *list_values(store, "events", "type")}, texts)


def list_hosts(store: Store, profile: str) -> list[str]:
    """Return the names of the configured hosts; none where this user may not read them."""
    try:
        return [host.name for host in load_settings(store, profile)[0].hosts]
    except (CannotStart, StoreRefused):
        return []


def list_types(store: Store) -> list[str]:
    """Return the types of events by the code tables, and those of the middleware's own."""
    try:
        tables = load_codes(store).rows
    except (CannotStart, StoreRefused):
        tables = read_json("codes.json")
    named = [row["name"] for table in _TABLES for row in tables[table]]
    own = [
        key.removeprefix(_SYSTEM) for key in shipped_strings()[REFERENCE_LOCALE] if key.startswith(_SYSTEM)
    ]
    return sorted({*named, *own, *_ONE_TYPE_EACH})


def refuse(option: str, name: str, known: Iterable[str], texts: Texts) -> NoReturn:
    """Refuse a name as wrong usage, and say which there are."""
    message = texts.render("cli.no_such_name", name=name, allowed=", ".join(sorted(known)) or "–")
    raise click.BadParameter(message, param_hint=option)
