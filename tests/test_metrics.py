"""Health, readiness and metrics: what is said, and that it is true of a daemon that runs."""

import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sites import Site, is_up, ring, wait_until
from support import START_AT, FakeClock

from ipecs_mw.errors import CannotStart
from ipecs_mw.model.configuration.settings import HealthSettings, parse_settings
from ipecs_mw.seeds import read_json
from ipecs_mw.service.health.health import HealthServer, Vitals, find_unready
from ipecs_mw.service.health.metrics import AGENT_STATES, METRICS
from ipecs_mw.service.intake.counters import BOUNDS_SECONDS, Counters, Durations
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.figures.groups_now import GroupNow
from ipecs_mw.store.server.mongod import find_free_port

LONG_AGO = START_AT - timedelta(seconds=90)


def describe(**host: Any) -> dict[str, Any]:
    """Return what a daemon says of itself, with one host that is well but for `host`."""
    intake = {"stored": 3, "journal": {"entries": 0, "used_share": 0.01}}
    main = {**intake, "state": "up", "reconnects": 1, "received": 3, "monitors": {}, **host}
    return {
        "version": "1.2.3",
        "profile": "default",
        "state": "running",
        "started_at": START_AT,
        "revision": 4,
        "hosts": {"main": main},
        "middleware": intake,
    }


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.headers["Content-Type"], reply.read().decode()


def read_metrics(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return (name, labels) → value of all samples."""
    status, kind, body = ask(port, "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


class Told:
    """Vitals that a test sets."""

    def __init__(self) -> None:
        self.document: Mapping[str, Any] = describe()
        self.dead: list[str] = []
        self.hung: list[Mapping[str, Any]] = []
        self.is_stored = True
        self.counters = {"main": Counters(), "": Counters()}
        self.groups: list[GroupNow] = []
        self.vitals = Vitals(
            lambda: self.document,
            lambda: self.dead,
            lambda: self.is_stored,
            lambda: self.counters,
            lambda: self.hung,
            lambda: self.groups,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def port(told: Told, clock: FakeClock) -> Iterator[int]:
    """The port of a server that says what `told` does."""
    with HealthServer(HealthSettings(), told.vitals, clock) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.port
        server.shutdown()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ({}, []),
        ({"journal": {"entries": 5, "oldest_at": START_AT - timedelta(seconds=59), "used_share": 0.1}}, []),
        (
            {"state": "backing_off", "since": LONG_AGO, "reason": "no route"},
            [
                {
                    "reason": "session_not_up",
                    "host": "main",
                    "state": "backing_off",
                    "since": LONG_AGO,
                    "detail": "no route",
                }
            ],
        ),
        (
            {"stalled_since": LONG_AGO, "problem": "disk full"},
            [{"reason": "forwarding_stalled", "host": "main", "since": LONG_AGO, "detail": "disk full"}],
        ),
        (
            {"journal": {"entries": 5, "oldest_at": LONG_AGO, "used_share": 0.1}},
            [{"reason": "lag", "host": "main", "seconds": 90.0, "allowed_seconds": 60}],
        ),
    ],
)
def test_ready_means_that_sessions_are_up_and_events_flow(host: dict[str, Any], expected: Any) -> None:
    assert find_unready(describe(**host), START_AT, 60, is_stored=True) == expected


def test_a_daemon_that_stops_or_reaches_no_mongodb_is_not_ready() -> None:
    found = find_unready({**describe(), "state": "stopping"}, START_AT, 60, is_stored=False)
    assert [finding["reason"] for finding in found] == ["not_running", "mongodb_away"]


def test_the_port_answers_by_status_and_with_reasons(port: int, told: Told) -> None:
    assert ask(port, "/healthz")[0] == ask(port, "/readyz")[0] == 200
    told.dead = ["forward-main"]
    told.document = describe(state="needs_attention")
    status, kind, body = ask(port, "/healthz")
    assert (status, kind) == (503, "application/json; charset=utf-8")
    assert json.loads(body) == {
        "status": "not_alive",
        "reasons": [{"reason": "thread_ended", "thread": "forward-main"}],
    }
    status, _, body = ask(port, "/readyz?verbose")
    assert status == 503
    assert json.loads(body)["reasons"][0]["state"] == "needs_attention"
    assert ask(port, "/readyz", method="HEAD") == (503, "application/json; charset=utf-8", "")
    assert ask(port, "/")[0] == 404
    assert ask(port, "/healthz", method="POST")[0] == 501


def test_every_metric_of_the_table_is_said_with_its_labels_and_nothing_else(port: int, told: Told) -> None:
    counters = told.counters["main"]
    for name in ("events", "gap", "requests", "session.down"):
        counters.add(name, "one", 2)
    told.document = describe(monitors={"monitor": {"accepted": 9, "refused": {"1001": "NO"}}})
    told.document["reader"] = [{"host": "main", "behind_seconds": 2.5, "is_catching_up": True}]
    told.document["figures"] = [{"host": "main", "behind_seconds": 1.5, "waiting": 3}]
    webhook = {"name": "crm", "waiting": 2, "oldest_at": LONG_AGO, "outcomes": {"delivered": 5}}
    told.document["webhooks"] = {"is_sender": True, "webhooks": [webhook, {"name": "wrong", "problem": "no"}]}
    told.groups = [GroupNow("main", "620", 2, 12.5, {"ready": 1, "asleep": 2}, 0.75)]
    found = read_metrics(port)
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    wanted = {
        metric.name + suffix: set(metric.labels) | ({"le"} if suffix == "_bucket" else set())
        for metric in METRICS
        for suffix in suffixes.get(metric.kind, ("",))
    }
    ours = {name: {label for label, _ in labels} for name, labels in found if name.startswith("ipecs_mw_")}
    assert ours == wanted
    assert found["ipecs_mw_events_stored_total", (("host", "main"), ("kind", "one"))] == 2
    assert found["ipecs_mw_session_state", (("host", "main"), ("state", "up"))] == 1
    assert found["ipecs_mw_session_state", (("host", "main"), ("state", "offline"))] == 0
    refused = (("host", "main"), ("subscription", "monitor"), ("verdict", "refused"))
    assert found["ipecs_mw_monitors", refused] == 1
    group = (("group", "620"), ("host", "main"))
    assert found["ipecs_mw_group_service_level_ratio", group] == 0.75
    states = {state: found["ipecs_mw_group_agents", (*group, ("state", state))] for state in AGENT_STATES}
    assert {state: count for state, count in states.items() if count} == {"ready": 1, "unknown": 2}


def test_what_is_not_known_of_a_group_is_absent(port: int, told: Told) -> None:
    told.groups = [GroupNow("main", "620", level=0.5), GroupNow("main", "621", 0, 0.0, {})]
    found = {(name, dict(labels).get("group")) for name, labels in read_metrics(port) if "_group_" in name}
    assert found == {
        ("ipecs_mw_group_service_level_ratio", "620"),
        ("ipecs_mw_group_waiting_calls", "621"),
        ("ipecs_mw_group_longest_wait_seconds", "621"),
        ("ipecs_mw_group_agents", "621"),
    }


def test_durations_are_counted_by_their_length(port: int, told: Told) -> None:
    for seconds, count in ((0.004, 10), (0.03, 5), (9999.0, 1), (-1.0, 1)):
        told.counters["main"].observe("lag", seconds, count)
    found = read_metrics(port)
    name = "ipecs_mw_store_lag_seconds_bucket"
    assert found[name, (("host", "main"), ("le", "0.002"))] == 1
    assert found[name, (("host", "main"), ("le", "0.005"))] == 11
    assert found[name, (("host", "main"), ("le", "0.05"))] == 16
    assert found[name, (("host", "main"), ("le", str(BOUNDS_SECONDS[-1])))] == 16
    assert found[name, (("host", "main"), ("le", "+Inf"))] == 17
    assert told.counters["main"].read_durations("never") == Durations()


def test_a_scraper_may_ask_for_openmetrics(port: int) -> None:
    _, kind, body = ask(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_without_the_extra_metrics_say_what_to_install_and_health_still_works(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    status, _, body = ask(port, "/metrics")
    assert status == 501
    assert "metrics_missing" in body or "ipecs-mw[metrics]" in body
    assert ask(port, "/healthz")[0] == 200


def test_a_client_that_says_nothing_holds_up_no_other(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /healthz")
        assert ask(port, "/healthz")[0] == 200


def test_many_clients_that_say_nothing_are_sent_away_for_who_asks(port: int) -> None:
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), 10)))
            for _ in range(200)
        ]
        for _ in range(5):
            assert ask(port, "/healthz")[0] == 200
        silent[0].settimeout(10)
        assert silent[0].recv(1) == b""
        handlers = [each for each in threading.enumerate() if "process_request_thread" in each.name]
        assert len(handlers) < 100


def test_what_stands_still_makes_the_daemon_not_alive_and_what_holds_up_nothing_is_told(
    port: int, told: Told
) -> None:
    refused = {"path": "health.port", "reason": "taken", "at": START_AT}
    silent = {"reason": "outside_silent", "what": "/mnt/password", "seconds": 9}
    told.document = {**describe(), "refused": refused, "amiss": [silent]}
    status, _, body = ask(port, "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "alive")
    assert json.loads(body)["reasons"] == [silent, {"reason": "configuration_refused", "detail": "taken"}]
    told.hung = [{"reason": "thread_stalled", "thread": "session-main"}]
    for path in ("/healthz", "/readyz"):
        status, _, body = ask(port, path)
        assert status == 503
        assert told.hung[0] in json.loads(body)["reasons"]


def test_a_port_that_is_taken_is_named(told: Told, clock: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(CannotStart) as caught:
            HealthServer(HealthSettings(port=number), told.vitals, clock)
    assert caught.value.key == "error.health_port"
    assert (caught.value.facts["port"], caught.value.facts["reason"]) == (number, "Address already in use")


def test_the_port_is_off_and_on_the_loopback_address_unless_asked() -> None:
    health = parse_settings(read_json("config.json"), source="test").health
    assert (health.port, health.address) == (None, "127.0.0.1")


def configure(site: Site, simulated: SimulatedHost, port: int) -> None:
    site.configure(simulated)
    site.store.database["config"].update_one({"_id": "default"}, {"$set": {"health": {"port": port}}})


def test_a_daemon_that_runs_says_what_it_did(site: Site, simulated: SimulatedHost) -> None:
    port = find_free_port()
    configure(site, simulated, port)
    process = site.start()
    wait_until(lambda: is_up(site), 60)
    wait_until(lambda: ask(port, "/readyz")[0] == 200, 60)
    assert ask(port, "/healthz")[0] == 200
    for number in range(50):
        simulated.send(ring(number))
    wait_until(lambda: site.count(type="station_ring") == 50, 60)
    host = ("host", "host0")
    wait_until(
        lambda: read_metrics(port).get(("ipecs_mw_events_stored_total", (host, ("kind", "acd")))) == 50, 30
    )
    simulated.drop(how="rst")
    wait_until(lambda: site.count(type="gap") == 1, 60)
    assert site.run("send", "smdr.get", "countOnly=true").returncode == 0
    assert site.run("send", "monitor.start", "deviceNumber=9").returncode in (0, 1)
    found = read_metrics(port)
    outcomes = [value for (name, _), value in found.items() if name == "ipecs_mw_requests_total"]
    assert sum(outcomes) == 2
    assert found["ipecs_mw_requests_total", (host, ("outcome", "done"))] >= 1
    assert found["ipecs_mw_gaps_total", (host, ("reason", "error.connection_lost"))] == 1
    assert found["ipecs_mw_session_losses_total", (host, ("reason", "error.connection_lost"))] == 1
    assert found["ipecs_mw_session_reconnects_total", (host,)] == 1
    assert found["ipecs_mw_frames_received_total", (host,)] >= 50
    assert found["ipecs_mw_store_lag_seconds_count", (host,)] >= 50
    assert found["ipecs_mw_mongodb_write_seconds_sum", (host,)] > 0
    assert found["process_resident_memory_bytes", ()] > 1e6
    process.terminate()
    assert process.wait(60) == 0


def test_a_daemon_whose_port_is_taken_does_not_start(site: Site, simulated: SimulatedHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(site, simulated, taken.getsockname()[1])
        refused = site.run("run")
    assert refused.returncode == 3
    assert "health.port" in refused.stderr
    assert not simulated.sessions
