"""The reader of call records between a real host, a real journal and a real MongoDB, step by step."""

import io
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs
from sites import PASSWORD, USER
from support import FakeClock
from tls_host import settings

from ipecs_mw import logs
from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.model.configuration.settings import SmdrSettings
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.documents import Documents
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.session.call_records import RecordReader
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.tls import build_context

COMMANDS = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
CODES = parse_codes(read_json("codes.json"))
DECODE = Decoder(read_json("codes.json"), ZoneInfo("UTC")).decode
FRAME = b'{"event": "acd", "data": {"eventCode": 49}}'


class Scene:
    """A host with the call records 1 to 5, their reader, and a journal that is forwarded when a test says so."""

    def __init__(self, host: SimulatedHost, store: Store, folder: Path, clock: FakeClock) -> None:
        self.host = host
        self.clock = clock
        journal, _ = open_journal(folder / "a.journal", clock)
        self.intake = Intake("main", journal, clock)
        self.output = io.StringIO()
        logs.configure(shipped_texts("en-GB"), stream=self.output)
        self._events = EventLog(store)
        self._documents = Documents("main", journal.id)
        smdr = SmdrSettings(backfill=True, delete_after_store=True)
        at_host = structs.replace(settings(host.port, user=USER), smdr=smdr)
        context = build_context(at_host)
        self.client = HostClient(
            at_host, lambda: PASSWORD, context, COMMANDS, CODES, folder / "token", SystemClock()
        )
        self.client.login()
        for ref in range(1, 6):
            host.operate(lambda exchange, ref=ref: self._leave(exchange, ref) and None)
        self.reader = RecordReader(at_host, self.client, DECODE, self.intake, store, clock)
        self.reader.begin()

    def _leave(self, exchange: Any, ref: int) -> Any:
        return exchange.pbx.records.add(
            call_ref=ref,
            station=f"100{ref}",
            trunk="001",
            began_at=self.clock.now().astimezone(UTC),
            duration_seconds=ref,
            direction="O",
            numbers=("01234", "6500620"),
            account="",
            cause=16,
        )

    def forward(self, without: Collection[int] = ()) -> None:
        """Have what waits in the journal leave it for MongoDB, these references excepted: they get lost."""
        for entry in self.intake.journal.read(0, 1000):
            items = self._documents.build(entry, DECODE)
            documents = [item.document for item in items if item.document.get("call_ref") not in without]
            self._events.append(documents)
            self.intake.journal.acknowledge(entry.seq)

    def read_on(self) -> None:
        """Do all that can be done at once."""
        for _ in range(100):
            if not self.reader.step():
                return
        pytest.fail("there is no end to it")

    def held(self) -> list[int]:
        return self.host.operate(
            lambda exchange: [record["Index"] for record in exchange.pbx.records.find({})]
        )


@pytest.fixture
def scene(migrated: Store, simulated: SimulatedHost, tmp_path: Path, clock: FakeClock) -> Iterator[Scene]:
    found = Scene(simulated, migrated, tmp_path, clock)
    with closing(found.client), closing(found.intake.journal):
        yield found
    logs.configure(shipped_texts())


def test_a_page_is_deleted_once_all_of_it_is_stored_and_not_before(scene: Scene) -> None:
    scene.read_on()
    scene.read_on()
    assert scene.held() == [1, 2, 3, 4, 5]
    scene.forward()
    scene.read_on()
    assert scene.held() == []
    assert "smdr.left" not in scene.output.getvalue()


def test_records_that_never_reach_mongodb_stay_at_the_host_are_told_once_and_hold_up_nothing(
    scene: Scene,
) -> None:
    scene.read_on()
    scene.forward(without={2, 5})
    scene.read_on()
    assert scene.held() == [2, 5]
    told = [line for line in scene.output.getvalue().splitlines() if "smdr.left" in line]
    assert len(told) == 1
    assert "count=2" in told[0]
    assert "2, 5" in told[0]
    assert "smdr.read" in scene.output.getvalue(), "the reading was not ended"
    scene.clock.advance(600)
    scene.read_on()
    scene.forward(without={2, 5})
    scene.read_on()
    assert scene.held() == [2, 5]
    assert scene.output.getvalue().count("smdr.left") == 1


def test_a_record_that_was_left_is_deleted_once_it_is_stored_after_all(scene: Scene) -> None:
    scene.read_on()
    scene.forward(without={2})
    scene.read_on()
    assert scene.held() == [2]
    scene.clock.advance(600)
    scene.read_on()
    scene.forward()
    scene.read_on()
    assert scene.held() == []


def test_what_comes_after_a_page_does_not_hold_it_up(scene: Scene) -> None:
    scene.read_on()
    scene.forward(without={3})
    scene.clock.advance(1)
    scene.intake.take_frames([FRAME])
    scene.read_on()
    assert scene.held() == [3]


def test_a_page_that_still_waits_in_the_journal_is_given_five_minutes(scene: Scene) -> None:
    scene.read_on()
    scene.clock.advance(299)
    scene.read_on()
    assert "smdr.left" not in scene.output.getvalue()
    scene.clock.advance(1)
    scene.read_on()
    assert "count=5" in scene.output.getvalue()
    assert scene.held() == [1, 2, 3, 4, 5]
    scene.forward()
    scene.clock.advance(600)
    scene.read_on()
    assert scene.held() == []
