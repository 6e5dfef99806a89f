"""Documents as JSON: instants in ISO 8601 with their zone, bytes in Base64."""

import base64
import json
from datetime import datetime
from typing import Any


def to_json(value: Any, *, is_ascii: bool = False, indent: int | None = None) -> str:
    """Return a value as JSON; `is_ascii` where nothing else may be in it."""
    return json.dumps(value, default=_encode, ensure_ascii=is_ascii, indent=indent)


def _encode(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
