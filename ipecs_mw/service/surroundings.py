"""What a host runs in: what all hosts of a daemon share, and what MongoDB says of their interface."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ipecs_mw.clock import Clock
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.service.credentials import Decrypt
from ipecs_mw.service.leases import LeaseKeeper
from ipecs_mw.service.listeners import Listeners
from ipecs_mw.service.orphans import Orphans
from ipecs_mw.store.connection import Store
from ipecs_mw.store.event_log import EventLog


@dataclass(frozen=True)
class Surroundings:
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
    orphans: Orphans
    profile: str


@dataclass(frozen=True)
class Definitions:
    """What MongoDB says of the host's interface."""

    commands: Mapping[str, Command]
    codes: Codes
