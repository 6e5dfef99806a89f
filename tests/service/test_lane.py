"""A lane takes what arrives into its journal, and what the middleware itself has to say beside it."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import START_AT, FakeClock

from ipecs_mw import logs
from ipecs_mw.errors import JournalFull
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.forwarding import open_lane
from ipecs_mw.service.lane import Lane


@pytest.fixture
def lane(tmp_path: Path, clock: FakeClock) -> Iterator[Lane]:
    journal, _ = open_journal(tmp_path / "a.journal", clock, max_bytes=128 * 1024)
    yield Lane("main", journal, clock)
    journal.close()


def test_frames_are_kept_in_order_with_their_connection_and_time(lane: Lane, clock: FakeClock) -> None:
    lane.begin_connection()
    lane.take_frames([b"a", b"b"])
    clock.advance(5)
    lane.begin_connection()
    lane.take_frames([b"c"])
    found = [(e.arrival.connection, e.arrival.body) for e in lane.journal.read(0, 10)]
    assert found == [(1, b"a"), (1, b"b"), (2, b"c")]
    assert (lane.journal.read(2, 1)[0].arrival.received_at - START_AT).total_seconds() == 5
    assert lane.received == 3


def test_a_record_is_a_log_line_and_a_journal_entry(lane: Lane) -> None:
    stream = io.StringIO()
    logs.configure(shipped_texts("en-GB"), stream=stream)
    lane.record("gap", "warning", since=START_AT, until=START_AT, reason=None)
    (entry,) = lane.journal.read(0, 10)
    assert entry.arrival.source == "system"
    content = json.loads(entry.arrival.body)
    assert content["type"] == "gap"
    assert set(content["data"]) == {"since", "until"}
    assert "WARNING" in stream.getvalue()
    assert "host=main" in stream.getvalue()


def test_a_full_journal_refuses_frames_and_counts_only_what_it_took(lane: Lane) -> None:
    lane.take_frames([b"a"])
    with pytest.raises(JournalFull):
        lane.take_frames([b"x" * 1000] * 1000)
    assert lane.received == 1
    assert lane.journal.entry_count == 1


def test_a_damaged_journal_is_recorded_in_the_one_that_takes_its_place(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "host-main.journal").write_bytes(b"damaged" * 100)
    lane = open_lane("host-main", "main", tmp_path, clock)
    told, gap = (json.loads(entry.arrival.body) for entry in lane.journal.read(0, 10))
    assert (told["type"], gap["type"]) == ("journal_set_aside", "gap")
    content = told
    assert Path(content["data"]["file"]).exists()
    lane.journal.close()
