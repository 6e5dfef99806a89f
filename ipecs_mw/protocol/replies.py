"""Replies of the wire → results, or errors with the vendor's number explained.

The same number means different things by the category of the request (interface notes, "Session"), so the
category comes from the command's definition.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipecs_mw.errors import (
    AlreadyLoggedIn,
    CommandRefused,
    IpecsMwError,
    LoginRefused,
    ProtocolError,
    ReplyUnreadable,
    TokenExpired,
    Words,
)
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.protocol.values import mask_authorization

_EXCERPT_CHARACTERS = 120
_LOGIN_MISMATCH = (2, 4)  # 2 in the vendor's login example, 4 in its table of common errors
_TOKEN_INVALID = 3
_LONGEST_TIMER_SECONDS = 86400
_LONGEST_MESSAGE_CHARACTERS = 200
_MOST_VALUES = 250_000
"""Values in a reply: each takes a hundred bytes of memory or more, however short it is in JSON."""


@dataclass(frozen=True)
class Login:
    """What a login gives."""

    token: str
    timer_seconds: float
    system: str


def read_reply(command: Command, status: int, body: bytes, codes: Codes, host: str) -> Any:
    """Return the JSON body of a successful reply, None where it is empty.

    Raises AlreadyLoggedIn, LoginRefused, TokenExpired, CommandRefused (with `family`, `code`, `name` and
    `message`), ReplyUnreadable, or ProtocolError for more than 250,000 values.
    """
    if status == 200 and not body.strip():
        return None  # observed at logout
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:  # one at least stands before each value
        raise ProtocolError("error.reply_too_many_values", host=host, most=_MOST_VALUES)
    try:
        value = _mask(json.loads(body.decode("utf-8", "replace"), strict=False))
    except (ValueError, RecursionError):
        value = None
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        raise _refuse(command, status, error, codes, host)
    if status != 200 or value is None:
        raise ReplyUnreadable(
            "error.reply_unreadable", host=host, command=command.id, status=status, excerpt=_excerpt(body)
        )
    return value


def find_missing(command: Command, value: Any) -> list[str]:
    """Return which of the fields that `command` promises a reply lacks, at the top or below `data`.

    The firmware may answer more or otherwise than the vendor printed, so this is a note and no refusal.
    """
    if value is None:
        return []
    content = value if isinstance(value, dict) else {}
    data = content.get("data")
    found = content.keys() | (data.keys() if isinstance(data, dict) else ())
    promised = (field.partition(":")[0] for field in command.returns)
    return [
        field
        for field in promised
        if not field.endswith("?") and field.removeprefix("data.").removesuffix("[]") not in found
    ]


def read_login(value: Any, host: str) -> Login:
    """Return what the reply to a login holds; raise ReplyUnreadable where no header could carry the token."""
    content: Mapping[str, Any] = value if isinstance(value, dict) else {}
    token = content.get("token")
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        raise ReplyUnreadable(
            "error.reply_unreadable",
            host=host,
            command="login",
            status=200,
            excerpt=", ".join(content) or "-",
        )
    try:
        timer_seconds = float(content.get("checkConnectionTimer") or 0)
    except (TypeError, ValueError):
        timer_seconds = 0.0
    system = " ".join(str(content[name]) for name in ("systemType", "systemVersion") if content.get(name))
    return Login(token, timer_seconds if 0 < timer_seconds <= _LONGEST_TIMER_SECONDS else 120.0, system)


def _refuse(command: Command, status: int, error: Mapping[str, Any], codes: Codes, host: str) -> IpecsMwError:
    message = str(error.get("message") or "").strip()[:_LONGEST_MESSAGE_CHARACTERS]
    code = error.get("code")
    code = (
        int(code) if isinstance(code, int) or (isinstance(code, str) and code.strip().isdecimal()) else None
    )
    if status == 401 and re.search(r"already.?log", message, re.IGNORECASE):
        return AlreadyLoggedIn("error.already_logged_in", host=host)
    if status == 401 and command.auth == "basic" and code in _LOGIN_MISMATCH:
        return LoginRefused("error.login_refused", host=host)
    if status == 401 and command.auth == "bearer" and code == _TOKEN_INVALID:
        return TokenExpired("error.token_expired", host=host)
    family, name = _explain(command, code, codes)
    is_known = name is not None
    # hosts send the name of the number as the message: said once, in words
    if is_known and message and _simplify(message) != _simplify(str(name)):
        key = "error.command_refused_saying"
    else:
        key = "error.command_refused" if code is not None else "error.command_refused_unnumbered"
    return CommandRefused(
        key,
        host=host,
        command=command.id,
        family=family,
        code=code,
        name=name or "unknown",
        words=Words(f"code.errors_{family}.{code}", default=name) if is_known else message or "?",
        message=message,
    )


def _explain(command: Command, code: int | None, codes: Codes) -> tuple[str, str | None]:
    for family in (command.family, "common"):
        name = None if code is None else codes.find_name(f"errors_{family}", code)
        if name is not None:
            return family, name
    return command.family, None


def _simplify(text: str) -> str:
    """Return the letters and digits alone: `invalid Call-Reference` and `invalidCallReference` are one."""
    return "".join(filter(str.isalnum, text)).lower()


def _mask(value: Any) -> Any:
    """Return a reply with the authorization codes masked that call records hold."""
    if isinstance(value, str):
        return mask_authorization(value) if "-P[" in value else value
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return {name: _mask(item) for name, item in value.items()} if isinstance(value, dict) else value


def _excerpt(body: bytes) -> str:
    """Return the beginning of a reply on one line, tags taken out."""
    text = re.sub(r"<[^>]*>|\s+", " ", body[:2000].decode("utf-8", "replace"))
    return mask_authorization(" ".join(text.split()))[:_EXCERPT_CHARACTERS] or "(empty)"
