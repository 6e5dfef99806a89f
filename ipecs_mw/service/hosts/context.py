"""What all hosts of a daemon share: MongoDB, leases, listeners, the state directory, the clock."""

import threading
from dataclasses import dataclass
from pathlib import Path

from ipecs_mw.clock import Clock
from ipecs_mw.service.intake.former_hosts import FormerHosts
from ipecs_mw.service.intake.listeners import Listeners
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.service.session.leases import LeaseKeeper
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store


@dataclass(frozen=True)
class HostContext:
    """What all hosts of a daemon share. `has_store` is set once MongoDB may be used."""

    store: Store
    events: EventLog
    has_store: threading.Event
    leases: LeaseKeeper
    listeners: Listeners
    state_dir: Path
    clock: Clock
    journal_bytes: int
    decrypt: Decrypt
    former_hosts: FormerHosts
    profile: str
