"""Contents of documents for people to compare: what differs, and no password that is written out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ipecs_mw.errors import Words

MASK = "***"
"""What stands for a password that is not shown."""

_ENCRYPTED = "encrypted"
_IDENTITIES = ("code", "name", "user")  # what tells an entry of a list from the others
_UNSET = Words("value.unset")


class Difference(NamedTuple):
    """A place in a document with its value before and after, as `config set` reads it; a secret reads `***`."""

    path: str
    before: str | Words
    after: str | Words


def find_differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yield the innermost places where two contents differ; entries of lists are matched by code or name."""
    if before == after:
        return
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        yield Difference(path or "$", _show(path, before), _show(path, after))
        return
    is_list = isinstance(after, list)
    for name in dict.fromkeys((*old, *new)):
        shown = name if name.isprintable() else ascii(name)
        below = path + (f"[{shown}]" if is_list else f".{shown}" if path else shown)
        if name not in new:
            yield Difference(below, _show(name, old[name]), _UNSET)
        elif name not in old:
            yield Difference(below, _UNSET, _show(name, new[name]))
        else:
            yield from find_differences(old[name], new[name], below)
    if is_list and old == new:
        yield Difference(path, ", ".join(old), ", ".join(new))


def mask_passwords(value: Any, name: str = "", *, keeps_encrypted: bool = False) -> Any:
    """Return a content to show, with `***` for each password that is written out; `name` is the field's.

    One that stands there encrypted is masked too, unless it is to be kept.
    """
    if isinstance(value, Mapping):
        return {
            field: mask_passwords(part, str(field), keeps_encrypted=keeps_encrypted)
            for field, part in value.items()
        }
    if isinstance(value, list):
        return [mask_passwords(part, name, keeps_encrypted=keeps_encrypted) for part in value]
    is_kept = keeps_encrypted and name == _ENCRYPTED
    return MASK if is_password(name) and isinstance(value, str) and not is_kept else value


def restore_passwords(value: Any, present: Any, name: str = "") -> Any:
    """Return a content with each masked password replaced by the one that stands in `present` at the same place.

    Entries of lists are matched by name or user. A mask that has nothing to stand for stays.
    """
    if isinstance(value, Mapping):
        known = present if isinstance(present, Mapping) else {}
        return {field: restore_passwords(part, known.get(field), str(field)) for field, part in value.items()}
    if isinstance(value, list):
        named = {_identity(part): part for part in present} if isinstance(present, list) else {}
        return [restore_passwords(part, named.get(_identity(part)), name) for part in value]
    return present if is_password(name) and value == MASK and present is not None else value


def is_password(name: str) -> bool:
    """Tell whether a field of this name holds a secret."""
    return "password" in name.lower() or name == _ENCRYPTED


def _identity(part: Any) -> str:
    if not isinstance(part, Mapping):
        return repr(part)
    return repr(next((part[name] for name in _IDENTITIES if name in part), None))


def find_dropped_hosts(former: Mapping[str, Any], content: Mapping[str, Any]) -> list[str]:
    """Return the names of the phone systems that `former` has and `content` has not."""
    before, after = ([_name_of(host) for host in each.get("hosts") or ()] for each in (former, content))
    return [name for name in before if name not in after]


def name_entries(entries: Any) -> dict[str, Any] | None:
    """Return a list of named objects as name → object, None for anything else."""
    if not isinstance(entries, list) or not all(isinstance(part, Mapping) for part in entries):
        return None
    for identity in _IDENTITIES:
        names = [str(part.get(identity)) for part in entries if identity in part]
        if len(set(names)) == len(entries):
            return dict(zip(names, entries, strict=True))
    return None


def _by_name(value: Any) -> dict[str, Any] | None:
    """Return an object, or a list of named objects, as name → part; None for anything else."""
    return dict(value) if isinstance(value, Mapping) else name_entries(value)


def _name_of(host: Any) -> str:
    return str(host.get("name") if isinstance(host, Mapping) else host)


def _show(name: str, value: Any) -> str:
    """Return a value as JSON; a text bare, where nothing else could be meant by it."""
    shown = mask_passwords(value, name)
    text = json.dumps(shown, ensure_ascii=False, default=str)
    return shown if isinstance(shown, str) and shown and not _is_json(shown) else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return not text.isprintable() or text != text.strip()
    return True
