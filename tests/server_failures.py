"""Have a real MongoDB fail commands of one collection: what else asks the same server is left alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ipecs_mw.store.server.connection import Store


@contextmanager
def failing(store: Store, collection: str, command: str, times: int = 1, **failure: Any) -> Iterator[int]:
    """Let the server fail the next `times` of `command` on `collection`, as `failure` says (failCommand's words).

    Gives how many it had failed before, since it was started.
    """
    namespace = f"{store.database.name}.{collection}"
    data = {"failCommands": [command], "namespace": namespace, "appName": "ipecs-mw", **failure}
    admin = store.client.admin
    told = admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)
    try:
        yield told["count"]
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")
