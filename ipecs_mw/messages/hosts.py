"""What is news of a host: not that it was heard again, which is so with each of its events."""

from collections.abc import Iterable
from typing import Any

from ipecs_mw.messages.message import Message


class HostNews:
    """Remembers what was told of each host last."""

    def __init__(self) -> None:
        self._told: dict[Any, tuple[Any, Any]] = {}

    def choose(self, messages: Iterable[Message]) -> list[Message]:
        """Return the messages that are news, in their order."""
        return [message for message in messages if message.name != "host" or self._is_news(message)]

    def _is_news(self, message: Message) -> bool:
        data = message.data
        told = data.get("is_stale"), data.get("gap_at")
        if "is_gone" not in data and self._told.get(data["id"]) == told:
            return False
        self._told[data["id"]] = told
        return True
