"""Which faults a test run injected, how often, and how it ended; pytest calls these as hooks.

What is counted is what happened: each round that a test has begun.

`FAULTS=full` injects each many times; `FAULTS_REPORT` names a JSON file for the result.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from faults.elsewhere import ELSEWHERE

IS_FULL = os.environ.get("FAULTS") == "full"

_TESTS = Path(__file__).parent.parent
_found: dict[int, dict[str, Any]] = {}
_running: dict[str, tuple[float, str]] = {}


class Rounds:
    """How often a test injects its fault, and how often it has: it begins a round by taking the next number."""

    def __init__(self, planned: int) -> None:
        self.begun = 0
        self._planned = planned

    def __len__(self) -> int:
        return self._planned

    def __iter__(self) -> Iterator[int]:
        for number in range(self._planned):
            self.begun += 1
            yield number


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[Rounds]:
    """The rounds of this test: `few` or `many` of its marker."""
    options = request.node.get_closest_marker("fault").kwargs
    few = int(options.get("few", 1))
    made = Rounds(int(options.get("many", few)) if IS_FULL else few)
    yield made
    request.node.user_properties.append(("rounds", made.begun))
    assert made.begun, "nothing was injected"


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        tests = ELSEWHERE.get(item.path.relative_to(_TESTS).as_posix(), {})
        if rows := tests.get(getattr(item, "originalname", item.name)):
            item.add_marker(pytest.mark.fault(*rows))
        if marker := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", marker.args))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    properties = dict(report.user_properties)
    if "fault" not in properties:
        return
    seconds, outcome = _running.setdefault(report.nodeid, (0.0, "passed"))
    if outcome == "passed":
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
    _running[report.nodeid] = seconds + report.duration, outcome
    if report.when != "teardown":
        return
    seconds, outcome = _running.pop(report.nodeid)
    injected = 0 if outcome == "skipped" else properties.get("rounds", 1)  # without rounds, the test is one
    for row in properties["fault"]:
        found = _found.setdefault(row, {"injected": 0, "seconds": 0.0, "outcomes": {}, "tests": []})
        found["injected"] += injected
        found["seconds"] = round(found["seconds"] + seconds, 1)
        found["outcomes"][outcome] = found["outcomes"].get(outcome, 0) + 1
        test = report.nodeid.partition("[")[0]
        if test not in found["tests"]:
            found["tests"].append(test)


def pytest_sessionfinish() -> None:
    file = os.environ.get("FAULTS_REPORT")
    if file and _found:
        content = {str(row): _found[row] for row in sorted(_found)}
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps({"is_full": IS_FULL, "rows": content}, indent=1), "utf-8")
