"""What the tests of `ipecs-mw config` share."""

from collections.abc import Callable
from typing import Any

from click.testing import Result

from ipecs_mw.store.server.connection import Store

Run = Callable[..., Result]


def set_password(run_config: Run, secret: str) -> Result:
    return run_config("set", "hosts[0].password", "-", typed=f"{secret}\n")


def config_of(store: Store) -> dict[str, Any]:
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    return found
