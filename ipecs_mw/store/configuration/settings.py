"""The configuration in MongoDB: one document a profile, every change a counted revision with its history.

Each revision is in `config_history`, the present one too. So nothing is lost when the document is deleted, and a
change that was made with a MongoDB client shows: the document differs from the revision whose number it carries.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import CannotStart, ChangedMeanwhile, NoSuchProfile
from ipecs_mw.model.configuration.settings import BOOKKEEPING, Settings, parse_settings, read_bookkeeping
from ipecs_mw.model.contents import find_differences, mask_passwords
from ipecs_mw.model.merging import seal_passwords
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

DIRECTLY = "MongoDB client (directly)"
"""Who is said to have changed a document that was changed without being counted."""

Document = Mapping[str, Any]


def load_document(store: Store, profile: str) -> dict[str, Any] | None:
    """Return the configuration document of `profile` as it stands, None where there is none."""
    with store_errors():
        found: dict[str, Any] | None = store.database["config"].find_one({"_id": profile})
    return found


def load_present(store: Store, profile: str) -> dict[str, Any]:
    """Return the document of `profile`; raises CannotStart where it is missing, saying what restores it."""
    document = load_document(store, profile)
    if document is None:
        raise build_missing(profile, list_profiles(store), find_newest_revision(store, profile))
    return document


def load_settings(store: Store, profile: str) -> tuple[Settings, int]:
    """Return the settings of `profile` and their revision.

    Raises CannotStart where there is no such profile, InvalidDocument where it is wrong.
    """
    return build_settings(load_present(store, profile), profile, [])


def build_settings(
    document: Document | None, profile: str, profiles: Sequence[str], newest: int = 0
) -> tuple[Settings, int]:
    """Return what `load_settings` does, of a document.

    `profiles` are those that there are, `newest` the newest revision in the history.
    """
    if document is None:
        raise build_missing(profile, profiles, newest)
    source = f"config/{profile}"
    settings = parse_settings(document, source=source)
    return settings, read_bookkeeping(document, source=source).revision


def build_missing(profile: str, profiles: Sequence[str], newest: int) -> CannotStart:
    """Return the error for a configuration that is not there: never seeded, or deleted after revision `newest`."""
    if newest:
        return CannotStart("error.config_deleted", profile=profile, revision=newest)
    missing = NoSuchProfile if profiles else CannotStart
    return missing("error.config_missing", profile=profile, profiles=", ".join(profiles) or "-")


def list_profiles(store: Store) -> list[str]:
    """Return the names of all profiles."""
    with store_errors():
        return sorted(map(str, store.database["config"].distinct("_id")))


def find_newest_revision(store: Store, profile: str) -> int:
    """Return the newest revision in the history, 0 where there is none."""
    with store_errors():
        found = store.database["config_history"].find_one(
            {"profile": profile, "revision": {"$type": "number"}}, {"revision": True}, sort=[("revision", -1)]
        )
    return int(found["revision"]) if found else 0


def save_settings(
    store: Store,
    profile: str,
    content: Document,
    by: str,
    *,
    at: datetime,
    seeded: Document | None = None,
    base: Document | UnsetType | None = UNSET,
) -> int:
    """Validate `content` and make it the next revision of `profile`, if it is not the present one; return it.

    `base` is the document that the content was made of, None for one that was missing; where it is left out, the
    content replaces whatever is there. Every revision stays in `config_history`; a password that is written out
    reaches that collection only as `***`, an encrypted one as it is, and the new revision names those that it
    changed. Raises InvalidDocument before anything is written, ChangedMeanwhile where the document is no longer
    what it was.
    """
    content = {name: value for name, value in content.items() if name not in BOOKKEEPING}
    parse_settings(content, source=f"config/{profile}")
    former = load_document(store, profile)
    if base is not UNSET and former != base:
        raise ChangedMeanwhile("error.config_changed_meanwhile", profile=profile)
    newest = find_newest_revision(store, profile)
    if former is not None:
        counted = _count(store, profile, former, at)
        if content == content_of(former) and counted is former:
            return int(former["revision"])
        _keep(store, profile, counted)
        newest = max(newest, int(counted["revision"]))
    document = {"_id": profile, **content, "revision": newest + 1, "updated_at": at, "updated_by": by}
    if former and (changed := _find_changed_passwords(content_of(former), content)):
        document["secrets_changed"] = changed
    if seeded or (former and former.get("seeded")):
        document["seeded"] = seeded or (former or {})["seeded"]
    if not _replace(store, profile, former, document):
        raise ChangedMeanwhile("error.config_changed_meanwhile", profile=profile)
    _keep(store, profile, document)
    return newest + 1


def find_seeded(store: Store, profile: str, document: Document) -> dict[str, Any] | None:
    """Return what the seeds last said of the configuration in `document`, passwords sealed; None: nobody knows.

    Former versions kept only a digest: then it is the revision that was written with it.
    """
    seeded = document.get("seeded")
    if isinstance(seeded, Mapping):
        return dict(seeded)
    with store_errors():
        found = store.database["config_history"].find_one(
            {"profile": profile, "seeded": seeded, "revision": {"$type": "number"}}, sort=[("revision", 1)]
        )
    return seal_passwords(content_of(found)) if seeded and found else None


def mark_seeded(store: Store, profile: str, document: Document, seeded: Document) -> bool:
    """Remember what the seeds said, with no new revision; tell whether the document was still what it was."""
    return _replace(store, profile, document, {**document, "seeded": seeded})


def count_direct_change(
    store: Store, profile: str, document: Document, at: datetime, before: Document | None = None
) -> Document:
    """Make what a MongoDB client changed in `document` a revision of its own; return the document as it is then.

    `before` is what it was when it was last looked at: only that tells that a written-out password changed.
    Nothing is written where the change is counted already, or where somebody else changes the document meanwhile:
    of any number of daemons one counts it, and what that one writes is no change to any.
    """
    counted = _count(store, profile, document, at, before)
    if counted is document or _replace(store, profile, document, counted):
        _keep(store, profile, counted)
        return counted
    present = load_document(store, profile)
    return present if present and content_of(present) == content_of(document) else document


def load_history(store: Store, profile: str) -> list[dict[str, Any]]:
    """Return every revision of `profile`, the newest first; in the former ones passwords read `***`.

    A change that is not counted yet comes first and has no number: which it gets, if any, nobody knows.
    """
    present = load_document(store, profile)
    with store_errors():
        former = list(store.database["config_history"].find({"profile": profile}).sort("revision", -1))
    if present is None:
        return former
    counted = dict(_count(store, profile, present, None))
    if counted["revision"] == present.get("revision"):
        return [counted, *(found for found in former if found.get("revision") != counted["revision"])]
    return [{name: part for name, part in counted.items() if name not in ("revision", "updated_at")}, *former]


def content_of(document: Document) -> dict[str, Any]:
    """Return a copy of the settings of a document of `config` or `config_history`, without what is beside them."""
    return deepcopy(
        {name: value for name, value in document.items() if name not in (*BOOKKEEPING, "profile")}
    )


def _count(
    store: Store, profile: str, document: Document, at: datetime | None, before: Document | None = None
) -> Document:
    """Return the document itself where its number is its own, else the same content under the next number."""
    number = read_bookkeeping(document, source=f"config/{profile}").revision
    with store_errors():
        kept = store.database["config_history"].find_one({"profile": profile, "revision": number})
    secrets = []
    if before is not None and before.get("revision") == number:
        secrets = _find_changed_passwords(content_of(before), content_of(document))
    is_same = kept is None or content_of(kept) == content_of(_mask(document))
    if number and is_same and not secrets:
        return document
    counted = {**document, "updated_by": DIRECTLY}
    counted["revision"] = max(number, find_newest_revision(store, profile)) + 1
    counted.pop("secrets_changed", None)
    return counted | ({"updated_at": at} if at else {}) | ({"secrets_changed": secrets} if secrets else {})


def _keep(store: Store, profile: str, document: Document) -> None:
    """Put a revision into the history, where it is not there yet."""
    entry = {name: value for name, value in _mask(document).items() if name not in ("_id", "seeded")}
    with store_errors():
        history = store.database["config_history"]
        number = {"profile": profile, "revision": document["revision"]}
        if history.find_one(number, {"_id": True}) is None:
            with suppress(DuplicateKeyError):  # somebody else keeps the same one at this moment
                history.insert_one({**entry, **number})


def _replace(store: Store, profile: str, former: Document | None, document: Document) -> bool:
    """Put the document into the place of `former` if that is still, to the last field, what is there."""
    with store_errors():
        config = store.database["config"]
        if former is not None:
            guard = {"_id": profile, "$expr": {"$eq": ["$$ROOT", {"$literal": former}]}}
            return config.replace_one(guard, document).matched_count == 1
        try:
            config.insert_one(dict(document))
        except DuplicateKeyError:
            return False
    return True


def _mask(document: Document) -> dict[str, Any]:
    """Return what the history keeps of a document: of use for going back, and to no reader."""
    masked: dict[str, Any] = mask_passwords(document, keeps_encrypted=True)
    return masked


def _find_changed_passwords(former: Document, content: Document) -> list[str]:
    """Return the places where one written-out password replaced another, which their masks do not show."""
    shown = {place for place, *_ in find_differences(mask_passwords(former), mask_passwords(content))}
    return [place for place, *_ in find_differences(former, content) if place not in shown]
