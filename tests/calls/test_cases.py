"""Frames as hosts send them and the calls that they are, as data: `cases/*.json`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from call_frames import EPOCH, read_documents

from ipecs_mw.calls.documents.record import build_record
from ipecs_mw.calls.joining.joining import HostCalls
from ipecs_mw.calls.steps.steps import read_step

CASES = {
    f"{file.stem}: {name}": case
    for file in sorted(Path(__file__).parent.glob("cases/*.json"))
    for name, case in json.loads(file.read_text("utf-8")).items()
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_frames_are_the_calls_of_their_case(case: dict[str, Any]) -> None:
    bins = {group["bin"]: number for number, group in case.get("groups", {}).items()}
    calls = HostCalls("main", bins=bins, machines=case.get("machines", ()))
    for order, document in enumerate(read_documents(case["frames"])):
        calls.pass_time(document["received_at"])
        step = read_step(document, order)
        if step is not None:
            calls.take(step)
    found = [build_record(call, "main") for _, call in calls.take_changed() if call is not None]
    found.sort(key=lambda record: record["began_at"])
    assert len(found) == len(case["calls"]), found
    for record, expected in zip(found, case["calls"], strict=True):
        assert _cut(record, expected) == expected


def _cut(found: Any, expected: Any) -> Any:
    """Return what was found as far as the case speaks of it, with instants as seconds; null stands for absent."""
    if isinstance(expected, dict):
        found = found or {}
        return {key: _cut(found.get(key), each) for key, each in expected.items()}
    if isinstance(expected, list) and expected and isinstance(expected[0], dict):
        return [_cut(one, other) for one, other in zip(found, expected, strict=True)]
    if isinstance(expected, list) and isinstance(found, list):
        return [_cut(one, None) for one in found]
    if isinstance(found, datetime):
        return (found - EPOCH.astimezone(UTC)).total_seconds()
    return found
