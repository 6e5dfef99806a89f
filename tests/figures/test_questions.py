"""Questions about figures: the kept ones answer what the calls themselves give, in every zone and interval."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from figures_scene import SINCE, UNTIL, count_all, make_day, make_maker
from msgspec import structs

from ipecs_mw.errors import NoSuchName
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.counting.visits import list_visits
from ipecs_mw.figures.time.intervals import INTERVALS, list_intervals
from ipecs_mw.model.configuration.figure_settings import FigureSettings, Hours
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

SETTINGS = Settings(hosts=[])
ZONES = ("UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns")
QUEUES = Question(what="queues", since=SINCE, until=UNTIL, zone="UTC")


def list_in(store: Store, since: datetime, until: datetime) -> Iterator[Any]:
    """Yield the visits of groups that began in an interval, straight from the calls."""
    for call in store.database["calls"].find():
        yield from (visit for visit in list_visits(call) if since <= visit.entered < until)


def sum_states(store: Store, who: dict[str, Any], since: datetime, until: datetime) -> dict[str, float]:
    """Return an agent's seconds in each state, straight from his states."""
    found: dict[str, float] = {}
    for state in store.database["agent_states"].find(who):
        ends = min(state.get("until") or datetime.max.replace(tzinfo=UTC), until)
        seconds = (ends - max(state["from"], since)).total_seconds()
        if seconds > 0:
            found[state["state"]] = found.get(state["state"], 0.0) + seconds
    return found


@pytest.fixture
def day(migrated: Store) -> Store:
    make_day(migrated)
    return migrated


def test_rows_are_what_the_calls_give_in_every_zone_and_interval(day: Store) -> None:
    random = Random(7)
    groups = day.database["figures"].distinct("group")
    for zone in ZONES:
        for interval in INTERVALS:
            since = SINCE + timedelta(minutes=15 * random.randrange(5))
            until = UNTIL - timedelta(minutes=15 * random.randrange(1, 5))
            question = structs.replace(QUEUES, since=since, until=until, interval=interval, zone=zone)
            rows = {(row["group"], row["from"]): row for row in ask(day, SETTINGS, question).rows}
            for begin, end in list_intervals(since, until, interval, ZoneInfo(zone)):
                for group in groups:
                    visits = [visit for visit in list_in(day, begin, end) if visit.group == group]
                    row = rows.get((group, begin), {})
                    answered = [visit for visit in visits if visit.ended == "answered"]
                    assert row.get("offered", 0) == len(visits)
                    assert row.get("answered", 0) == len(answered)
                    assert row.get("abandoned", 0) == sum(visit.ended == "abandoned" for visit in visits)
                    if answered:
                        waits = [visit.wait_seconds for visit in answered]
                        assert row["asa_seconds"] == pytest.approx(sum(waits) / len(waits), abs=1e-3)
                        assert row["service_level"]["value"] == pytest.approx(
                            sum(wait <= 20 for wait in waits) / len(visits), abs=1e-5
                        )


def test_an_agent_s_seconds_are_those_of_his_states_split_exactly(day: Store) -> None:
    since, until = SINCE + timedelta(minutes=30), SINCE + timedelta(minutes=90)
    question = structs.replace(QUEUES, what="agents", since=since, until=until, interval="15m")
    rows = ask(day, SETTINGS, question).rows
    assert len(rows) > 20
    for row in rows:
        who = {"agent": row["agent"]} if "agent" in row else {"agent": None, "station": row["station"]}
        wanted = sum_states(day, who, row["from"], row["until"])
        assert row["states"] == pytest.approx(wanted, abs=0.01)
        assert row["logged_in_seconds"] == pytest.approx(sum(wanted.values()), abs=0.01)
        assert row["logged_in_seconds"] <= 900.01


def test_the_total_of_groups_counts_persons_once(day: Store) -> None:
    queues = ask(day, SETTINGS, QUEUES)
    agents = ask(day, SETTINGS, structs.replace(QUEUES, what="agents"))
    assert queues.total is not None
    assert agents.total is not None
    assert queues.total["logged_in_seconds"] == pytest.approx(agents.total["logged_in_seconds"], abs=0.1)
    assert queues.total["offered"] == sum(row["offered"] for row in queues.rows)


def test_any_formula_and_threshold_can_be_asked_for(day: Store) -> None:
    values = []
    for threshold in (1, 5, 10, 60, 3600):
        question = structs.replace(QUEUES, formula="answered", threshold_seconds=threshold)
        total = ask(day, SETTINGS, question).total
        assert total is not None
        visits = [visit for visit in list_in(day, SINCE, UNTIL) if visit.ended == "answered"]
        in_time = sum(visit.wait_seconds <= threshold for visit in visits)
        values.append(total["service_level"]["value"])
        assert values[-1] == pytest.approx(in_time / len(visits), abs=1e-5)
    assert values == sorted(values)
    assert values[-1] == 1


def test_office_hours_and_the_rest_add_up_to_all(day: Store) -> None:
    office = Hours(begin="08:30", end="09:45", days=["mon"])
    settings = Settings(hosts=[], figures=FigureSettings(office_hours=office, shifts={"early": office}))
    found = {}
    for hours in ("office", "outside", "early", None):
        total = ask(day, settings, structs.replace(QUEUES, hours=hours)).total
        assert total is not None
        found[hours] = total["offered"]
    assert found["office"] == found["early"] > 0
    assert found["office"] + found["outside"] == found[None]
    assert found["outside"] > 0


def test_who_asks_for_what_is_not_there_is_told_what_is(day: Store) -> None:
    wrong = {"group": "999", "agent": "nobody", "host": "elsewhere", "formula": "best", "hours": "late"}
    for name, value in wrong.items():
        what = "agents" if name == "agent" else "queues"
        with pytest.raises(NoSuchName) as error:
            ask(day, SETTINGS, structs.replace(QUEUES, what=what, **{name: value}))
        assert error.value.facts["name"] == value
        assert error.value.facts["allowed"]
    since = datetime(1990, 1, 1, tzinfo=UTC)
    with pytest.raises(NoSuchName) as error:
        ask(day, SETTINGS, structs.replace(QUEUES, since=since, interval="15m"))
    assert error.value.facts["rows"] > error.value.facts["most"]


def test_days_of_the_host_s_zone_are_answered_by_their_sums_and_are_the_same(migrated: Store) -> None:
    make_day(migrated)
    place = migrated.database["readers"].find_one({"_id": "figures:main"})
    assert place is not None
    day = SINCE.replace(hour=0)
    question = structs.replace(QUEUES, since=day, until=day + timedelta(days=1), interval="1d")
    by_quarters = ask(migrated, SETTINGS, question)
    # the day is over: its sums are made, and the quarter hours are needed no more
    later = {"$set": {"hosts.0.taken_at": day + timedelta(days=1, hours=1)}}
    migrated.database["readers"].update_one({"_id": "calls"}, later)
    count_all(make_maker(migrated))
    whole = ask(migrated, SETTINGS, question)
    migrated.database["figures"].delete_many({"kind": "group"})
    by_days = ask(migrated, SETTINGS, question)
    assert [row["offered"] for row in by_days.rows] == [row["offered"] for row in by_quarters.rows]
    assert [row["service_level"] for row in by_days.rows] == [row["service_level"] for row in whole.rows]
    assert [row["waits"] for row in by_days.rows] == [row["waits"] for row in by_quarters.rows]
