"""What everything that tells by itself is given."""

import threading
from collections.abc import Callable

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.server.connection import Store


class Spoken(Struct, frozen=True):
    """What the configuration says now: the settings and the language strings."""

    settings: Settings
    texts: Texts


class Context(Struct, frozen=True):
    """Of which profile, in which daemon (`owner`), and until when (`stop`).

    `read` gives the configuration as it is now; `intake` keeps the events that are the middleware's own.
    """

    store: Store
    profile: str
    owner: str
    read: Callable[[], Spoken]
    decrypt: Decrypt
    intake: Intake
    clock: Clock
    stop: threading.Event
