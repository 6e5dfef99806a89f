"""Lists: pages, cursors, links, filters, tables, single documents."""

import csv
import io
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_scene import BRANCH, MAIN, Served, make_missed, read_problem
from call_scene import CALLER, instant
from figures_scene import SINCE, UNTIL

LISTS = ("events", "calls", "missed")


def read_pages(api: Served, path: str, **params: Any) -> list[list[dict[str, Any]]]:
    """Return all pages, each asked for by the cursor of the one before."""
    pages, cursor = [], {}
    while True:
        answer = api.get(path, params={**params, **cursor}).json()
        pages.append(answer["items"])
        if answer["next"] is None:
            return pages
        cursor = {"cursor": answer["next"]}


@pytest.mark.parametrize("path", LISTS)
def test_the_pages_of_a_list_are_the_whole_list_each_item_once(api: Served, path: str) -> None:
    for _ in range(3):
        make_missed(api.store, group="pages")
    group = {"group": "pages"} if path == "missed" else {"host": BRANCH}
    whole = api.items(path, limit=500, **group)
    pages = read_pages(api, path, limit=2, **group)
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert len(pages) > 1
    assert [item for page in pages for item in page] == whole


@pytest.mark.parametrize("path", LISTS)
def test_a_link_leads_to_the_next_page_with_the_same_filters(api: Served, path: str) -> None:
    for _ in range(2):
        make_missed(api.store)
    first = api.get(path, params={"limit": 1, "host": MAIN})
    link = first.links["next"]["url"]
    assert urlsplit(link).netloc == urlsplit(api.url).netloc
    second = api.get(link.removeprefix(api.url)).json()
    assert second["items"] == api.items(path, limit=2, host=MAIN)[1:]
    last = api.get(path, params={"limit": 500, "host": "nowhere"})
    assert last.json() == {"items": [], "next": None}
    assert "Link" not in last.headers


def test_a_list_has_fifty_items_unless_told_otherwise(api: Served) -> None:
    assert len(api.items("events")) == 50
    assert len(api.items("events", limit=500)) == 500


@pytest.mark.parametrize("limit", ["0", "501", "-1", "many", "1.5", "9" * 30, ""])
def test_a_limit_out_of_bounds_is_refused(api: Served, limit: str) -> None:
    answer = api.get("calls", params={"limit": limit})
    assert answer.status_code == 400
    assert "limit" in answer.json()["detail"]


@pytest.mark.parametrize("path", LISTS)
def test_no_cursor_serves_another_list_and_no_other_text_is_one(api: Served, path: str) -> None:
    make_missed(api.store), make_missed(api.store)
    other = LISTS[(LISTS.index(path) + 1) % 3]
    foreign = api.get(other, params={"limit": 1}).json()["next"]
    for cursor in (foreign, "x", "====", "null", "W10", "e30", "WyJjYWxscyJd", "é", "A" * 499, "🙂"):
        answer = api.get(path, params={"cursor": cursor})
        assert read_problem(answer) == (400, "cursor_wrong"), cursor


def test_calls_are_found_by_each_filter(api: Served) -> None:
    def refs(**params: Any) -> list[list[int]]:
        return [call["call_refs"] for call in api.items("calls", host=BRANCH, **params)]

    assert refs() == [[12], [11], [10], [9], [8], [7]]
    assert refs(group="620") == [[12], [8], [7]]
    assert refs(station="1002") == [[9]]
    assert refs(agent="0042") == [[7]]
    assert refs(number=CALLER) == refs(number="06-1234 5678") == [[12], [7]]
    assert refs(direction="outbound") == [[11], [9]]
    assert refs(outcome="abandoned") == [[8]]
    assert refs(open="true") == [[12]]
    assert refs(open="false", group="620") == [[8], [7]]
    assert refs(since=instant(300).isoformat(), until=instant(500).isoformat()) == [[11], [10]]
    assert refs(since=instant(600).isoformat()) == [[12]]


def test_events_are_found_by_each_filter(api: Served) -> None:
    ring = api.items("events", host=BRANCH, type="station_ring")
    assert len(ring) == 2
    assert {event["code"] for event in api.items("events", host=BRANCH, code=66)} == {66}
    assert api.items("events", host=BRANCH, call=7, type="station_ring") == ring[1:]
    assert {event["kind"] for event in api.items("events", kind="system")} == {"system"}
    assert all("1002" in event["stations"] for event in api.items("events", host=BRANCH, station="1002"))
    since = (instant(0) + timedelta(seconds=500)).isoformat()
    assert len(api.items("events", host=BRANCH, since=since)) < len(api.items("events", host=BRANCH))


def test_missed_calls_are_found_by_each_filter(api: Served) -> None:
    name = make_missed(api.store, group="622")
    assert [item["id"] for item in api.items("missed", group="622")] == [name]
    assert api.items("missed", group="622", state="closed") == []
    assert api.items("missed", group="622", owner="kim") == []
    answer = api.ask("PATCH", f"missed/{name}", json={"owner": "kim", "state": "closed"})
    assert answer.status_code == 200
    assert answer.json()["closed_by"]
    assert api.items("missed", group="622") == []
    assert [item["id"] for item in api.items("missed", group="622", state="all", owner="kim")] == [name]


def test_a_missed_call_is_owned_noted_and_closed_once(api: Served) -> None:
    name = make_missed(api.store)
    changed = api.ask("PATCH", f"missed/{name}", json={"owner": " kim ", "note": "tomorrow"}).json()
    assert (changed["state"], changed["owner"], changed["note"]) == ("open", "kim", "tomorrow")
    assert "owner" not in api.ask("PATCH", f"missed/{name}", json={"owner": ""}).json()
    assert api.ask("PATCH", f"missed/{name}", json={"state": "closed"}).json()["state"] == "closed"
    for change in ({"state": "closed"}, {"state": "closed", "note": "again"}):
        assert api.refused(f"missed/{name}", method="PATCH", json=change) == (409, "missed_closed")
    found = api.store.database["missed"].find_one({"_id": name}) or {}
    assert found["note"] == "tomorrow"
    for change in ({}, {"state": None}, {"state": "lost"}, {"owner": 5}, {"note": "x" * 4001}, {"x": 1}):
        assert api.ask("PATCH", f"missed/{name}", json=change).status_code == 400, change
    assert api.refused("missed/nothing", method="PATCH", json={"note": "x"}) == (404, "no_such_missed")


def test_what_a_person_closed_can_be_opened_again_and_what_the_number_closed_cannot(api: Served) -> None:
    name = make_missed(api.store, number="0611111111")
    assert api.ask("PATCH", f"missed/{name}", json={"state": "closed", "note": "done"}).status_code == 200
    opened = api.ask("PATCH", f"missed/{name}", json={"state": "open", "owner": "kim"}).json()
    assert (opened["state"], opened["owner"], opened["note"]) == ("open", "kim", "done")
    assert "closed_at" not in opened
    assert [each["did"] for each in opened["history"]] == ["closed", "owned", "opened"]
    assert api.ask("PATCH", f"missed/{name}", json={"state": "open"}).status_code == 200  # it is
    assert api.ask("PATCH", f"missed/{name}", json={"state": "closed"}).status_code == 200
    make_missed(api.store, number="0611111111")
    assert api.refused(f"missed/{name}", method="PATCH", json={"state": "open"}) == (409, "missed_again")
    settled = make_missed(api.store, number="0622222222")
    api.store.database["missed"].update_one(
        {"_id": settled}, {"$set": {"state": "closed", "closed_by": "callback"}}
    )
    change = {"state": "open", "note": "x"}
    assert api.refused(f"missed/{settled}", method="PATCH", json=change) == (409, "missed_settled")
    assert "note" not in (api.store.database["missed"].find_one({"_id": settled}) or {})


def test_a_call_is_found_by_its_id_and_by_a_beginning_that_only_one_has(api: Served) -> None:
    call = api.items("calls", host=BRANCH)[0]
    assert api.get(f"calls/{call['id']}").json() == call
    assert api.get(f"calls/{call['id'][:-4]}").json() == call
    assert api.refused(f"calls/{BRANCH}") == (404, "no_such_call")
    assert api.refused("calls/nothing") == (404, "no_such_call")
    events = api.items(f"calls/{call['id']}/events")
    assert events
    assert {event["call_ref"] for event in events if "call_ref" in event} == {12}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_a_table_too(api: Served, path: str) -> None:
    make_missed(api.store)
    answer = api.get(path, params={"format": "csv", "limit": 2})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["id"] for row in rows] == [item["id"] for item in api.items(path, limit=2)]
    assert len(api.get(path, params={"format": "csv", "limit": 1}).links) == 1


def test_hours_are_hours_unless_another_interval_is_asked_for(api: Served) -> None:
    params = {"since": SINCE.isoformat(), "until": UNTIL.isoformat(), "zone": "UTC"}
    hours, profile = (
        api.items("figures/hours", **params, **more) for more in ({}, {"interval": "hour-of-day"})
    )
    assert [row["hour"] for row in profile] == [8, 9, 10]
    assert [row["calls"] for row in profile] == [row["calls"] for row in hours]
    (whole,) = api.items("figures/hours", **params, interval="all")
    assert whole["calls"] == sum(row["calls"] for row in hours)


@pytest.mark.parametrize("what", ["queues", "agents"])
def test_figures_are_rows_and_a_total_and_a_table_too(api: Served, what: str) -> None:
    params = {"since": SINCE.isoformat(), "until": UNTIL.isoformat(), "zone": "UTC"}
    answer = api.get(f"figures/{what}", params=params).json()
    assert answer["items"]
    assert answer["total"]
    hourly = api.items(f"figures/{what}", **params, interval="1h")
    assert len(hourly) > len(answer["items"])
    table = api.get(f"figures/{what}", params={**params, "format": "csv"})
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(list(csv.reader(io.StringIO(table.text)))) > len(answer["items"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"zone": "Mars/Base"}, "zone"),
        ({"interval": "2h"}, "interval"),
        ({"since": "1000-01-01T00:00:00Z", "interval": "hour-of-day"}, "hour-of-day"),
        ({"period": "tomorrow"}, "period"),
        ({"since": "2026-03-02"}, "since"),
        ({"since": "2026-03-03T00:00:00Z", "until": "2026-03-02T00:00:00Z"}, "until"),
        ({"threshold": "0"}, "threshold"),
        ({"top": "x"}, "top"),
        ({"formula": "best"}, "formula"),
        ({"host": "nowhere"}, "nowhere"),
        ({"group": "999999"}, "999999"),
        ({"hours": "never"}, "never"),
        ({"since": "0999-12-31T00:00:00Z"}, "since"),
        ({"since": "1000-01-01T00:00:00Z", "interval": "15m"}, "15m"),
        ({"until": "9999-12-31T23:59:59Z"}, "until"),
    ],
)
def test_wrong_questions_about_figures_say_what_is_wrong(
    api: Served, params: dict[str, str], said: str
) -> None:
    answer = api.get("figures/queues", params=params)
    assert answer.status_code == 400, answer.text[:200]
    assert said in answer.json()["detail"]
