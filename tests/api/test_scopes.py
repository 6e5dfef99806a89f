"""A token that is bound to hosts, groups or stations sees and commands these alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from api_scene import BRANCH, EVERYTHING, MAIN, Served, make_missed, read_problem
from figures_scene import SINCE, UNTIL

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Alarm
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.store.figures.alarms import end_alarm, load_lasting, raise_alarm

LISTS = ("events", "calls", "stations", "agents", "queues", "missed")
FIGURES = {"since": SINCE.isoformat(), "until": UNTIL.isoformat(), "zone": "UTC"}


def make(api: Served, **scope: str) -> str:
    return api.make_token(*EVERYTHING, **scope)


def find(api: Served, path: str, host: str) -> str:
    """Return the id of something of a host."""
    found: str = api.items(path, host=host)[0]["id"]
    return found


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_only_what_is_of_the_host(api: Served, path: str) -> None:
    if path == "missed":
        make_missed(api.store, host=BRANCH)
    token = make(api, hosts=BRANCH)
    whole = [item for item in api.items(path) if item["host"] == MAIN]
    assert whole or path in ("stations", "agents", "queues"), "else this proves nothing"
    found = api.items(path, token)
    assert found
    assert {item["host"] for item in found} == {BRANCH}
    assert api.items(path, token, host=MAIN) == []


@pytest.mark.parametrize(
    ("path", "names"),
    [("events", ("group",)), ("calls", ("groups",)), ("missed", ("group",)), ("queues", ("group",)),
     ("agents", ("group", "groups")), ("stations", ("group", "groups"))],
)  # fmt: skip
def test_lists_have_only_what_is_of_the_group(api: Served, path: str, names: tuple[str, ...]) -> None:
    found = api.items(path, make(api, groups="620"))
    assert found
    for item in found:
        groups: list[str] = []
        for name in names:
            value = item.get(name) or []
            groups += [value] if isinstance(value, str) else value
        assert "620" in groups, item
    assert api.items(path, make(api, groups="999")) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("events", "stations"), ("calls", "stations"), ("stations", "station"), ("agents", "station")],
)
def test_lists_have_only_what_is_of_the_station(api: Served, path: str, name: str) -> None:
    found = api.items(path, make(api, stations="1001"))
    assert found
    for item in found:
        value = item[name]
        assert "1001" in ([value] if isinstance(value, str) else value)


@pytest.mark.parametrize("path", ["missed", "queues"])
def test_a_station_has_neither_missed_calls_nor_queues(api: Served, path: str) -> None:
    assert api.items(path, make(api, stations="1001")) == []


def test_a_single_document_outside_the_scope_is_not_found(api: Served) -> None:
    call, missed = find(api, "calls", MAIN), make_missed(api.store, host=MAIN, group="621")
    outside: tuple[dict[str, str], ...] = ({"hosts": BRANCH}, {"groups": "999"}, {"stations": "9999"})
    for scope in outside:
        token = make(api, **scope)
        assert api.refused(f"calls/{call}", token) == (404, "no_such_call")
        assert api.refused(f"calls/{call}/events", token) == (404, "no_such_call")
        change = {"note": "not mine"}
        assert api.refused(f"missed/{missed}", token, "PATCH", json=change) == (404, "no_such_missed")
    found = api.store.database["missed"].find_one({"_id": missed}) or {}
    assert "note" not in found
    assert api.get(f"calls/{call}", make(api, hosts=MAIN)).json()["id"] == call


def test_the_status_has_only_the_hosts_of_the_scope(api: Served) -> None:
    assert {each["host"] for each in api.get("status").json()["hosts"]} >= {MAIN, BRANCH}
    hosts = api.get("status", make(api, hosts=BRANCH)).json()["hosts"]
    assert [each["host"] for each in hosts] == [BRANCH]


def test_figures_are_those_of_the_scope(api: Served) -> None:
    whole = api.items("figures/queues", **FIGURES)
    assert {row["group"] for row in whole} >= {"620", "621"}
    assert {row["group"] for row in api.items("figures/queues", make(api, groups="620"), **FIGURES)} == {
        "620"
    }
    assert api.items("figures/queues", make(api, hosts=BRANCH), **FIGURES) == []
    agents = api.items("figures/agents", make(api, stations="1001"), **FIGURES)
    assert agents
    assert all("1001" in row.get("stations", [row.get("station")]) for row in agents)
    everybody = api.items("figures/agents", **FIGURES)
    assert len(everybody) > len(api.items("figures/agents", make(api, groups="620"), **FIGURES)) > 0


@pytest.mark.parametrize(
    ("path", "scope", "params"),
    [
        ("figures/queues", {"hosts": BRANCH}, {"host": MAIN}),
        ("figures/queues", {"groups": "620"}, {"group": "621"}),
        ("figures/agents", {"groups": "620"}, {"group": "621"}),
        ("figures/agents", {"stations": "1001"}, {"station": "1002"}),
        ("figures/queues", {"stations": "1001"}, {}),
        ("figures/queues", {"stations": "1001"}, {"group": "620"}),
        ("figures/hours", {"stations": "1001"}, {}),
        ("figures/hours", {"groups": "620"}, {}),
    ],
)
def test_figures_outside_the_scope_are_refused(
    api: Served, path: str, scope: dict[str, str], params: dict[str, str]
) -> None:
    assert api.refused(path, make(api, **scope), params={**FIGURES, **params}) == (403, "outside_scope")


@pytest.mark.parametrize("what", ["queues", "agents"])
def test_who_is_bound_to_several_says_which_figures(api: Served, what: str) -> None:
    answer = api.get(f"figures/{what}", make(api, groups="620,621"), params=FIGURES)
    assert read_problem(answer) == (403, "name_one")
    assert "620, 621" in answer.json()["detail"]


def call(station: Any, host: str = BRANCH) -> dict[str, Any]:
    args = {"deviceNumber": station, "calledDN": "1009"}
    return {"command": "call.make", "args": args, "host": host, "timeout_seconds": 0.1}


def test_a_command_acts_for_what_is_in_the_scope_alone(api: Served) -> None:
    token = make(api, stations="1001")
    answer = api.ask("POST", "requests", token, json=call("1002"))
    assert read_problem(answer) == (403, "outside_scope")
    assert "1001" in answer.json()["detail"]
    assert api.ask("POST", "requests", token, json=call("1001")).status_code == 202
    pickup = {"deviceNumber": "1001", "callingDN": "1002", "pickupType": "group_pickup"}
    body = {**call("1001"), "command": "call.pickup", "args": pickup}
    assert read_problem(api.ask("POST", "requests", token, json=body)) == (403, "outside_scope")
    everything = {"command": "system.info", "args": {}, "host": BRANCH}
    known = {item["id"] for item in api.items("commands")}
    for command in sorted(known & {"system.info", "monitor.start", "monitor.stop"}):
        args = {"deviceNumber": ["1001", "1002"]} if command.startswith("monitor") else {}
        body = {**everything, "command": command, "args": args}
        assert api.refused("requests", token, "POST", json=body)[0] == 403, command
    assert api.refused("requests", make(api, hosts=BRANCH), "POST", json=call("1001", MAIN)) == (
        403,
        "outside_scope",
    )
    assert api.refused("requests", make(api, groups="620"), "POST", json=call("1001")) == (
        403,
        "outside_scope",
    )


def test_requests_of_others_are_seen_in_the_scope_alone(api: Served) -> None:
    asked = api.ask("POST", "requests", json=call("1001")).json()
    assert api.get(f"requests/{asked['id']}", make(api, hosts=BRANCH)).status_code == 200
    for token in (make(api, hosts=MAIN), make(api, stations="1002"), api.make_token("commands.agent.*")):
        assert api.refused(f"requests/{asked['id']}", token) == (404, "no_such_request")


@pytest.mark.parametrize("filters", ["host=main", "host=branch,main"])
def test_a_stream_of_another_host_is_refused(api: Served, filters: str) -> None:
    path = f"stream?topics=events&{filters}"
    assert api.refused(path, make(api, hosts=BRANCH)) == (403, "outside_scope")


def test_of_alarms_a_token_sees_those_of_its_part(api: Served) -> None:
    rule = AlarmSettings(name="queue", when="waiting", more_than_calls=5)
    now = datetime.now(UTC)
    for group in ("620", "621"):
        says = Words("alarm.says.waiting", group=group, waiting=7, seconds=130)
        assert raise_alarm(api.store, "default", rule, MAIN, Alarm(group, now, says), "", now)
    groups = {"620": 1, "620,621": 2, "999": 0}
    for wanted, count in groups.items():
        narrow = api.make_token("state.read", groups=wanted)
        assert len(api.get("alarms", narrow).json()["items"]) == count
    assert api.get("alarms", api.make_token("state.read", hosts=BRANCH)).json()["items"] == []
    for alarm in load_lasting(api.store):
        end_alarm(api.store, alarm, now, now)
