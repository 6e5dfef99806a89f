"""The configuration in MongoDB: one document a profile, every change a counted revision with its history."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import CannotStart, StoreRefused
from ipecs_mw.model.contents import find_differences, mask_passwords
from ipecs_mw.model.settings import BOOKKEEPING, Settings, parse_settings
from ipecs_mw.store.connection import Store
from ipecs_mw.store.failures import store_errors


def load_document(store: Store, profile: str) -> dict[str, Any] | None:
    """Return the configuration document of `profile` as it stands, None where there is none."""
    with store_errors():
        found: dict[str, Any] | None = store.database["config"].find_one({"_id": profile})
    return found


def load_settings(store: Store, profile: str) -> tuple[Settings, int]:
    """Return the settings of `profile` and their revision.

    Raises CannotStart where there is no such profile, InvalidDocument where it is wrong.
    """
    document = load_document(store, profile)
    return build_settings(document, profile, [] if document else list_profiles(store))


def build_settings(
    document: Mapping[str, Any] | None, profile: str, profiles: Sequence[str]
) -> tuple[Settings, int]:
    """Return what `load_settings` does, of a document; `profiles` are those that there are."""
    if document is None:
        raise CannotStart("error.config_missing", profile=profile, profiles=", ".join(profiles) or "-")
    revision = document.get("revision")
    settings = parse_settings(document, source=f"config/{profile}")
    return settings, revision if isinstance(revision, int) else 0


def list_profiles(store: Store) -> list[str]:
    """Return the names of all profiles."""
    with store_errors():
        return sorted(map(str, store.database["config"].distinct("_id")))


def save_settings(
    store: Store,
    profile: str,
    content: Mapping[str, Any],
    by: str,
    *,
    at: datetime,
    seeded: str | None = None,
    base: int | None = None,
) -> int:
    """Validate `content` and make it the next revision of `profile`; return that revision.

    The former content goes to `config_history` first, so that no revision is ever lost; a password that is
    written out reaches that collection only as `***`, an encrypted one as it is, and the new revision names those
    that it changed. Raises InvalidDocument before anything is written, StoreRefused where somebody else changed
    the document meanwhile: since it was read here, or since revision `base`.
    """
    content = {name: value for name, value in content.items() if name not in BOOKKEEPING}
    parse_settings(content, source=f"config/{profile}")
    former = load_document(store, profile)
    if former is not None and base is not None and former.get("revision", 0) != base:
        raise StoreRefused("error.config_changed_meanwhile", profile=profile)
    revision = int(former.get("revision", 0)) + 1 if former else 1
    document = {"_id": profile, **content, "revision": revision, "updated_at": at, "updated_by": by}
    if former and (changed := _find_changed_passwords(content_of(former), content)):
        document["secrets_changed"] = changed
    if seeded or (former and former.get("seeded")):
        document["seeded"] = seeded or (former or {})["seeded"]
    with store_errors():
        if former:
            plain = {name: value for name, value in former.items() if name != "_id"}
            entry = mask_passwords(plain, keeps_encrypted=True)  # of use for going back, and to no reader
            store.database["config_history"].update_one(
                {"profile": profile, "revision": former.get("revision", 0)},
                {"$setOnInsert": {**entry, "profile": profile, "revision": former.get("revision", 0)}},
                upsert=True,
            )
        try:
            same = (
                {"_id": profile, "revision": former.get("revision")}
                if former
                else {"_id": profile, "revision": -1}
            )
            result = store.database["config"].replace_one(same, document, upsert=former is None)
        except DuplicateKeyError:
            result = None
    if result is None or (former and result.matched_count == 0):
        raise StoreRefused("error.config_changed_meanwhile", profile=profile)
    return revision


def load_history(store: Store, profile: str) -> list[dict[str, Any]]:
    """Return every revision of `profile`, the present one first; in the former ones passwords read `***`."""
    present = load_document(store, profile)
    with store_errors():
        former = list(store.database["config_history"].find({"profile": profile}).sort("revision", -1))
    return ([present] if present else []) + former


def content_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a document of `config` or `config_history`, without what is kept beside them."""
    return {name: value for name, value in document.items() if name not in (*BOOKKEEPING, "profile")}


def _find_changed_passwords(former: Mapping[str, Any], content: Mapping[str, Any]) -> list[str]:
    """Return the places where one written-out password replaced another, which their masks do not show."""
    shown = {place for place, *_ in find_differences(mask_passwords(former), mask_passwords(content))}
    return [place for place, *_ in find_differences(former, content) if place not in shown]
