"""Missed calls are derived from what is recent, however many a number has had."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reading_scene import OPTIONS

from ipecs_mw.store.calls.missed_items import MissedCalls, Touched, build_wanted
from ipecs_mw.store.server.connection import Store

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MASKED = "***"
MANY = 300


def build_call(number: int, outcome: str) -> dict[str, Any]:
    at = BEGAN + timedelta(minutes=number)
    return {
        "_id": f"main:{number:06}",
        "host": "main",
        "direction": "inbound",
        "outcome": outcome,
        "is_open": False,
        "caller": {"number": MASKED},
        "numbers": [MASKED],
        "began_at": at,
        "answered_at": at,
        "ended_at": at,
        "seconds": {"total": 60.0},
    }


def test_what_was_closed_long_ago_is_not_read_again(migrated: Store) -> None:
    calls = [build_call(number, "answered" if number % 2 else "abandoned") for number in range(2 * MANY)]
    migrated.database["calls"].insert_many(calls)
    missed = MissedCalls(migrated, "main", OPTIONS)
    touched = [Touched([MASKED], call["began_at"], call["outcome"] == "abandoned") for call in calls]
    missed.note(touched)
    assert len(missed.write(BEGAN)) == MANY
    wanted = build_wanted("main", [MASKED], calls[-2]["began_at"])
    told = migrated.database.command(
        "explain", {"find": "missed", "filter": wanted}, verbosity="executionStats"
    )
    assert told["executionStats"]["totalDocsExamined"] <= 2
    missed.note(touched[-1:])
    assert missed.compare() == []
    missed.note(touched)
    assert missed.compare() == []


def test_what_people_wrote_stays_where_the_call_turns_out_to_have_been_answered(migrated: Store) -> None:
    calls, items = migrated.database["calls"], migrated.database["missed"]
    first, second = build_call(0, "abandoned"), build_call(1, "abandoned")
    calls.insert_many([first, second | {"caller": {"number": "other"}, "numbers": ["other"]}])
    missed = MissedCalls(migrated, "main", OPTIONS)
    touched = [Touched([MASKED], first["began_at"], True), Touched(["other"], second["began_at"], True)]
    missed.note(touched)
    missed.write(BEGAN)
    items.update_one({"number": MASKED}, {"$set": {"owner": "anna", "note": "rang back"}})
    calls.update_many({}, {"$set": {"outcome": "answered"}})
    for _ in range(2):
        missed.note(touched)
        missed.write(BEGAN)
        (kept,) = items.find()
        assert (kept["owner"], kept["note"], kept["revision"]) == ("anna", "rang back", 2)
        assert (kept["state"], kept["closed_by"], kept["count"]) == ("closed", "not_missed", 0)
    calls.update_many({}, {"$set": {"outcome": "abandoned"}})
    missed.note(touched)
    missed.write(BEGAN)
    found = {each["number"]: each for each in items.find()}
    assert [found[MASKED][name] for name in ("state", "count", "note")] == ["open", 1, "rang back"]
    assert [found["other"].get(name) for name in ("state", "count", "note")] == ["open", 1, None]


def test_who_closes_an_item_by_a_clock_behind_the_host_s_has_it_closed(migrated: Store) -> None:
    call = build_call(0, "abandoned")
    migrated.database["calls"].insert_one(call)
    missed, touched = MissedCalls(migrated, "main", OPTIONS), [Touched([MASKED], call["began_at"], True)]
    missed.note(touched)
    missed.write(BEGAN)
    at = BEGAN - timedelta(hours=1)
    by_hand = {"closing": {"by": "kim", "at": at}, "state": "closed", "closed_at": at, "closed_by": "kim"}
    migrated.database["missed"].update_one({}, {"$set": by_hand, "$inc": {"revision": 1}})
    missed.note(touched)
    assert missed.write(BEGAN) == []
