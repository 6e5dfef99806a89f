"""Single values as hosts send them → values as we keep them.

Hosts pad with spaces and zeros, leave blanks, send numbers as strings and strings as numbers (interface notes,
"Field notes"). Each reader takes any JSON value and returns ours, None for blank; it raises ValueError for what
does not fit, `Odd` where there is a reason to give.
"""

import re
from collections.abc import Callable
from typing import Any, Final

Reader = Callable[[Any], Any]

_INT64 = 1 << 63
_SHORTEST_LONG = 19  # digits of a number that may have more than 64 bits
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False}
_KEYPAD = {"10": "0", "11": "*", "12": "#"}  # data1 of ACD events 13, 14 and 17
_AUTHORIZATION = re.compile(r"((?:STA|SYS)-P\[)[^\]]*")
PADDING: Final = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\0\u200b\u2060\ufeff"
"""What hosts fill up fields with: blanks of any kind, tabs, NUL bytes."""

_LONGEST_AMOUNT = 40
_LONGEST_NAME = 256
MASK: Final = "***"


class Odd(ValueError):
    """A value that does not fit, and in short why."""


class Unreadable(str):
    r"""A text whose bytes are in no encoding that is known of the host; they are spelled `\xfc`."""

    __slots__ = ()


def strip_padding(text: str) -> str:
    """Return a text without what hosts fill up fields with: blanks of any kind, tabs, NUL bytes."""
    return text.strip(PADDING)


def read_text(value: Any) -> str | None:
    """Return a string without padding: `" Kim "` → `Kim`."""
    if type(value) is str:  # nearly all of them
        return value.strip(PADDING) or None
    if isinstance(value, str):
        raise Odd("not text in UTF-8")
    if value is None:
        return None
    if type(value) is not int:
        raise ValueError(value)
    return str(value)


def read_digits(value: Any) -> str | list[str] | None:
    """Return a number that is dialled or shown, as a string: zeros in front belong to it; lists stay lists."""
    if type(value) is str:  # nearly all of them
        return value.strip(PADDING) or None
    if isinstance(value, list):
        return [text for item in value if (text := read_text(item)) is not None] or None
    return read_text(value)


def read_int(value: Any) -> int | None:
    """Return a whole number of at most 64 bits: `"0042"` → 42."""
    if type(value) is int and -_INT64 <= value < _INT64:  # nearly all of them
        return value
    if isinstance(value, str):
        if len(value) < _SHORTEST_LONG and value.isdecimal():
            return int(value)
        value = strip_padding(value)
        if not value:
            return None
        value = int(value)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(value)
    return _check_size(value)


def _check_size(number: int) -> int:
    """Return the number; raise ValueError where MongoDB, which keeps 64 bits, would refuse the whole event."""
    if not -_INT64 <= number < _INT64:
        raise ValueError(number)
    return number


def read_group(value: Any) -> str | None:
    """Return a group's number without padding; 0 means no group."""
    number = read_int(value)
    return str(number) if number else None


def read_hex(value: Any) -> int | None:
    """Return the number of hex digits: `"1F"` → 31."""
    text = read_text(value)
    return None if text is None else _check_size(int(text, 16))


def read_keypad(value: Any) -> str | None:
    """Return a key of the phone, sent as a number: 10 is `0`, 11 is `*`, 12 is `#`."""
    number = read_int(value)
    return None if number is None else _KEYPAD.get(str(number), str(number))


def read_duration(value: Any) -> int | None:
    """Return seconds of `HHMMSS`, `mm:ss` or `hh:mm:ss`; only the first number of each may be of any size."""
    text = read_text(value)
    if text is None:
        return None
    parts = text.split(":", 3) if ":" in text else _split_digits(text)
    if len(parts) > 3 or not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise Odd("no duration")
    first, *rest = map(int, parts)
    if any(part > 59 for part in rest):
        raise Odd("doubtful duration")
    seconds = first
    for part in rest:
        seconds = seconds * 60 + part
    return _check_size(seconds)


def _split_digits(text: str) -> list[str]:
    digits = text.zfill(6)
    return [digits[:-4], digits[-4:-2], digits[-2:]]


def read_amount(text: str, decimal: str | None) -> tuple[str, str]:
    """Return (amount as a decimal number, currency or nothing) of a text as the host writes it.

    `decimal` is the sign between units and fractions; the other one, a blank or an apostrophe can stand between
    thousands, and nowhere else. Where it is not known, only what no other sign could mean is read: `1.50`, and
    neither `1,200` nor `1.200`. Raises Odd.
    """
    found = _AMOUNTS[decimal].fullmatch(text) if len(text) <= _LONGEST_AMOUNT else None
    if found is None or (found["before"] and found["after"]):
        raise Odd("unreadable amount")
    whole = int("".join(filter(str.isdecimal, found["whole"])))
    fraction = f".{found['fraction']}" if found["fraction"] else ""
    return f"{found['sign']}{whole}{fraction}", found["before"] or found["after"]


def _compile_amount(decimal: str, thousands: str, fraction: str = "[0-9]{1,6}") -> re.Pattern[str]:
    whole = (
        rf"[0-9]{{1,18}}|[0-9]{{1,3}}(?:[{thousands}' \u00a0][0-9]{{3}}){{1,5}}"
        if thousands
        else "[0-9]{1,18}"
    )
    return re.compile(
        rf"(?P<before>[^0-9.,'\s+-]{{0,4}})\s{{0,2}}(?P<sign>-?)(?P<whole>{whole})"
        rf"(?:{re.escape(decimal)}(?P<fraction>{fraction}))?\s{{0,2}}(?P<after>[^0-9.,'\s+-]{{0,4}})"
    )


_AMOUNTS: Final = {
    ".": _compile_amount(".", ","),
    ",": _compile_amount(",", "."),
    None: _compile_amount(".", "", "[0-9]{1,2}|[0-9]{4,6}"),
}


def read_flag(value: Any) -> bool | None:
    """Return a truth value, which hosts also send as the strings `true` and `false`."""
    if isinstance(value, bool):
        return value
    text = read_text(value)
    if text is None:
        return None
    if text.lower() not in _FLAGS:
        raise ValueError(value)
    return _FLAGS[text.lower()]


def read_secret(value: Any) -> str | None:
    """Return the mask where there was a secret."""
    return (
        None
        if value is None or value == "" or (isinstance(value, str) and not strip_padding(value))
        else MASK
    )


def read_account(value: Any) -> str | None:
    """Return an account code; `STA-P[…]` and `SYS-P[…]` mark an authorization code, which is masked."""
    text = read_text(value)
    return None if text is None else mask_authorization(text)


def read_cause(value: Any) -> int | None:
    """Return the code of `CODE-REASON`."""
    text = read_text(value)
    return None if text is None else _check_size(int(text.partition("-")[0]))


def read_any(value: Any) -> Any:
    """Return the value as it is, blanks and the padding of a text aside."""
    if isinstance(value, str):
        return read_text(value)
    return None if value in ([], {}) else value


READERS: Final[dict[str, Reader]] = {
    "account": read_account,
    "amount": read_text,
    "any": read_any,
    "cause": read_cause,
    "digits": read_digits,
    "duration": read_duration,
    "flag": read_flag,
    "group": read_group,
    "hex": read_hex,
    "int": read_int,
    "keypad": read_keypad,
    "secret": read_secret,
    "station": read_digits,
    "text": read_text,
}
"""`as` of a code table's row → the reader of its values."""


def mask_authorization(text: str) -> str:
    """Return `text` with what stands in `STA-P[…]` and `SYS-P[…]` masked."""
    return _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)


def to_snake(name: str) -> str:
    """Return a wire name in our spelling: `evtSerialNum` → `evt_serial_num`, `STATION RING` → `station_ring`.

    Of one longer than any name is, the beginning.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:_LONGEST_NAME])
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
