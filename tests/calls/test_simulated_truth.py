"""The calls of a simulated day are those of which the phone system wrote records: each once, as long, as ended."""

from collections import defaultdict
from typing import Any

import pytest
from simulated_day import play_day, read_day

from ipecs_mw.calls.reading import HostReading
from ipecs_mw.calls.record import build_record

HOURS = 3.0
SLACK_SECONDS = 2.0  # the host's clock tells whole seconds


def read_calls(told: list[tuple[float, str, dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    reading = HostReading("main")
    found: dict[str, dict[str, Any]] = {}
    for order, document in enumerate(read_day(told)):
        reading.take(document, order)
        for call_id, call in reading.calls.take_changed():
            if call is None:
                found.pop(call_id, None)
            else:
                found[call_id] = build_record(call, "main")
    by_ref = defaultdict(list)
    for record in found.values():
        for ref in record.get("call_refs", ()):
            by_ref[ref].append(record)
    return by_ref


@pytest.mark.parametrize("kinds", ["acd", "acd call", "acd call smdr"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_record_of_the_phone_system_is_a_call_as_long_as_it_says(kinds: str, seed: int) -> None:
    told = play_day(HOURS, seed, stations=20)
    written = [data for _, kind, data in told if kind == "smdr"]
    calls = read_calls([each for each in told if each[1] in kinds.split()])
    assert len(written) > 100
    for data in written:
        (record,) = calls[data["callRefID"]]
        is_answered = record["outcome"] in ("answered", "lost_on_hold")
        assert is_answered == (data["Direction"] in "IO"), (data, record)
        hours, minutes, seconds = map(int, data["Duration"].split(":"))
        if is_answered:
            lasted = (record["ended_at"] - record["answered_at"]).total_seconds()
            assert abs(lasted - (hours * 3600 + minutes * 60 + seconds)) <= SLACK_SECONDS, (data, record)


def test_an_outside_call_that_was_told_is_one_that_was_written_or_is_open() -> None:
    told = play_day(HOURS, 3, stations=20)
    written = {data["callRefID"] for _, kind, data in told if kind == "smdr"}
    for ref, records in read_calls([each for each in told if each[1] == "acd"]).items():
        (record,) = records
        if record["direction"] in ("inbound", "outbound") and record.get("trunks"):
            assert record["is_open"] == (ref not in written), record
