"""What becomes of a request: by which state it ends, and when it is not sent at all."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support import FakeClock

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import (
    CertificateRefused,
    CommandExpired,
    CommandRefused,
    DeadlineExceeded,
    HostUnreachable,
    IpecsMwError,
    ProtocolError,
    ReplyLost,
    ReplyUnreadable,
    SessionError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    TokenExpired,
)
from ipecs_mw.model.configuration.settings import HostSettings, SecretSource, StationAccount
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.counters import Counters
from ipecs_mw.service.requests import worker as worker_module
from ipecs_mw.service.requests.worker import RequestWorker
from ipecs_mw.store.coordination.requests import claim_request
from ipecs_mw.store.server.connection import Store

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
LOCKED = SecretSource(encrypted="x")
NO_RIGHT = StoreRefused("error.mongo_rights", reason="keys")
AWAY = StoreUnavailable("error.mongo_away", reason="hangs")
EXPIRED = TokenExpired("error.token_expired", host="main")
OF_A_STATION = "clickcall"
"""A command that only the account of a station may give."""


@pytest.fixture
def build(store: Store, clock: FakeClock, dropped: list[IpecsMwError]) -> Callable[..., RequestWorker]:
    """Builds workers whose secrets, or whose host, answer with an error."""

    def make(
        error: IpecsMwError,
        call: Callable[..., Any] | None = None,
        on_note: Callable[[], None] = lambda: None,
    ) -> RequestWorker:
        def fail(*_: Any, **__: Any) -> Any:
            raise error

        def note() -> Callable[[IpecsMwError], None]:
            on_note()
            return dropped.append

        client: Any = SimpleNamespace(
            commands=COMMANDS, codes=parse_codes(read_json("codes.json")), call=call or fail
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
            note,
        )

    return make


@pytest.fixture
def dropped() -> list[IpecsMwError]:
    """What the session was dropped for."""
    return []


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


class Played:
    """A host that answers each request in turn as told, and notes what it was asked and until when it might be."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[str] = []
        self.not_after: float | None = None
        self._answers = list(answers)

    def __call__(self, command: str, _: Any, *, not_after: float | None = None) -> Any:
        self.asked.append(command)
        self.not_after = not_after
        answer = self._answers.pop(0)
        if isinstance(answer, IpecsMwError):
            raise answer
        return answer


def expire_in(store: Store, seconds: float, **changes: Any) -> None:
    at = SystemClock().now() + timedelta(seconds=seconds)
    store.database["requests"].update_one({"_id": 1}, {"$set": {"expires_at": at, **changes}})


def test_a_request_may_be_sent_until_it_expires_counted_from_before_its_claim(
    store: Store, build: Callable[..., RequestWorker], clock: FakeClock
) -> None:
    queue(store, "call.status", deviceNumber="1001")
    expire_in(store, 30)
    played = Played({})
    began_at = clock.monotonic()
    assert build(AWAY, played, lambda: clock.advance(20)).serve()
    assert played.not_after is not None
    assert 0 < played.not_after - began_at <= 30


@pytest.mark.parametrize("kept", [{}, {"expires_at": None}, {"expires_at": datetime(9999, 1, 1, tzinfo=UTC)}])
def test_a_request_that_never_expires_may_always_be_sent(
    store: Store, build: Callable[..., RequestWorker], clock: FakeClock, kept: dict[str, Any]
) -> None:
    queue(store, "call.status", deviceNumber="1001")
    store.database["requests"].update_one({"_id": 1}, {"$set": {"x": 1, **kept}})
    played = Played({})
    assert build(AWAY, played).serve()
    assert played.not_after is None or played.not_after > clock.monotonic() + 1e9


def test_a_claim_whose_answer_was_lost_counts_from_when_it_was_made(
    store: Store, build: Callable[..., RequestWorker], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(store, "call.status", deviceNumber="1001")
    expire_in(store, 10)

    def lose(*arguments: Any) -> Any:
        assert claim_request(*arguments) is not None
        monkeypatch.undo()
        raise AWAY

    monkeypatch.setattr(worker_module, "claim_request", lose)
    played = Played({})
    worker = build(AWAY, played)
    with pytest.raises(StoreError):
        worker.serve()
    clock.advance(42)
    assert worker.serve()
    assert played.not_after is not None
    assert played.not_after < clock.monotonic()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CommandExpired("error.command_expired", host="main"), "expired"),
        (ReplyLost("error.reply_lost", host="main", reason="cut"), "unknown"),
        (DeadlineExceeded("error.deadline", host="main", seconds=15), "unknown"),
        (ProtocolError("error.reply_too_large", host="main", most=1), "unknown"),
        (ReplyUnreadable("error.reply_unreadable", status=200), "unknown"),
        (ReplyUnreadable("error.reply_unreadable", status=500), "unknown"),
        (ReplyUnreadable("error.reply_unreadable", status=302), "unknown"),
        (ReplyUnreadable("error.reply_unreadable", status=404), "failed"),
        (HostUnreachable("error.host_unreachable", host="main"), "failed"),
        (CertificateRefused("error.certificate_changed", host="main"), "failed"),
        (SessionError("error.no_session", host="main"), "failed"),
        (CommandRefused("error.command_refused", family="cti", code=104), "failed"),
    ],
    ids=str,
)
def test_all_that_may_have_been_carried_out_is_unknown_and_nothing_else(
    store: Store, build: Callable[..., RequestWorker], error: IpecsMwError, state: str
) -> None:
    queue(store, "call.make", deviceNumber="1001", calledDN="1002")
    played = Played(error)
    assert build(AWAY, played).serve()
    assert (look_up(store)["state"], len(played.asked)) == (state, 1)
    assert look_up(store)["error"]["text"]


@pytest.mark.parametrize(
    "error",
    [EXPIRED, CommandRefused("error.command_refused"), CommandExpired("error.command_expired", host="main")],
)
def test_a_command_of_several_requests_that_ends_in_their_midst_is_unknown_and_not_repeated(
    store: Store, build: Callable[..., RequestWorker], error: IpecsMwError, dropped: list[IpecsMwError]
) -> None:
    queue(store, "monitor.start", deviceNumber="1000-1149")
    played = Played({"result": []}, error)
    worker = build(AWAY, played)
    assert [worker.serve() for _ in range(2)] == [True, False]
    assert look_up(store)["state"] == "unknown"
    assert dropped == ([error] if error is EXPIRED else [])


@pytest.mark.parametrize("odd", ["three", None, [1], 2**62])
def test_attempts_that_somebody_wrote_there_hold_up_nobody(
    store: Store, build: Callable[..., RequestWorker], odd: Any
) -> None:
    queue(store, "call.status", deviceNumber="1001")
    store.database["requests"].update_one({"_id": 1}, {"$set": {"attempts": odd}})
    worker = build(EXPIRED)
    for _ in range(3):
        worker.serve()
    assert look_up(store)["state"] == "failed"


def test_a_request_that_another_has_ended_meanwhile_is_not_sent(
    store: Store, build: Callable[..., RequestWorker]
) -> None:
    queue(store, "confroom.set", deviceNumber="1001", roomIndex=1, roomPwd="8765", roomUsage="true")
    ended = {"$set": {"state": "unknown"}}
    worker = build(
        AWAY, played := Played({}), lambda: store.database["requests"].update_one({"_id": 1}, ended)
    )
    assert worker.serve()
    assert played.asked == []
    assert look_up(store)["state"] == "unknown"


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("confroom.sett", {"roomPwd": "8765"}),
        ("confroom.set", {"RoomPwd": "8765"}),
        ("confroom.set", "roomPwd=8765"),
    ],
)
def test_a_secret_stays_in_no_request_that_was_refused_for_how_it_is_written(
    store: Store, build: Callable[..., RequestWorker], command: str, args: Any
) -> None:
    queue(store, command)
    store.database["requests"].update_one({"_id": 1}, {"$set": {"args": args}})
    assert build(AWAY, Played()).serve()
    assert look_up(store)["state"] == "failed"
    assert "8765" not in str(look_up(store))
