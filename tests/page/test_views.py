"""Each view, as people see it: in their language, on their screen, with the data of a call centre."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from page_scene import ZONE, Window, make_call, make_group, make_person, put
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sites import wait_until

READY = {
    "wall": ".tile.group .gauge:not([hidden])",
    "calls": ".calls tbody tr",
    "missed": ".missed tbody tr",
    "figures": ".figures .chart canvas",
    "station": ".station tbody tr",
    "system": ".system .tile.system.well",
    "course": ".course .bar",
}
ADDRESSES = {
    **{name: name for name in READY},
    "station": "station?station=1001",
    "course": "calls?call=main:call000",
}
_KEY = re.compile(r"\b(?:page|cli|figures|state)\.[a-z_]+\.[a-z_.]+\b|\{\w+\}")
_PLACEHOLDERS = {"{number}", "{name}", "{did}", "{group}", "{station}", "{agent}", "{call}"}
_numbers = count()


def show(window: Window, view: str, language: str = "en-GB") -> None:
    address = ADDRESSES[view]
    window.enter(f"{address}{'&' if '?' in address else '?'}lang={language}")
    window.one(READY[view])
    wait_until(lambda: window.all(".notices:empty"), 60)


@pytest.mark.parametrize("language", ["en-GB", "de-DE", "ko-KR"])
@pytest.mark.parametrize("view", READY)
def test_a_view_says_everything_in_the_language_of_the_reader(
    window: Window, view: str, language: str
) -> None:
    show(window, view, language)
    assert window.ask("return document.documentElement.lang") == language
    window.resize(1280, 800)
    window.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert [key for key in _KEY.findall(window.text()) if key not in _PLACEHOLDERS] == []
    window.save(f"{view}-{language}")


@pytest.mark.parametrize("view", ["sign-in", *READY])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_view_is_for_all_who_read(window: Window, view: str, scheme: str) -> None:
    window.prefer(scheme)
    if view == "sign-in":
        window.browser.get(window.place.url)
        window.one("input[name=token]")
    else:
        show(window, view)
        window.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert window.check_reading() == []
    window.save(f"{view}-{scheme}")


@pytest.mark.parametrize(("width", "height"), [(360, 780), (3840, 2160)])
@pytest.mark.parametrize("view", READY)
def test_a_view_fits_on_a_phone_and_on_a_wall(window: Window, view: str, width: int, height: int) -> None:
    window.resize(width, height)
    show(window, view)
    assert (
        window.ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    )
    window.save(f"{view}-{width}")


@pytest.mark.parametrize("view", READY)
def test_a_view_prints_without_what_one_can_only_click(window: Window, view: str) -> None:
    show(window, view)
    window.prefer("light", "print")
    shown = "return [...document.querySelectorAll('button, nav, .fields')].filter(e => e.offsetParent).length"
    assert window.ask(shown) == 0
    assert window.text("main").strip()


def test_the_wall_shows_who_waits_how_long_and_what_agents_do(window: Window) -> None:
    show(window, "wall")
    tile = window.text(".tile.group")
    assert "Sales (620)" in tile
    assert "waits too long" in tile
    assert "not ready: Lunch" in window.text(".tile.agent")
    longest = lambda: window.text(".tile.group .fact:nth-child(2) .big")  # noqa: E731
    before = longest()
    wait_until(lambda: longest() != before)  # it counts up


def test_the_wall_changes_as_the_phone_system_does(window: Window) -> None:
    show(window, "wall")
    number = f"69{next(_numbers)}"
    store = window.place.store
    put(store, "live", make_group(number, 3, 5, ready=1))
    window.until(number, ".tile.group h2")
    put(store, "live", make_person("agent", f"9{number}", "ready", 1, [number]))
    window.until(f"9{number}", ".tile.agent")
    put(store, "live", make_person("agent", f"9{number}", "talking", 1, [number]))
    window.go(f"wall?groups={number}")
    wait_until(lambda: window.text(".tile.agent .state").strip().endswith("talking"))
    assert len(window.all(".tile.group")) == 1
    for name in (f"main:agent:9{number}", f"main:group:{number}"):
        store.database["live"].delete_one({"_id": name})
    window.until("None of these groups is known", ".wall")


def test_the_address_says_what_the_wall_shows_and_in_which_order(window: Window) -> None:
    window.enter("wall?groups=622,620&goal=1&wait=3000&calls=900&agents=no")
    wait_until(lambda: len(window.all(".tile.group")) == 2)
    titles = [each.text for each in window.all(".tile.group h2")]
    assert titles == ["Orders (622)", "Sales (620)"]
    window.one(".gauge:not([hidden])")
    assert window.all(".tile.group.alert") == []
    assert window.text(".warning").strip() == ""
    assert not window.one(".agents").is_displayed()
    window.one("summary").click()
    field = window.one("#field-wait")
    field.clear()
    field.send_keys("2", Keys.TAB)
    window.until("waits too long", ".warning")
    assert "wait=2" in window.browser.current_url


def test_the_goal_is_that_of_the_configuration_unless_the_address_names_another(window: Window) -> None:
    window.enter("wall?groups=620,621&wait=3000")
    window.until("below the goal of 80 %", ".tile.group .warning")
    shown = "return [...document.querySelectorAll('.gauge meter')].map(each => each.title)"
    assert window.ask(shown) == ["Goal: 80 %", "Goal: 5 %"]
    assert window.text(".tile.group:nth-child(2) .warning").strip() == ""
    window.go("wall?groups=620,621&goal=91")
    wait_until(lambda: window.ask(shown) == ["Goal: 91 %"] * 2)
    window.until("below the goal of 91 %", ".tile.group:nth-child(2) .warning")


def test_calls_are_searched_as_one_types(window: Window) -> None:
    show(window, "calls")
    window.one("#field-name").send_keys("schmi")
    wait_until(lambda: set(window.text(".calls tbody tr td:nth-child(3)").split("\n")) == {"Schmidt"})
    window.one("#field-name").clear()
    window.one("#field-name").send_keys(Keys.SPACE, Keys.BACKSPACE)
    window.one("#field-outcome").send_keys("gave up")
    wait_until(lambda: set(window.text(".calls tbody td:nth-child(6)").split("\n")) == {"gave up"})
    assert "outcome=abandoned" in window.browser.current_url
    window.browser.refresh()
    wait_until(lambda: set(window.text(".calls tbody td:nth-child(6)").split("\n")) == {"gave up"})
    window.one("#field-number").send_keys("0300000")
    window.until("No call matches")
    assert "number=0300000" in str(window.one("a.csv").get_attribute("href"))


def test_a_name_is_looked_for_in_all_calls_not_only_in_those_that_are_shown(window: Window) -> None:
    """Also where hundreds of others are newer, and in whatever spelling."""
    began, day = datetime.now(UTC) - timedelta(days=40), timedelta(days=1)
    calls = window.place.store.database["calls"]
    calls.insert_one(make_call("old", began, caller={"name": "Zoë Çelik-Ångström"}))
    calls.insert_many([make_call(f"newer{number}", began + day) for number in range(100)])
    try:
        window.enter("calls")
        window.one(".calls tbody tr")
        assert "Zoë" not in window.text(".calls tbody")
        field = window.one("#field-name")
        for typed in ("angst zo", "ÇEL", "z"):
            field.clear()
            field.send_keys(typed)
            wait_until(lambda: window.text(".calls tbody tr td:nth-child(3)") == "Zoë Çelik-Ångström")
            field.send_keys("qq")
            window.until("No call matches")
        assert "name=zqq" in window.browser.current_url
        field.clear()
        field.send_keys("030")
        window.until("at least one letter", ".problem")
    finally:
        calls.delete_many({"began_at": {"$lte": began + day}})


def test_the_csv_of_a_view_is_what_it_shows(window: Window) -> None:
    window.enter("calls?outcome=busy")
    window.one(".calls tbody tr")
    link = window.one("a.csv").get_attribute("href")
    wait_until(lambda: "outcome=busy" in str(link))
    text = window.browser.execute_async_script(
        "fetch(arguments[0]).then(a => a.text()).then(arguments[1])", link
    )
    assert text.startswith("id,host,direction")
    assert len(text.strip().splitlines()) == 1 + len(window.all(".calls tbody tr"))


def test_a_new_call_comes_into_the_list_by_itself(window: Window) -> None:
    show(window, "calls")
    name = f"Caller {next(_numbers)}"
    put(window.place.store, "calls", make_call(name, datetime.now(UTC), caller={"name": name}))
    window.until(name, ".calls tbody")


def test_a_call_s_course_is_bars_and_words_and_its_events_are_one_click_away(window: Window) -> None:
    show(window, "course")
    kinds = [each.get_attribute("data-kind") for each in window.all(".bar")]
    assert kinds == ["queue", "ring", "talk", "hold", "talk", "wrap_up"]
    assert "1001 holds the call" in window.text("table")
    call = window.place.store.database["calls"].find_one({"_id": "main:call000"}) or {}
    window.one("section button").click()
    window.until("no events", ".events")
    event = {
        "_id": "main:000001",
        "host": "main",
        "kind": "call",
        "type": "alerting",
        "call_ref": 7,
        "connection": 1,
    }
    at = call["began_at"]
    put(
        window.place.store,
        "events",
        {**event, "seq": 1, "received_at": at, "at": at, "data": {"note": "<b>raw</b>"}},
    )
    window.one("section button").click()
    window.one(".events summary").click()
    assert "<b>raw</b>" in window.text(".events pre")


def test_a_call_that_there_is_not_is_told_in_words(window: Window) -> None:
    window.enter("calls?call=main:nothing")
    window.until("main:nothing", ".problem")


def test_figures_tell_their_formula_and_what_is_not_complete(window: Window) -> None:
    show(window, "figures")
    assert window.ask("return document.querySelector('.formula').title") == (
        "answered in time / offered, in time: 20 s"  # asked in one go: the table is drawn anew with each call
    )
    assert f"Days and hours are those of {ZONE}" in window.text(".figures")
    window.one("#field-period").send_keys("Last month")
    window.until("There are no figures for this choice")
    window.go("figures?what=agents")
    wait_until(lambda: "Occupancy" in window.text("th") or "no figures" in window.text(".figures"))


def test_alarms_and_gaps_stand_with_the_phone_system_in_words(window: Window) -> None:
    now = datetime.now(UTC)
    number = next(_numbers)
    says = {"key": "alarm.says.waiting", "facts": {"group": "620", "waiting": 6, "seconds": 130}}
    alarm = {
        "_id": f"a{number}", "profile": "default", "rule": f"rule{number}", "when": "waiting", "host": "main",
        "cause": str(number), "says": says, "since": now, "raised_at": now, "state": "raised", "told": [],
    }  # fmt: skip
    put(window.place.store, "alarms", alarm)
    since = now - timedelta(minutes=3)
    gap = {"_id": f"main:gap{number}", "host": "main", "kind": "system", "type": "gap", "received_at": now}
    put(
        window.place.store,
        "events",
        {**gap, "at": now, "data": {"since": since, "until": now, "reason": "x"}},
    )
    show(window, "system")
    window.until(f"rule{number}: group 620: 6 calls wait, the longest for 130 s", ".notice")
    wait_until(lambda: len(window.all(".system table")) == 2)
    window.place.store.database["alarms"].delete_one({"_id": alarm["_id"]})


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_times_are_the_reader_s_and_those_of_the_phone_system_on_hover(window: Window, zone: str) -> None:
    window.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})
    try:
        show(window, "calls")
        time = window.one(".calls tbody time")
        here, there = time.text, str(time.get_attribute("title"))
        assert f"({ZONE}, main)" in there
        assert here not in there
    finally:
        window.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


HOSTILE = {
    "markup": "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>",
    "right to left": "\u202eיוסי\u202d كريم \u202ereversed",
    "long": "W" * 4096,
    "long words": "lorem ipsum " * 340,
    "template": "${window.pwned=1}{number}%3Cb%3E&lt;b&gt;",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_a_caller_is_called_it_stays_text_in_its_place(window: Window, name: str) -> None:
    store, number = window.place.store, next(_numbers)
    call = make_call(f"hostile{number}", datetime.now(UTC), caller={"number": "0309", "name": name})
    put(store, "calls", {**call, "ended_by": name})
    now = datetime.now(UTC)
    item = {
        "_id": f"main:hostile{number}", "host": "main", "number": "0309", "numbers": ["0309"], "name": name,
        "note": name, "owner": name, "group": name[:300], "state": "open", "count": 1,
        "first_at": now, "last_at": now,
        "calls": [], "revision": 1, "updated_at": now,
    }  # fmt: skip
    put(store, "missed", item)
    put(store, "live", make_person("agent", f"h{number}", "not_ready", 1, ["620"], reason=name, agent=name))
    window.resize(800, 600)
    window.enter("calls")
    shown = re.sub(r"\s+", " ", name).strip()[:60]
    texts = (
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.replace(/\\s+/g, ' '))"
    )
    for view, cells in (
        ("calls", "td"),
        (f"calls?call={call['_id']}", ".route bdi"),
        ("missed", "td"),
        ("wall", ".agent b"),
    ):
        window.go(view)
        wait_until(lambda cells=cells: any(shown in each for each in window.ask(texts, cells)))  # type: ignore[misc]
        assert (
            window.ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            <= 0
        )
        assert window.ask("return document.querySelectorAll('main img, main script').length") == 0
    assert window.ask("return window.pwned") is None
    for collection, document in (
        ("missed", item["_id"]),
        ("live", f"main:agent:h{number}"),
        ("calls", call["_id"]),
    ):
        store.database[collection].delete_one({"_id": document})


def test_the_keyboard_alone_is_enough(window: Window) -> None:
    show(window, "wall")
    body = window.browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert window.browser.switch_to.active_element.text == "To the content"
    for _ in range(3):
        window.browser.switch_to.active_element.send_keys(Keys.TAB)
    assert window.browser.switch_to.active_element.text == "Missed"
    window.browser.switch_to.active_element.send_keys(Keys.ENTER)
    window.one(".missed tbody tr")
    reached = set()
    for _ in range(40):
        window.browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(window.ask("return document.activeElement.dataset.act ?? document.activeElement.id"))
    assert {"field-state", "sign-out", "call", "take", "write", "close"} <= reached
    seen = "const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth"
    assert window.ask(seen) != "none0px"
