"""What a question may narrow down, what a total says, and several phone systems in one database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from figures_scene import DAY, NEXT_DAY, TEN, count_all, make_call, make_maker
from msgspec import structs
from reading_scene import NOW

from ipecs_mw.errors import NoSuchName
from ipecs_mw.figures.answers.cells import head_cell
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.time.periods import choose_span
from ipecs_mw.model.configuration.figure_settings import FigureSettings, Hours
from ipecs_mw.model.configuration.settings import HostSettings, Settings
from ipecs_mw.model.days import list_days
from ipecs_mw.model.figure_names import BY_INTERVAL
from ipecs_mw.reports.content import build_content
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.calls.reader import take_over, tell
from ipecs_mw.store.figures import asking
from ipecs_mw.store.figures.asking import find_zone
from ipecs_mw.store.figures.marks import mark
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

Document = dict[str, Any]

NOON = DAY + timedelta(hours=12)
REASONS = Settings(hosts=[], figures=FigureSettings(reasons={"1": "Lunch"}))
NO_HOSTS = Settings(hosts=[])


def make_state(station: str, state: str, since: datetime, until: datetime, **more: Any) -> Document:
    return {
        "_id": f"main:{station}:{since:%H%M}",
        "host": "main",
        "first": f"{station}{since:%H%M}",
        "station": station,
        "agent": station,
        "groups": ["620"],
        "state": state,
        "from": since,
        "until": until,
        "days": list_days(since, until),
        **more,
    }


def prepare(
    store: Store, calls: Sequence[Document], states: Sequence[Document] = (), at: datetime = NOON
) -> None:
    """Have calls and states of one or more phone systems be counted up to an instant."""
    take_over(store, "x", NOW)
    for name, documents in (("calls", calls), ("agent_states", states)):
        if documents:
            store.database[name].insert_many([dict(each) for each in documents])
    hosts = sorted({each["host"] for each in calls})
    tell(store, 1, [{"host": host, "taken_at": at, "is_catching_up": False} for host in hosts], NOW)
    count_all(make_maker(store))
    count_all(make_maker(store))


def put_on(host: str, call: Document) -> Document:
    return call | {"host": host, "_id": f"{host}:{call['_id']}"}


def make_question(what: str, since: datetime = DAY, until: datetime = NEXT_DAY, **more: Any) -> Question:
    return Question(what=what, since=since, until=until, zone="UTC", **more)  # type: ignore[arg-type]


def test_reasons_have_their_names_and_a_column_each(migrated: Store) -> None:
    states = [
        make_state("1001", "not_ready", TEN, TEN + timedelta(minutes=10), reason="1"),
        make_state("1001", "not_ready", TEN + timedelta(minutes=20), TEN + timedelta(minutes=25), reason="5"),
        make_state("1002", "not_ready", TEN, TEN + timedelta(minutes=1)),
    ]
    prepare(migrated, [make_call(0, TEN, 5)], states)
    table = ask(migrated, REASONS, make_question("agents"))
    first, second = (row["not_ready_seconds"] for row in table.rows)
    assert (first, second) == ({"Lunch": 600, "5": 300}, {"none": 60})
    assert table.total is not None
    assert table.total["not_ready_seconds"] == {"Lunch": 600, "5": 300, "none": 60}
    columns = {head_cell(column, shipped_texts()): column for column in table.columns}
    assert columns["Not ready: Lunch"].read(table.rows[0]) == 600
    assert columns["Not ready: 5"].read(table.rows[0]) == 300
    assert columns["Not ready: no reason"].read(table.rows[1]) == 60


def test_a_total_is_not_complete_before_the_time_asked_for_is_over(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 5)])
    for what in ("queues", "agents", "hours", "stations", "trunks"):
        for until, is_over in ((NEXT_DAY, False), (TEN + timedelta(hours=1), True)):
            interval = "15m" if what in BY_INTERVAL else "all"
            total = ask(migrated, NO_HOSTS, make_question(what, until=until, interval=interval)).total
            assert total is not None
            assert total["is_complete"] == is_over, what


def test_what_is_still_to_be_counted_anew_is_not_complete(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 5)])
    question = make_question("queues", TEN, TEN + timedelta(hours=1))
    for is_complete in (True, False):
        table = ask(migrated, NO_HOSTS, question)
        assert table.total is not None
        assert [table.total["is_complete"], *(row["is_complete"] for row in table.rows)] == [is_complete] * 2
        mark(migrated, "main", {TEN})


def test_an_open_call_keeps_call_accounting_from_being_complete(migrated: Store) -> None:
    rings = make_call(1, TEN, 5) | {"is_open": True, "days": None}
    prepare(migrated, [make_call(0, TEN, 5), rings])
    total = ask(migrated, NO_HOSTS, make_question("stations", until=TEN + timedelta(hours=1))).total
    assert total is not None
    assert not total["is_complete"]


def test_erlangs_are_of_the_time_that_has_passed_and_is_asked_for(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 60)])  # on its trunk for two minutes
    office = Hours(begin="10:00", end="11:00", days=["mon"])
    settings = Settings(hosts=[], figures=FigureSettings(office_hours=office))
    for hours, seconds in ((None, 12 * 3600), ("office", 3600)):
        for what in ("hours", "trunks"):
            total = ask(migrated, settings, make_question(what, hours=hours)).total
            assert total is not None
            assert total["erlangs"] == pytest.approx(120 / seconds, abs=1e-4)
    nothing = make_question("hours", TEN, TEN)
    assert ask(migrated, settings, nothing).total is None


def test_trunks_say_how_busy_all_of_them_were(migrated: Store) -> None:
    calls = [make_call(number, TEN + timedelta(hours=1), 60) for number in range(3)]
    prepare(migrated, [make_call(9, TEN, 5), *calls])
    table = ask(migrated, NO_HOSTS, make_question("trunks"))
    assert table.total is not None
    assert table.total["trunks_at_once"] == 3
    assert table.total["busiest_from"] == TEN + timedelta(hours=1)
    assert {note.key for note in table.notes} >= {"figures.day.trunks", "figures.note.busiest"}


def test_two_phone_systems_are_apart_and_said(migrated: Store) -> None:
    calls = [put_on(host, make_call(number, TEN, 5)) for host in ("one", "two") for number in range(2)]
    states = [
        make_state("1001", "ready", TEN, TEN + timedelta(minutes=1)) | {"host": host, "_id": host}
        for host in ("one", "two")
    ]
    states.append(make_state("1009", "ready", TEN, TEN + timedelta(hours=1)) | {"host": "two", "groups": []})
    prepare(migrated, calls, states)
    for what in ("queues", "stations", "trunks", "agents", "calls"):
        table = ask(migrated, NO_HOSTS, make_question(what))
        assert {row["host"] for row in table.rows} == {"one", "two"}, what
        assert "host" in [column.name for column in table.columns]
    table = ask(migrated, NO_HOSTS, make_question("queues", group="620"))
    assert table.total is not None
    assert table.total["logged_in_seconds"] == 120
    named = ask(migrated, NO_HOSTS, make_question("stations", host="two"))
    assert "host" not in [column.name for column in named.columns]


def test_a_phone_system_that_is_no_more_holds_no_figure_up(migrated: Store) -> None:
    calls = [put_on(host, make_call(0, TEN, 5)) for host in ("one", "two")]
    prepare(migrated, calls)
    hosts = [HostSettings("one", "127.0.0.1", "user", "secret", "UTC")]
    tell(migrated, 1, [{"host": "one", "taken_at": NEXT_DAY, "is_catching_up": False}], NOW)
    for _ in range(2):
        count_all(make_maker(migrated))
    total = ask(migrated, Settings(hosts=hosts), make_question("stations", TEN, NEXT_DAY)).total
    assert total is not None
    assert total["as_of"] == NEXT_DAY


def test_what_narrows_nothing_down_is_refused(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 5)], [make_state("1001", "ready", TEN, NOON)])
    for what, limit in (("queues", "agent"), ("hours", "group"), ("hours", "station"), ("numbers", "agent")):
        with pytest.raises(NoSuchName) as error:
            ask(migrated, NO_HOSTS, make_question(what, **{limit: "1001"}))
        assert (error.value.facts["name"], error.value.facts["what"]) == (limit, what)
    assert len(ask(migrated, NO_HOSTS, make_question("agents", station="1001")).rows) == 1
    assert ask(migrated, NO_HOSTS, make_question("agents", station="1002")).rows == []


def test_too_many_rows_are_refused_however_they_come_about(
    migrated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [make_state(str(1000 + number), "ready", TEN, NOON) for number in range(20)]
    prepare(migrated, [make_call(0, TEN, 5)], states)
    monkeypatch.setattr(asking, "MOST_ROWS", 100)
    with pytest.raises(NoSuchName) as error:
        ask(migrated, NO_HOSTS, make_question("agents", TEN, NOON, interval="15m"))
    assert error.value.facts["rows"] > 100


def test_who_may_not_read_the_configuration_gets_the_days_of_the_phone_system(migrated: Store) -> None:
    here = Settings(hosts=[HostSettings("main", "127.0.0.1", "user", "secret", "Asia/Seoul")])
    take_over(migrated, "x", NOW)
    migrated.database["calls"].insert_one(make_call(0, TEN, 5))
    tell(migrated, 1, [{"host": "main", "taken_at": NOON, "is_catching_up": False}], NOW)
    count_all(make_maker(migrated, here), here)
    assert find_zone(migrated, NO_HOSTS, None, None).key == "Asia/Seoul"
    assert find_zone(migrated, NO_HOSTS, "Asia/Tokyo", None).key == "Asia/Tokyo"


def test_until_alone_is_the_day_up_to_then() -> None:
    zone = ZoneInfo("Asia/Seoul")
    until = datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert choose_span(None, None, until, zone, NOW) == (datetime(2026, 1, 4, 15, tzinfo=UTC), until)
    midnight = datetime(2026, 1, 4, 15, tzinfo=UTC)
    assert choose_span(None, None, midnight, zone, NOW) == (midnight - timedelta(days=1), midnight)


def test_reasons_that_share_a_name_add_up(migrated: Store) -> None:
    settings = structs.replace(REASONS, figures=FigureSettings(reasons={"1": "Break", "2": "Break"}))
    states = [
        make_state(
            "1001", "not_ready", TEN + timedelta(minutes=at), TEN + timedelta(minutes=at + 1), reason=key
        )
        for at, key in ((0, "1"), (5, "2"))
    ]
    prepare(migrated, [make_call(0, TEN, 5)], states)
    (row,) = ask(migrated, settings, make_question("agents")).rows
    assert row["not_ready_seconds"] == {"Break": 120}


def test_hours_say_which_was_the_busiest(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 5), make_call(1, TEN + timedelta(hours=1), 60)])
    notes = {note.key: note for note in ask(migrated, NO_HOSTS, make_question("hours", interval="1h")).notes}
    assert notes["figures.note.busiest"].facts["at"] == "2026-03-02 11:00"
    daily = ask(migrated, NO_HOSTS, make_question("hours", interval="1d")).notes
    assert "figures.note.busiest" not in [note.key for note in daily]


def test_a_total_is_called_so_whatever_the_first_column_is(migrated: Store) -> None:
    prepare(migrated, [make_call(0, TEN, 5)])
    for what in ("queues", "hours", "trunks"):
        question = make_question(what)
        content = build_content("x", question, ask(migrated, NO_HOSTS, question), shipped_texts())
        assert content.total is not None
        assert content.total[0].text == "Total"


def test_agents_of_a_group_are_those_who_were_logged_in_to_it_while_they_were(migrated: Store) -> None:
    states = [
        make_state("1001", "ready", TEN, TEN + timedelta(hours=1)),
        make_state("1001", "ready", TEN + timedelta(hours=1), TEN + timedelta(hours=3)) | {"groups": ["621"]},
        make_state("1002", "ready", TEN, NOON) | {"groups": ["621"]},
    ]
    prepare(migrated, [make_call(0, TEN, 5)], states, at=NEXT_DAY + timedelta(hours=1))
    for interval in ("1h", "1d", "all"):
        table = ask(migrated, NO_HOSTS, make_question("agents", group="620", interval=interval))
        assert [(row["agent"], row["logged_in_seconds"]) for row in table.rows] == [("1001", 3600)]


def test_words_write_decimals_as_their_language_does(migrated: Store) -> None:
    prepare(migrated, [make_call(number, TEN, 5 + 60 * (number == 2)) for number in range(3)])
    notes = ask(migrated, NO_HOSTS, make_question("day")).notes
    (level,) = [note for note in notes if note.key == "figures.day.level"]
    assert "66.7 %" in shipped_texts("en-GB").say(level)
    assert "66,7 %" in shipped_texts("de-DE").say(level)
