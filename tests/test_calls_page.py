"""`docs/calls.md` explains every field and value that calls, states, live state and missed calls can have."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from call_frames import read_documents
from call_scene import keep
from msgspec.structs import fields
from support import START_AT

from ipecs_mw.calls.course.course import CLOSERS, RANKS
from ipecs_mw.calls.documents.agents import ACTIVITIES
from ipecs_mw.calls.documents.missed import MISSED, Item, find_missed
from ipecs_mw.calls.documents.outcome import DIRECTIONS, OUTCOMES, RECORDED
from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.calls.documents.record import KINDS, build_record
from ipecs_mw.store.calls.missed_query import close_item
from ipecs_mw.store.server.connection import Store

ROOT = Path(__file__).parent.parent
CASES = [
    case
    for file in sorted((ROOT / "tests/calls").glob("*cases/*.json"))
    for case in json.loads(file.read_text("utf-8")).values()
]


@cache
def read_page() -> dict[str, str]:
    """Return the sections of the page: heading → text."""
    _, *sections = re.split(r"^## ", (ROOT / "docs/calls.md").read_text("utf-8"), flags=re.MULTILINE)
    return {section.partition("\n")[0]: section for section in sections}


@cache
def read_cases() -> dict[str, list[dict[str, Any]]]:
    """Return all documents that the cases make, by section of the page."""
    found: dict[str, list[dict[str, Any]]] = {"The document of a call": [], "Agent states": [], "Live": []}
    for case in CASES:
        bins = {group["bin"]: number for number, group in case.get("groups", {}).items()}
        reading = HostReading("main", bins=bins, machines=case.get("machines", ()))
        for order, document in enumerate(read_documents(case["frames"])):
            reading.take(document, order)
            found["Live"] += [each for _, each in reading.live.take_changed() if each is not None]
        calls = [build_record(call, "main") for _, call in reading.calls.take_changed() if call is not None]
        found["The document of a call"] += calls
        found["Agent states"] += [each for _, each in reading.states.take_changed()]
        found.setdefault("Missed calls", []).extend(item.to_document() for item in find_missed(calls))
    return found


def walk(document: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each field; those of call records are the event log's, those of agents are states."""
    for name, value in document.items():
        yield f"{path}{name}"
        if name in ("records", "agents"):
            continue
        if isinstance(value, Mapping):
            yield from walk(value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for each in value:
                yield from walk(each, f"{path}{name}[].")


@pytest.mark.parametrize("section", ["The document of a call", "Agent states", "Live", "Missed calls"])
def test_every_field_that_the_cases_make_is_explained(section: str) -> None:
    documents = read_cases()[section]
    assert len(documents) > 20
    paths = {path for document in documents for path in walk(document)}
    assert sorted(path for path in paths if f"`{path}`" not in read_page()[section]) == []


def test_every_field_that_is_kept_beside_them_is_explained(migrated: Store) -> None:
    keep(migrated)
    (item,) = migrated.database["missed"].find()
    close_item(migrated, item["_id"], by="kim", at=START_AT, note="done")
    sections = {
        "calls": "The document of a call", "agent_states": "Agent states", "live": "Live", "missed": "Missed calls"
    }  # fmt: skip
    for collection, section in sections.items():
        paths = {path for document in migrated.database[collection].find() for path in walk(document)}
        assert sorted(path for path in paths if f"`{path}`" not in read_page()[section]) == []


def test_every_value_is_explained() -> None:
    page = read_page()
    kinds = {*RANKS, "wrap_up"}
    states = {
        *ACTIVITIES.values(),
        "ready",
        "wrap_up",
        "not_ready",
        "busy_other",
        "dnd",
        "out_of_service",
        "unknown",
    }
    values = {
        "The document of a call": {*DIRECTIONS, *OUTCOMES, *CLOSERS, *kinds, *RECORDED},
        "Agent states": {*states, "out_of_service", "idle"},
        "Missed calls": MISSED,
    }
    for section, each in values.items():
        assert sorted(value for value in each if f"`{value}`" not in page[section]) == []


@pytest.mark.parametrize(
    ("pick", "name"),
    [
        (lambda call: [segment["kind"] for segment in call.get("segments", ())], "kinds"),
        (lambda call: [s["result"] for s in call.get("segments", ()) if "result" in s], "results"),
        (lambda call: [call["quality"].get("closed_by", "hang_up")], "ends"),
        (lambda call: [call["quality"]["clock"]], "clocks"),
        (lambda call: call["quality"].get("inferred", ()), "marks"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_every_value_that_the_cases_make_is_explained(pick: Any, name: str) -> None:
    calls = read_cases()["The document of a call"]
    found = {value for call in calls for value in pick(call)}
    assert found, name
    assert sorted(value for value in found if f"`{value}`" not in read_page()["The document of a call"]) == []


def test_the_page_names_no_field_that_there_is_not() -> None:
    section = read_page()["Missed calls"]
    named = set(re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.MULTILINE))
    ours = {field.name for field in fields(Item)} - {"id"}
    people = {
        "_id",
        "numbers",
        "state",
        "count",
        "owner",
        "note",
        "closing",
        "history",
        "revision",
        "updated_at",
    }
    assert named == ours | people
    assert {f"seconds.{kind}" for kind in KINDS} <= set(
        re.findall(r"`(seconds\.\w+)`", read_page()["The document of a call"])
    )
