"""Weeks around nights on which clocks change: days, weeks and months are what the calls themselves give."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from faults.recording import IS_FULL
from figures_scene import count_all, make_maker
from msgspec import structs
from reading_scene import NOW

from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.time.intervals import list_intervals
from ipecs_mw.model.configuration.settings import HostSettings, Settings
from ipecs_mw.model.days import list_days
from ipecs_mw.store.calls.reader import take_over, tell
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

Document = dict[str, Any]

NIGHTS = (
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 14, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 3, 2, tzinfo=UTC)),
    ("America/St_Johns", datetime(2026, 11, 1, 4, tzinfo=UTC)),
)
SEEDS = range(10) if IS_FULL else range(1)


def make_calls(random: Random, since: datetime, days: int) -> Sequence[Document]:
    """Return calls of two groups, some of which overflow from one to the other."""
    calls = []
    begins = sorted(random.randrange(days * 86400) for _ in range(12 * days))
    for number, seconds in enumerate(begins):
        began = since + timedelta(seconds=seconds)
        first, second = random.sample(("620", "621"), 2)
        wait, more, talk = random.randrange(90), random.randrange(60), random.randrange(600)
        on = began + timedelta(seconds=wait)
        overflows = random.random() < 0.3
        segments: list[Document] = [
            {"kind": "queue", "group": first, "from": began, "until": on, "result": "overflowed"}
        ]
        if overflows:
            until = on + timedelta(seconds=more)
            segments.append({"kind": "queue", "group": second, "from": on, "until": until})
        last, end = segments[-1], segments[-1]["until"]
        is_answered = random.random() < 0.8
        last["result"] = "answered" if is_answered else "abandoned"
        if is_answered:
            who = {"station": "1001", "agent": "1001", "group": last["group"]}
            segments.append({"kind": "talk", **who, "from": end, "until": end + timedelta(seconds=talk)})
            end += timedelta(seconds=talk)
        call = {
            "_id": f"main:{number}",
            "host": "main",
            "first": f"{number:010}",
            "direction": "inbound",
            "is_open": False,
            "began_at": began,
            "ended_at": end,
            "days": list_days(began, end),
            "groups": [each["group"] for each in segments if each["kind"] == "queue"],
            "segments": segments,
            "outcome": "answered" if is_answered else "abandoned",
        }
        calls.append(call | ({"answered_at": segments[-1]["from"]} if is_answered else {}))
    return calls


def prepare(store: Store, zone_name: str, night: datetime, seed: int) -> tuple[Settings, Sequence[Document]]:
    """Have calls of days around a night be counted; return the settings, and the calls."""
    settings = Settings(hosts=[HostSettings("main", "127.0.0.1", "user", "secret", zone_name)])
    calls = make_calls(Random(f"{zone_name} {seed}"), night - timedelta(days=9), 19)
    store.database["calls"].insert_many([dict(call) for call in calls])
    take_over(store, "x", NOW)
    reached = night + timedelta(days=12)
    tell(store, 1, [{"host": "main", "taken_at": reached, "is_catching_up": False}], NOW)
    count_all(make_maker(store, settings), settings)
    return settings, calls


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("zone_name", "night"), NIGHTS)
def test_weeks_are_what_the_calls_give(migrated: Store, zone_name: str, night: datetime, seed: int) -> None:
    random, zone, since = Random(seed), ZoneInfo(zone_name), night - timedelta(days=9)
    settings, calls = prepare(migrated, zone_name, night, seed)
    assert migrated.database["figure_days"].count_documents({"kind": "group"}) > 20
    for interval in ("1h", "1d", "1w", "1M", "all"):
        begin = since + timedelta(hours=random.randrange(48))
        end = night + timedelta(hours=random.randrange(24, 200))
        question = Question(what="queues", since=begin, until=end, interval=interval, zone=zone_name)  # type: ignore[arg-type]
        rows = {(row["group"], row["from"]): row for row in ask(migrated, settings, question).rows}
        for first, after in list_intervals(begin, end, interval, zone):
            for group in ("620", "621"):
                entered = [
                    each
                    for call in calls
                    for each in call["segments"]
                    if each["kind"] == "queue" and each["group"] == group and first <= each["from"] < after
                ]
                row = rows.get((group, first), {})
                assert row.get("offered", 0) == len(entered), (interval, first, group)
                for result in ("answered", "abandoned", "overflowed"):
                    assert row.get(result, 0) == sum(each["result"] == result for each in entered)
                waits = [
                    (each["until"] - each["from"]).total_seconds()
                    for each in entered
                    if each["result"] == "answered"
                ]
                if waits:
                    assert row["asa_seconds"] == pytest.approx(sum(waits) / len(waits), abs=1e-4)
                    in_time = sum(wait <= 20 for wait in waits)
                    assert row["service_level"]["value"] == pytest.approx(in_time / len(entered), abs=1e-5)


COUNTS = ("offered", "answered", "abandoned", "calls", "incoming", "talk_seconds", "gap_seconds", "revision")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("zone_name", "night"), NIGHTS)
def test_a_profile_is_what_its_hours_and_days_add_up_to(
    migrated: Store, zone_name: str, night: datetime, seed: int
) -> None:
    random, zone = Random(seed), ZoneInfo(zone_name)
    began = night - timedelta(hours=random.randrange(30))
    gap = {"_id": "gap", "type": "gap", "host": "main", "received_at": began + timedelta(minutes=70)}
    data = {"since": began, "until": began + timedelta(minutes=70)}
    migrated.database["events"].insert_one({**gap, "data": data})
    settings, _ = prepare(migrated, zone_name, night, seed)
    since = night - timedelta(days=9) + timedelta(minutes=15 * random.randrange(200))
    until = night + timedelta(days=random.randrange(1, 11), minutes=15 * random.randrange(96))
    for profile, base, read in (
        ("hour-of-day", "1h", lambda at: ("hour", at.hour)),
        (
            "weekday",
            "1d",
            lambda at: ("weekday", ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[at.weekday()]),
        ),
    ):
        for what, name, main in (
            ("queues", "group", "offered"), ("agents", "agent", "answered"), ("hours", "host", "calls")
        ):  # fmt: skip
            question = Question(what=what, since=since, until=until, interval=base, zone=zone_name)  # type: ignore[arg-type]
            parts = ask(migrated, settings, question)
            whole = ask(migrated, settings, structs.replace(question, interval=profile))
            times = Counter(read(at.astimezone(zone)) for at, _ in list_intervals(since, until, base, zone))
            of_row: dict[Any, list[Any]] = {}
            for part in parts.rows:
                of_row.setdefault((read(part["from"].astimezone(zone)), part.get(name)), []).append(part)
            found = {((read_field(row), row[read_field(row)]), row.get(name)): row for row in whole.rows}
            assert len(found) == len(whole.rows)
            assert found.keys() == of_row.keys()
            for key, row in found.items():
                for count in COUNTS:
                    if count in row and (count != "gap_seconds" or what == "hours"):
                        assert row[count] == pytest.approx(sum(part[count] for part in of_row[key])), (
                            key,
                            count,
                        )
                assert row["times"] == times[key[0]]
                assert row[f"average_{main}"] == pytest.approx(row[main] / row["times"], abs=1e-4)
                if what == "hours":
                    assert row["is_complete"] == all(part["is_complete"] for part in of_row[key])
            assert whole.total is not None
            assert parts.total is not None
            assert {**whole.total, **parts.total} == {**whole.total}
            assert whole.total["times"] == sum(times.values())


def read_field(row: Mapping[str, Any]) -> str:
    return "hour" if "hour" in row else "weekday"
