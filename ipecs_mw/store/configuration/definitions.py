"""The command definitions and code tables in MongoDB."""

from collections.abc import Mapping, Sequence
from typing import Any

from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.model.definitions import Codes, Command, parse_codes, parse_command
from ipecs_mw.model.validation import show
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors


def load_commands(store: Store) -> dict[str, Command]:
    """Return id → command.

    Raises CannotStart where there is none, InvalidDocument where one is wrong.
    """
    return build_commands(_load_all(store, "commands"))


def build_commands(documents: Sequence[Mapping[str, Any]]) -> dict[str, Command]:
    """Return what `load_commands` does, of the documents of `commands`."""
    commands = [parse_command(document) for document in _some(documents, "commands")]
    return {command.id: command for command in commands}


def load_codes(store: Store) -> Codes:
    """Return the code tables.

    Raises CannotStart where there is none, InvalidDocument where one is wrong or a needed one is missing.
    """
    return build_codes(_load_all(store, "codes"))


def build_codes(documents: Sequence[Mapping[str, Any]]) -> Codes:
    """Return what `load_codes` does, of the documents of `codes`."""
    return parse_codes({document["_id"]: document.get("entries") for document in _some(documents, "codes")})


def _load_all(store: Store, collection: str) -> list[dict[str, Any]]:
    with store_errors():
        return list(store.database[collection].find().sort("_id"))


def _some(documents: Sequence[Mapping[str, Any]], collection: str) -> Sequence[Mapping[str, Any]]:
    if not documents:
        raise CannotStart("error.not_seeded", collection=collection)
    for document in documents:
        if not isinstance(document["_id"], str):
            value = show("_id", document["_id"])
            raise InvalidDocument(
                "error.field_value", document=collection, path="_id", value=value, allowed="string"
            )
    return documents
