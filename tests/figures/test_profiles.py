"""Profiles: hours of the day and days of the week, by the clocks of a zone, and what a table says of them."""

from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from figures_scene import DAY, NO_HOSTS, TEN, count_all, make_call, make_maker
from reading_scene import NOW

from ipecs_mw.errors import NoSuchName
from ipecs_mw.figures.answers.csv_table import write_table
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.time.intervals import begin_day, next_day
from ipecs_mw.figures.time.profiles import divide
from ipecs_mw.model.configuration.figure_settings import FigureSettings, Hours
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.reports.content import build_content
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.reader import take_over, tell
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

DAYS = 5
AFTER = DAY + timedelta(days=DAYS)
HOURS = Question(what="hours", since=DAY, until=AFTER, interval="hour-of-day", zone="UTC")


@pytest.mark.parametrize(
    ("zone", "day", "twice", "never"),
    [
        ("Europe/Berlin", date(2026, 10, 25), {2}, set()),
        ("Europe/Berlin", date(2026, 3, 29), set(), {2}),
        ("Africa/Cairo", date(2026, 4, 24), set(), {0}),
        ("Australia/Lord_Howe", date(2026, 4, 5), {1}, set()),
        ("Asia/Kathmandu", date(2026, 3, 2), set(), set()),
    ],
)
def test_an_hour_that_comes_twice_counts_twice_and_one_that_is_left_out_never(
    zone: str, day: date, twice: set[int], never: set[int]
) -> None:
    here = ZoneInfo(zone)
    since, until = begin_day(day, here), begin_day(next_day(day), here)
    times = Counter(divide(since, until, "hour-of-day", here).rows)
    assert {hour for hour in range(24) if times[hour] == 2} == twice
    assert {hour for hour in range(24) if not times[hour]} == never


@pytest.fixture
def days(migrated: Store) -> Store:
    """Days of which three have calls at ten o'clock: one, two and three of them; all is counted."""
    take_over(migrated, "x", NOW)
    begins = [TEN + timedelta(days=day, minutes=number) for day in (0, 2, 3) for number in range(max(1, day))]
    calls = [make_call(number, began, 5) for number, began in enumerate(begins)]
    migrated.database["calls"].insert_many([dict(each) for each in calls])
    tell(migrated, 1, [{"host": "main", "taken_at": AFTER, "is_catching_up": False}], NOW)
    count_all(make_maker(migrated))
    count_all(make_maker(migrated))  # up to where events are known
    return migrated


def test_an_average_is_of_all_days_also_of_those_without_calls(days: Store) -> None:
    (row,) = ask(days, NO_HOSTS, HOURS).rows
    assert (row["hour"], row["calls"], row["times"]) == (10, 6, DAYS)
    assert row["average_calls"] == pytest.approx(6 / DAYS, abs=1e-4)
    assert (row["from"], row["until"]) == (TEN, TEN + timedelta(days=DAYS - 1, hours=1))


def test_an_average_is_of_what_has_begun_and_is_asked_for(days: Store) -> None:
    question = Question(
        what="hours", since=DAY, until=AFTER + timedelta(days=5), interval="hour-of-day", zone="UTC"
    )
    (row,) = ask(days, NO_HOSTS, question).rows
    assert (row["times"], row["is_complete"]) == (DAYS, False)
    monday = Settings(hosts=[], figures=FigureSettings(office_hours=Hours("08:00", "17:00", ["mon"])))
    office = Question(
        what="queues", since=DAY, until=AFTER, interval="hour-of-day", zone="UTC", hours="office"
    )
    (row,) = ask(days, monday, office).rows
    assert (row["hour"], row["offered"], row["times"], row["average_offered"]) == (10, 1, 1, 1)


def test_a_table_of_days_of_the_week_has_their_names_for_people_and_programs(days: Store) -> None:
    question = Question(what="queues", since=DAY, until=AFTER, interval="weekday", zone="UTC")
    table, texts = ask(days, NO_HOSTS, question), shipped_texts("de-DE")
    content = build_content("figures", question, table, texts)
    assert [row[0].text for row in content.rows] == ["Montag", "Mittwoch", "Donnerstag"]
    assert [each.text for each in content.head[:2]] == ["Wochentag", "Gruppe"]
    head, first, *_ = write_table(table, texts, ZoneInfo("UTC"))
    assert dict(zip(head.strip().split(","), first.strip().split(","), strict=True)).items() >= {
        ("weekday", "mon"), ("offered", "1"), ("average", "1.0"), ("times", "1")
    }  # fmt: skip


def test_what_is_counted_from_calls_has_no_intervals(days: Store) -> None:
    question = Question(what="stations", since=DAY, until=AFTER, interval="1d", zone="UTC")
    with pytest.raises(NoSuchName) as caught:
        ask(days, NO_HOSTS, question)
    assert caught.value.facts == {"what": "stations", "interval": "1d"}
