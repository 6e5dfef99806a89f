"""The embedded server: a real mongod for one directory, shared by every process that opens it.

Each user holds a shared lock on `users.lock`; who can take it exclusively is the last one and shuts the server
down. Locks die with their process, so a killed user leaves no server that nobody would end. All starting and
stopping happens under `start.lock`.
"""

import fcntl
import json
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pymongo import MongoClient, timeout
from pymongo.errors import OperationFailure, PyMongoError

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.logs import get_logger, hide
from ipecs_mw.store.server.failures import translate
from ipecs_mw.store.server.mongod import (
    ADDRESS,
    DIRECTORY_TAKEN,
    PORT_TAKEN,
    find_free_port,
    is_answering,
    is_free,
    start_mongod,
)

START_SECONDS = 60.0
STOP_SECONDS = 20.0
PATIENCE_SECONDS = 8.0
"""How long a server that holds the directory may take to answer: its starter may have been killed."""

_PAUSE_SECONDS = 0.02
_PROBE_SECONDS = 3.0
_ALREADY_INITIALIZED, _NOT_YET_INITIALIZED = 23, 94
_UNAUTHORIZED, _AUTHENTICATION_FAILED, _USER_EXISTS = 13, 18, 51003

Client = MongoClient[dict[str, Any]]

log = get_logger()


@dataclass(frozen=True)
class Access:
    """How to reach a directory's server; kept in its `access.json`, mode 0600.

    `replica_set` is unique to the directory, so a foreign server on the remembered port is never taken for ours.
    """

    port: int
    user: str
    password: str
    replica_set: str

    def make_uri(self, database: str) -> str:
        """Return the connection string, password included, with `database` as the default one."""
        return (
            f"mongodb://{self.user}:{self.password}@{ADDRESS}:{self.port}/{database}"
            f"?authSource=admin&replicaSet={self.replica_set}"
        )


class Embedded:
    """A running server that this process uses; `close` leaves it, and ends it where nobody else is left."""

    def __init__(self, directory: Path, access: Access, users_lock: IO[bytes], clock: Clock) -> None:
        self.directory = directory
        self.access = access
        self._users_lock = users_lock
        self._clock = clock

    @property
    def uri(self) -> str:
        """The connection string, password included (hidden from logs)."""
        return self.access.make_uri("ipecs_mw")

    def close(self) -> None:
        """Leave the server; the last one to leave shuts it down and waits until it ended. Never raises."""
        if self._users_lock.closed:
            return
        try:
            with self._users_lock, _starting(self.directory, self._clock):
                if _try_lock(self._users_lock, fcntl.LOCK_EX):
                    _shut_down(self.directory, self.access, self._clock)
        except CannotStart:  # somebody is at it for longer than a start takes, and will be the last one
            log.warning("embedded.not_stopped", directory=str(self.directory), seconds=STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_embedded(
    directory: Path,
    clock: Clock,
    *,
    options: Sequence[str] = (),
    start_seconds: float = START_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Embedded:
    """Start the server of `directory`, or attach to the one that runs there; made where it is missing.

    `options` are added to mongod's command line. Raises CannotStart: no mongod, the directory is not writable
    or used by a server that is not ours, data of another version, or no server within `start_seconds`.
    """
    directory = directory.resolve()
    try:
        (directory / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        with _starting(directory, clock):
            users_lock = (directory / "users.lock").open("ab")
            try:
                _try_lock(users_lock, fcntl.LOCK_SH)  # free: only who holds start.lock takes it exclusively
                access = _bring_up(directory, clock, options, start_seconds, patience_seconds)
            except BaseException:
                users_lock.close()
                raise
    except OSError as error:
        raise CannotStart(
            "error.embedded_directory", directory=str(directory), reason=error.strerror
        ) from error
    return Embedded(directory, access, users_lock, clock)


def _bring_up(
    directory: Path, clock: Clock, options: Sequence[str], start_seconds: float, patience_seconds: float
) -> Access:
    access = _load_access(directory) or _new_access(directory)
    patience_ends = clock.monotonic() + patience_seconds
    while True:
        if is_answering(access.port) and _is_prepared(directory, access, clock):
            log.debug("attached to the embedded server", directory=str(directory), port=access.port)
            return access
        if not is_free(access.port):
            access = replace(access, port=find_free_port())
        previous = _load_access(directory)
        _save_access(directory, access)  # before the start: a crash in between must not lose the way in
        arguments = (
            *("--port", str(access.port)),
            *("--replSet", access.replica_set),
            *("--keyFile", str(directory / "keyfile")),
            *options,
        )
        code = start_mongod(directory, arguments, seconds=start_seconds)
        if code == DIRECTORY_TAKEN:
            if previous is not None:
                access = previous
                _save_access(directory, access)
            if clock.monotonic() >= patience_ends:
                raise CannotStart("error.embedded_in_use", directory=str(directory))
            _pause(clock, 0.2)
        elif code != PORT_TAKEN:
            if not _is_prepared(directory, access, clock):
                raise CannotStart("error.embedded_in_use", directory=str(directory))
            log.info("embedded.started", directory=str(directory), port=access.port)
            return access


def _is_prepared(directory: Path, access: Access, clock: Clock) -> bool:
    """Bring the server on the port to a primary that knows our user; False where it is not our server.

    Every step can be repeated, whenever an earlier run was killed in between.
    """
    try:
        with _client(access) as anonymous, _client(access, is_user=True) as client:
            with timeout(_PROBE_SECONDS):  # whoever has the port may never answer
                hello = anonymous.admin.command("hello")
            if hello.get("setName", access.replica_set) != access.replica_set:
                return False
            with timeout(START_SECONDS):
                if not _is_known(client):
                    _initiate(anonymous, access)
                    _wait_for_primary(anonymous, clock)
                    _create_user(directory, anonymous, access)
                _adopt_port(client, access, clock)
                _wait_for_primary(client, clock)
    except PyMongoError as error:
        failure = translate(error)
        log.debug("the server on the embedded port is not usable", reason=failure.facts["reason"])
        return False
    return True


def _client(access: Access, *, is_user: bool = False) -> Client:
    return MongoClient(
        ADDRESS,
        access.port,
        directConnection=True,
        serverSelectionTimeoutMS=2000,
        username=access.user if is_user else None,
        password=access.password if is_user else None,
    )


def _is_known(client: Client) -> bool:
    try:
        client.admin.command("ping")
    except OperationFailure as error:
        if error.code != _AUTHENTICATION_FAILED:
            raise
        return False
    return True


def _initiate(anonymous: Client, access: Access) -> None:
    """Make the server a replica set of one; a server without users allows it from the loopback address."""
    members = [{"_id": 0, "host": f"{ADDRESS}:{access.port}"}]
    try:
        anonymous.admin.command("replSetInitiate", {"_id": access.replica_set, "members": members})
    except OperationFailure as error:
        if error.code not in (_ALREADY_INITIALIZED, _UNAUTHORIZED):
            raise


def _create_user(directory: Path, anonymous: Client, access: Access) -> None:
    try:
        anonymous.admin.command("createUser", access.user, pwd=access.password, roles=["root"])
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:  # there is a user, and access.json does not know its password
            raise CannotStart("error.embedded_password", directory=str(directory)) from error
        if error.code != _USER_EXISTS:
            raise


def _adopt_port(client: Client, access: Access, clock: Clock) -> None:
    """Tell the replica set the port that its only member has now."""
    config = _load_config(client, clock)
    host = f"{ADDRESS}:{access.port}"
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def _load_config(client: Client, clock: Clock) -> dict[str, Any]:
    """Return the set's configuration, once the server has looked for itself at the port that it had before."""
    ends = clock.monotonic() + START_SECONDS
    while True:
        try:
            config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED or clock.monotonic() >= ends:
                raise
            _pause(clock)
        else:
            return config


def _wait_for_primary(client: Client, clock: Clock) -> None:
    ends = clock.monotonic() + START_SECONDS
    while not client.admin.command("hello")["isWritablePrimary"]:
        if clock.monotonic() >= ends:
            raise CannotStart("error.embedded_no_primary", seconds=START_SECONDS)
        _pause(clock)


def _shut_down(directory: Path, access: Access, clock: Clock) -> None:
    try:
        with timeout(STOP_SECONDS), _client(access, is_user=True) as client:
            client.admin.command("shutdown", force=True, timeoutSecs=1)
    except PyMongoError as error:  # it goes away in the middle of its answer
        log.debug("the embedded server went away", reason=translate(error).facts["reason"])
    # Not its process id but its lock tells that it ended: nobody may be there to reap the process.
    ends = clock.monotonic() + STOP_SECONDS
    with (directory / "data" / "mongod.lock").open("ab") as lock:
        while not _try_lock(lock, fcntl.LOCK_EX) or is_answering(access.port):
            if clock.monotonic() >= ends:
                log.warning("embedded.not_stopped", directory=str(directory), seconds=STOP_SECONDS)
                return
            _pause(clock)
    log.info("embedded.stopped", directory=str(directory))


@contextmanager
def _starting(directory: Path, clock: Clock) -> Iterator[None]:
    """Hold `start.lock`, waiting for as long as another start or stop may take."""
    ends = clock.monotonic() + START_SECONDS + STOP_SECONDS
    with (directory / "start.lock").open("ab") as lock:
        while not _try_lock(lock, fcntl.LOCK_EX):
            if clock.monotonic() >= ends:
                raise CannotStart("error.embedded_busy", directory=str(directory))
            _pause(clock)
        yield


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pause(clock: Clock, seconds: float = _PAUSE_SECONDS) -> None:
    clock.wait(threading.Event(), seconds)


def _load_access(directory: Path) -> Access | None:
    try:
        access = Access(**json.loads((directory / "access.json").read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CannotStart("error.embedded_access", file=str(directory / "access.json")) from error
    hide(access.password)
    return access


def _new_access(directory: Path) -> Access:
    _write_private(directory / "keyfile", secrets.token_hex(256))
    access = Access(
        port=find_free_port(),
        user="ipecs_mw",
        password=secrets.token_urlsafe(24),
        replica_set=f"ipecs-mw-{secrets.token_hex(4)}",
    )
    hide(access.password)
    return access


def _save_access(directory: Path, access: Access) -> None:
    _write_private(directory / "access.json", json.dumps(asdict(access)))


def _write_private(file: Path, content: str) -> None:
    """Replace a file that only we may read, whole or not at all."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
