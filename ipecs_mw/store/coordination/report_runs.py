"""The collection `report_runs`: each mail that is due, what became of it, and who sees to it now.

It is a report, each time that it is due, or what there is to tell of an alarm. A run is claimed atomically before
anything is sent, by the server's clock. A claim that ran out while a mail was on its way is a doubt: the mail may
have gone. Who claims such a run sees how many doubts there are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from pymongo import ASCENDING, DESCENDING, ReturnDocument

from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

COLLECTION = "report_runs"
OPEN_STATES = ("waiting", "preparing", "sending")
_CLAIMED = ("preparing", "sending")
_NO_ALARM = {"$exists": False}
_AT_ONCE = datetime.fromtimestamp(0, UTC)  # whatever the clocks say


class Run(Struct, frozen=True):
    """One time that a report is due, or a mail about an `alarm`, which is its id. Absent is absent.

    `state` is `waiting` (to be tried at `next_at`), `preparing`, `sending`, `sent`, `failed` (given up), `unknown`
    (perhaps sent), or `skipped` (due before the report was there). `telling` is `raised` or `ended`, of an alarm.
    `sent_to` are the addresses that it went to, `tries` counts how often it was claimed, `doubts` how often nobody
    knows whether the mail went.
    """

    id: str
    profile: str
    name: str
    due_at: datetime
    state: str
    sent_to: Sequence[str] = ()
    tries: int = 0
    doubts: int = 0
    schedule: str = ""
    first_at: datetime | None = None
    next_at: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = None
    alarm: str = ""
    telling: str = ""


def find_newest(store: Store, profile: str, name: str, now: datetime) -> Run | None:
    """Return the run of a report that was noted last; one of a clock that was ahead is left aside.

    Raises StoreError.
    """
    query = {"profile": profile, "name": name, "alarm": _NO_ALARM, "noted_at": {"$lte": now}}
    with store_errors():
        found = store.database[COLLECTION].find_one(query, sort=[("noted_at", DESCENDING)])
    return None if found is None else _read(found)


def note_run(
    store: Store, profile: str, name: str, due_at: datetime, schedule: str, now: datetime, *, is_skipped: bool
) -> None:
    """Note that a report is due, or that it is not sent this time.

    Of any number of daemons that note it the first counts. Raises StoreError.
    """
    first: dict[str, Any] = {
        "profile": profile,
        "name": name,
        "due_at": due_at,
        "state": "skipped" if is_skipped else "waiting",
        "tries": 0,
        "doubts": 0,
        **({} if is_skipped else {"next_at": now}),
    }
    same = {"_id": f"{profile}:{name}:{due_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    changes = {"$setOnInsert": first, "$set": {"schedule": schedule, "noted_at": now}}
    with store_errors():
        store.database[COLLECTION].update_one(same, changes, upsert=True)


def note_alarm(store: Store, profile: str, name: str, alarm: str, telling: str, now: datetime) -> None:
    """Note that an alarm is to be mailed: that it is `raised`, or `ended`; once, however often it is noted.

    Raises StoreError.
    """
    first = {
        "profile": profile,
        "name": name,
        "alarm": alarm,
        "telling": telling,
        "due_at": now,
        "noted_at": now,
        "next_at": _AT_ONCE,
        "state": "waiting",
        "tries": 0,
        "doubts": 0,
    }
    with store_errors():
        runs = store.database[COLLECTION]
        runs.update_one({"_id": name_alarm_run(alarm, telling)}, {"$setOnInsert": first}, upsert=True)


def name_alarm_run(alarm: str, telling: str) -> str:
    """Return the id of the run by which an alarm is mailed."""
    return f"alarm:{telling}:{alarm}"


def count_alarms(store: Store, profile: str, name: str, since: datetime) -> int:
    """Return how many mails of an alarm were noted since an instant. Raises StoreError."""
    query = {"profile": profile, "name": name, "alarm": {"$exists": True}, "noted_at": {"$gte": since}}
    with store_errors():
        return store.database[COLLECTION].count_documents(query)


def claim_run(
    store: Store, profile: str, owner: str, seconds: float, *, is_alarm: bool = False
) -> Run | None:
    """Take a run of a report, or of an alarm, that is to be tried now, for so many seconds.

    None where there is none. Raises StoreError.
    """
    was_sending = {"$eq": ["$state", "sending"]}
    claim = {
        "state": "preparing",
        "owner": {"$literal": owner},
        "tries": {"$add": ["$tries", 1]},
        "doubts": {"$add": ["$doubts", {"$cond": [was_sending, 1, 0]}]},
        "first_at": {"$ifNull": ["$first_at", "$$NOW"]},
        "claimed_until": _in(seconds),
    }
    is_due = {
        "$or": [
            {"$and": [{"$eq": ["$state", "waiting"]}, {"$lte": ["$next_at", "$$NOW"]}]},
            {"$and": [{"$in": ["$state", list(_CLAIMED)]}, {"$lte": ["$claimed_until", "$$NOW"]}]},
        ]
    }
    query = {"profile": profile, "state": {"$in": list(OPEN_STATES)}, "$expr": is_due}
    query["alarm"] = {"$exists": is_alarm}
    order = [("due_at", ASCENDING if is_alarm else DESCENDING)]
    with store_errors():
        found = store.database[COLLECTION].find_one_and_update(
            query, [{"$set": claim}], sort=order, return_document=ReturnDocument.AFTER
        )
    return None if found is None else _read(found)


def begin_sending(store: Store, run: Run, seconds: float) -> bool:
    """Note that the mail goes from now on; tell whether the run is still ours. Raises StoreError."""
    return _change(store, run, {"state": "sending", "claimed_until": _in(seconds)})


def put_off(
    store: Store, run: Run, seconds: float, error: str, *, sent_to: Sequence[str], is_doubtful: bool
) -> bool:
    """Have the run be tried again in so many seconds; tell whether it was still ours. Raises StoreError."""
    changes = {
        "state": "waiting",
        "next_at": _in(seconds),
        "sent_to": {"$literal": list(sent_to)},
        "error": {"$literal": error},
        "doubts": run.doubts + is_doubtful,
    }
    return _change(store, run, changes)


def end_run(store: Store, run: Run, state: str, *, error: str | None = None) -> bool:
    """Note what became of the run: `sent`, `failed` or `unknown`; tell whether it was still ours.

    Raises StoreError.
    """
    changes: dict[str, Any] = {"state": state, "ended_at": "$$NOW"}
    if state == "sent":
        changes["sent_at"] = "$$NOW"
    changes["error"] = "$$REMOVE" if error is None else {"$literal": error}
    return _change(store, run, changes)


def load_runs(store: Store, profile: str, *, is_alarm: bool = False) -> Mapping[str, Run]:
    """Return report, or alarm → its run that was due last; those that were skipped are left aside.

    Raises StoreError.
    """
    stages: list[dict[str, Any]] = [
        {"$match": {"profile": profile, "state": {"$ne": "skipped"}, "alarm": {"$exists": is_alarm}}},
        {"$sort": {"due_at": -1}},
        {"$group": {"_id": "$name", "run": {"$first": "$$ROOT"}}},
    ]
    with store_errors():
        found = [_read(each["run"]) for each in store.database[COLLECTION].aggregate(stages)]
    return {run.name: run for run in sorted(found, key=lambda run: run.name)}


def _change(store: Store, run: Run, changes: Mapping[str, Any]) -> bool:
    ours = {"_id": run.id, "tries": run.tries, "state": {"$in": list(_CLAIMED)}}
    with store_errors():
        return store.database[COLLECTION].update_one(ours, [{"$set": changes}]).matched_count == 1


def _in(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", int(seconds * 1000)]}


def _read(document: Mapping[str, Any]) -> Run:
    known = {name: document[name] for name in Run.__struct_fields__ if name in document}
    return Run(**known, id=document["_id"])
