"""Folders with seed files, and what seeding leaves of them in MongoDB."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.server.connection import Store

COLLECTIONS = ("codes", "commands", "languages", "config")


def write(folder: Path, **files: Any) -> Path:
    """Write seed files; `languages__de_DE` is languages/de-DE.json, text and bytes go as they are."""
    for name, content in files.items():
        path = folder / (name.replace("__", "/").replace("_", "-") + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                path.write_bytes(content)
            case str():
                path.write_text(content, "utf-8")
            case _:
                path.write_text(json.dumps(content), "utf-8")
    return folder


def import_seeds(
    store: Store, clock: Any, folder: Path | None = None, *, force: bool = False
) -> Counter[str]:
    planned = plan(store, read_seeds(folder), "default", force=force)
    apply(store, planned, clock, "test")
    return Counter(row.action for row in planned.rows)


def dump(store: Store) -> dict[str, list[Any]]:
    return {name: list(store.database[name].find().sort("_id")) for name in COLLECTIONS}


def config(**changes: Any) -> dict[str, Any]:
    return {**read_json("config.json"), **changes}


def commands(*changes: dict[str, Any]) -> dict[str, Any]:
    first = read_json("commands.json")["commands"][0]
    return {"commands": [{**first, **change} for change in changes]}
