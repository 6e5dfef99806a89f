"""What anybody writes first: the plain client that the end-to-end rate is compared with.

websockets, json and `insert_one`, with the same write concern: `naive.py URI PORT`; with `batches` behind them it
gathers what has arrived for one `insert_many`. Prints when it is connected.
"""

import base64
import json
import ssl
import sys
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from host import PASSWORD, USER
from pymongo import MongoClient, WriteConcern
from websockets.sync.client import connect

_BATCH = 1000


def main() -> None:
    """Store each frame as it comes, until killed."""
    uri, port, *how = sys.argv[1:]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    base = f"127.0.0.1:{port}/ipxapi/server/v1/users/{USER}"
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    login = urllib.request.Request(f"https://{base}/login", headers={"Authorization": f"Basic {basic}"})
    token = json.load(urllib.request.urlopen(login, context=context))["token"]
    events = MongoClient(uri).get_default_database()["events"]
    events = events.with_options(write_concern=WriteConcern(w="majority", j=True))
    headers = {"Authorization": f"bearer {token}"}
    with connect(f"wss://{base}/acd", ssl=context, additional_headers=headers, compression=None) as stream:
        print("connected", flush=True)
        while True:
            frames = [stream.recv()]
            with suppress(TimeoutError):
                while how and len(frames) < _BATCH:
                    frames.append(stream.recv(timeout=0))
            documents = [build(frame) for frame in frames]
            if how:
                events.insert_many(documents, ordered=False)
            else:
                events.insert_one(documents[0])


def build(frame: str | bytes) -> dict[str, Any]:
    """Return what is stored of a frame."""
    event = json.loads(frame)
    data = event["data"]
    return {
        "host": "host0",
        "kind": event["event"],
        "type": data.get("type") or data["eventString"],
        "call_ref": data["callRefID"],
        "received_at": datetime.now(UTC),
        "raw": event,
    }


if __name__ == "__main__":
    main()
