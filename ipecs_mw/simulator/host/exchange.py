"""Everything of the simulated host that lives in its event loop: PBX, sessions, sockets, and the tick."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from ipecs_mw.clock import Clock
from ipecs_mw.simulator.pbx import features
from ipecs_mw.simulator.pbx.conferences import Conferences
from ipecs_mw.simulator.pbx.day import Day
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.timetable import Timetable
from ipecs_mw.simulator.pbx.truth import Truth
from ipecs_mw.simulator.wire import wire
from ipecs_mw.simulator.wire.faults import Faults, RestFault
from ipecs_mw.simulator.wire.refusals import refuse, refuse_with
from ipecs_mw.simulator.wire.sent_log import SentLog
from ipecs_mw.simulator.wire.sessions import Account, Session, Sessions, read_bearer
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.simulator.wire.spelling import Data, Oddities
from ipecs_mw.simulator.wire.stream import Stream
from ipecs_mw.simulator.wire.variants import Variants

LICENCES = frozenset({"API-SMDR", "API-AMP", "API-CTI", "API-CTI-EXT", "CLICKCALL"})
_RESOURCE_OF = {"acd": ("ACD", "API-AMP"), "smdr": ("SMDR", "API-SMDR")}
_BACKLOG_FRAMES = 20_000  # the scripted day pauses while a reader is this far behind
_MOST_STEPS = 20_000  # of the timetable in a tick
_BURST_SECONDS = 0.25  # what a late tick may catch up with
_LOG_FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """How the simulated host is built; `SimulatedHost` documents the fields."""

    accounts: Sequence[Account]
    timezone: str
    speed: float
    rate: float
    seed: int
    stations: Sequence[int]
    trunks: int
    check_connection_seconds: float
    heartbeat_seconds: float
    oddities: float
    begins_at: datetime | None = None
    day_seconds: float | None = None
    is_scripted: bool = True


class Exchange:
    """The simulated host between its sockets and its PBX. Only the event loop's thread may touch it."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        faults: Faults,
        variants: Variants,
        sent_log: SentLog,
        records: CallRecords,
    ) -> None:
        self.plan = plan
        self.variants = variants
        self.clock = clock
        self.faults = faults
        self.sent_log = sent_log
        self.stopping = threading.Event()
        self.licences = set(LICENCES)
        self.sessions = Sessions(plan.accounts, plan.check_connection_seconds, clock.monotonic)
        self.records = records
        self.streams: set[Stream] = set()
        self.http_connections: set[Any] = set()
        self.asked: Counter[str] = Counter()  # logins, refused ones too, and commands of who is in
        self._zone = ZoneInfo(plan.timezone)
        self._oddities = Oddities(plan.oddities, plan.seed)
        self._emitted = 0
        self._timetable = Timetable()
        self.truth = Truth(self._timetable, self.local_now)
        self.boot()

    def boot(self) -> None:
        """Start the PBX: call references begin again, nobody is logged in, the call records are still there."""
        for session in list(self.sessions.by_user.values()):
            self.sessions.end(session)
        self._timetable.clear()
        self.truth.end_all()
        random = Random(self.plan.seed)  # noqa: S311 - play, not secrets
        self.pbx = Pbx(
            stations=self.plan.stations,
            trunks=self.plan.trunks,
            records=self.records,
            publish=self.publish,
            local_now=self.local_now,
            random=random,
            timetable=self._timetable,
            truth=self.truth,
            variants=self.variants,
        )
        self.conferences = Conferences(self.pbx)
        self._ticked_at = self._beat_at = self._flushed_at = self.clock.monotonic()
        self._credit = 0.0
        if self.plan.is_scripted:
            Day(self.pbx, random).begin()
        else:
            for number in list(self.pbx.stations)[:-1]:  # the last terminal is not connected
                features.register(self.pbx, number)

    def local_now(self) -> datetime:
        """Return what the clock of the PBX shows: the real time, or that of the simulated day."""
        if self.plan.begins_at is None:
            return self.clock.now().astimezone(self._zone)
        begins_at = self.plan.begins_at
        aware = begins_at if begins_at.tzinfo is not None else begins_at.replace(tzinfo=self._zone)
        passed = timedelta(seconds=self._timetable.now_seconds)
        return (aware.astimezone(UTC) + passed).astimezone(self._zone)

    # sessions

    @property
    def is_ignoring_pings(self) -> bool:
        """Whether pings get no pong."""
        return self.faults.is_ignoring_pings

    def log_in(self, service: str, user: str, password: str) -> Session:
        """Return a new session. Raises CommandRefused."""
        if self.faults.is_refusing_logins:
            raise refuse_with(4, "Already Login", status=401)
        return self.sessions.log_in(
            service, user, password, is_admitting_twice=self.faults.is_admitting_twice
        )

    def admit(self, path: str, authorization: str) -> Session:
        """Return the session that opens a WebSocket on one of the three paths. Raises CommandRefused."""
        token = read_bearer(authorization)
        if self.faults.is_refusing_streams:
            raise refuse_with(3, "Invalid Token", status=401)
        match wire.split_path(path):
            case ["ipxapi"]:
                return self.sessions.find_token(token)
            case ["ipxapi", service, "v1", "users", user, "acd" | "login"]:
                return self.sessions.find(service, user, token)
            case _:
                raise refuse("unknown", family="common", status=404)

    def on_open(self, session: Session, stream: Stream) -> None:
        """Give a new WebSocket its number, and give it to its session."""
        stream.connection = self.sent_log.number_connection()
        self.sessions.attach(session, stream)

    def on_ping(self, session: Session) -> None:
        """Renew a session."""
        session.renewed_at = self.clock.monotonic()

    def on_gone(self, session: Session, stream: Stream) -> None:
        """Take a WebSocket from its session."""
        self.sessions.detach(session, stream)

    # events

    def publish(self, kind: str, number: str, data: Data) -> bool:
        """Send an event to every session that may see it; tell whether there was one."""
        if self.faults.is_silent:
            return False
        shared: bytes | None = None
        is_seen = False
        for session in self.sessions.by_user.values():
            socket = session.socket
            if socket is None or not self._may_see(session, kind, number):
                continue
            is_seen = True
            if kind in ("call", "presence"):
                session.serial += 1
                frame = self._oddities.encode("call", {**data, "evtSerialNum": session.serial})
            else:
                frame = shared = shared or self._oddities.encode(kind, data)
            socket.push(wire.TEXT, frame)
        self._emitted += is_seen
        return is_seen

    def _may_see(self, session: Session, kind: str, number: str) -> bool:
        if kind == "call":
            return number in session.monitored
        if kind == "presence":
            return number in session.presence
        if session.account.service == "client":
            return kind == "smdr" and number == session.account.user
        resource, licence = _RESOURCE_OF[kind]
        return resource in session.account.resources and licence in self.licences

    def push_raw(self, frame: str | bytes | dict[str, Any], *, is_text: bool) -> int:
        """Send a frame as it is to every open WebSocket; return how many there were."""
        if isinstance(frame, dict):
            payload = json.dumps(frame, ensure_ascii=False).encode("utf-8", "surrogatepass")
        else:
            payload = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
        opcode = wire.BINARY if isinstance(frame, bytes) and not is_text else wire.TEXT
        for stream in self.streams:
            stream.push(opcode, payload)
        return len(self.streams)

    # time

    def tick(self) -> None:
        """Do what is due: heartbeat, expiry, the scripted day, and flushing the log."""
        now = self.clock.monotonic()
        elapsed, self._ticked_at = now - self._ticked_at, now
        self.sessions.expire()
        if now - self._beat_at >= self.plan.heartbeat_seconds:
            self._beat_at = now
            self.beat()
        if now - self._flushed_at >= _LOG_FLUSH_SECONDS:
            self._flushed_at = now
            self.sent_log.flush()
        if all(len(stream.pending) < _BACKLOG_FRAMES for stream in self.streams):
            self._advance(elapsed)

    def beat(self) -> None:
        """Send event 68, TIME & DATE."""
        now = self.pbx.local_now()
        self.pbx.acd(68, data1=now.strftime("%m%d"), data2=now.strftime("%y"))

    def _advance(self, elapsed_seconds: float) -> None:
        table, end = self.pbx.timetable, self.plan.day_seconds
        if self.faults.is_paused:
            return
        if not self.plan.rate or not self.streams or self.faults.is_silent:
            self._credit = 0.0
            to = table.now_seconds + elapsed_seconds * self.plan.speed
            table.run_until(to if end is None else min(to, end))
            return
        self._credit = min(
            self._credit + elapsed_seconds * self.plan.rate, self.plan.rate * _BURST_SECONDS + 1
        )
        for _ in range(_MOST_STEPS):  # a reader who may see little must not have the day run for ever
            before = self._emitted
            if self._credit < 1 or not table.run_next(end):
                return
            self._credit -= self._emitted - before

    # breaking things

    def abort(self, client: tuple[str, int]) -> None:
        """Cut the HTTP connection of a client."""
        for connection in list(self.http_connections):
            if getattr(connection, "client", None) == client:
                connection.transport.abort()

    def take_fault(self, path: str) -> RestFault | None:
        """Return the wrong reply that is due for a request, and count it."""
        for fault in self.faults.rest:
            if fault.feature in path:
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.rest.remove(fault)
                return fault
        return None

    def expire_tokens(self) -> None:
        """Have the host forget every token, while the WebSockets stay up until the account logs in again."""
        for session in self.sessions.by_user.values():
            session.is_expired = True

    def skip_serials(self, count: int) -> None:
        """Leave out serial numbers of call events, as if events were lost."""
        for session in self.sessions.by_user.values():
            session.serial += count
