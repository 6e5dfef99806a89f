"""Problem documents in every language, methods and paths that there are not, pages of other servers."""

import pytest
from api_scene import ORIGIN, Served, read_problem

from ipecs_mw.api.app import ROWS
from ipecs_mw.api.rows import ANYBODY, BY_BODY

_CALLS = "/api/v1/calls"


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [("en", "en-GB"), ("de", "de-DE"), ("de-CH", "de-DE"), ("ko-KR,en;q=0.5", "ko-KR"), ("fr,ko;q=0.3", "ko-KR"),
     ("fr", "en-GB"), ("", "en-GB"), ("*", "en-GB"), (";;q=x,,de;q=nan", "en-GB"), ("en;q=0,de;q=0.1", "de-DE")],
)  # fmt: skip
def test_a_problem_is_told_in_the_language_asked_for(api: Served, accepted: str, locale: str) -> None:
    answer = api.get("calls?limit=0", headers={"Accept-Language": accepted})
    read_problem(answer)
    assert answer.headers["Content-Language"] == locale


def test_the_name_of_a_problem_is_the_same_in_all_languages_and_its_sentence_is_not(api: Served) -> None:
    answers = [api.get("calls/nothing", headers={"Accept-Language": each}) for each in ("en", "de", "ko")]
    assert {read_problem(answer) for answer in answers} == {(404, "no_such_call")}
    assert len({answer.json()["detail"] for answer in answers}) == 3
    assert len({answer.json()["title"] for answer in answers}) == 3
    assert all("nothing" in answer.json()["detail"] for answer in answers)


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api", "/api/v1/nothing", "/api/v2/calls",
                                  "/api/v1/calls/a/b/c",
                                  "/API/V1/calls", "//api/v1/calls", "/%00", "/api/v1/calls/"])  # fmt: skip
def test_a_path_that_there_is_not_is_a_problem_document(api: Served, path: str) -> None:
    answer = api.get(path, allow_redirects=False)
    assert read_problem(answer) == (404, "not_found")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_method_that_a_path_does_not_have_is_a_problem_document(api: Served, row: object) -> None:
    path = row.path.replace("{id}", "x")  # type: ignore[attr-defined]
    methods = {each.method for each in ROWS if each.path == row.path}  # type: ignore[attr-defined]
    for method in ("PUT", "TRACE", *({"GET", "POST", "PATCH", "DELETE"} - methods)):
        answer = api.ask(method, path)
        assert read_problem(answer) == (405, "method"), method
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) - {"HEAD", "OPTIONS"} == methods


@pytest.mark.parametrize("path", ["calls", "events", "status", "/healthz", "openapi.json", "calls/nothing"])
def test_head_is_get_without_a_body(api: Served, path: str) -> None:
    got, head = api.get(path), api.ask("HEAD", path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("path", ["calls", "/healthz", "calls/nothing", "stream?topics=none"])
def test_no_answer_is_kept_or_guessed_at_by_a_browser(api: Served, path: str) -> None:
    answer = api.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


def test_a_page_of_a_server_that_is_allowed_may_ask(api: Served) -> None:
    before = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,last-event-id",
    }
    answer = api.ask("OPTIONS", "requests", "", headers=before)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    asked = api.get("calls?limit=1", headers={"Origin": ORIGIN})
    assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"Link", "Location", "Retry-After"} <= {
        each.strip() for each in asked.headers["Access-Control-Expose-Headers"].split(",")
    }
    refused = api.get("calls?limit=0", headers={"Origin": ORIGIN})
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN, "a page reads problems too"


def test_a_page_of_any_other_server_may_not(api: Served) -> None:
    answer = api.get("calls", headers={"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    before = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "GET"}
    assert api.ask("OPTIONS", "calls", "", headers=before).status_code == 400


def test_the_description_needs_no_token_and_says_which_operations_do(api: Served) -> None:
    found = api.get("openapi.json", "").json()
    operations = {
        operation["operationId"]: operation for path in found["paths"].values() for operation in path.values()
    }
    assert set(operations) == {row.id for row in ROWS}
    open_to_all = {name for name, operation in operations.items() if operation.get("security") == []}
    assert open_to_all == {row.id for row in ROWS if row.right in (ANYBODY, BY_BODY)}
