"""`ipecs_mw.ApiClient` asks, commands and follows through the real server, also where connections break."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_scene import BRANCH, MAIN, Served, carrying_out, make_missed
from call_scene import instant
from fault_proxy import FaultProxy
from figures_scene import SINCE, UNTIL

from ipecs_mw import ApiClient
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import ApiRefused, ApiUnreachable, CommandFailed
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.applications.tokens import revoke_token
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.mongod import find_free_port

CALL = {"deviceNumber": "1001", "calledDN": "1002"}


@pytest.fixture
def client(api: Served) -> Iterator[ApiClient]:
    with ApiClient(api.url, api.all) as opened:
        yield opened


@pytest.fixture
def proxy(api: Served) -> Iterator[FaultProxy]:
    port = urlsplit(api.url).port
    assert port is not None
    with FaultProxy(port) as carried:
        yield carried


def reach(proxy: FaultProxy, token: str) -> ApiClient:
    return ApiClient(f"http://127.0.0.1:{proxy.port}/api/v1/", token)


def done(_: Any) -> tuple[str, dict[str, Any]]:
    return "done", {"result": {"data": {"state": "idle"}}}


def test_questions_are_answered_as_by_the_client_of_mongodb(api: Served, client: ApiClient) -> None:
    calls = list(client.calls(host=BRANCH, group="620"))
    assert [call["call_refs"] for call in calls] == [[12], [8], [7]]
    assert client.call(calls[0]["id"]) == calls[0]
    assert client.call_events(calls[0]["id"])[0]["host"] == BRANCH
    assert [call["call_refs"] for call in client.calls(host=BRANCH, is_open=True)] == [[12]]
    assert [call["call_refs"] for call in client.calls(host=BRANCH, since=instant(500))] == [[12]]
    assert {item["kind"] for item in client.live(BRANCH)["items"]} == {"station", "agent", "group"}
    figures = client.figures("agents", since=SINCE, until=UNTIL, zone="UTC", interval="1h")
    assert figures["items"]
    asked = Question(what="hours", since=SINCE, until=UNTIL, zone="UTC", interval="hour-of-day")
    rows = client.figures("hours", since=SINCE, until=UNTIL, zone="UTC", interval="hour-of-day")["items"]
    names = ("hour", "calls", "times", "average_calls", "talk_seconds", "erlangs", "is_complete")
    expected = ask(api.store, Settings(hosts=[]), asked).rows
    assert [[row[name] for name in names] for row in rows] == [
        [row[name] for name in names] for row in expected
    ]
    assert client.status()["version"]
    assert "call.make" in {command["id"] for command in client.commands()}


def test_a_limit_is_kept_over_pages_and_none_is_all(api: Served, client: ApiClient) -> None:
    assert len(list(client.events(limit=501))) == 501
    assert len(list(client.events(limit=3))) == 3
    whole = api.store.database["calls"].count_documents({})
    assert len({call["id"] for call in client.calls(limit=0)}) == whole


def test_missed_calls_are_listed_owned_noted_and_closed(api: Served, client: ApiClient) -> None:
    name = make_missed(api.store, group="623")
    assert [item["id"] for item in client.missed(group="623")] == [name]
    assert client.own_missed(name, "kim")["owner"] == "kim"
    assert client.note_missed(name, "tomorrow")["note"] == "tomorrow"
    closed = client.close_missed(name, note="called")
    assert (closed["state"], closed["note"]) == ("closed", "called")
    assert list(client.missed(group="623")) == []
    assert [item["id"] for item in client.missed(None, group="623")] == [name]
    with pytest.raises(ApiRefused, match="closed") as caught:
        client.close_missed(name)
    assert caught.value.status == 409


def test_what_is_refused_is_told_in_a_sentence(api: Served, client: ApiClient) -> None:
    with pytest.raises(ApiRefused, match="There is no call nowhere") as caught:
        client.call("nowhere")
    assert (caught.value.status, caught.value.name) == (404, "no_such_call")
    with pytest.raises(ApiRefused, match="direction") as caught:
        list(client.calls(direction="inwards"))
    assert caught.value.status == 400
    with ApiClient(api.url, "ipecsmw_wrong") as stranger:
        stranger._session = api.elsewhere()  # others fail to sign in from the usual address
        with pytest.raises(ApiRefused, match="token"):
            stranger.status()


def test_nobody_at_the_address_is_told_in_a_sentence() -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    with ApiClient(url, "x") as client:
        with pytest.raises(ApiUnreachable, match=f"{url} does not answer: ") as caught:
            client.status()
        assert not caught.value.may_have_acted
        with pytest.raises(ApiUnreachable):
            client.send("call.make", timeout_seconds=0.5, **CALL)


def test_a_command_gives_the_reply_and_fails_as_it_failed(api: Served, client: ApiClient) -> None:
    with carrying_out(api.store, done):
        assert client.send("call.make", host=MAIN, **CALL)["data"]["state"] == "idle"
    error = {"family": "acd", "code": 12, "name": "invalidState", "text": "busy"}
    for state, fields in (
        ("failed", {"error": error}),
        ("unknown", {"error": {"text": "lost"}}),
        ("expired", {}),
    ):
        with (
            carrying_out(api.store, lambda _, s=state, f=fields: (s, f)),  # type: ignore[misc]
            pytest.raises(CommandFailed) as caught,
        ):
            client.send("call.make", host=MAIN, **CALL)
        assert caught.value.state == state
        assert "call.make" in str(caught.value)
        assert (caught.value.code == 12) == (state == "failed")


def test_wrong_arguments_fail_before_anything_is_sent(client: ApiClient) -> None:
    with pytest.raises(CommandFailed, match=r"call\.make") as caught:
        client.send("call.make", host=MAIN, deviceNumber="1001")
    assert (caught.value.state, caught.value.family) == ("failed", "arguments")
    with pytest.raises(CommandFailed, match="nowhere"):
        client.send("call.make", host="nowhere", **CALL)


def test_a_command_whose_answer_is_lost_is_asked_for_again_and_sent_once(
    api: Served, proxy: FaultProxy
) -> None:
    proxy.fatal_request = b"POST /api/v1/requests"
    with carrying_out(api.store, done) as carried, reach(proxy, api.all) as client:
        threading.Timer(1.0, lambda: setattr(proxy, "fatal_request", None)).start()
        assert client.send("call.make", host=MAIN, **CALL)["data"]["state"] == "idle"
    assert proxy.cut_replies >= 1
    assert len(carried) == 1


def test_a_command_that_nobody_confirms_is_unknown(api: Served, proxy: FaultProxy) -> None:
    proxy.fatal_request = b"POST /api/v1/requests"
    with reach(proxy, api.all) as client, pytest.raises(CommandFailed, match="not known") as caught:
        client.send("call.make", host=MAIN, timeout_seconds=1.0, **CALL)
    assert caught.value.state == "unknown"
    assert caught.value.may_have_acted


def test_a_key_of_ones_own_is_one_command_over_several_calls(api: Served, client: ApiClient) -> None:
    with carrying_out(api.store, done) as carried:
        for _ in range(2):
            client.send("call.make", host=MAIN, key="mine alone", **CALL)
    assert len(carried) == 1


def test_following_goes_on_after_a_broken_connection_with_nothing_missed_or_doubled(
    api: Served, proxy: FaultProxy
) -> None:
    with (
        reach(proxy, api.all) as client,
        closing(client.follow("missed", group="700", snapshot=True)) as follower,
    ):
        while next(follower).name != "snapshot":
            pass
        names = []
        for number in range(6):
            names.append(make_missed(api.store, group="700"))
            if number % 2:
                proxy.cut(how="fin" if number % 4 == 1 else "rst")
                names.append(make_missed(api.store, group="700"))
        found = [next(follower) for _ in names]
        assert [message.data["id"] for message in found] == names
        assert {message.name for message in found} == {"missed"}
    with (
        reach(proxy, api.all) as client,
        client.follow("missed", group="700", after=found[3].position) as again,
    ):
        assert [next(again).data["id"] for _ in names[4:]] == names[4:]


def test_following_ends_when_nothing_comes_and_when_it_is_closed(api: Served, client: ApiClient) -> None:
    with client.follow("missed", group="701", timeout_seconds=1.0) as follower:
        assert list(follower) == []
    follower = client.follow("missed", group="701")
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.extend(follower))
    thread.start()
    follower.close()
    thread.join(30)
    assert not thread.is_alive()


def test_following_with_a_token_that_is_revoked_is_an_error_in_words(api: Served) -> None:
    name, token = api.make_own_token("calls.read")
    with ApiClient(api.url, token) as client, client.follow("calls") as follower:
        revoke_token(api.store, name, at=SystemClock().now(), by="test")
        with pytest.raises(ApiRefused, match="token"):
            next(follower)
    with ApiClient(api.url, api.all) as client, pytest.raises(ApiRefused, match="topics"):
        client.follow("news")


def test_the_stream_of_a_command_tells_how_it_ended(api: Served, client: ApiClient) -> None:
    with client.follow("requests", snapshot=True) as follower:
        while next(follower).name != "snapshot":
            pass
        with carrying_out(api.store, done) as carried:
            client.send("call.make", host=MAIN, **CALL)
        message = next(follower)
    assert (message.name, message.data["state"]) == ("request", "done")
    assert message.data["id"] == str(carried[0]["_id"])
