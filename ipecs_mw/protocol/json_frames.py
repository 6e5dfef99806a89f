"""The bytes of a frame → a JSON value, however odd.

Observed hosts put raw control characters into strings, and write names in the code page of their country. What can
be read is read, with a note of what was wrong; what cannot is left as bytes, be it one text or the whole frame.
"""

import json
from typing import Any

import msgspec

from ipecs_mw.protocol.values import Unreadable

_BOM = b"\xef\xbb\xbf"
_MOST_LENIENT_BYTES = 256 * 1024
"""Of what is no strict JSON: a longer one would hold the interpreter, and thereby every host, for too long."""

_decode = msgspec.json.Decoder().decode


def parse_frame(body: bytes, encoding: str | None = None) -> tuple[Any, tuple[str, ...]]:
    """Return (value, what was wrong); raise ValueError, with the reason, where it is not JSON.

    What is not quite JSON is read up to 256 KiB; what is longer is left as bytes. Text that is not UTF-8 is read
    in the host's `encoding`, each for itself; one that is not in that either is
    `Unreadable`.
    """
    try:
        return _decode(body), ()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _parse_leniently(body, encoding)


def _parse_leniently(body: bytes, encoding: str | None) -> tuple[Any, tuple[str, ...]]:
    problems = []
    if not body.strip():
        raise ValueError("empty frame")
    if len(body) > _MOST_LENIENT_BYTES:
        raise ValueError(f"not strict JSON, and longer than {_MOST_LENIENT_BYTES} bytes")
    if body.startswith(_BOM):
        problems.append("byte order mark")
        body = body.removeprefix(_BOM)
    text = body.decode("utf-8", "surrogateescape")
    try:
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = json.loads(text, strict=False)
            problems.append("control characters in a string")
        value = _respell(value, encoding, problems)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}"[:200].encode("utf-8", "backslashreplace").decode()) from None
    return value, tuple(dict.fromkeys(problems)) or ("not strict JSON",)


def _respell(value: Any, encoding: str | None, problems: list[str]) -> Any:
    """Return a value whose text is all text: what was no UTF-8 in the host's encoding, or else unreadable."""
    if isinstance(value, str):
        return value if value.isascii() else _respell_text(value, encoding, problems)
    if isinstance(value, list):
        return [_respell(item, encoding, problems) for item in value]
    if isinstance(value, dict):
        return {
            _respell(name, encoding, problems): _respell(item, encoding, problems)
            for name, item in value.items()
        }
    return value


def _respell_text(text: str, encoding: str | None, problems: list[str]) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        pass
    else:
        return text
    if encoding is not None:
        try:
            read = text.encode("utf-8", "surrogateescape").decode(encoding)
        except UnicodeError:
            pass
        else:
            problems.append(f"{encoding.upper()} instead of UTF-8")
            return read
    problems.append("text that is not UTF-8")
    # a byte that is no UTF-8 stands in the text as half a character: `\xfc` shows it, and MongoDB takes it
    return Unreadable(
        "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
        .encode("utf-8", "backslashreplace")
        .decode()
    )
