"""A forwarder of its own for a test: what goes in, and what MongoDB has then."""

import json
import threading
from typing import Any
from zoneinfo import ZoneInfo

from support import FakeClock

from ipecs_mw.journal.journal import open_journal
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.forwarder import Forwarder
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))


def frame(number: int) -> bytes:
    return json.dumps({"event": "acd", "data": {"eventCode": 49, "callRefID": number}}).encode()


def call(serial: int) -> bytes:
    data = {"type": "dialing", "deviceNumber": "1001", "callRefID": 5, "evtSerialNum": serial}
    return json.dumps({"event": "call", "data": data}).encode()


def build(intake: Intake, events: Any, stop: threading.Event | None = None) -> Forwarder:
    return Forwarder(intake, DECODER.decode, events, intake.clock, stop or threading.Event())


def settle(forwarder: Forwarder, clock: FakeClock) -> None:
    """Have the journal forget what is stored: this comes a moment later."""
    clock.advance(0.25)
    assert forwarder.step() == 0


def stored(store: Store) -> list[dict[str, Any]]:
    return list(store.database["events"].find().sort("_id", 1))


def gaps(store: Store) -> list[tuple[str, int, int]]:
    """Return where the log has gaps by serial numbers: the id, the first and the last number."""
    found = store.database["events"].find({"data.reason": "serial_jump"}).sort("_id", 1)
    return [(gap["_id"], gap["data"]["first_serial"], gap["data"]["last_serial"]) for gap in found]


def restart(intake: Intake) -> Intake:
    """Return the intake as the next process opens it."""
    intake.journal.close()
    intake.journal, _ = open_journal(intake.journal.path, intake.clock)
    return intake


class Failing:
    """An event log that writes and then fails, as often as told: a write whose confirmation is lost."""

    def __init__(self, log: EventLog, *errors: Exception) -> None:
        self._log = log
        self._errors = list(errors)

    def append(self, documents: Any, **how: Any) -> None:
        self._log.append(documents, **how)
        if self._errors:
            raise self._errors.pop(0)
