"""The simulated host as its users see it: a TLS port in a thread of its own, and its faults as methods."""

import asyncio
import errno
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

import uvicorn

from ipecs_mw.clock import Clock, SystemClock
from ipecs_mw.errors import CannotStart
from ipecs_mw.logs import get_logger
from ipecs_mw.simulator.host.exchange import Exchange, Plan
from ipecs_mw.simulator.host.rest import RestApi
from ipecs_mw.simulator.wire.certificate import Certificate, keep_certificate, make_certificate
from ipecs_mw.simulator.wire.faults import KINDS, Faults, RestFault
from ipecs_mw.simulator.wire.sent_log import SentLog
from ipecs_mw.simulator.wire.sessions import Account, Session
from ipecs_mw.simulator.wire.smdr import CAPTIONS, CallRecords
from ipecs_mw.simulator.wire.stream import Stream
from ipecs_mw.simulator.wire.variants import Variants

log = get_logger()
_TICK_SECONDS = 0.02
_STOP_SECONDS = 10.0
_TRUTH_SECONDS = 60.0  # a whole day of it takes a while on a busy machine
_DRAIN_SECONDS, _DRAIN_STEP_SECONDS = 1.0, 0.005

T = TypeVar("T")


@dataclass(frozen=True)
class SessionView:
    """What a session was when it was looked at."""

    user: str
    is_streaming: bool
    is_expired: bool
    serial: int
    monitored: frozenset[str]
    presence: frozenset[str]


class SimulatedHost:
    """A simulated iPECS host; also a context manager that starts and stops it.

    `port` 0 takes a free one. `speed` is simulated seconds a real second. `rate` is events a second, 0 for as
    many as the speed gives. `stations` are extension numbers. `heartbeat_seconds` parts events 68, in real time.
    `sent_log` names a file for every frame written. `oddities` is the share (0 to 1) of frames spelt oddly, as
    real firmware does. Without `is_scripted` nobody lives there: all stations but the last are connected, and
    what happens is what is asked for. `certificate_dir` keeps the certificate for the next start.
    `begins_at` has the PBX's clock begin there and go with the simulated time, instead of showing the real time;
    without a zone it is local time of the PBX. The simulated time stands still after `day_seconds`. `variants` are
    what real hosts do differently from each other.
    `session_tickets` is how many TLS 1.3 tickets follow each handshake; other servers send two, and a client that
    reads and writes one TLS connection in two threads may stumble over them.

    Every method may be called from any thread but the host's own. Its time is `clock`'s.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        address: str = "127.0.0.1",
        accounts: Sequence[Account] = (Account("apiuser", "secret-pass"),),
        timezone: str = "Asia/Singapore",
        speed: float = 60.0,
        rate: float = 0.0,
        seed: int = 1,
        stations: Sequence[int] = range(1000, 1020),
        trunks: int = 12,
        check_connection_seconds: float = 120.0,
        heartbeat_seconds: float = 60.0,
        sent_log: Path | None = None,
        oddities: float = 0.02,
        smdr_capacity: int = 10_000,
        smdr_captions: tuple[str, str] = CAPTIONS,
        certificate_dir: Path | None = None,
        session_tickets: int = 0,
        is_scripted: bool = True,
        begins_at: datetime | None = None,
        day_seconds: float | None = None,
        variants: Variants | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.port = port
        self.address = address
        self.faults = Faults()
        self.variants = variants or Variants()
        self._clock = clock or SystemClock()
        self._plan = Plan(
            accounts=accounts,
            timezone=timezone,
            speed=speed,
            rate=rate,
            seed=seed,
            stations=stations,
            trunks=trunks,
            check_connection_seconds=check_connection_seconds,
            heartbeat_seconds=heartbeat_seconds,
            oddities=oddities,
            begins_at=begins_at,
            day_seconds=day_seconds,
            is_scripted=is_scripted,
        )
        self._sent_log = SentLog(sent_log)
        self._records = CallRecords(smdr_capacity, smdr_captions)
        self._session_tickets = session_tickets
        self._names = tuple(dict.fromkeys(("localhost", "127.0.0.1", address)))
        self._certificate = (
            make_certificate(self._names, self._clock.now())
            if certificate_dir is None
            else keep_certificate(certificate_dir, self._names, self._clock.now())
        )
        self._threads: list[threading.Thread] = []
        self._server: uvicorn.Server
        self._exchange: Exchange
        self._loop: asyncio.AbstractEventLoop
        self._context: ssl.SSLContext

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    # running

    def start(self) -> None:
        """Listen, and return when connections are taken; again, it keeps port, certificate and call records.

        Raises CannotStart where the port cannot be had.
        """
        listener = self._listen()
        self._sent_log.open()
        self._exchange = Exchange(
            self._plan, self._clock, self.faults, self.variants, self._sent_log, self._records
        )
        self._server = self._build_server()
        ready = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(listener, ready), name="simulated-host"),
            threading.Thread(target=self._keep_time, name="simulated-host-clock"),
        ]
        self._threads[0].start()
        ready.wait()
        self._threads[1].start()
        log.info("simulator.listening", address=self.address, port=self.port)

    def stop(self) -> None:
        """Close every connection and end, within 10 s; stopping twice is harmless."""
        if not self._threads:
            return
        self._exchange.stopping.set()
        self._server.should_exit = self._server.force_exit = True  # it waits for nobody
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        self._threads = []
        self._sent_log.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        # asyncio turns Nagle's delay of 40 ms a reply off only where the protocol is named
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.address, self.port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            key = "error.simulator_port_taken" if error.errno == errno.EADDRINUSE else "error.simulator_port"
            raise CannotStart(key, address=self.address, port=self.port, reason=error.strerror) from error
        self.port = listener.getsockname()[1]
        return listener

    def _build_server(self) -> uvicorn.Server:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.num_tickets = self._session_tickets
        self._certificate.load_into(self._context)
        config = uvicorn.Config(
            RestApi(self._exchange),
            http="h11",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = self._context
        config.ws_protocol_class = cast("Any", partial(Stream, self._exchange))
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        return uvicorn.Server(config)

    def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._exchange.http_connections = self._server.server_state.connections
            ready.set()
            await self._server.serve(sockets=[listener])
            connections = [each.transport for each in self._server.server_state.connections]
            # a handshake that is still going on is no connection of the server's yet: only the loop knows it
            for transport in [*connections, *getattr(self._loop, "_transports", {}).values()]:
                with suppress(AttributeError):  # one that is closed already, in early versions of Python 3.11
                    transport.abort()
            for _ in range(10):  # rounds of the loop in which what was aborted closes its socket
                await asyncio.sleep(0)

        asyncio.run(run())

    def _keep_time(self) -> None:
        """Tick in the event loop, one tick at a time, by the host's clock."""
        pending = threading.Event()

        def tick() -> None:
            pending.clear()
            self._exchange.tick()

        while not self._clock.wait(self._exchange.stopping, _TICK_SECONDS):
            if not pending.is_set():
                pending.set()
                self._loop.call_soon_threadsafe(tick)

    def _do(self, act: Callable[[], T], within_seconds: float = _STOP_SECONDS) -> T:
        """Run `act` in the event loop and return what it returns."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(act())
            except Exception as error:  # noqa: BLE001 - it belongs to the caller's thread
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result(within_seconds)

    # looking

    @property
    def certificate_pem(self) -> str:
        """The certificate that new connections see."""
        return self._certificate.pem

    @property
    def fingerprint_sha256(self) -> str:
        """Its SHA-256, lower-case hexadecimal without colons."""
        return self._certificate.fingerprint_sha256

    @property
    def sent(self) -> int:
        """How many frames were written to WebSockets that were up."""
        return self._sent_log.count

    @property
    def sessions(self) -> Mapping[str, SessionView]:
        """The logins of this moment by user."""
        return self._do(lambda: {u: _view(s) for u, s in self._exchange.sessions.by_user.items()})

    def truth(self, since_seconds: float = 0.0) -> dict[str, Any]:
        """Return what really happened from `since_seconds` of the PBX's clock on, whatever events told of it."""
        return self._do(lambda: self._exchange.truth.describe(since_seconds), _TRUTH_SECONDS)

    # doing

    def operate(self, act: Callable[[Exchange], T]) -> T:
        """Run `act` on the inside of the host, in its own thread: drive a call, look at the PBX."""
        return self._do(lambda: act(self._exchange))

    def send(self, frame: str | bytes | dict[str, Any], *, is_text: bool = False) -> int:
        """Push a frame to every open WebSocket as it is, without a serial number; return to how many.

        Text and objects go as text frames, bytes as a binary one, or with `is_text` as text that may be no UTF-8.
        """
        return self._do(lambda: self._exchange.push_raw(frame, is_text=is_text))

    def drop(
        self, *, how: Literal["rst", "fin", "close"] = "rst", code: int = 1001, is_drained: bool = True
    ) -> int:
        """End every WebSocket: by RST, by a bare FIN, or by a close frame with `code`; return how many.

        `is_drained` first waits (1 s at most) until the other end's kernel has everything that counts as sent;
        meanwhile nothing more is written. Raises ValueError for another way.
        """
        if how not in ("rst", "fin", "close"):
            raise ValueError(how)
        streams = self._do(lambda: [_held(stream) for stream in self._exchange.streams])
        if is_drained and how != "close":
            self._drain(streams)

        def end() -> None:
            for stream in streams:
                if how == "close":
                    stream.close(code)
                else:
                    stream.cut(is_reset=how == "rst")

        self._do(end)
        return len(streams)

    def _drain(self, streams: Sequence[Stream]) -> None:
        begun = self._clock.monotonic()
        while self._clock.monotonic() - begun < _DRAIN_SECONDS:
            if not self._do(lambda: sum(stream.count_unacknowledged() for stream in streams)):
                return
            self._clock.wait(self._exchange.stopping, _DRAIN_STEP_SECONDS)

    def expire_tokens(self) -> None:
        """Forget every token; open WebSockets stay until their account logs in again."""
        self._do(self._exchange.expire_tokens)

    def skip_serials(self, count: int = 1) -> None:
        """Leave out serial numbers of call events."""
        self._do(lambda: self._exchange.skip_serials(count))

    def beat(self) -> None:
        """Send event 68 now."""
        self._do(self._exchange.beat)

    def reboot(self) -> None:
        """Restart the PBX: sockets are reset, nobody is logged in, references and serials begin again."""
        self.drop(how="rst")
        self._do(self._exchange.boot)

    def answer_wrongly(self, kind: str, *, count: int = 1, feature: str = "") -> None:
        """Give the next `count` requests whose path contains `feature` a wrong reply; `RestFault` has the kinds.

        Raises ValueError for a kind that there is not.
        """
        if kind not in KINDS:
            raise ValueError(kind)
        self._do(lambda: self.faults.rest.append(RestFault(kind, count, feature)))

    def set_licence(self, licence: str, *, is_there: bool) -> None:
        """Take a licence away, or give it back."""
        licences = self._exchange.licences
        self._do(lambda: (licences.add if is_there else licences.discard)(licence))

    def change_certificate(self, *, days: int = 3650, names: Sequence[str] | None = None) -> Certificate:
        """Present another certificate from now on, for other names or with negative `days` an expired one."""
        made = make_certificate(names or self._names, self._clock.now(), days=days)
        self._do(lambda: made.load_into(self._context))
        self._certificate = made
        return made


def _held(stream: Stream) -> Stream:
    stream.flush()
    stream.is_held = True
    return stream


def _view(session: Session) -> SessionView:
    return SessionView(
        session.account.user,
        session.socket is not None,
        session.is_expired,
        session.serial,
        frozenset(session.monitored),
        frozenset(session.presence),
    )
