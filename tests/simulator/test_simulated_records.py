"""The filter of call records as the simulated PBX reads it, and its finite store."""

from datetime import datetime
from typing import Any

import pytest

from ipecs_mw.errors import CommandRefused
from ipecs_mw.simulator.wire.smdr import CallRecords


def fill(records: CallRecords) -> CallRecords:
    for index in range(1, 7):
        records.add(
            call_ref=index,
            station=f"100{index}",
            trunk=f"{index:03}",
            began_at=datetime(2026, 3, index, 9, 30),  # noqa: DTZ001 - the PBX's local time
            duration_seconds=index * 61,
            direction="IO"[index % 2],
            numbers=(f"6{index}5550*1", "6500620"),
            account="",
            cause=16,
        )
    return records


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"StationNumber": "1002"}, [2]),
        ({"Index": 3}, [3]),
        ({"Index": "3"}, [3]),
        ({"Direction": "I", "StationNumber": "1002"}, [2]),
        ({"Direction": "O", "StationNumber": "1002"}, []),
        ({"$not": {"Direction": "I"}}, [1, 3, 5]),
        ({"$or": [{"Index": 1}, {"Index": 6}]}, [1, 6]),
        ({"$and": [{"$>": {"Index": 2}}, {"$<": {"Index": 5}}]}, [3, 4]),
        ({"$>=": {"Index": 5}}, [5, 6]),
        ({"$<=": {"Index": 2}}, [1, 2]),
        ({"$>": {"Index": 9}}, []),
        ({"$>": {"StartTime": "2026-03-04 09:30:00"}}, [5, 6]),
        ({"$>=": {"StartTime": "2026-03-04 09:30:00"}, "$<": {"StartTime": "2026-03-06"}}, [4, 5]),
        ({"$regex": {"StationNumber": "10*3"}}, [3]),
        ({"$regex": {"StationNumber": "100?"}}, [1, 2, 3, 4, 5, 6]),
        ({"$regex": {"DialedNumber1": r"64*\*1"}}, [4]),
        ({"$regex": {"StationNumber": "1.*"}}, []),
        ({"NoSuchField": "x"}, []),
        ({"Duration": "00:01:01"}, [1]),
    ],
)
def test_a_filter_lets_through_what_the_vendor_s_language_says(query: Any, indexes: list[int]) -> None:
    assert [record["Index"] for record in fill(CallRecords(10)).find(query)] == indexes


@pytest.mark.parametrize(
    "query",
    [
        [],
        "x",
        {"$or": {}},
        {"$or": []},
        {"$and": [1]},
        {"$not": 1},
        {"$regex": "x"},
        {"$>": {"Index": {"$ne": 1}}},
        {"Index": None},
        {"$where": "1"},
        {"Index": 99, "$where": "1"},
    ],
)
def test_what_is_no_filter_is_refused_whatever_stands_before_it(query: Any) -> None:
    with pytest.raises(CommandRefused) as caught:
        fill(CallRecords(10)).find(query)
    assert caught.value.facts["code"] == 1


def test_a_full_store_keeps_the_oldest_and_goes_on_counting() -> None:
    records = fill(CallRecords(4))
    assert [record["Index"] for record in records.find({})] == [1, 2, 3, 4]
    assert records.lost == 2
    assert records.delete({"$<=": {"Index": 3}}) == 3
    fill(records)
    assert [record["Index"] for record in records.find({})] == [4, 7, 8, 9]
