"""Figures that are kept are what the calls give: whatever the cuts, batches and late events, and whoever dies."""

from datetime import datetime
from random import Random

import pytest
from faults.recording import IS_FULL
from figures_scene import count_all, insert, make_maker, read
from reading_scene import NOW, OPTIONS, Document, build_log

from ipecs_mw.figures.counting.documents import Facts, count
from ipecs_mw.figures.counting.rules import Rules
from ipecs_mw.figures.time.quarters import list_quarters
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.reader import take_over
from ipecs_mw.store.figures.place import load_place
from ipecs_mw.store.server.connection import Store

SEEDS = range(60) if IS_FULL else range(3)
RULES = Rules()


def count_directly(store: Store, rules: Rules = RULES) -> dict[str, Document]:
    """Return what the documents that are there give, counted in one go."""
    as_of = load_place(store, "main").as_of
    calls = list(store.database["calls"].find())
    states = list(store.database["agent_states"].find())
    gaps = [
        tuple(datetime.fromisoformat(each["data"][name]) for name in ("since", "until"))
        for each in store.database["events"].find({"type": "gap"})
    ]
    assert as_of is not None
    begun = min(each.get("began_at") or each["from"] for each in calls + states)
    quarters = set(list_quarters(begun, as_of))
    found = count(Facts("main", quarters, calls, states, gaps, as_of, rules))  # type: ignore[arg-type]
    return {each["_id"]: each for each in found}


def read_kept(store: Store, collection: str = "figures") -> dict[str, Document]:
    mine = {"revision", "updated_at"}
    return {
        each["_id"]: {name: value for name, value in each.items() if name not in mine}
        for each in store.database[collection].find()
    }


def assert_same(kept: dict[str, Document], wanted: dict[str, Document]) -> None:
    differing = [
        (each, name, kept.get(each, {}).get(name), wanted.get(each, {}).get(name))
        for each in sorted(kept.keys() | wanted.keys())
        for name in {*kept.get(each, {}), *wanted.get(each, {})}
        if kept.get(each, {}).get(name) != wanted.get(each, {}).get(name)
    ]
    assert not differing, "\n".join(map(str, differing[:20]))


@pytest.mark.parametrize("seed", SEEDS)
def test_kept_figures_are_what_the_calls_give(migrated: Store, seed: int) -> None:
    random = Random(seed)
    log = list(build_log(2.5, seed % 3 + 1, 4))
    journal = random.choice(("bbbb", "cccc", "none"))
    late = [each for each in log if f":{journal}:" in each["_id"] or each.get("journal") == journal]
    first = [each for each in log if each not in late]
    take_over(migrated, "x", NOW)
    reader = HostReader(migrated, "main", OPTIONS)
    reader.begin()
    maker = make_maker(migrated)
    while first:
        size = random.randrange(1, 900)
        insert(migrated, first[:size])
        first = first[size:]
        read(reader, migrated)
        if random.random() < 0.3:
            maker = make_maker(migrated)  # another one goes on
        if random.random() < 0.7:
            count_all(maker)
        if random.random() < 0.2:
            reader.save(NOW)
    insert(migrated, late)
    order = reader.find_late()
    if order is not None:
        reader.begin(before=order)
    read(reader, migrated)
    count_all(maker)
    kept = read_kept(migrated)
    # what lasted when it was counted is counted on every ten seconds: let it pass
    maker = make_maker(migrated)
    count_all(maker)
    kept = read_kept(migrated)
    assert_same(kept, count_directly(migrated))
    assert sum(each.get("offered", 0) for each in kept.values() if each["kind"] == "group") > 50
    passed = {"quarter": {"$lt": load_place(migrated, "main").as_of}}
    assert migrated.database["figure_marks"].count_documents(passed) == 0
