"""Nothing is monitored although the session is up: what the host does not send meanwhile is a gap too."""

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faults.oracle import Witness
from faults.recording import Rounds
from faults.servers import ReplicaSet
from sites import USER, Site, is_streaming, kill, wait_until
from stopwatch import Stopwatch

_UP_SECONDS = 40.0


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_monitored(witness), _UP_SECONDS)
    witness.await_flow()


def is_monitored(witness: Witness) -> bool:
    session = witness.host.sessions.get(USER)
    return session is not None and session.is_streaming and bool(session.monitored and session.presence)


def find_gaps(site: Site) -> list[dict[str, Any]]:
    """Return the data of the gaps that tell of monitoring, with their dates as such."""
    found = site.store.database["events"].find({"type": "gap", "data.reason": "not_monitored"}).sort("_id", 1)
    dates = ("since", "until")
    return [
        {**gap["data"], **{name: datetime.fromisoformat(gap["data"][name]) for name in dates}}
        for gap in found
    ]


@pytest.mark.fault(2, 19, few=1, many=3)
def test_while_mongodb_hangs_a_lost_connection_is_monitored_again_as_soon_as_it_is_back(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness)
    server = own_set.servers[0]
    for _ in rounds:
        server.signal(signal.SIGSTOP)
        try:
            time.sleep(1.5)  # so that what asks MongoDB by itself hangs already
            own_witness.host.drop(how="rst")
            wait_until(lambda: not is_streaming(own_witness.host), 10)
            wait_until(lambda: is_monitored(own_witness), 5)
        finally:
            server.signal(signal.SIGCONT)
    assert own_witness.judge(seconds=120).gaps == len(rounds)
    assert not find_gaps(own_witness.site), "nothing was missing but what the connection cost"


@pytest.mark.fault(2, 21)
def test_while_mongodb_hangs_a_host_that_answers_no_pings_is_asked_all_the_same(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    own_witness.host.faults.is_ignoring_pings = True
    own_witness.site.configure(own_witness.host, keepalive="checkconnection")
    own_witness.site.start()
    wait_until(lambda: is_monitored(own_witness), _UP_SECONDS)
    own_witness.await_flow()
    own_set.servers[0].signal(signal.SIGSTOP)
    try:
        before = count_renewals(own_witness)
        watch = Stopwatch()
        wait_until(lambda: count_renewals(own_witness) >= before + 2, 40)
        assert watch.seconds < 34
    finally:
        own_set.servers[0].signal(signal.SIGCONT)
    assert own_witness.judge(seconds=120).gaps == 0


def count_renewals(witness: Witness) -> int:
    """Return how often the host was asked whether the session is alive."""
    return witness.host.operate(lambda exchange: exchange.asked["checkconnection"])


@pytest.mark.fault(26)
@pytest.mark.parametrize("kind", ["503", "html"])
def test_an_unreadable_answer_to_the_start_of_monitoring_leaves_a_gap_until_it_has_started(
    witness: Witness, kind: str
) -> None:
    begin(witness)
    witness.host.answer_wrongly(kind, feature="monitor")
    witness.host.answer_wrongly(kind, feature="monitor")
    dropped_at = datetime.now(UTC)
    witness.host.drop(how="rst")
    wait_until(lambda: witness.site.count(type="monitor_failed") == 1, _UP_SECONDS)
    witness.send(20)  # frames that come meanwhile are no part of it
    wait_until(lambda: is_monitored(witness), _UP_SECONDS)
    (gap,) = wait_until(lambda: find_gaps(witness.site), _UP_SECONDS)
    assert (gap["subscription"], gap["count"]) == ("monitor", 10)
    up = find_newest(witness.site, "session_up")
    assert gap["since"] > dropped_at
    assert abs(gap["since"] - up) < timedelta(seconds=1)
    assert gap["until"] - gap["since"] > timedelta(seconds=2)
    assert abs(gap["until"] - find_newest(witness.site, "monitor_started")) < timedelta(seconds=1)
    verdict = witness.judge()
    assert (verdict.gaps, verdict.unmonitored) == (1, 1)


@pytest.mark.fault(26)
def test_what_is_still_not_monitored_when_the_daemon_stops_is_a_gap_until_then(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.host.answer_wrongly("503", count=100, feature="monitor")
    process = witness.site.start()
    wait_until(lambda: witness.site.count(type="monitor_failed") >= 2, _UP_SECONDS)
    process.terminate()
    assert process.wait(60) == 0
    (gap,) = [each for each in find_gaps(witness.site) if each["subscription"] == "monitor"]
    assert abs(gap["since"] - find_newest(witness.site, "session_up")) < timedelta(seconds=1)
    assert gap["until"] - gap["since"] > timedelta(seconds=2)


@pytest.mark.fault(26, 36)
def test_what_was_not_monitored_when_the_daemon_was_killed_is_a_gap_of_the_next_run(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.host.answer_wrongly("503", count=100, feature="monitor")
    process = witness.site.start()
    wait_until(lambda: witness.site.count(type="monitor_failed") >= 1, _UP_SECONDS)
    first_up = find_newest(witness.site, "session_up")
    witness.await_flow()
    kill(process)
    witness.host.operate(lambda exchange: exchange.faults.rest.clear())
    witness.site.start()
    wait_until(lambda: is_monitored(witness), _UP_SECONDS)
    gap = wait_until(lambda: find_gaps(witness.site), _UP_SECONDS)[0]
    assert abs(gap["since"] - first_up) < timedelta(seconds=1)
    wait_until(lambda: witness.site.count(type="monitor_started") >= 2, _UP_SECONDS)
    wait_until(lambda: len(find_gaps(witness.site)) == 2, _UP_SECONDS)  # of monitoring and of presence
    witness.site.processes[-1].terminate()
    assert witness.site.processes[-1].wait(60) == 0
    assert len(find_gaps(witness.site)) == 2, "each is told once"


@pytest.mark.fault(26, 36)
def test_what_a_killed_run_left_unmonitored_ends_where_nothing_is_to_be_monitored_any_more(
    witness: Witness,
) -> None:
    site = witness.site
    site.configure(witness.host)
    witness.host.answer_wrongly("503", count=100, feature="monitor")
    process = site.start()
    wait_until(lambda: site.count(type="monitor_failed") >= 1, _UP_SECONDS)
    kill(process)
    witness.host.operate(lambda exchange: exchange.faults.rest.clear())
    site.configure(witness.host, monitor=[], presence=[])
    for _ in range(2):
        process = site.start()
        wait_until(lambda: len(find_gaps(site)) == 1, _UP_SECONDS)
        witness.await_flow()
        process.terminate()
        assert process.wait(60) == 0
    assert len(find_gaps(site)) == 1


def find_newest(site: Site, type_: str) -> datetime:
    """Return when an event of this type was recorded last."""
    found = site.store.database["events"].find_one({"type": type_}, sort=[("received_at", -1)])
    assert found is not None
    at: datetime = found["received_at"]
    return at
