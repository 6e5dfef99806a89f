"""What becomes of a request that never gets as far as the host."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw.errors import IpecsMwError, StoreError, StoreRefused, StoreUnavailable, TokenExpired
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.model.settings import HostSettings, SecretSource, StationAccount
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.requests.worker import RequestWorker
from ipecs_mw.store.server.connection import Store

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
LOCKED = SecretSource(encrypted="x")
NO_RIGHT = StoreRefused("error.mongo_rights", reason="keys")
AWAY = StoreUnavailable("error.mongo_away", reason="hangs")
EXPIRED = TokenExpired("error.token_expired", host="main")
OF_A_STATION = "clickcall"
"""A command that only the account of a station may give."""


@pytest.fixture
def build(store: Store, clock: FakeClock) -> Callable[..., RequestWorker]:
    """Builds workers whose secrets, or whose host, answer with an error."""

    def make(error: IpecsMwError) -> RequestWorker:
        def fail(*_: Any) -> Any:
            raise error

        client: Any = SimpleNamespace(
            commands=COMMANDS, codes=parse_codes(read_json("codes.json")), call=fail
        )
        account = StationAccount("1005", LOCKED)
        host = HostSettings("main", "127.0.0.1", "api", "secret", "UTC", accounts=(account,))
        return RequestWorker(
            host,
            ["main"],
            "default",
            "account",
            client,
            store,
            fail,
            Counters(),
            clock,
            lambda: lambda _: None,
        )

    return make


def queue(store: Store, command: str, **args: Any) -> None:
    request = {"_id": 1, "host": "main", "command": command, "args": args, "state": "queued"}
    store.database["requests"].insert_one(request)


def look_up(store: Store) -> dict[str, Any]:
    found = store.database["requests"].find_one({"_id": 1})
    assert found is not None
    return found


def test_a_secret_that_mongodb_refuses_for_good_fails_the_request_at_once(
    store: Store, build: Callable[..., RequestWorker]
) -> None:
    queue(store, OF_A_STATION)
    assert build(NO_RIGHT).serve()
    found = look_up(store)
    assert (found["state"], found["error"]["name"]) == ("failed", "mongo_rights")


def test_a_request_that_mongodb_keeps_from_being_sent_is_tried_three_times(
    store: Store, build: Callable[..., RequestWorker]
) -> None:
    queue(store, OF_A_STATION)
    worker = build(AWAY)
    for attempts in (1, 2):
        with pytest.raises(StoreError):
            worker.serve()
        worker.expire()
        worker.give_up()  # writes what the outage has left to be written
        assert (look_up(store)["state"], look_up(store)["attempts"]) == ("queued", attempts)
    assert worker.serve()
    assert (look_up(store)["state"], look_up(store)["error"]["name"]) == ("failed", "mongo_away")
    assert not worker.serve()


def test_a_request_that_meets_an_expired_token_is_tried_three_times(
    store: Store, build: Callable[..., RequestWorker]
) -> None:
    queue(store, "call.status", deviceNumber="1001")
    worker = build(EXPIRED)
    assert [worker.serve() for _ in range(4)] == [True, True, True, False]
    assert (look_up(store)["state"], look_up(store)["error"]["name"]) == ("failed", "token_expired")
