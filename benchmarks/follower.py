"""What people write to have calls: the script that the reader is compared with.

It follows `events` by a change stream and brings the document of the call up to date with each: `follower.py URI`.
Prints when it follows.
"""

import sys
from typing import Any

from pymongo import MongoClient, WriteConcern

_INSERTS = [{"$match": {"operationType": "insert"}}]


def main() -> None:
    """Follow until killed."""
    database = MongoClient(sys.argv[1]).get_default_database()
    calls = database["calls"].with_options(write_concern=WriteConcern(w="majority"))
    with database["events"].watch(_INSERTS) as stream:
        print("following", flush=True)
        for change in stream:
            event = change["fullDocument"]
            if ref := event.get("call_ref"):
                calls.update_one({"_id": f"{event['host']}:{ref}"}, build(event, ref), upsert=True)


def build(event: dict[str, Any], ref: int) -> dict[str, Any]:
    """Return how an event changes the document of its call."""
    at = event["received_at"]
    changes: dict[str, Any] = {"updated_at": at}
    if event.get("code") == 42 or event["type"] == "connected":
        changes["answered_at"] = at
    is_over = event.get("code") == 44 or event["type"] == "released"
    if is_over:
        changes["ended_at"] = at
    return {
        "$setOnInsert": {"host": event["host"], "call_refs": [ref], "began_at": at},
        "$set": {**changes, "is_open": not is_over},
        "$addToSet": {"stations": {"$each": event.get("stations", [])}},
    }


if __name__ == "__main__":
    main()
