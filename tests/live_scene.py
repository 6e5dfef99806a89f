"""What the tests of a configuration that changes share: the change, and what the daemon says of it."""

import urllib.request
from contextlib import suppress
from typing import Any

from sites import Site, is_up, wait_until

from ipecs_mw.simulator import SimulatedHost


def config(site: Site) -> dict[str, Any]:
    found = site.store.database["config"].find_one({"_id": "default"})
    assert found is not None
    return found


def change(site: Site, path: str, value: Any) -> None:
    """Change a setting as anybody may: by hand, with no new revision."""
    site.store.database["config"].update_one({"_id": "default"}, {"$set": {path: value}})


def instance(site: Site) -> dict[str, Any]:
    return site.store.database["instances"].find_one({"state": "running"}) or {}


def host_of(site: Site, name: str = "host0") -> dict[str, Any]:
    found: dict[str, Any] = instance(site).get("hosts", {}).get(name, {})
    return found


def refused(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = instance(site).get("refused") or {}
    return found


def start(site: Site, *hosts: SimulatedHost, **changes: Any) -> None:
    site.configure(*hosts, **changes)
    site.start()
    for index in range(len(hosts)):
        wait_until(lambda index=index: is_up(site, f"host{index}"), 40)  # type: ignore[misc]


def is_answering(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False
