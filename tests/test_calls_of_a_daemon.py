"""What a phone system sends is asked for as calls, live state and missed calls a moment later."""

import json
from typing import Any

from sites import Site, is_up, wait_until

from ipecs_mw import Client
from ipecs_mw.simulator import SimulatedHost

CALLER = "0612345678"


def acd(code: int, ref: int | str = "", source: str = "", dest: str = "", **data: str) -> str:
    kinds = {True: "CO", False: "Station"}
    fields = {
        "time": "2026/11/24 10:00:00",
        "callRefID": ref,
        "eventCode": code,
        "sourceType": kinds[source.startswith("CO")] if source else "",
        "sourceNumber": source.removeprefix("CO"),
        "destType": kinds[dest.startswith("CO")] if dest else "",
        "destNumber": dest.removeprefix("CO"),
        **data,
    }
    return json.dumps({"event": "acd", "data": fields})


def read(site: Site, *arguments: str) -> Any:
    return [json.loads(line) for line in site.run(*arguments, "--format", "jsonl").stdout.splitlines()]


def test_calls_can_be_asked_for_while_they_last_and_afterwards(
    site: Site, simulated: SimulatedHost, mongo_uri: str
) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    with Client(mongo_uri) as client, client.follow("calls", timeout_seconds=20) as following:
        for frame in (
            acd(11, "", "1001", data1="620", data2="0042"),
            acd(3, 7, "CO001", "620", data1="620", data2="5"),
            acd(72, 7, "CO001", "620", data1=CALLER),
            acd(62, 7, "CO001", data1="620"),
        ):
            simulated.send(frame)
        change = next(following)
        assert change.document is not None
        assert change.document["is_open"] is True
        wait_until(lambda: read(site, "calls", "--open", "--number", CALLER))
        wait_until(lambda: [item.get("waiting", 0) for item in client.live("host0")["items"]].count(1) == 1)
        assert client.live("host0")["is_stale"] is False
        simulated.send(acd(43, "", "CO001", "620", time="2026/11/24 10:01:00"))
        simulated.send(acd(2, "", "CO001", time="2026/11/24 10:01:00"))
        (item,) = wait_until(lambda: read(site, "missed", "list"))
        assert (item["number"], item["group"]) == (CALLER, "620")
        (call,) = read(site, "calls", "--outcome", "abandoned")
        assert "Waits in group 620: the caller gave up" in site.run("call", call["_id"]).stdout
        events = json.loads(site.run("call", call["_id"], "--events", "--format", "json").stdout)["events"]
        assert [event["code"] for event in events] == [3, 72, 62, 43, 2]
        assert next(following).id == call["_id"]
