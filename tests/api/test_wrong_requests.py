"""What nobody should send gets a problem document that names what is wrong, and never a fault of ours."""

import http.client
import json
import socket
import uuid
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_scene import Served, make_missed, read_problem
from sites import wait_until

COMMAND = {"command": "call.make", "args": {"deviceNumber": "1001", "calledDN": "1002"}, "host": "main"}
SHORT = {**COMMAND, "timeout_seconds": 0.1}


def post(api: Served, body: bytes | str, kind: str = "application/json") -> Any:
    content = body.encode() if isinstance(body, str) else body
    return api.ask("POST", "requests", data=content, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    "body",
    ["", " ", "{", "[]", "null", "5", '"x"', "{'command': 1}", '{"command": NaN}', "{}", b"\xff\xfe{}", b"\x00",
     '{"command": "call.make",}', '{"command": "call.make"} {}', '{"command": "call.make", "command": "x"}',
     '{"command": 5}', '{"command": ""}', '{"command": "call.make", "args": []}', '{"command": null}',
     '{"command": "call.make", "more": 1}', '{"command": "call.make", "timeout_seconds": "soon"}',
     '{"command": "call.make", "timeout_seconds": 301}', '{"command": "call.make", "timeout_seconds": 0}',
     '{"command": "call.make", "timeout_seconds": 1e999}', '{"command": "nothing.such"}',
     '{"command": "call.make", "host": "nowhere"}', '{"command": "call.make", "host": 5}',
     '{"command": "call.make", "host": "main", "args": {"deviceNumber": "1001", "calledDN": {"a": 1}}}',
     '{"command": "call.make", "host": "main", "args": {"deviceNumber": "1001", "calledDN": "1\\u0000"}}',
     '{"command": "call.make", "host": "main", "args": {"deviceNumber": "1001", "calledDN": "\\ud800"}}',
     '{"command": "call.make", "host": "main", "args": {"\\ud800": "1001"}}',
     '{"command": "\\ud800"}', '{"command": "call.make", "host": "\\ud800"}',
     '{"command": "call.make", "args": {"deviceNumber": NaN}}',
     '{"command": "call.make", "args": {"deviceNumber": ' + "1" * 5000 + "}}",
     '{"command": "call.make", "args": ' + '{"a": ' * 30 + "1" + "}" * 30 + "}", "[" * 30_000],
    ids=range(37),
)  # fmt: skip
def test_a_body_that_is_none_is_refused_and_nothing_is_queued(api: Served, body: bytes | str) -> None:
    before = api.store.database["requests"].count_documents({})
    answer = post(api, body)
    assert read_problem(answer)[0] == 400, answer.text
    assert len(answer.text) < 2000
    assert api.store.database["requests"].count_documents({}) == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ";", "x" * 500]
)
def test_a_body_of_another_type_is_refused(api: Served, kind: str) -> None:
    assert read_problem(post(api, json.dumps(SHORT), kind)) == (415, "not_json_type")


def test_a_charset_beside_the_type_is_allowed(api: Served) -> None:
    assert post(api, json.dumps(SHORT), "application/json; charset=utf-8").status_code == 202


def test_a_body_that_is_too_long_is_refused_told_or_not(api: Served) -> None:
    long = json.dumps({**SHORT, "args": {"deviceNumber": "1" * 70_000}})
    assert read_problem(post(api, long)) == (413, "body_too_long")
    parts = (part for part in [long[:100].encode(), long[100:].encode()])
    answer = api.ask("POST", "requests", data=parts, headers={"Content-Type": "application/json"})
    assert read_problem(answer) == (413, "body_too_long")


def test_a_lone_surrogate_in_a_note_is_no_fault_of_ours(api: Served) -> None:
    name = make_missed(api.store)
    for field in ("note", "owner"):
        answer = api.ask("PATCH", f"missed/{name}", data=f'{{"{field}": "\\ud800"}}'.encode(),
                         headers={"Content-Type": "application/json"})  # fmt: skip
        assert read_problem(answer)[0] == 400


def test_a_nul_in_a_note_is_kept_or_refused(api: Served) -> None:
    name = make_missed(api.store)
    answer = api.ask("PATCH", f"missed/{name}", json={"note": "a\0b"})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["note"] == "a\0b"


@pytest.mark.parametrize(
    "path", ["events", "calls", "missed", "stations", "figures/queues", "status", "commands"]
)
def test_a_parameter_that_there_is_not_is_refused(api: Served, path: str) -> None:
    answer = api.get(f"{path}?canary=1")
    assert read_problem(answer) == (400, "no_such_choice")
    assert "canary" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    ["station=%00", "station=", "station=%20", "station=1&station=2", f"station={'1' * 501}", "direction=inwards",
     "open=yes", "since=now", "since=2026-03-02T10:00:00", "since=99999-01-01T00:00:00Z", "limit=1e3",
     "limit=%31%00",
     "outcome=", "format=xml", "group=%ff%00", "limit=%D9%A1", "until=0001-01-01T00:00:00%2B14:00"],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(api: Served, query: str) -> None:
    answer = api.get(f"calls?{query}")
    assert answer.status_code == 400, answer.text
    read_problem(answer)
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize(
    "query", ["station=%ff%fe", "group=%ED%A0%80", "agent=%F0%9F%99%82", "station=$ne", "group[$ne]=1",
              "station=.*", "since=2026-03-02T10:00:00+01:00", "since=2026-03-02T10:00:00%2B01:00", "type=%7B%7D",
              "until=9999-12-31T23:59:59Z"]
)  # fmt: skip
def test_an_odd_value_is_never_a_fault_of_ours(api: Served, query: str) -> None:
    for path in ("calls", "events"):
        answer = api.get(f"{path}?{query}")
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200 and not query.startswith(("since", "until")):
            assert answer.json()["items"] == []


def test_operators_of_mongodb_in_a_path_find_nothing(api: Served) -> None:
    for name in (
        "$ne",
        "%7B%22$ne%22:1%7D",
        ".*",
        "%00",
        "%20",
        "main:%2e%2e",
        "%ED%A0%80",
        "%ff",
        "x" * 401,
        "%0a",
    ):
        for path in (f"calls/{name}", f"requests/{name}", f"calls/{name}/events"):
            assert api.get(path).status_code == 404, path


def test_a_huge_request_line_and_huge_headers_do_no_harm(api: Served) -> None:
    answer = api.get("calls?station=" + "1" * 60_000)
    assert answer.status_code in (400, 414, 431)
    answer = api.get("calls", headers={"X-Much": "x" * 60_000})
    assert answer.status_code in (200, 400, 431)
    assert api.get("calls").status_code == 200


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "\x85"])
def test_a_key_that_is_none_is_refused(api: Served, key: str) -> None:
    answer = api.ask("POST", "requests", json=SHORT, headers={"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 400
    assert api.ask("POST", "requests", json=SHORT, headers={"Idempotency-Key": "é-1"}).status_code == 202


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Last-Event-Id", "Content-Type"])
@pytest.mark.parametrize("path", ["session", "stream?topics=calls"])
def test_a_header_that_comes_twice_is_refused_where_one_alone_can_count(
    api: Served, name: str, path: str
) -> None:
    place = urlsplit(api.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    with closing(connection):
        connection.putrequest("GET", f"/api/v1/{path}")
        if name != "Authorization":
            connection.putheader("Authorization", f"Bearer {api.all}")
        for _ in range(2):
            connection.putheader(name, f"Bearer {api.all}" if name == "Authorization" else "application/json")
        connection.endheaders()
        answer = connection.getresponse()
        problem = json.loads(answer.read())
    assert (answer.status, problem["name"]) == (400, "header_twice")
    assert name in problem["detail"]


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_of_a_body_is_one_that_can_be_reckoned_with(api: Served, since: str) -> None:
    name = f"late-{uuid.uuid4().hex[:8]}"
    body = {"name": name, "url": "https://crm.example.com/", "topics": ["calls"]}
    assert api.ask("POST", "webhooks", json=body).status_code == 201
    answer = api.ask("POST", f"webhooks/{name}/replay", json={"since": since})
    assert read_problem(answer) == (400, "argument")
    assert "since" in answer.json()["detail"]


def connect(api: Served) -> socket.socket:
    place = urlsplit(api.url)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def test_what_is_no_http_is_answered_or_ended(api: Served) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\0" * 1000, b"A" * 100_000):
        with connect(api) as there:
            there.sendall(junk)
            there.shutdown(socket.SHUT_WR)
            there.recv(1000)
    assert api.get("calls").status_code == 200


def test_somebody_who_goes_away_in_the_middle_is_no_fault(api: Served) -> None:
    head = (
        f"POST /api/v1/requests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.all}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with connect(api) as there:
        there.sendall(head.encode())
    wait_until(lambda: api.get("calls").status_code == 200)
    assert "api.failed" not in api.logged()


def test_nothing_above_was_a_fault_of_ours(api: Served) -> None:
    assert "Traceback" not in api.logged()
