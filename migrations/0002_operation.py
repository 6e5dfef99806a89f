"""What the daemon works with: the history of the configuration, requests, and who runs."""

from typing import Any

from pymongo import ASCENDING, DESCENDING

_MONTH_SECONDS = 30 * 86400


def apply(db: Any) -> None:
    """Create the indexes; those that exist stay."""
    db["config_history"].create_index(
        [("profile", ASCENDING), ("revision", DESCENDING)], name="by_revision", unique=True
    )
    db["requests"].create_index(
        [("state", ASCENDING), ("host", ASCENDING), ("created_at", ASCENDING)], name="queue"
    )
    db["requests"].create_index("created_at", name="retention", expireAfterSeconds=_MONTH_SECONDS)
    db["instances"].create_index([("profile", ASCENDING), ("heartbeat_at", DESCENDING)], name="by_profile")
    db["languages"].create_index("locale", name="by_locale")
