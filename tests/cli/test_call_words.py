"""Whatever a host sends, each call, state and missed call that it makes can be told, in every language."""

from collections.abc import Iterator
from typing import Any

import pytest
from call_frames import EPOCH, read_documents
from hypothesis import given
from odd_frames import odd_days, some

from ipecs_mw.calls.documents.missed import find_missed
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.cli.calls.call_table import write_table
from ipecs_mw.cli.calls.course import describe_call
from ipecs_mw.cli.calls.live_view import describe_live
from ipecs_mw.cli.calls.missed_table import write_table as write_missed
from ipecs_mw.cli.calls.words import spell_seconds
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.live_query import Live, LiveHost, Reader

TEXTS = [shipped_texts(locale) for locale in ("en-GB", "de-DE", "ko-KR")]


def tell(reading: HostReading) -> Iterator[str]:
    calls = [build_record(call, "main") for _, call in reading.calls.take_changed() if call is not None]
    items = [item.to_document() for item in find_missed(calls)]
    live = [document for document in reading.live.list_all() if document["kind"] != "host"]
    for texts in TEXTS:
        yield from write_table(calls, texts, now=EPOCH)
        yield from write_missed(items, texts, now=EPOCH)
        for call in calls:
            yield from describe_call(call, texts)
        for reasons in ((), ("session_down", "behind")):
            host = LiveHost("main", reasons, EPOCH, EPOCH, 100.0)
            yield from describe_live(Live(Reader("running", EPOCH), [host], live), texts, EPOCH)


@some
@given(odd_days)
def test_whatever_a_host_sends_can_be_told(frames: list[Any]) -> None:
    reading = HostReading("main", bins={"1": "620"}, machines=("1099",))
    for order, document in enumerate(read_documents(frames, are_odd=True)):
        reading.take(document, order)
    assert [line for line in tell(reading) if "cli." in line or "\n" in line or "{" in line] == []


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (None, ""),
        (0, "0:00"),
        (0.6, "0:01"),
        (59.6, "1:00"),
        (3599.4, "59:59"),
        (3600, "1:00:00"),
        (-3, "0:00"),
    ],
)
def test_durations_are_as_people_read_them(seconds: float | None, spelled: str) -> None:
    assert spell_seconds(seconds) == spelled
