"""When the supervisor tries, how long it waits and what it records; client and stream say what they are told."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import START_AT, FakeClock
from tls_host import settings

from ipecs_mw.errors import (
    AlreadyLoggedIn,
    ConnectionLost,
    HeldElsewhere,
    HostUnreachable,
    IpecsMwError,
    LoginRefused,
    SecretUnreadable,
    TokenExpired,
)
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.protocol.replies import Login
from ipecs_mw.protocol.session import State
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session import supervisor as module
from ipecs_mw.service.session.leases import AccountLease, Standing
from ipecs_mw.service.session.supervisor import Drop, SessionSupervisor

ALREADY = AlreadyLoggedIn("error.already_logged_in", host="main")
LOST = ConnectionLost("error.connection_lost", host="main", reason="1012")
AWAY = HostUnreachable("error.host_unreachable", host="main", address="x", reason="refused")


class Stream:
    """Gives its frames, then raises its end."""

    def __init__(
        self, clock: FakeClock, frames: Sequence[bytes], end: IpecsMwError, up_seconds: float
    ) -> None:
        self._clock, self._frames, self._end, self._up_seconds = clock, list(frames), end, up_seconds
        self.is_closed = False
        self.supervisor: SessionSupervisor

    def receive(self, _seconds: float) -> Sequence[bytes]:
        if self._frames:
            return [self._frames.pop(0)]
        self._clock.advance(self._up_seconds)
        self._up_seconds = 0
        raise self._end

    def leave(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True


class Client:
    """Logs in as its script says; stops the supervisor where the script ends."""

    def __init__(self, script: list[Any], stop: threading.Event) -> None:
        self.script, self._stop = script, stop
        self.token: str | None = None
        self.is_logged_out = False
        self.supervisor: SessionSupervisor

    def login(self) -> Login:
        step = self.script.pop(0) if self.script else None
        if step is None:
            self._stop.set()
            raise AWAY
        if isinstance(step, IpecsMwError):
            raise step
        self.stream = step
        step.supervisor = self.supervisor
        self.token = "token"
        return Login("token", 45.0, "UCP600")

    def logout(self) -> None:
        self.is_logged_out = True

    def close(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run a supervisor through a script; give it, its client and what it recorded."""
    journal, _ = open_journal(tmp_path / "a.journal", clock)

    def begin(
        *script: Any, opening: Callable[..., Stream] | None = None, holder: int = 0
    ) -> tuple[SessionSupervisor, Client, list[dict[str, Any]]]:
        stop = threading.Event()
        client = Client(list(script), stop)
        monkeypatch.setattr(module, "open_stream", opening or (lambda *_: client.stream))
        intake = Intake("main", journal, clock)
        told: Any = client
        context = ssl.create_default_context()
        lease = AccountLease("account", "main", holder_number=holder)
        supervisor = SessionSupervisor(settings(1), told, context, intake, clock, stop, lease, lambda: None)
        client.supervisor = supervisor
        supervisor.run()
        entries = [entry.arrival for entry in journal.read(0, 1000)]
        return (
            supervisor,
            client,
            [
                json.loads(entry.body) if entry.source == "system" else {"type": "frame", "body": entry.body}
                for entry in entries
            ],
        )

    yield begin
    journal.close()


def types(recorded: list[dict[str, Any]]) -> list[str]:
    return [entry["type"] for entry in recorded]


def waits(clock: FakeClock) -> list[float]:
    return [seconds for seconds in clock.waits if seconds is not None]


def test_a_session_that_ends_is_told_gapped_and_begun_again(run: Any, clock: FakeClock) -> None:
    first, second = (Stream(clock, [b"a", b"b"], LOST, 1) for _ in range(2))
    supervisor, client, recorded = run(first, second)
    assert types(recorded)[:8] == [
        "session_up", "frame", "frame", "session_down", "session_up", "gap", "frame", "frame",
    ]  # fmt: skip
    assert recorded[5]["data"]["reason"] == "error.connection_lost"
    assert types(recorded)[-1] == "session_ended"
    assert (first.is_closed, second.is_closed, client.is_logged_out) == (True, True, True)
    assert supervisor.status.state is State.STOPPED
    assert supervisor.status.reconnects == 1


@pytest.mark.parametrize("jump", [-3600, -300, -1, 0, 300, 3600])
def test_a_gap_covers_what_was_lost_while_the_clock_was_set(
    run: Any, clock: FakeClock, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_seconds, heard_at = 600.0, START_AT

    class IsSet(Stream):
        def close(self) -> None:
            super().close()
            clock.jump(jump)
            clock.advance(lost_seconds)

    _, _, recorded = run(IsSet(clock, [b"a"], LOST, 0), Stream(clock, [b"b"], LOST, 1))
    (gap,) = (entry["data"] for entry in recorded if entry["type"] == "gap")
    lost = timedelta(seconds=lost_seconds)
    for began_at in (heard_at, heard_at + timedelta(seconds=jump)):
        assert "since" not in gap or datetime.fromisoformat(gap["since"]) <= began_at
        assert datetime.fromisoformat(gap["until"]) >= began_at + lost
    assert ("since" in gap) is (jump > -lost_seconds)


@pytest.mark.parametrize("moment", ["opening", "told", "first frames", "later"])
def test_a_gap_begins_where_a_standstill_began_wherever_in_a_session_that_was(
    run: Any, clock: FakeClock, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_since: list[datetime] = []

    def stand_still_at(here: str) -> None:
        if here == moment and not stood_since:
            stood_since.append(clock.now())
            clock.advance(20)

    class Frozen(Stream):
        def receive(self, seconds: float) -> Sequence[bytes]:
            stand_still_at("later" if len(self._frames) < 2 else "first frames")
            return super().receive(seconds)

    record = Intake.record

    def record_late(self: Intake, event: str, *level: Any, **facts: Any) -> None:
        record(self, event, *level, **facts)
        stand_still_at("told" if event == "session.up" else "")

    def open_late(*_: Any) -> Stream:
        stand_still_at("opening")
        return streams.pop(0)

    first = Frozen(clock, [b"a", b"b"], LOST, 0)
    second = Stream(clock, [b"c"], LOST, 1)
    streams = [first, second]
    monkeypatch.setattr(Intake, "record", record_late)
    _, _, recorded = run(first, second, opening=open_late)
    (gap,) = (entry["data"] for entry in recorded if entry["type"] == "gap")
    assert datetime.fromisoformat(gap["since"]) <= stood_since[0]


def test_connections_are_numbered_after_those_of_every_former_holder_of_the_account(
    run: Any, clock: FakeClock
) -> None:
    numbers = []
    for holder in (0, 3, 3, 5):
        two = (Stream(clock, [b"a"], LOST, 1), Stream(clock, [b"b"], LOST, 1))
        _, _, recorded = run(*two, holder=holder)
        numbers += [entry["data"]["connection"] for entry in recorded if entry["type"] == "session_up"][-2:]
    assert numbers == [1, 2, 3_000_001, 3_000_002, 3_000_003, 3_000_004, 5_000_001, 5_000_002]


class LosesAccount(Stream):
    """Stands still for so long that the account goes to another daemon."""

    def stand_still(self, *, is_known: bool) -> None:
        lease = self.supervisor._lease
        self._clock.advance(20)
        lease.is_stale = lambda: lease.standing is not Standing.THEIRS
        lease.ask = lambda: setattr(lease, "standing", Standing.THEIRS)
        if is_known:
            lease.ask()

    def close(self) -> None:
        super().close()
        self.supervisor._stop.set()  # else it would stand by for ever


def test_after_a_standstill_the_lease_is_asked_before_anything_is_taken(run: Any, clock: FakeClock) -> None:
    class Frozen(LosesAccount):
        def receive(self, seconds: float) -> Sequence[bytes]:
            if not self.is_closed:
                self.stand_still(is_known=False)
            return super().receive(seconds)

    _, client, recorded = run(Frozen(clock, [b"a", b"b", b"c"], LOST, 1))
    assert "frame" not in types(recorded), "the other daemon has them"
    down = next(entry for entry in recorded if entry["type"] == "session_standing_by")
    assert down["data"]["reason"] == "error.held_elsewhere"
    assert client.stream._frames == [], "a full queue would make closing hang"


@pytest.mark.parametrize("is_known", [False, True])
def test_after_a_standstill_that_ends_with_the_connection_the_lease_is_asked_before_the_rest_is_taken(
    run: Any, clock: FakeClock, is_known: bool
) -> None:
    class Breaks(LosesAccount):
        def receive(self, seconds: float) -> Sequence[bytes]:
            if self.is_closed:
                return super().receive(seconds)
            self.stand_still(is_known=is_known)
            raise LOST

    _, _, recorded = run(Breaks(clock, [b"a", b"b"], LOST, 1))
    assert "frame" not in types(recorded)


def test_after_a_standstill_of_an_owner_that_kept_its_account_everything_is_taken(
    run: Any, clock: FakeClock
) -> None:
    asked: list[str] = []

    class Frozen(Stream):
        def receive(self, seconds: float) -> Sequence[bytes]:
            clock.advance(20)
            lease = self.supervisor._lease
            lease.standing, lease.ask = Standing.OURS, lambda: asked.append("asked")
            lease.is_stale = lambda: not asked
            return super().receive(seconds)

    _, _, recorded = run(Frozen(clock, [b"a", b"b"], LOST, 1))
    assert types(recorded).count("frame") == 2
    assert asked == ["asked"]


def test_a_host_that_is_away_is_told_once_and_tried_ever_more_slowly(run: Any, clock: FakeClock) -> None:
    _, _, recorded = run(*[AWAY] * 30)
    assert types(recorded).count("session_failed") == 1
    waited = waits(clock)[:30]
    assert waited[0] <= 0.25
    assert 30 <= max(waited) <= 60
    assert min(waited[12:]) >= 30


def test_flapping_makes_the_waits_grow_and_a_stable_while_resets_them(run: Any, clock: FakeClock) -> None:
    flaps = [Stream(clock, [], LOST, 2) for _ in range(8)]
    run(*flaps, Stream(clock, [], LOST, 3600), Stream(clock, [], LOST, 2))
    waited = waits(clock)
    assert waited[7] >= 16
    assert waited[8] <= 0.25
    assert waited[9] <= 0.5


HELD = HeldElsewhere("error.held_elsewhere", host="main", owner="x")
UNREADABLE = SecretUnreadable("error.secret_env", name="X")


@pytest.mark.parametrize("error", [HELD, ALREADY, UNREADABLE], ids=["standing by", "held", "no secret"])
def test_waiting_for_somebody_else_lengthens_no_wait_for_the_network(
    run: Any, clock: FakeClock, error: IpecsMwError
) -> None:
    expired = TokenExpired("error.token_expired", host="main")
    run(*[error] * 30, Stream(clock, [], expired, 1), *[error] * 30, AWAY)
    waited = waits(clock)
    assert waited[30] == 0, "an expired token is for a new login at once"
    assert waited[61] <= 0.5


def test_who_waits_for_an_account_is_woken_by_its_lease_and_who_waits_for_the_network_is_not(
    run: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, events = clock.wait, []

    def note(event: threading.Event, seconds: float | None) -> bool:
        events.append(event)
        return wait(event, seconds)

    monkeypatch.setattr(clock, "wait", note)
    supervisor, _, _ = run(ALREADY, HELD, AWAY)
    lease, stop = supervisor._lease.wakes, supervisor._stop
    assert events[:3] == [lease, lease, stop]


def test_an_expired_token_logs_in_again_at_once(run: Any, clock: FakeClock) -> None:
    run(Stream(clock, [], TokenExpired("error.token_expired", host="main"), 1), Stream(clock, [], LOST, 1))
    assert waits(clock)[0] == 0


def test_a_held_account_waits_out_the_host_s_timer(run: Any, clock: FakeClock) -> None:
    held = AlreadyLoggedIn("error.already_logged_in", host="main")
    run(Stream(clock, [], LOST, 1), held, held)
    assert all(45 < seconds < 50 for seconds in waits(clock)[1:3])


def test_a_wrong_password_is_never_hammered(run: Any, clock: FakeClock) -> None:
    _, _, recorded = run(*[LoginRefused("error.login_refused", host="main")] * 5)
    assert waits(clock)[:5] == [300] * 5
    told = [entry for entry in recorded if entry.get("data", {}).get("reason") == "error.login_refused"]
    assert len(told) == 1


def test_what_another_thread_met_ends_the_session(run: Any, clock: FakeClock) -> None:
    class Dropping(Stream):
        def receive(self, seconds: float) -> Sequence[bytes]:
            self.supervisor.note()(TokenExpired("error.token_expired", host="main"))
            return [] if not self.is_closed else super().receive(seconds)

    _, _, recorded = run(Dropping(clock, [], LOST, 1))
    down = next(entry for entry in recorded if entry["type"] == "session_down")
    assert down["data"]["reason"] == "error.token_expired"


def test_what_another_thread_met_late_leaves_the_next_session_alone(run: Any, clock: FakeClock) -> None:
    met: list[Drop] = []

    class Noting(Stream):
        def receive(self, seconds: float) -> Sequence[bytes]:
            met.append(self.supervisor.note())
            return super().receive(seconds)

    class Struck(Stream):
        def receive(self, seconds: float) -> Sequence[bytes]:
            met[0](TokenExpired("error.token_expired", host="main"))
            assert self.supervisor.is_up or self.is_closed
            return super().receive(seconds)

    _, _, recorded = run(Noting(clock, [], LOST, 1), Struck(clock, [b"a"], LOST, 1))
    downs = [entry["data"]["reason"] for entry in recorded if entry["type"] == "session_down"]
    assert downs == ["error.connection_lost"] * 2
