"""Reading call records, against a host that answers from a list."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from support import FakeClock

from ipecs_mw.journal.journal import open_journal
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.call_records import RecordReader
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.messages import MOST_FRAME_BYTES

DECODER = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore"))
HOST = HostSettings("main", "192.0.2.10", "apiuser", "secret", "Asia/Singapore")


class Answers:
    """A host that has these records."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self._records = records

    def call(self, _command: str, _arguments: Any) -> Any:
        return {"count": len(self._records), "items": list(self._records)}


@pytest.fixture
def intake(tmp_path: Path, clock: FakeClock) -> Iterator[Intake]:
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    yield Intake("main", journal, clock)
    journal.close()


def decode(body: bytes, at: datetime) -> Any:
    return DECODER.decode(body, at)


def test_a_record_that_no_frame_could_bring_is_taken_and_told(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    host = Answers({"Index": 1, "StationNumber": "1001"}, {"Index": 2, "AccountCode": "x" * MOST_FRAME_BYTES})
    reader = RecordReader(HOST, cast("HostClient", host), decode, intake, store, clock)
    reader.begin()
    assert reader.step()
    arrivals = [entry.arrival for entry in intake.journal.read(0, 10)]
    assert [arrival.source for arrival in arrivals] == ["system", "frame", "frame"]
    told = json.loads(arrivals[0].body)
    assert (told["type"], told["data"]["index"]) == ("smdr_large", 2)
    assert told["data"]["size"] == len(arrivals[2].body)
