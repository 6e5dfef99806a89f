"""The language strings in MongoDB, with the shipped ones behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ipecs_mw.errors import CannotStart
from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts, find_faults
from ipecs_mw.seeds import shipped_strings
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

Problem = tuple[str, str, str]
"""(locale, key, what is wrong) of a string that is not used."""


def load_texts(store: Store, locale: str) -> tuple[Texts, list[Problem]]:
    """Return the strings to read in `locale`, and the problems of those that are not used.

    Per locale, a string in MongoDB comes before the shipped one; where neither serves, the next locale of the
    chain does. Raises CannotStart where MongoDB has no language string at all.
    """
    with store_errors():
        return build_texts(list(store.database["languages"].find()), locale)


def build_texts(documents: Sequence[Mapping[str, Any]], locale: str) -> tuple[Texts, list[Problem]]:
    """Return what `load_texts` does, of the documents of `languages`."""
    if not documents:
        raise CannotStart("error.not_seeded", collection="languages")
    shipped = shipped_strings()
    stored, problems = _sort_out(documents)
    problems += find_faults(shipped[REFERENCE_LOCALE], stored)
    for bad_locale, key, _ in problems:
        stored.get(bad_locale, {}).pop(key, None)
    strings = {name: shipped.get(name, {}) | stored.get(name, {}) for name in shipped.keys() | stored.keys()}
    return Texts(locale, strings), problems


def _sort_out(documents: Sequence[Mapping[str, Any]]) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Return locale → key → text, and a problem for each document that is not of that form."""
    strings: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for document in documents:
        locale, _, key = str(document["_id"]).partition(":")
        named = (document.get("locale"), document.get("key"))
        text = document.get("text")
        if named != (locale, key):
            problems.append((locale, key, "_id != locale:key"))
        elif not isinstance(text, str):
            problems.append((locale, key, f"text: {type(text).__name__}"))
        else:
            strings.setdefault(locale, {})[key] = text
    return strings, problems
