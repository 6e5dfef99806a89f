"""JSON Schema of what people may edit, made of the definitions that validate it: for editors and MongoDB."""

from typing import Any

from msgspec.json import schema

from ipecs_mw.model.configuration.settings import BOOKKEEPING, Settings
from ipecs_mw.model.definitions import CodeEntry, Command
from ipecs_mw.model.validation import show_pattern

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}


def build_config_schema() -> Schema:
    """Return the schema of a configuration file, for an editor to complete and check it by."""
    found = _respell(schema(Settings))
    # an editor finds the schema by this field of the file itself, which `seed` leaves out
    found["$defs"]["Settings"]["properties"]["$schema"] = {"type": "string"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def build_collection_schemas() -> dict[str, Schema]:
    """Return collection → schema of its documents, bookkeeping included, with every reference resolved."""
    return {
        "config": _open(_resolve(schema(Settings)), BOOKKEEPING),
        "commands": _open(_resolve(schema(Command)), ("_id", "seeded"), without="id"),
        "codes": {
            "type": "object",
            "required": ["entries"],
            "properties": {"entries": {"type": "array", "items": _open(_resolve(schema(CodeEntry)), None)}},
        },
        "languages": {
            "type": "object",
            "required": ["locale", "key", "text"],
            "properties": {"locale": _TEXT, "key": _TEXT, "text": _TEXT},
        },
        "requests": {
            "type": "object",
            "required": ["command", "state"],
            "properties": {
                "command": _TEXT,
                "host": _TEXT,
                "profile": _TEXT,
                "args": {"type": "object"},
                "state": {"enum": ["queued", "sent", "done", "failed", "expired", "unknown"]},
            },
        },
    }


def _open(content: Schema, more: tuple[str, ...] | None, *, without: str = "") -> Schema:
    """Return an object's schema that also lets `more` fields stand (None: any), and knows nothing of `without`."""
    properties = {name: part for name, part in content["properties"].items() if name != without}
    required = [name for name in content.get("required", ()) if name != without]
    found = {
        **content,
        "properties": {**properties, **{name: {} for name in more or ()}},
        "required": required,
    }
    if more is None:
        found.pop("additionalProperties", None)
    return found


def _resolve(content: Schema) -> Schema:
    """Return the schema with each `$ref` replaced by what it names; none of them is recursive."""
    content = _respell(content)
    parts = content["$defs"]

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return resolve(parts[value["$ref"].removeprefix("#/$defs/")])
        return {name: resolve(item) for name, item in value.items() if name != "$defs"}

    found: Schema = resolve(content)
    return found


def _respell(content: Any) -> Any:
    """Return a schema whose patterns mean to editors and MongoDB what they mean here."""
    if isinstance(content, list):
        return [_respell(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        name: show_pattern(part) if name == "pattern" and isinstance(part, str) else _respell(part)
        for name, part in content.items()
    }
