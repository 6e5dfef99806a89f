"""What one does on the page: working off missed calls, giving commands, having a CRM come up."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from api_scene import EVERYTHING, carrying_out, make_missed
from page_scene import Window, make_call, make_person, put
from sites import wait_until

_numbers = count()


@pytest.fixture
def number(window: Window) -> Iterator[str]:
    """The number of a missed call of this test's own."""
    number = f"04012{next(_numbers):05}"
    name = make_missed(window.place.store, number)
    yield number
    window.place.store.database["missed"].delete_one({"_id": name})


def item(window: Window, number: str) -> dict[str, Any]:
    found: dict[str, Any] = window.place.store.database["missed"].find_one({"number": number}) or {}
    return found


def press(window: Window, number: str, act: str) -> None:
    """Press a button in the row of a number, which may be drawn anew meanwhile."""
    script = """
      const row = [...document.querySelectorAll('tbody tr')].find(row => row.textContent.includes(arguments[0]));
      const button = row?.querySelector(`[data-act="${arguments[1]}"]`);
      button?.click();
      return Boolean(button)"""
    wait_until(lambda: window.ask(script, number, act))


def test_a_missed_call_is_taken_noted_and_closed(window: Window, number: str) -> None:
    window.enter("missed")
    window.until(number, "tbody")
    press(window, number, "take")
    wait_until(lambda: item(window, number).get("owner"))
    press(window, number, "write")
    window.one("textarea").send_keys("Rings at nine <b>tomorrow</b>")
    window.press("textarea + button")
    window.until("Rings at nine <b>tomorrow</b>", "tbody")
    assert item(window, number)["note"] == "Rings at nine <b>tomorrow</b>"
    press(window, number, "close")
    window.until_not(number, "tbody")
    assert item(window, number)["state"] == "closed"
    window.go("missed?state=closed")
    window.until(number, "tbody")


def test_what_somebody_else_does_with_a_missed_call_is_seen_but_takes_no_note_away(
    window: Window, number: str
) -> None:
    window.enter("missed")
    window.until(number, "tbody")
    press(window, number, "write")
    window.one("textarea").send_keys("half a sen")
    changes = {"owner": "Bob", "revision": 2, "updated_at": datetime.now(UTC)}
    window.place.store.database["missed"].update_one({"number": number}, {"$set": changes})
    window.one("textarea").send_keys("tence")
    assert window.one("textarea").get_attribute("value") == "half a sentence"
    window.press("textarea + button + button")
    window.browser.refresh()
    window.until("Bob", "tbody")


def test_one_calls_back_by_the_own_phone(window: Window, number: str) -> None:
    window.enter("missed")
    window.until(number, "tbody")
    press(window, number, "call")
    window.until("which phone is yours", ".problem")
    window.one("#field-station").send_keys("1001")
    with carrying_out(window.place.store, lambda _: ("done", {"result": {}})) as done:
        press(window, number, "call")
        wait_until(lambda: done)
    assert done[0]["args"] == {"deviceNumber": "1001", "calledDN": number}


def test_why_a_command_was_refused_is_told(window: Window, number: str) -> None:
    window.enter("missed?station=1001")
    window.until(number, "tbody")
    error = {"error": {"text": "The station is busy", "code": 5}}
    with carrying_out(window.place.store, lambda _: ("failed", error)):
        press(window, number, "call")
        window.until("Not carried out: The station is busy", ".problem")


def test_who_may_only_look_has_no_buttons(window: Window, number: str) -> None:
    window.enter("missed", window.place.make_token("calls.read", "state.read"))
    window.until("Sales (620)", "tbody")
    assert window.all("[data-act]") == []
    assert number not in window.text()  # without numbers.read it is masked
    window.go("station?station=1001")
    window.until("Last calls")
    assert window.all("[data-command]") == []


def ring(window: Window, station: str, kind: str = "ring", **facts: Any) -> str:
    """Have a call ring at a station, or be talked in there; return its id."""
    now = datetime.now(UTC)
    number = next(_numbers)
    call = make_call(
        f"live{number}", now, call_refs=[100 + number], is_open=True, stations=[station], **facts
    )
    for name in ("ended_at", "answered_at", "outcome", "answered_by", "ended_by", "days"):
        call.pop(name, None)
    call["segments"] = [{"kind": kind, "from": now, "station": station, "agent": station}]
    put(window.place.store, "calls", call)
    return str(call["_id"])


def end(window: Window, name: str) -> None:
    window.place.store.database["calls"].delete_one({"_id": name})


def test_a_station_shows_its_calls_and_acts_on_them(window: Window) -> None:
    window.enter("station?station=1001")
    name = ring(window, "1001")
    with carrying_out(window.place.store, lambda _: ("done", {"result": {}})) as done:
        window.press("[data-command='call.answer']")
        wait_until(lambda: done)
        assert done[0]["args"]["deviceNumber"] == "1001"
        assert done[0]["args"]["callRefID"] >= 100
        put_talk = {"segments": [{"kind": "talk", "from": datetime.now(UTC), "station": "1001"}]}
        window.place.store.database["calls"].update_one({"_id": name}, {"$set": put_talk})
        window.one("[data-command='call.hold']")
        window.one(".call input").send_keys("1002")
        window.press("[data-command='call.transfer_single_step']")
        wait_until(lambda: len(done) == 2)
        assert done[1]["args"]["transferDN"] == "1002"
    end(window, name)
    window.until("No call.")


def test_an_agent_says_why_not_to_be_ready(window: Window) -> None:
    put(window.place.store, "live", make_person("station", "1001", "ready", 5, ["620"]))
    window.enter("station?station=1001")
    window.one(".actions select").send_keys("2 Training")
    with carrying_out(window.place.store, lambda _: ("done", {"result": {}})) as done:
        window.press("select + [data-command='agent.state']")
        wait_until(lambda: done)
    wanted = {"agentId": "1001", "groupNumber": "620", "agentState": "dutyOff", "reasonCode": "2"}
    assert done[0]["args"] == {"deviceNumber": "1001", **wanted}


def test_a_token_bound_to_a_station_has_that_one_and_no_other(window: Window) -> None:
    window.enter("station", window.place.make_token(*EVERYTHING, stations="1001"))
    window.one(".station tbody tr")
    assert window.all("#field-station") == []
    window.until("talking", ".own") if "talking" in window.text(".own") else window.one(".own .state")


def test_a_ringing_call_opens_the_crm_in_one_window(window: Window) -> None:
    target = f"{window.place.url}/web/icon.svg?q={{number}}"
    window.enter("station")
    window.ask(
        "location.hash = '#station?' + new URLSearchParams({station: '1003', pop: arguments[0]})", target
    )
    window.one("#field-pop")
    window.one("details.choices button").click()
    wait_until(lambda: len(window.browser.window_handles) == 2)
    names = [ring(window, "1003", caller={"number": f"+49 30/{number}"}) for number in (1, 2)]

    def is_there() -> bool:
        window.browser.switch_to.window(window.browser.window_handles[1])
        return window.browser.current_url.endswith("q=%2B49%2030%2F2")

    wait_until(is_there)
    assert len(window.browser.window_handles) == 2
    for name in names:
        end(window, name)


def test_a_call_at_another_phone_and_an_address_that_is_none_open_nothing(window: Window) -> None:
    window.enter("station?station=1003&pop=javascript:alert(1)%2F%2F{number}")
    window.one("#field-pop")
    names = [ring(window, "1004", caller={"number": "0301"}), ring(window, "1003", caller={"number": "0302"})]
    window.until("This is no web address")
    assert len(window.browser.window_handles) == 1
    for name in names:
        end(window, name)
