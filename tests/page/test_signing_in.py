"""Signing in: a cookie that no script can read, for our own page alone, for as long as the token is valid."""

from datetime import timedelta

import pytest
import requests
from api_scene import EVERYTHING, Served, read_problem
from page_scene import ZONE, Window
from selenium.webdriver.common.by import By
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.store.applications.tokens import revoke_token

OWN = {"X-Requested-With": "test"}


def sign_in(place: Served, token: str) -> requests.Session:
    session = place.elsewhere()
    answer = session.post(f"{place.url}/api/v1/session", json={"token": token}, timeout=60)
    assert answer.status_code == 201, answer.text
    return session


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(place: Served) -> None:
    answer = requests.post(f"{place.url}/api/v1/session", json={"token": place.all}, timeout=60)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie  # this process has no TLS
    assert place.all not in cookie
    assert place.all not in answer.text


def test_the_cookie_goes_by_tls_alone_where_there_is_tls(place: Served) -> None:
    from ipecs_mw.api.endpoints.signed_in import _write_cookie  # noqa: PLC0415

    class Asked:
        url = "https://phones.example.com/api/v1/session"

    assert _write_cookie(Asked(), "x", 60).endswith("; Secure")  # type: ignore[arg-type]


def test_who_has_the_cookie_may_what_the_token_may(place: Served) -> None:
    session = sign_in(place, place.make_token("calls.read"))
    assert session.get(f"{place.url}/api/v1/calls", timeout=60).status_code == 200
    assert read_problem(session.get(f"{place.url}/api/v1/status", timeout=60)) == (403, "right_missing")


def test_who_one_is_is_told_without_the_token(place: Served) -> None:
    token = place.make_token("calls.read", stations="1001")
    told = sign_in(place, token).get(f"{place.url}/api/v1/session", timeout=60)
    assert token not in told.text
    assert told.json()["rights"] == ["calls.read"]
    assert told.json()["scope"] == {"stations": ["1001"]}
    assert told.json()["hosts"] == [{"name": "main", "timezone": ZONE}]


def test_mongodb_has_neither_the_cookie_nor_the_token(place: Served) -> None:
    token = place.make_own_token("calls.read")[1]
    session = sign_in(place, token)
    kept = str(list(place.store.database["page_sessions"].find()))
    assert token not in kept
    assert session.cookies["ipecs_mw_session"] not in kept


@pytest.mark.parametrize("token", ["ipecsmw_wrong", "x", "ipecsmw_" + "ü" * 50])
def test_a_wrong_token_is_refused(place: Served, token: str) -> None:
    with place.elsewhere() as session:
        answer = session.post(f"{place.url}/api/v1/session", json={"token": token}, timeout=60)
    assert read_problem(answer) == (401, "token_wrong")
    assert "Set-Cookie" not in answer.headers


def test_wrong_tokens_are_slowed_down_here_as_everywhere(place: Served) -> None:
    with place.elsewhere() as session:
        statuses = [
            session.post(f"{place.url}/api/v1/session", json={"token": "ipecsmw_no"}, timeout=60).status_code
            for _ in range(12)
        ]
    assert set(statuses) == {401, 429}


def test_a_page_of_somebody_else_changes_nothing_with_the_cookie(place: Served) -> None:
    session = sign_in(place, place.all)
    url = f"{place.url}/api/v1/missed/none"
    body = {"note": "x"}
    foreign = {**OWN, "Origin": "https://evil.example.com"}
    across = {**OWN, "Sec-Fetch-Site": "cross-site"}
    for headers in ({}, foreign, across, {"Origin": "null", **OWN}):
        answer = session.patch(url, json=body, headers=headers, timeout=60)
        assert read_problem(answer) == (403, "foreign_page"), headers
    for headers in (OWN, {**OWN, "Origin": place.url}, {**OWN, "Sec-Fetch-Site": "same-origin"}):
        assert session.patch(url, json=body, headers=headers, timeout=60).status_code == 404, headers


def test_a_page_of_somebody_else_opens_no_websocket_with_the_cookie(place: Served) -> None:
    session = sign_in(place, place.all)
    wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    wanted["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    url = f"{place.url}/api/v1/stream?topics=calls"
    refused = session.get(url, headers={**wanted, "Origin": "https://evil.example.com"}, timeout=60)
    assert refused.status_code == 403


def test_signing_out_ends_the_session_in_every_process(place: Served) -> None:
    session = sign_in(place, place.all)
    cookies = session.cookies.copy()
    answer = session.delete(f"{place.url}/api/v1/session", headers=OWN, timeout=60)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    is_refused = lambda: requests.get(f"{place.url}/api/v1/calls", cookies=cookies, timeout=60).status_code  # noqa: E731
    wait_until(lambda: is_refused() == 401)


def test_a_session_is_no_token_and_a_token_no_session(place: Served) -> None:
    session = sign_in(place, place.all)
    cookie = session.cookies["ipecs_mw_session"]
    assert place.refused("calls", cookie) == (401, "token_wrong")
    answer = requests.get(f"{place.url}/api/v1/calls", cookies={"ipecs_mw_session": place.all}, timeout=60)
    assert read_problem(answer) == (401, "session_over")


def test_a_session_ends_with_its_token(place: Served) -> None:
    soon = SystemClock().now() + timedelta(hours=1)
    _, token = place.make_own_token("calls.read", expires_at=soon)
    sign_in(place, token)
    ends = [each["expires_at"] for each in place.store.database["page_sessions"].find()]
    assert any(abs((each - soon).total_seconds()) < 1 for each in ends)


def test_one_signs_in_with_the_form_and_out_with_the_button(window: Window) -> None:
    window.browser.get(window.place.url)
    token = window.one("input[name=token]")
    assert token.get_attribute("type") == "password"
    token.send_keys("ipecsmw_wrong")
    token.submit()
    window.until("token", ".problem")
    token = window.one("input[name=token]")
    token.clear()
    token.send_keys(window.place.all)
    token.submit()
    window.one(".wall .tile.group")
    assert window.place.all not in window.browser.page_source
    assert (
        window.ask("return document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
        == "{}{}"
    )
    window.one("#sign-out").click()
    window.one("input[name=token]")
    assert window.browser.get_cookies() == []
    window.browser.refresh()
    window.one("input[name=token]")


def test_a_page_that_was_left_open_says_that_its_token_was_revoked(window: Window) -> None:
    name, token = window.place.make_own_token(*EVERYTHING)
    window.enter("wall", token)
    window.one(".tile.group")
    revoke_token(window.place.store, name, at=SystemClock().now(), by="test")
    window.one("input[name=token]")
    window.until("signed out", ".problem")


def test_signing_out_in_one_window_ends_the_other_one(window: Window) -> None:
    window.enter("wall")
    window.one(".tile.group")
    cookies = {each["name"]: each["value"] for each in window.browser.get_cookies()}
    requests.delete(f"{window.place.url}/api/v1/session", cookies=cookies, headers=OWN, timeout=60)
    window.one("input[name=token]")


def test_a_token_sees_only_the_views_that_it_has_a_right_to(window: Window) -> None:
    window.enter("calls", window.place.make_token("calls.read"))
    window.one(".calls tbody tr")
    names = [each.text for each in window.browser.find_elements(By.CSS_SELECTOR, "header nav a")]
    assert names == ["Calls", "Missed"]
    window.go("wall")
    window.until("no right to this view")
    window.go("nonsense")
    window.until("There is no view nonsense")
