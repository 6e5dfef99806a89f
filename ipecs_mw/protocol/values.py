"""Single values as hosts send them → values as we keep them.

Hosts pad with spaces and zeros, leave blanks, send numbers as strings and strings as numbers (interface notes,
"Field notes"). Each reader takes any JSON value and returns ours, None for blank; it raises ValueError for what
does not fit.
"""

import re
from collections.abc import Callable
from typing import Any, Final

Reader = Callable[[Any], Any]

_INT64 = 1 << 63
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False}
_KEYPAD = {"10": "0", "11": "*", "12": "#"}  # data1 of ACD events 13, 14 and 17
_AUTHORIZATION = re.compile(r"((?:STA|SYS)-P\[)[^\]]*")
MASK: Final = "***"


def read_text(value: Any) -> str | None:
    """Return a string without padding: `" Kim "` → `Kim`."""
    if isinstance(value, str):
        return value.strip() or None
    if value is None:
        return None
    if type(value) is not int:
        raise ValueError(value)
    return str(value)


def read_digits(value: Any) -> str | list[str] | None:
    """Return a number that is dialled or shown, as a string: zeros in front belong to it; lists stay lists."""
    if isinstance(value, list):
        return [text for item in value if (text := read_text(item)) is not None] or None
    return read_text(value)


def read_int(value: Any) -> int | None:
    """Return a whole number of at most 64 bits: `"0042"` → 42."""
    if type(value) is int:  # nearly all of them
        return _check_size(value)
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        value = int(value)
    if value is None:
        return None
    if not isinstance(value, int):
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
    """Return seconds of `HHMMSS` or `hh:mm:ss`."""
    text = read_text(value)
    if text is None:
        return None
    digits = text.replace(":", "").zfill(6)
    hours, minutes, seconds = int(digits[:-4]), int(digits[-4:-2]), int(digits[-2:])
    return _check_size(hours * 3600 + minutes * 60 + seconds)


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
    return None if value is None or value == "" or (isinstance(value, str) and not value.strip()) else MASK


def read_account(value: Any) -> str | None:
    """Return an account code; `STA-P[…]` and `SYS-P[…]` mark an authorization code, which is masked."""
    text = read_text(value)
    return None if text is None else mask_authorization(text)


def read_cause(value: Any) -> int | None:
    """Return the code of `CODE-REASON`."""
    text = read_text(value)
    return None if text is None else _check_size(int(text.partition("-")[0]))


def read_any(value: Any) -> Any:
    """Return the value as it is, blanks aside."""
    return None if value in ("", [], {}) or (isinstance(value, str) and not value.strip()) else value


READERS: Final[dict[str, Reader]] = {
    "account": read_account,
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
    """Return a wire name in our spelling: `evtSerialNum` → `evt_serial_num`, `STATION RING` → `station_ring`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
