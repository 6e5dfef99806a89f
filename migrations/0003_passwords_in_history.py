"""Passwords that were written out leave the former revisions of the configuration."""

from typing import Any


def apply(db: Any) -> None:
    """Mask every password that stands in `config_history`; one that is masked already stays."""
    history = db["config_history"]
    for entry in history.find():
        masked = _mask(entry, "")
        if masked != entry:
            history.replace_one({"_id": entry["_id"]}, masked)


def _mask(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {field: _mask(part, field) for field, part in value.items()}
    if isinstance(value, list):
        return [_mask(part, name) for part in value]
    return "***" if "password" in name.lower() and isinstance(value, str) else value
