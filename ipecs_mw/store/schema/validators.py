"""`$jsonSchema` validators of the collections that people edit: MongoDB then notes what the daemon will refuse.

They warn (`validationAction`), in MongoDB's own log and in tools that show them, and refuse nothing: a change that
is half made must be possible, and the daemon refuses a wrong one with better words, as a whole.
"""

from typing import Any

from ipecs_mw.model.schemas import Schema

_TYPES = {
    "integer": ["int", "long"],
    "number": ["int", "long", "double", "decimal"],
    "boolean": "bool",
}
_UNKNOWN = ("default", "format", "$schema")  # what MongoDB's dialect of JSON Schema refuses


def to_bson_schema(content: Any) -> Any:
    """Return a JSON Schema in MongoDB's dialect: BSON types, and nothing that it does not know."""
    if isinstance(content, list):
        return [to_bson_schema(item) for item in content]
    if not isinstance(content, dict):
        return content
    found: Schema = {}
    for name, value in content.items():
        if name == "properties":
            found[name] = {field: to_bson_schema(part) for field, part in value.items()}
        elif name == "type" and isinstance(value, str):
            found["bsonType"] = _TYPES.get(value, value)
        elif name == "description" and isinstance(value, str):
            found[name] = " ".join(value.split())
        elif name == "required" and not value:
            continue
        elif name not in _UNKNOWN:
            found[name] = to_bson_schema(value)
    return _respell_names(found)


def _respell_names(content: Schema) -> Schema:
    """Return a schema that says by `patternProperties` how names have to be: MongoDB knows no `propertyNames`."""
    names = content.pop("propertyNames", None)
    if names is None:
        return content
    return {
        **content,
        "patternProperties": {names["pattern"]: content["additionalProperties"]},
        "additionalProperties": False,
    }
