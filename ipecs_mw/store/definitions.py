"""The command definitions and code tables in MongoDB."""

from typing import Any

from ipecs_mw.errors import CannotStart
from ipecs_mw.model.definitions import Codes, Command, parse_codes, parse_command
from ipecs_mw.store.connection import Store
from ipecs_mw.store.failures import store_errors


def load_commands(store: Store) -> dict[str, Command]:
    """Return id → command.

    Raises CannotStart where there is none, InvalidDocument where one is wrong.
    """
    commands = [parse_command(document) for document in _load_all(store, "commands")]
    return {command.id: command for command in commands}


def load_codes(store: Store) -> Codes:
    """Return the code tables.

    Raises CannotStart where there is none, InvalidDocument where one is wrong or a needed one is missing.
    """
    return parse_codes({document["_id"]: document.get("entries") for document in _load_all(store, "codes")})


def _load_all(store: Store, collection: str) -> list[dict[str, Any]]:
    with store_errors():
        documents = list(store.database[collection].find().sort("_id"))
    if not documents:
        raise CannotStart("error.not_seeded", collection=collection)
    return documents
