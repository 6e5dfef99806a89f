"""Commands → requests of the wire, and what the session needs to say.

URIs: interface notes, "Connection"; the paths themselves stand in the command definitions.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import Command


@dataclass(frozen=True)
class WireRequest:
    """A request below the host's base URI: path, headers, query and JSON body."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def build_request(
    command: Command, arguments: Mapping[str, Any], host: HostSettings, secret: str
) -> WireRequest:
    """Return the request of `command` with `arguments` by wire name.

    `secret` is the password where the command logs in (HTTP Basic), else the session's token.
    """
    by_place: dict[str, dict[str, Any]] = {"query": {}, "body": {}, "raw": {}, "path": {}}
    for parameter in command.params:
        if parameter.name in arguments:
            by_place[parameter.place][parameter.name] = arguments[parameter.name]
    session = {"service": host.service, "version": host.version, "user": host.user}
    path = command.path
    for name, value in {**session, **by_place["path"]}.items():
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    headers = {"Authorization": _authorization(command, host.user, secret)}
    content = next(iter(by_place["raw"].values()), None) if by_place["raw"] else by_place["body"]
    body = json.dumps(content, ensure_ascii=False).encode() if content else None
    if body is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    query = {name: _as_query(value) for name, value in by_place["query"].items()}
    return WireRequest(command.method, path, headers, query, body)


def _authorization(command: Command, user: str, secret: str) -> str:
    if command.auth == "bearer":
        return f"bearer {secret}"
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def _as_query(value: Any) -> str:
    """Return a value for the query string: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
