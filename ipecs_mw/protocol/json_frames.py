"""The bytes of a frame → a JSON value, however odd.

Observed hosts put raw control characters into strings, and some sites send Korean names in CP949. What can be
read is read, with a note of what was wrong; what cannot is left as bytes.
"""

import json
from typing import Any

import msgspec

_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


def parse_frame(body: bytes) -> tuple[Any, tuple[str, ...]]:
    """Return (value, what was wrong); raise ValueError, with the reason, where it is not JSON."""
    try:
        return _decode(body), ()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> tuple[Any, tuple[str, ...]]:
    problems = []
    if not body.strip():
        raise ValueError("empty frame")
    if body.startswith(_BOM):
        problems.append("byte order mark")
        body = body.removeprefix(_BOM)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = body.decode("cp949")
        except UnicodeDecodeError:
            raise ValueError("not text in UTF-8 or CP949") from None
        problems.append("CP949 instead of UTF-8")
    try:
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = json.loads(text, strict=False)
            problems.append("control characters in a string")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}"[:200]) from None
    return value, tuple(problems) or ("not strict JSON",)
