"""Tokens let in and shut out: made, listed, revoked, expired, edited by hand; wrong ones are slowed down."""

import json
import re
from datetime import timedelta

import pytest
from api_scene import Served, read_problem
from click.testing import CliRunner, Result
from sites import wait_until
from support import explain

from ipecs_mw.cli import cli
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CommandRefused, NoSuchName
from ipecs_mw.store.applications.tokens import revoke_token
from ipecs_mw.store.schema.examination import STORED

REVOKED_SECONDS = 2.0


def run(api: Served, *arguments: str) -> Result:
    """Run `ipecs-mw` on the same database, as an administrator."""
    return CliRunner().invoke(cli, ["--bootstrap", str(api.folder / "admin.json"), *arguments])


def test_a_token_is_made_shown_once_listed_and_revoked_on_the_command_line(api: Served) -> None:
    made = run(api, "token", "create", "crm", "--right", "calls.read", "--host", "main", "--expires", "90d")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert re.fullmatch(r"ipecsmw_[\w-]{43}", token)
    assert api.get("calls", token).status_code == 200
    again = run(api, "token", "create", "crm", "--right", "calls.read")
    assert isinstance(again.exception, CommandRefused)
    assert "a token crm already" in explain(again.exception)
    listed = run(api, "token", "list")
    assert "crm" in listed.stdout
    assert "calls.read" in listed.stdout
    everything = run(api, "token", "list", "--format", "json").stdout
    assert token not in listed.stdout + everything
    found = next(each for each in json.loads(everything) if each["_id"] == "crm")
    assert found["hosts"] == ["main"]
    assert "sha256" not in found
    assert run(api, "token", "revoke", "crm").exit_code == 0
    wait_until(lambda: api.get("calls", token).status_code == 401, 10)
    assert isinstance(run(api, "token", "revoke", "nobody").exception, NoSuchName)


@pytest.mark.parametrize("right", ["calls", "commands.", "commands", "everything", "commands.a b", ""])
def test_a_right_that_there_is_not_makes_no_token(api: Served, right: str) -> None:
    made = run(api, "token", "create", "wrong", "--right", right)
    assert isinstance(made.exception, NoSuchName)
    assert "calls.read" in explain(made.exception)
    assert api.store.database["tokens"].find_one({"_id": "wrong"}) is None


@pytest.mark.parametrize("until", ["５d", "0d", "-1d", "2020-01-01", "99999999d", "soon", "7d ago"])
def test_an_expiry_that_is_no_time_to_come_is_refused_by_what_is_allowed(api: Served, until: str) -> None:
    made = run(api, "token", "create", "wrong", "--right", "calls.read", "--expires", until)
    assert made.exit_code == 2
    assert "from now" in made.stderr
    assert api.store.database["tokens"].find_one({"_id": "wrong"}) is None


def test_the_database_has_no_token(api: Served) -> None:
    _, token = api.make_own_token("calls.read")
    assert api.get("calls", token).status_code == 200
    for name in api.store.database.list_collection_names(filter=STORED):
        for document in api.store.database[name].find():
            assert token.removeprefix("ipecsmw_") not in repr(document)


def test_a_revoked_token_is_refused_within_two_seconds_and_its_stream_closed(api: Served) -> None:
    name, token = api.make_own_token("calls.read")
    assert api.get("calls", token).status_code == 200
    with api.get("stream?topics=calls", token, stream=True) as stream:
        assert stream.status_code == 200
        revoke_token(api.store, name, at=SystemClock().now(), by="test")
        wait_until(lambda: api.get("calls", token).status_code == 401, REVOKED_SECONDS)
        lines = [line for line in stream.iter_lines() if line]
    assert any(b"token_revoked" in line for line in lines)


def test_a_token_whose_rights_were_changed_has_those_of_now(api: Served) -> None:
    name, token = api.make_own_token("calls.read")
    assert api.get("calls", token).status_code == 200
    api.store.database["tokens"].update_one({"_id": name}, {"$set": {"rights": ["events.read"]}})
    wait_until(lambda: api.get("calls", token).status_code == 403, 10)
    assert api.get("events", token).status_code == 200


def test_an_expired_token_is_refused(api: Served) -> None:
    soon = SystemClock().now() + timedelta(seconds=1.5)
    _, token = api.make_own_token("calls.read", expires_at=soon)
    wait_until(lambda: api.get("calls", token).status_code == 401, 10)
    assert SystemClock().now() >= soon
    over = SystemClock().now() - timedelta(days=1)
    _, token = api.make_own_token("calls.read", expires_at=over)
    assert api.refused("calls", token) == (401, "token_wrong")


@pytest.mark.parametrize(
    "change",
    [
        {"rights": "calls.read"},
        {"rights": {"0": "calls.read"}},
        {"hosts": "main"},
        {"expires_at": "tomorrow"},
        {"expires_at": 5},
        {"stations": 1001},
        {"revoked_at": None},
    ],
)
def test_a_token_that_somebody_edited_wrongly_allows_nothing(api: Served, change: dict[str, object]) -> None:
    name, token = api.make_own_token("calls.read")
    api.store.database["tokens"].update_one({"_id": name}, {"$set": change})
    assert api.refused("calls", token) == (401, "token_wrong")


def test_a_right_in_a_document_that_there_is_not_gives_nothing(api: Served) -> None:
    name, token = api.make_own_token("calls.read")
    api.store.database["tokens"].update_one({"_id": name}, {"$set": {"rights": ["*", "calls.*", 7, None]}})
    assert api.refused("calls", token) == (403, "right_missing")


def test_malformed_tokens_are_refused(api: Served) -> None:
    for given in ("Bearer", "Bearer ", "Bearer ipecsmw_", "Basic YTpi", "ipecsmw_x", f"Bearer {'x' * 5000}",
                  f"Bearer {api.all}x", f"Bearer {api.all[:-1]}", "Bearer ipecsmw_\xff\xfe",
                  "Bearer a b"):  # fmt: skip
        with api.elsewhere() as session:
            answer = session.get(
                f"{api.url}/api/v1/calls", headers={"Authorization": given.encode("latin-1")}
            )
            assert read_problem(answer)[0] == 401, given


def test_the_scheme_is_read_in_any_letters(api: Served) -> None:
    answer = api.get("calls", "", headers={"Authorization": f"bEaReR {api.all}"})
    assert answer.status_code == 200


def test_failed_sign_ins_are_slowed_down_and_nobody_else_is_shut_out(api: Served) -> None:
    url = f"{api.url}/api/v1/calls"
    with api.elsewhere() as session:
        wrong = {"Authorization": "Bearer ipecsmw_guess"}
        answers = [session.get(url, headers=wrong) for _ in range(12)]
        assert [answer.status_code for answer in answers[:5]] == [401] * 5
        slowed = answers[-1]
        assert read_problem(slowed) == (429, "sign_in_slowed")
        assert 1 <= int(slowed.headers["Retry-After"]) <= 60
        right = session.get(url, headers={"Authorization": f"Bearer {api.all}"})
        assert right.status_code == 200, "somebody else's failures shut nobody out"
        assert session.get(url, headers=wrong).status_code == 429, "nor does he forgive them"
    with api.elsewhere() as session:
        assert session.get(url, headers=wrong).status_code == 401


def test_the_log_tells_of_failed_sign_ins_and_nothing_of_a_token(api: Served) -> None:
    _, token = api.make_own_token("calls.read")
    guess = "ipecsmw_canary-of-a-guess"
    ticket = api.ask("POST", "stream-tickets", token).json()["ticket"]
    with api.elsewhere() as session:
        address = session.address  # type: ignore[attr-defined]
        session.get(f"{api.url}/api/v1/calls", headers={"Authorization": f"Bearer {guess}"})
        session.get(f"{api.url}/api/v1/stream?topics=calls&ticket={guess}")
    with api.get(f"stream?topics=calls&ticket={ticket}", "", stream=True) as stream:
        assert stream.status_code == 200
    wait_until(lambda: address in api.logged())
    logged = api.logged()
    for secret in (guess, token, ticket, api.all, "canary"):
        assert secret.removeprefix("ipecsmw_") not in logged


def test_a_ticket_opens_streams_with_the_rights_of_its_token_and_nothing_else(api: Served) -> None:
    name, token = api.make_own_token("calls.read")
    answer = api.ask("POST", "stream-tickets", token)
    assert answer.status_code == 201
    ticket = answer.json()["ticket"]
    with api.get(f"stream?topics=calls&ticket={ticket}", "", stream=True) as stream:
        assert stream.status_code == 200
    assert api.refused(f"stream?topics=events&ticket={ticket}", "") == (403, "right_missing")
    assert api.refused("calls", ticket) == (401, "token_wrong")
    assert api.refused(f"calls?ticket={ticket}", "") == (401, "token_missing")
    revoke_token(api.store, name, at=SystemClock().now(), by="test")
    assert api.refused(f"stream?topics=calls&ticket={ticket}", "") == (401, "token_wrong")


def test_a_ticket_does_not_live_longer_than_a_minute(api: Served) -> None:
    answer = api.ask("POST", "stream-tickets").json()
    ticket = answer["ticket"]
    tickets = api.store.database["stream_tickets"]
    found = tickets.find_one(sort=[("expires_at", -1)]) or {}
    assert found["expires_at"] <= SystemClock().now() + timedelta(seconds=60)
    tickets.update_many({}, {"$set": {"expires_at": SystemClock().now() - timedelta(milliseconds=1)}})
    assert api.refused(f"stream?topics=calls&ticket={ticket}", "") == (401, "token_wrong")
