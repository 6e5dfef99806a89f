"""Which faults a test run injected, how often, and how it ended; pytest calls these as hooks.

`FAULTS=full` injects each many times; `FAULTS_REPORT` names a JSON file for the result.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from faults.elsewhere import ELSEWHERE

IS_FULL = os.environ.get("FAULTS") == "full"

_TESTS = Path(__file__).parent.parent
_found: dict[int, dict[str, Any]] = {}


def count_rounds(item: pytest.Item) -> int:
    """Return how often a test injects its fault: `few` or `many` of its marker, else once."""
    marker = item.get_closest_marker("fault")
    if marker is None:
        return 1
    few = int(marker.kwargs.get("few", 1))
    return int(marker.kwargs.get("many", few)) if IS_FULL else few


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often this test is to inject its fault."""
    return count_rounds(request.node)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        tests = ELSEWHERE.get(item.path.relative_to(_TESTS).as_posix(), {})
        if rows := tests.get(getattr(item, "originalname", item.name)):
            item.add_marker(pytest.mark.fault(*rows))
        if marker := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", (marker.args, count_rounds(item))))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    faults = dict(report.user_properties).get("fault")
    if faults is None or (report.when != "call" and report.outcome == "passed"):
        return
    rows, rounds = faults
    outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
    for row in rows:
        found = _found.setdefault(row, {"injected": 0, "seconds": 0.0, "outcomes": {}, "tests": []})
        found["injected"] += rounds if outcome != "skipped" else 0
        found["seconds"] = round(found["seconds"] + report.duration, 1)
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
