"""The description of the API, judged by a validator and against what the server really answers."""

import os
import re
import warnings
from itertools import product
from typing import Any

import pytest
from api_scene import BRANCH, Served, make_missed
from figures_scene import SINCE, UNTIL
from openapi_spec_validator import OpenAPIV31SpecValidator

FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""So long `make fuzz` asks; without it a few questions to each operation are enough."""

EXAMPLES = 12


@pytest.fixture(scope="module")
def description(api: Served) -> dict[str, Any]:
    found: dict[str, Any] = api.get("openapi.json", "").json()
    return found


def list_operations(description: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in description["paths"].values() for operation in path.values()]


def test_the_description_is_openapi_3_1(description: dict[str, Any]) -> None:
    errors = [
        f"{'/'.join(map(str, each.path))}: {each.message}"
        for each in OpenAPIV31SpecValidator(description).iter_errors()
    ]
    assert errors == []
    assert description["openapi"].startswith("3.1")


def test_every_operation_says_what_it_is_what_it_needs_and_what_it_answers(
    description: dict[str, Any],
) -> None:
    names = [operation["operationId"] for operation in list_operations(description)]
    assert len(names) == len(set(names))
    for operation in list_operations(description):
        assert operation["summary"].endswith(".")
        assert operation["responses"]
        for status, answer in operation["responses"].items():
            assert answer["description"]
            assert ("application/problem+json" in answer.get("content", {})) == (int(status) >= 400), (
                operation
            )
        for parameter in operation["parameters"]:
            assert parameter["schema"], parameter


def test_every_document_that_is_there_is_as_the_description_says(
    api: Served, description: dict[str, Any]
) -> None:
    """The fields of real documents are among those described: nobody finds out about one by accident."""
    make_missed(api.store)
    call = api.items("calls", host=BRANCH)[-1]["id"]
    paths = {
        "events": "Event", "calls": "Call", "missed": "MissedItem", "stations": "LiveItem", "agents": "LiveItem",
        "queues": "LiveItem", f"calls/{call}/events": "Event",
    }  # fmt: skip
    schemas = description["components"]["schemas"]
    for path, name in paths.items():
        for item in api.items(path, **({} if "/" in path or path[0] in "saq" else {"limit": 500})):
            assert set(item) - set(schemas[name]["properties"]) == set(), path
    for what, interval in product(("queues", "agents", "hours"), ("all", "hour-of-day", "weekday")):
        params = {"since": SINCE.isoformat(), "until": UNTIL.isoformat(), "zone": "UTC", "interval": interval}
        table = api.get(f"figures/{what}", params=params).json()
        for row in (*table["items"], table["total"]):
            assert set(row) - set(schemas["Figures"]["properties"]) == set(), what


def test_the_reference_is_one_page_that_needs_nothing_from_elsewhere(
    api: Served, description: dict[str, Any]
) -> None:
    page = api.get("reference", "")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r"https?://|<script|src=|url\(", page.text)
    for operation in list_operations(description):
        assert f'id="{operation["operationId"]}"' in page.text
    anchors = set(re.findall(r'id="([^"]+)"', page.text))
    assert set(re.findall(r'href="#([^"]+)"', page.text)) <= anchors


@pytest.mark.timeout(FUZZ_SECONDS * 2 + 600)
def test_no_question_gets_a_fault_of_ours_or_an_answer_that_is_not_described(api: Served) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, not ours
        from api_fuzzing import ask_at_random  # noqa: PLC0415 - takes seconds to import
    faults = ask_at_random(api, examples=EXAMPLES, seconds=FUZZ_SECONDS)
    assert faults == []
    assert "Traceback" not in api.logged()
