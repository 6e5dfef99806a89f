"""A document as it was right after a change: what MongoDB looks up for an update may be later than that."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_KNOWN = 2000

Document = dict[str, Any]


class Versions:
    """Remembers the last documents with a `revision`, and makes the next of what an update changed."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Document] = OrderedDict()

    def read(self, change: Mapping[str, Any]) -> Document | None:
        """Return the document of a change as it was then; where the one before is not known, as it was looked up.

        None where it is gone.
        """
        name = str(change["documentKey"]["_id"])
        before = self._known.pop(name, None)
        document: Document | None = change.get("fullDocument")
        if change["operationType"] == "delete":
            return None
        if change["operationType"] == "update" and before is not None:
            document = _update(before, change["updateDescription"]) or document
        if document is not None:
            self._known[name] = document
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return document


def _update(before: Document, told: Mapping[str, Any]) -> Document | None:
    """Return what an update made of a document; None where it was not made of this version, or cannot be told."""
    changed: Mapping[str, Any] = told.get("updatedFields") or {}
    if "revision" not in changed or changed["revision"] != before.get("revision", 0) + 1:
        return None
    document: Any = before
    try:
        for cut in told.get("truncatedArrays") or ():
            document = _cut(document, cut["field"].split("."), cut["newSize"])
        for path, value in changed.items():
            document = _put(document, path.split("."), value)
        for path in told.get("removedFields") or ():
            document = _take_out(document, path.split("."))
    except (KeyError, IndexError, ValueError, TypeError):
        return None
    found: Document = document
    return found


def _put(part: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of a part with a value at a path; what is not on the path is shared."""
    name, *rest = path
    if isinstance(part, list):
        index = int(name)
        if index > len(part):
            raise IndexError(name)
        new = _put(part[index], rest, value) if rest else value
        return [*part[:index], new, *part[index + 1 :]]
    return {**part, name: _put(part[name], rest, value) if rest else value}


def _take_out(part: Any, path: Sequence[str]) -> Any:
    name, *rest = path
    if rest:
        return _put(part, [name], _take_out(part[int(name)] if isinstance(part, list) else part[name], rest))
    return {key: each for key, each in part.items() if key != name}


def _cut(part: Any, path: Sequence[str], size: int) -> Any:
    name, *rest = path
    inner = part[int(name)] if isinstance(part, list) else part[name]
    return _put(part, [name], _cut(inner, rest, size) if rest else inner[:size])
