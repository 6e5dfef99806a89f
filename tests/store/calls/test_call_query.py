"""Questions to `calls`: each filter, pages, ids, and the events behind a call."""

from typing import Any

import pytest
from call_scene import CALLED, CALLER, MORNING, OTHER, instant, keep

from ipecs_mw.calls.documents.outcome import DIRECTIONS, OUTCOMES
from ipecs_mw.errors import CommandRefused, NoSuchName
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.store.calls.call_events import find_call_events
from ipecs_mw.store.calls.call_query import CallFilter, count_calls, find_calls, load_call
from ipecs_mw.store.calls.names import read_name
from ipecs_mw.store.calls.numbers import read_wanted
from ipecs_mw.store.configuration.settings import load_document, save_settings
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.values import list_values

SINGAPORE = NumberSettings(country="65", trunk_prefix="9")


def refs(store: Store, **fields: Any) -> list[int]:
    found = list(find_calls(store, CallFilter(**fields), limit=0))
    assert count_calls(store, CallFilter(**fields)) == len(found)
    return [call["call_refs"][0] for call in found]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [12, 11, 10, 9, 8, 7]),
        ({"host": "main"}, [12, 11, 10, 9, 8, 7]),
        ({"host": "branch"}, []),
        ({"station": "1003"}, [11, 10]),
        ({"agent": "0042"}, [7]),
        ({"group": "620"}, [12, 8, 7]),
        ({"direction": "outbound"}, [11, 9]),
        ({"outcome": "abandoned"}, [8]),
        ({"outcome": "answered", "direction": "internal"}, [10]),
        ({"is_open": True}, [12]),
        ({"is_open": False, "group": "620"}, [8, 7]),
        ({"since": instant(300)}, [12, 11, 10]),
        ({"until": instant(100)}, [7]),
    ],
)
def test_each_filter_finds_its_calls_newest_first(
    migrated: Store, fields: dict[str, Any], expected: list[int]
) -> None:
    keep(migrated)
    assert refs(migrated, **fields) == expected


def test_what_the_filters_name_is_what_calls_can_be(migrated: Store) -> None:
    keep(migrated)
    assert set(list_values(migrated, "calls", "direction")) <= set(DIRECTIONS)
    assert set(list_values(migrated, "calls", "outcome")) <= set(OUTCOMES)
    assert list_values(migrated, "calls", "groups") == ["620"]


@pytest.mark.parametrize(
    "spelled", ["65551234", "+6565551234", "+65 6555 1234", "96555 1234", "tel:+6565551234"]
)
def test_a_number_is_found_in_any_spelling(seeded: Store, clock: Any, spelled: str) -> None:
    content = load_document(seeded, "default") or {}
    numbers = {"country": "65", "trunk_prefix": "9"}
    save_settings(seeded, "default", {**content, "numbers": numbers}, "test", at=clock.now())
    keep(seeded, [(0, 3, 1, "CO001", "1001"), (0, 72, 1, "CO001", "1001", "65551234")], plan=SINGAPORE)
    assert refs(seeded, numbers=read_wanted(seeded, "default", spelled)) == [1]
    assert refs(seeded, numbers=read_wanted(seeded, "default", "65551235")) == []


def test_who_may_not_read_the_number_plan_gets_numbers_compared_as_they_are_written(migrated: Store) -> None:
    keep(migrated, [(0, 3, 1, "CO001", "1001"), (0, 72, 1, "CO001", "1001", "65551234")], plan=SINGAPORE)
    assert refs(migrated, numbers=read_wanted(migrated, "default", "6555-1234")) == [1]
    assert refs(migrated, numbers=read_wanted(migrated, "default", "+6565551234")) == [1]
    assert refs(migrated, numbers=read_wanted(migrated, "default", "6555")) == []


def test_a_masked_number_stands_for_itself(seeded: Store) -> None:
    keep(seeded, [(0, 3, 1, "CO001", "1001"), (0, 72, 1, "CO001", "1001", "0612***678")])
    assert refs(seeded, numbers=read_wanted(seeded, "default", "0612***678")) == [1]
    assert refs(seeded, numbers=read_wanted(seeded, "default", CALLER)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kim", [12, 7]),
        ("K", [12, 7]),
        (" LÉ ", [8]),
        ("<b>Kim</b>", []),
        (".*", None),
        ("$regex", []),
        ("im", []),
        ("kim lee", []),
        ("x" * 4096, []),
        ("\u202ekim", [12, 7]),
        (CALLER, None),
        ("", None),
        ("   ", None),
    ],
)
def test_a_call_is_found_by_how_words_of_the_name_begin(
    migrated: Store, name: str, expected: list[int] | None
) -> None:
    keep(migrated)
    if expected is None:
        with pytest.raises(CommandRefused) as raised:
            read_name(name)
        assert raised.value.facts["name"] == "name"
    else:
        assert refs(migrated, words=read_name(name)) == expected


def test_all_words_of_a_name_have_to_begin_so_in_any_order(migrated: Store) -> None:
    names = ("Anna Müller", "Ann Meier", "Müller GmbH", "Anna-Lena Schmidt-Müller")
    frames = [
        frame
        for ref, name in enumerate(names, 1)
        for frame in ((ref, 3, ref, "CO001", "1001"), (ref, 72, ref, "CO001", "1001", "65551234", name))
    ]
    keep(migrated, frames)
    assert refs(migrated, words=read_name("mull an")) == [4, 1]
    assert refs(migrated, words=read_name("ann")) == [4, 2, 1]
    assert refs(migrated, words=read_name("MÜ")) == [4, 3, 1]
    assert refs(migrated, words=read_name("ann"), until=instant(3)) == [2, 1]


def test_pages_show_every_call_once_also_those_of_one_instant(migrated: Store) -> None:
    for host in ("main", "branch", "third"):
        keep(migrated, host=host)
    seen: list[str] = []
    while page := list(find_calls(migrated, CallFilter(), limit=4, before=seen[-1] if seen else None)):
        seen += [call["_id"] for call in page]
    assert len(seen) == len(set(seen)) == 18
    newer = [call["_id"] for call in find_calls(migrated, CallFilter(), limit=0, after=seen[5])]
    assert newer == seen[:5]


def test_a_page_beside_a_call_that_is_not_there_is_an_error(migrated: Store) -> None:
    with pytest.raises(NoSuchName, match="nowhere"):
        list(find_calls(migrated, CallFilter(), limit=1, before="nowhere"))


def test_a_beginning_of_an_id_is_enough_where_only_one_has_it(migrated: Store) -> None:
    keep(migrated)
    call_id = next(find_calls(migrated, CallFilter(), limit=1))["_id"]
    bare = call_id.partition(":")[2]
    for given in (call_id, call_id[:12], bare, bare[:8]):
        assert load_call(migrated, given)["_id"] == call_id


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("main:", "error.ambiguous_id"),
        ("zz", "error.no_such_call"),
        ("", "error.no_such_call"),
        (".*", "error.no_such_call"),
    ],
)
def test_an_id_that_none_or_several_have_is_an_error(migrated: Store, given: str, key: str) -> None:
    keep(migrated)
    with pytest.raises(NoSuchName) as raised:
        load_call(migrated, given)
    assert raised.value.key == key


def test_the_events_of_a_call_are_those_that_joined_it(migrated: Store) -> None:
    keep(migrated)
    keep(migrated, host="branch")
    (call,) = find_calls(migrated, CallFilter(host="main", agent="0042"), limit=0)
    codes = [event["code"] for event in find_call_events(migrated, call, None)]
    assert codes == [3, 72, 62, 66, 42, 49, 42, 44, 2, 15, 16]
    (given_up,) = find_calls(migrated, CallFilter(host="main", outcome="abandoned"), limit=0)
    assert [event["code"] for event in find_call_events(migrated, given_up, None)] == [3, 72, 62, 43, 2]


def test_a_call_whose_beginning_the_log_has_lost_has_the_events_that_name_it(migrated: Store) -> None:
    keep(migrated)
    (call,) = find_calls(migrated, CallFilter(agent="0042"), limit=0)
    migrated.database["events"].delete_many({"code": {"$in": [3, 72]}})
    assert [event["code"] for event in find_call_events(migrated, call, None)] == [62, 66, 42, 49, 42, 44]


def test_a_call_record_that_is_read_later_is_among_the_events_of_its_call(migrated: Store) -> None:
    record = {
        "Index": "5", "StationNumber": "1001", "CoNumber": "001", "StartTime": "2026-03-02 08:00",
        "Duration": "00:00:35", "Number1": CALLER, "Direction": "I", "Number2": "", "Cost": "",
    }  # fmt: skip
    keep(migrated, [*MORNING[:14], (90, "smdr", record)])
    (call,) = find_calls(migrated, CallFilter(agent="0042"), limit=0)
    assert find_call_events(migrated, call, None)[-1]["kind"] == "smdr"


def test_numbers_of_the_scene_are_told_apart(migrated: Store) -> None:
    keep(migrated)
    for number, expected in ((CALLER, [12, 7]), (OTHER, [9, 8]), (CALLED, [11])):
        assert refs(migrated, numbers=read_wanted(migrated, "default", number)) == expected
