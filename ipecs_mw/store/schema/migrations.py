"""The migration runner: numbered modules, each applied once, whatever breaks on the way."""

import hashlib
import importlib.util
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct
from pymongo import timeout
from pymongo.errors import DuplicateKeyError

import ipecs_mw
from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart, Stopped, StoreError
from ipecs_mw.store.coordination.leases import acquire_lease, release_lease
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

log = logs.get_logger()

_LEASE = "migrations"
_LEASE_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 120.0
STEP_SECONDS = 6 * 3600.0
"""How long a step may take: an index of a large collection takes longer than an operation may."""

_NAME = re.compile(r"(\d{4})_(\w+)\.py")


class Migration(Struct, frozen=True):
    """A numbered module and the checksum of its source."""

    number: int
    name: str
    file: Path
    checksum: str


class MigrationStatus(Struct, frozen=True):
    """A migration and what the database says of it: done, pending, half-done, changed or unknown."""

    number: int
    name: str
    state: str


@dataclass(frozen=True)
class Lock:
    """The lock on the schema as `owner` holds it."""

    store: Store
    owner: str

    def check(self) -> None:
        """Raise CannotStart where another has it: a runner that stood still has lost it without knowing."""
        if not acquire_lease(self.store, _LEASE, self.owner, _LEASE_SECONDS):
            raise CannotStart("error.migration_lost")


def find_migrations(folder: Path | None = None) -> list[Migration]:
    """Return the modules that ship, in order: inside an installed package, else beside the package."""
    package = Path(ipecs_mw.__file__).parent
    inside = package / "_migrations"
    folder = folder or (inside if inside.is_dir() else package.parent / "migrations")
    found = []
    for file in sorted(folder.glob("[0-9]*.py")):
        named = _NAME.fullmatch(file.name)
        if named is None:
            raise CannotStart("error.migration_name", file=str(file))
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        found.append(Migration(int(named[1]), named[2], file, checksum))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise CannotStart("error.migration_name", file=str(folder))
    return found


def load_status(store: Store, folder: Path | None = None) -> list[MigrationStatus]:
    """Return every migration that ships or was applied, in order, with its state."""
    with store_errors():
        records = {record["_id"]: record for record in store.database["migrations"].find()}
    ours = {migration.number: migration for migration in find_migrations(folder)}
    rows = []
    for number in sorted(records.keys() | ours.keys()):
        record, migration = records.get(number), ours.get(number)
        if migration is None:
            state = "unknown"
        elif record is None:
            state = "pending"
        elif record["state"] != "done":
            state = "half-done"
        else:
            state = "done" if record["checksum"] == migration.checksum else "changed"
        name = migration.name if migration else str((record or {}).get("name", ""))
        rows.append(MigrationStatus(number, name, state))
    return rows


def migrate(
    store: Store, clock: Clock, folder: Path | None = None, *, stop: threading.Event | None = None
) -> list[int]:
    """Apply the steps that are pending and return their numbers; a half-done step is done again.

    One runner at a time: others wait up to two minutes. Whether what the steps made is still there asks
    `comparison.put_right`. Raises CannotStart for a schema newer than the program, a step that was changed after
    it was applied, or a lock that stays held or was lost to another, Stopped where `stop` is set while it waits,
    or between two steps.
    """
    stop = stop or threading.Event()
    if not _find_pending(store, folder):
        return []
    with hold_lock(store, clock, stop) as lock:
        pending = _find_pending(store, folder)
        for migration in pending:
            _check(stop)
            _apply(store, clock, migration, lock)
    return [migration.number for migration in pending]


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("error.stopped")


def _find_pending(store: Store, folder: Path | None) -> list[Migration]:
    states = load_status(store, folder)
    for row in states:
        if row.state == "unknown":
            raise CannotStart(
                "error.schema_newer", number=row.number, name=row.name, version=ipecs_mw.__version__
            )
        if row.state == "changed":
            raise CannotStart("error.migration_changed", number=row.number, name=row.name)
    pending = {row.number for row in states if row.state != "done"}
    return [migration for migration in find_migrations(folder) if migration.number in pending]


def _apply(store: Store, clock: Clock, migration: Migration, lock: Lock) -> None:
    """Apply a step; one that another runner has begun meanwhile, or has done, keeps the other's record."""
    lock.check()
    record = {"name": migration.name, "checksum": migration.checksum, "by": lock.owner}
    with store_errors():
        records = store.database["migrations"]
        started = {**record, "state": "started", "started_at": clock.now()}
        try:
            undone = {"_id": migration.number, "state": {"$ne": "done"}}
            records.update_one(undone, {"$set": started}, upsert=True)
        except DuplicateKeyError:  # done by another, while this one stood still
            raise CannotStart("error.migration_lost") from None
        with timeout(STEP_SECONDS):
            _load_apply(migration)(store.database)
        lock.check()
        ours = {"_id": migration.number, "by": lock.owner}
        done = records.update_one(ours, {"$set": {"state": "done", "done_at": clock.now()}})
    if not done.matched_count:
        raise CannotStart("error.migration_lost")
    log.info("migration.applied", number=migration.number, name=migration.name)


def _load_apply(migration: Migration) -> Callable[[Any], None]:
    spec = importlib.util.spec_from_file_location(f"_migration_{migration.number:04d}", migration.file)
    if spec is None or spec.loader is None:
        raise CannotStart("error.migration_name", file=str(migration.file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    apply: Callable[[Any], None] = module.apply
    return apply


@contextmanager
def hold_lock(store: Store, clock: Clock, stop: threading.Event) -> Iterator[Lock]:
    """Hold the lock on the schema while the block runs, renewed by a thread: a step may take longer than it lasts.

    Raises CannotStart where another holds it for two minutes, Stopped where `stop` is set meanwhile.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    give_up_at = clock.monotonic() + _LONGEST_WAIT_SECONDS
    is_told = False
    while not acquire_lease(store, _LEASE, owner, _LEASE_SECONDS):
        if clock.monotonic() > give_up_at:
            raise CannotStart("error.migration_locked", seconds=int(_LONGEST_WAIT_SECONDS))
        if not is_told:
            log.info("migration.waiting")
            is_told = True
        clock.wait(stop, 0.5)
        _check(stop)
    done = threading.Event()

    def renew() -> None:
        while not clock.wait(done, _LEASE_SECONDS / 3):
            try:
                acquire_lease(store, _LEASE, owner, _LEASE_SECONDS)
            except StoreError as error:
                log.debug("lease not renewed", error=str(error))

    renewer = threading.Thread(target=renew, name="migration-lease", daemon=True)
    renewer.start()
    try:
        yield Lock(store, owner)
    finally:
        done.set()
        renewer.join()
        release_lease(store, _LEASE, owner)
