"""Seeds → MongoDB: what would be added or changed, and doing it without overwriting what somebody edited.

Every seeded document carries `seeded`, the digest of the content it was given. A document whose content has
another digest was edited since, and stays unless force is used. That of a configuration is the content itself,
which is compared field by field.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct
from pymongo import ReplaceOne, UpdateOne

from ipecs_mw.clock import Clock
from ipecs_mw.errors import InvalidDocument, StoreRefused
from ipecs_mw.model.configuration.settings import BOOKKEEPING
from ipecs_mw.model.contents import Difference, find_differences
from ipecs_mw.model.merging import merge, seal_passwords
from ipecs_mw.model.texts import fallback_chain
from ipecs_mw.model.validation import show
from ipecs_mw.seeds import shipped_strings
from ipecs_mw.store.configuration.seed_files import Seeds, read_seeds
from ipecs_mw.store.configuration.settings import (
    find_newest_revision,
    find_seeded,
    mark_seeded,
    save_settings,
)
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

__all__ = ["Difference", "Plan", "Row", "Seeds", "apply", "find_differences", "plan", "read_seeds"]

COLLECTIONS = ("codes", "commands", "languages", "config")
"""In the order of writing: a configuration is there only when all that it needs is."""

Action = Literal["add", "change", "keep_edited", "same"]


class Row(Struct, frozen=True):
    """What happens to one document: its new `content` and the document that it would replace.

    `kept` are the paths of edits that stay, `refused` those where the seed says something new that is not applied.
    Of a configuration `seeded` is what the seeds have said then.
    """

    collection: str
    id: str
    action: Action
    content: dict[str, Any]
    former: dict[str, Any] | None = None
    kept: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    seeded: dict[str, Any] | None = None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """From the document as it stands to the seed."""
        return tuple(find_differences(_content_of(self.former or {}), self.content))


class Plan(Struct, frozen=True):
    """What `apply` will do, a row a document, in the order of writing.

    `deleted_revision` is the newest one of a configuration that was deleted and that the seeds leave so, else 0.
    """

    profile: str
    rows: tuple[Row, ...]
    deleted_revision: int = 0


def plan(store: Store, seeds: Seeds, profile: str, *, force: bool = False) -> Plan:
    """Compare the seeds with MongoDB; nothing is written.

    `force` changes edited documents too. Raises InvalidDocument where seeds and what is there contradict.
    """
    documents = dict(_build_documents(seeds, profile))
    former: dict[tuple[str, str], dict[str, Any]] = {}
    with store_errors():
        for collection in COLLECTIONS:
            ids = [_id for name, _id in documents if name == collection]
            for document in store.database[collection].find({"_id": {"$in": ids}}) if ids else ():
                former[collection, document["_id"]] = document
        named = [_id for _id in store.database["codes"].distinct("_id") if isinstance(_id, str)]
        tables = {*seeds.codes, *named}
        locales = {*seeds.languages, *shipped_strings(), *store.database["languages"].distinct("locale")}
    _refuse_contradictions(seeds, tables, locales)
    deleted_revision = 0
    if seeds.is_shipped and ("config", profile) not in former:
        deleted_revision = find_newest_revision(store, profile)
    if deleted_revision:  # a daemon that still runs with what was deleted would take the example over
        documents.pop(("config", profile), None)
    rows = []
    for (collection, _id), content in documents.items():
        present = former.get((collection, _id))
        if collection != "config":
            rows.append(_plan_whole(collection, _id, content, present, force))
        elif seeds.is_shipped and present is not None:
            # the configuration that ships is an example: it begins a profile and never replaces one
            is_same = _content_of(present) == content
            rows.append(Row(collection, _id, "same" if is_same else "keep_edited", content, present))
        else:
            rows.append(_plan_config(store, profile, content, present, force))
    return Plan(profile, tuple(rows), deleted_revision)


def apply(store: Store, plan: Plan, clock: Clock, by: str) -> None:
    """Carry the plan out; what it leaves, and what was left of it by a process that died, a new plan finds.

    A document that somebody changed after the plan was made is not touched: StoreRefused tells how many.
    """
    missed = 0
    for collection in COLLECTIONS:
        rows = [row for row in plan.rows if row.collection == collection]
        if collection == "config":
            missed += sum(not _write_config(store, row, clock, by) for row in rows)
            continue
        operations = [operation for row in rows for operation in _build_operations(row)]
        if operations:
            with store_errors():
                result = store.database[collection].bulk_write(operations, ordered=False)
            missed += len(operations) - result.matched_count - result.upserted_count
    if missed:
        raise StoreRefused("error.seed_changed_meanwhile", count=missed)


def compute_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a content, whatever the order of its fields."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _build_documents(seeds: Seeds, profile: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for table, entries in seeds.codes.items():
        yield ("codes", table), {"entries": entries}
    for command, definition in seeds.commands.items():
        yield ("commands", command), definition
    for locale, texts in seeds.languages.items():
        for key, text in texts.items():
            yield ("languages", f"{locale}:{key}"), {"locale": locale, "key": key, "text": text}
    if seeds.config is not None:
        yield ("config", profile), seeds.config


def _refuse_contradictions(seeds: Seeds, tables: set[str], locales: set[str]) -> None:
    """Refuse seeds that name what neither they nor MongoDB have."""
    for command, definition in seeds.commands.items() if tables else ():
        if f"errors_{definition['family']}" not in tables:
            families = sorted(
                str(table).removeprefix("errors_") for table in tables if str(table).startswith("errors_")
            )
            raise InvalidDocument(
                "error.field_value",
                document=f"commands.json/{command}",
                path="family",
                value=show("family", definition["family"]),
                allowed=", ".join(families),
            )
    if seeds.config and (locale := seeds.config.get("locale")):
        language = locale.partition("-")[0]
        if not any(
            other in locales and other.partition("-")[0] == language for other in fallback_chain(locale)
        ):
            raise InvalidDocument(
                "error.field_value",
                document="config.json",
                path="locale",
                value=show("locale", locale),
                allowed=", ".join(sorted(map(str, locales))),
            )


def _plan_whole(
    collection: str,
    _id: str,
    content: dict[str, Any],
    former: dict[str, Any] | None,
    force: bool,
) -> Row:
    """Plan a document that is replaced as a whole or not at all."""
    if former is None:
        return Row(collection, _id, "add", content)
    present, wanted = compute_digest(_content_of(former)), compute_digest(content)
    if present == wanted:
        return Row(collection, _id, "same", content, former)
    if force or present == former.get("seeded"):
        return Row(collection, _id, "change", content, former)
    paths = tuple(found.path for found in find_differences(_content_of(former), content))
    kept, refused = (paths, ()) if wanted == former.get("seeded") else ((), paths)
    return Row(collection, _id, "keep_edited", content, former, kept, refused)


def _plan_config(
    store: Store,
    profile: str,
    content: dict[str, Any],
    former: dict[str, Any] | None,
    force: bool,
) -> Row:
    """Plan a configuration, which is merged field by field with what was changed in MongoDB."""
    if former is None:
        return Row("config", profile, "add", content, seeded=seal_passwords(content))
    present = _content_of(former)
    base = find_seeded(store, profile, former)
    content, seeded, kept, refused = merge(base, present, content, is_forced=force)
    action: Action = "keep_edited" if kept or refused else "same"
    action = "change" if content != present else action
    return Row("config", profile, action, content, former, kept, refused, seeded)


def _write_config(store: Store, row: Row, clock: Clock, by: str) -> bool:
    """Write a configuration as its row says; tell whether the document was still what it was."""
    if row.action in ("add", "change"):
        save_settings(store, row.id, row.content, by, at=clock.now(), seeded=row.seeded, base=row.former)
    elif row.former is not None and row.seeded is not None and row.former.get("seeded") != row.seeded:
        return mark_seeded(store, row.id, row.former, row.seeded)
    return True


def _build_operations(row: Row) -> Iterator[ReplaceOne[dict[str, Any]] | UpdateOne]:
    digest = compute_digest(row.content)
    match row.action:
        case "add":
            # a second seed at the same time may have added it: then it is as it should be
            yield UpdateOne({"_id": row.id}, {"$setOnInsert": {**row.content, "seeded": digest}}, upsert=True)
        case "change":
            yield ReplaceOne(_build_guard(row), {"_id": row.id, **row.content, "seeded": digest})
        case "same" if row.former is not None and row.former.get("seeded") != digest:
            # edited into what now ships, or left by a seed that died: from here on it follows the seeds
            yield UpdateOne(_build_guard(row), {"$set": {"seeded": digest}})


def _build_guard(row: Row) -> dict[str, Any]:
    """Return a filter that finds the document only as the plan saw it."""
    return {name: {"$eq": value} for name, value in (row.former or {}).items()}


def _content_of(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in BOOKKEEPING}
