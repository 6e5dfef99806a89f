"""What is told to applications, as JSON: instants in ISO 8601 (UTC), bytes in Base64, what JSON lacks as text."""

from typing import Any

import msgspec


def _spell(value: Any) -> Any:
    return int(value) if isinstance(value, int) else str(value)  # MongoDB's own kind of integer


_ENCODER = msgspec.json.Encoder(enc_hook=_spell)


def spell_json(value: Any) -> bytes:
    """Return the JSON of a value, the same bytes for an equal one with its fields in the same order."""
    return _ENCODER.encode(value)
