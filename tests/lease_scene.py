"""What the tests of leases share: an account, and those who ask for it."""

import threading
from datetime import UTC, datetime
from typing import Any

from ipecs_mw.clock import SystemClock
from ipecs_mw.service.session.leases import (
    AccountLease,
    LeaseKeeper,
)
from ipecs_mw.store.server.connection import Store

ACCOUNT = "account:apiuser@192.0.2.1:8743"
HEARD_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def build_keeper(store: Store, owner: str) -> LeaseKeeper:
    return LeaseKeeper(store, owner, SystemClock(), threading.Event())


def ask(keeper: LeaseKeeper, host: str = "main") -> AccountLease:
    lease = AccountLease(ACCOUNT, host)
    keeper.add(lease, threading.Event())
    return lease


def find(store: Store, name: str = ACCOUNT) -> dict[str, Any]:
    return store.database["leases"].find_one({"_id": name}) or {}
