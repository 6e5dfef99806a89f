"""Who counts may die or be late at any moment, and may learn that less is known than seemed so."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from figures_scene import NEXT_DAY, NO_HOSTS, TEN, count_all, make_call, make_maker, reach
from msgspec import structs
from reading_scene import NOW, OPTIONS
from support import FakeClock

from ipecs_mw.errors import StoreUnavailable, WrittenElsewhere
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.time.quarters import list_quarters
from ipecs_mw.model.configuration.figure_settings import FigureSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.days import list_days
from ipecs_mw.service.readers import figure_maker
from ipecs_mw.service.readers.derived import Derived
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.reader import take_over
from ipecs_mw.store.coordination.instances import save_instance
from ipecs_mw.store.figures import keeping
from ipecs_mw.store.figures.marks import mark
from ipecs_mw.store.figures.place import find_as_of
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

Document = dict[str, Any]


@pytest.fixture
def days(migrated: Store) -> Store:
    """Two calls at ten o'clock; the day is over, counted and summed."""
    take_over(migrated, "x", NOW)
    calls = [make_call(number, TEN + timedelta(minutes=number), 12) for number in range(2)]
    migrated.database["calls"].insert_many(calls)
    reach(migrated, NEXT_DAY + timedelta(hours=1))
    count_all(make_maker(migrated))
    return migrated


def change(store: Store, wait_seconds: int) -> None:
    """Have the first call have waited longer."""
    store.database["calls"].replace_one({"_id": "main:0"}, make_call(0, TEN, wait_seconds))
    mark(store, "main", {TEN})


def read_waits(store: Store, collection: str) -> list[float]:
    return [each["wait_seconds"] for each in store.database[collection].find({"kind": "group"})]


def test_a_day_is_summed_though_who_had_counted_died_before(
    days: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise StoreUnavailable("error.store_unavailable", detail="gone")

    assert read_waits(days, "figure_days") == [24]
    change(days, 30)
    with monkeypatch.context() as patch:
        patch.setattr(figure_maker, "sum_day_anew", die)
        with pytest.raises(StoreUnavailable):
            count_all(make_maker(days))
    assert read_waits(days, "figures") == [42]
    count_all(make_maker(days))
    assert read_waits(days, "figure_days") == [42]


def test_who_is_late_writes_nothing_over_what_another_one_knows_better(
    days: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    count: Callable[..., Any] = keeping.count

    def dawdle(facts: Any) -> Any:
        """Have another one count while this one has read the calls and not yet written."""
        counted = count(facts)
        if TEN not in facts.quarters:
            return counted
        monkeypatch.setattr(keeping, "count", count)
        change(days, 90)
        count_all(make_maker(days))
        return counted

    change(days, 30)
    monkeypatch.setattr(keeping, "count", dawdle)
    with pytest.raises(WrittenElsewhere):
        count_all(make_maker(days))
    assert read_waits(days, "figures") == [102]


def ask_queue(store: Store, since: datetime, until: datetime) -> Document:
    question = Question(what="queues", since=since, until=until, zone="UTC")
    (row,) = ask(store, NO_HOSTS, question).rows
    return dict(row)


def test_what_is_over_no_longer_is_where_less_is_known_than_seemed_so(days: Store) -> None:
    since, until = TEN, TEN + timedelta(minutes=15)
    clock = FakeClock(NOW)
    maker = make_maker(days, clock=clock)
    assert ask_queue(days, since, until)["is_complete"]
    for reached in (TEN + timedelta(minutes=5), TEN - timedelta(days=2), NEXT_DAY):
        reach(days, reached)
        for _ in range(
            2
        ):  # less is believed, and the last part of a day counted, when ten seconds have passed
            count_all(maker)
            clock.advance(11)
            count_all(maker)
        row = ask_queue(days, since, until)
        assert (row["is_complete"], row["as_of"]) == (reached > until, reached)
        (kept,) = days.database["figures"].find({"kind": "group"})
        assert kept["is_complete"] == (reached > until)


def test_other_settings_leave_alone_what_was_counted_of_calls_that_are_gone(days: Store) -> None:
    days.database["calls"].delete_one({"_id": "main:0"})
    days.database["calls"].delete_one({"_id": "main:1"})
    days.database["calls"].insert_one(make_call(2, NEXT_DAY, 5))
    mark(days, "main", {NEXT_DAY})
    settings = Settings(hosts=[], figures=structs.replace(FigureSettings(), trunks=1))
    count_all(make_maker(days, settings), settings)
    assert sorted(read_waits(days, "figures")) == [5, 24]


def test_a_reader_that_is_behind_for_a_moment_changes_no_figure(days: Store) -> None:
    clock = FakeClock(NOW)
    maker = make_maker(days, clock=clock)
    (before,) = days.database["figures"].find({"kind": "group"})
    for reached in (TEN, NEXT_DAY + timedelta(hours=1), TEN, NEXT_DAY + timedelta(hours=1)):
        reach(days, reached)
        count_all(maker)
        clock.advance(6)
    assert list(days.database["figures"].find({"kind": "group"})) == [before]


def test_what_turns_out_late_to_have_ended_is_counted_anew_as_far_as_it_was_counted(days: Store) -> None:
    ready = {
        "_id": "main:1001",
        "host": "main",
        "first": "1",
        "station": "1001",
        "agent": "1001",
        "groups": ["620"],
        "state": "ready",
        "from": TEN,
        "days": None,
        "revision": 1,
    }
    days.database["agent_states"].insert_one(dict(ready))
    mark(days, "main", list_quarters(TEN, NEXT_DAY))
    count_all(make_maker(days))
    until = TEN + timedelta(minutes=30)
    ended = {name: each for name, each in ready.items() if name != "revision"}
    ended |= {"until": until, "days": list_days(TEN, until)}
    reader = HostReader(days, "main", OPTIONS)
    reader.put(
        Derived(
            calls={},
            states={"main:1001": ended},
            lasting=(),
            at=TEN + timedelta(minutes=40),
            is_whole=False,
            is_all=False,
            gaps=(),
        ),
        NEXT_DAY + timedelta(hours=1),
    )
    count_all(make_maker(days))
    agents = days.database["figures"].find({"kind": "agent", "states": {"$exists": True}})
    assert sum(each["states"]["ready"] for each in agents) == 30 * 60


def test_nothing_is_known_of_a_time_whose_events_still_wait_in_a_journal(days: Store) -> None:
    reached = NEXT_DAY + timedelta(hours=1)
    for ago, known in ((7200, reached - timedelta(hours=2)), (5, reached)):
        journal = {"entries": 9, "oldest_at": reached - timedelta(seconds=ago)}
        save_instance(days, "one", {"state": "running", "hosts": {"main": {"journal": journal}}})
        assert find_as_of(days, reached)["main"] == known
    save_instance(days, "one", {"state": "stopped", "hosts": {"main": {"journal": {"oldest_at": TEN}}}})
    assert find_as_of(days, reached)["main"] == reached


def test_who_stood_still_sums_no_day_over_what_another_one_has_summed(
    days: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums, groups = days.database["figure_days"], {"kind": "group"}
    days.database["figures"].update_many(groups, {"$inc": {"offered": 1}})
    sum_day = keeping.sum_day

    def stand_still(*given: Any) -> Any:
        """Sum what was read, while another one sums what it knows."""
        sums.update_many(groups, {"$set": {"offered": 4711}, "$inc": {"revision": 1}})
        return sum_day(*given)

    monkeypatch.setattr(keeping, "sum_day", stand_still)
    with pytest.raises(WrittenElsewhere):
        keeping.sum_day_anew(days, "main", TEN.date(), ZoneInfo("UTC"), NOW)
    assert sums.distinct("offered", groups) == [4711]
