"""A scene of the page: a call centre as it is now, in a real MongoDB, looked at by Debian's Chromium."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import requests
from api_scene import Served, configure
from call_scene import tell
from figures_scene import count_all, reach
from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from sites import wait_until
from support import FakeClock

from ipecs_mw.calls.documents.found_by import list_beginnings
from ipecs_mw.calls.steps.position import find_order
from ipecs_mw.model.days import list_days
from ipecs_mw.service.readers.figure_maker import FigureMaker
from ipecs_mw.store.calls.reader import take_over
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.configuration.shared import load_shared
from ipecs_mw.store.server.connection import Store

os.environ.setdefault("SE_OFFLINE", "true")  # selenium asks the internet for nothing

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PICTURES = Path(__file__).parents[1] / ".cache" / "page"
GROUPS = {"620": "Sales", "621": "Support", "622": "Orders", "623": "Switchboard"}
AXE = Path(__file__).parent / "page" / "vendor" / "axe.min.js"
VIEWS = ("wall", "calls", "missed", "figures", "station", "system")

ZONE = f"Etc/GMT{datetime.now(UTC).hour - 16:+}" if datetime.now(UTC).hour > 2 else "Etc/GMT+8"
"""The zone of the phone system: one in which it is afternoon, so that what was hours ago is today."""

HUSHED = Event()
"""As long as it is set, daemon and reader give no sign of life."""

Document = dict[str, Any]

_STATES: Sequence[tuple[str, str]] = (
    ("talking", ""), ("ready", ""), ("talking", ""), ("wrap_up", ""), ("not_ready", "1"), ("ready", ""),
    ("ringing", ""), ("talking", ""), ("holding", ""), ("not_ready", "2"), ("busy_other", ""), ("ready", ""),
)  # fmt: skip


def fill(store: Store, *, agents: int = 24) -> None:
    """Have four groups, their agents, calls of today, missed calls and figures be there, by the clock of now."""
    now = datetime.now(UTC).replace(microsecond=0)
    configure(store, "main")
    content = store.database["config"].find_one({"_id": "default"}) or {}
    names: Document = {number: {"name": name} for number, name in GROUPS.items()}
    names["621"]["service_level"] = {"goal_percent": 5}
    figures = {**content.get("figures", {}), "groups": names, "reasons": {"1": "Lunch", "2": "Training"}}
    kept = {name: value for name, value in content.items() if name not in ("_id", "revision")}
    kept["hosts"] = [{**host, "timezone": ZONE} for host in kept["hosts"]]
    save_settings(store, "default", {**kept, "figures": figures}, "test", at=now)
    put(store, "live", *_make_live(now, agents))
    put(store, "calls", *_make_calls(now))
    put(store, "missed", *_make_missed(now))
    put(store, "instances", make_instance(now))
    count(store, now)
    tell(store)


def put(store: Store, collection: str, *documents: Document) -> None:
    """Write documents as their writer does: a new one, or another version in the place of the last."""
    for document in documents:
        store.database[collection].replace_one({"_id": document["_id"]}, document, upsert=True)


def make_host(**facts: Any) -> Document:
    now = datetime.now(UTC)
    return {
        "_id": "main:host",
        "host": "main",
        "kind": "host",
        "is_stale": False,
        "heard_at": now,
        "holder": 1,
        **facts,
    }


def make_instance(now: datetime, state: str = "up") -> Document:
    """Return a daemon that runs and has the phone system."""
    return {
        "_id": "daemon", "profile": "default", "version": "1.0", "state": "running", "started_at": now,
        "heartbeat_at": now, "revision": 1, "hosts": {"main": {"state": state, "since": now, "lag_seconds": 0.1}},
    }  # fmt: skip


def make_group(number: str, waiting: int = 0, seconds: float = 0, **agents: int) -> Document:
    waits = {"longest_wait_since": datetime.now(UTC) - timedelta(seconds=seconds)} if waiting else {}
    return {
        "_id": f"main:group:{number}", "host": "main", "kind": "group", "group": number, "waiting": waiting,
        "ringing": 0, "agents": agents, "holder": 1, **waits,
    }  # fmt: skip


def make_person(
    kind: str, number: int | str, state: str, seconds: float, groups: Sequence[str] = (), **facts: Any
) -> Document:
    """Return what an agent, or the station of the same number, does."""
    return {
        "_id": f"main:{kind}:{number}", "host": "main", "kind": kind, "station": str(number), "agent": str(number),
        "groups": list(groups), "state": state, "holder": 1,
        "since": datetime.now(UTC) - timedelta(seconds=seconds),
        **{name: value for name, value in facts.items() if value},
    }  # fmt: skip


def _make_live(now: datetime, agents: int) -> Iterator[Document]:
    yield make_host()
    counts: dict[str, dict[str, int]] = {number: {} for number in GROUPS}
    for index in range(agents):
        state, reason = _STATES[index % len(_STATES)]
        group = list(GROUPS)[index % len(GROUPS)]
        counts[group][state] = counts[group].get(state, 0) + 1
        for kind in ("agent", "station"):
            yield make_person(kind, 1001 + index, state, 20 + 37 * index, [group], reason=reason)
    for number, (waiting, seconds) in zip(GROUPS, ((6, 135), (1, 22), (0, 0), (2, 8)), strict=True):
        yield make_group(number, waiting, seconds, **counts[number])


def make_call(
    name: str, began: datetime, wait_seconds: int = 20, group: str = "620", **facts: Any
) -> Document:
    """Return an incoming call to a group: it waited, rang for 5 s, was talked in, held, and wrapped up."""
    spans_at = (0, wait_seconds - 5, wait_seconds, 145, 175, 265, 285)
    at = [began + timedelta(seconds=seconds) for seconds in spans_at]
    spans = (
        ("queue", 0, 2, "", "answered"), ("ring", 1, 2, "1001", "answered"), ("talk", 2, 3, "1001", ""),
        ("hold", 3, 4, "1001", ""), ("talk", 4, 5, "1001", ""), ("wrap_up", 5, 6, "1001", ""),
    )  # fmt: skip
    segments = []
    for kind, first, last, station, result in spans:
        who = {"station": station, "agent": station} if station else {}
        segments.append(
            {
                "kind": kind,
                "from": at[first],
                "until": at[last],
                "group": group,
                **who,
                **({"result": result} if result else {}),
            }
        )
    call = {
        "_id": f"main:{name}", "host": "main", "call_refs": [7], "direction": "inbound", "is_open": False,
        "began_at": began, "queued_at": began, "rang_at": at[1], "answered_at": at[2], "ended_at": at[5],
        "caller": {"number": "0301234567", "name": "Kim"}, "dialed": {"group": group},
        "answered_by": {"station": "1001", "agent": "1001", "group": group},
        "stations": ["1001"], "groups": [group],
        "trunks": ["001"], "outcome": "answered", "ended_by": "CO001", "segments": segments,
        "seconds": {"queue": 20.0, "ring": 5.0, "talk": 210.0, "hold": 30.0, "total": 285.0},
        "numbers": ["0301234567"], "days": list_days(began, at[6]), "first": _place(began),
        "quality": {"is_complete": True}, "revision": 1, "updated_at": datetime.now(UTC),
        **facts,
    }  # fmt: skip
    return {**call, "found_by": list_beginnings(call)}


def _place(began: datetime) -> str:
    """Return the place of the first event of a call in the log."""
    return find_order({"_id": "", "connection": 1, "seq": int(began.timestamp())})


def _make_calls(now: datetime) -> Iterator[Document]:
    people = ("Kim", "Schmidt", "Lee", "Müller", "박지민", "O’Brien")
    outcomes = ("answered", "answered", "abandoned", "answered", "no_answer", "busy")
    for index in range(30):
        outcome, began = outcomes[index % len(outcomes)], now - timedelta(minutes=6 + 9 * index)
        caller = {
            "number": f"030555{1000 + 37 * index % 9000:04}",
            "name": people[index % len(people)],
        }
        group = list(GROUPS)[index % 7 % len(GROUPS)]
        queue = {"kind": "queue", "group": group, "from": began, "until": began + timedelta(seconds=50)}
        more = (
            {} if outcome == "answered" else {"segments": [{**queue, "result": "abandoned"}], "stations": []}
        )
        wait = 8 + 5 * (index * index % 5)
        call = make_call(f"call{index:03}", began, wait, group, caller=caller, **more)
        call["outcome"] = outcome
        if outcome != "answered":
            del call["answered_by"], call["answered_at"]
        call["numbers"] = [caller["number"]]
        yield call


def _make_missed(now: datetime) -> Iterator[Document]:
    rows = (
        ("0305551074", "Lee", "620", 3, 4),
        ("0305551148", "박지민", "621", 1, 35),
        ("0891234567", "", "620", 2, 95),
    )
    for index, (number, name, group, times, minutes) in enumerate(rows):
        at = now - timedelta(minutes=minutes)
        item: Document = {
            "_id": f"main:missed{index}", "host": "main", "number": number, "numbers": [number], "group": group,
            "state": "open", "count": times, "first_at": at - timedelta(hours=1), "last_at": at, "calls": [],
            "revision": 1, "updated_at": now,
        }  # fmt: skip
        if name:
            item["name"] = name
        if index == 2:
            item |= {"owner": "Ann", "note": "Wants an offer before Friday.", "attempts": 1}
            item["attempted_at"] = now - timedelta(minutes=20)
        yield item


def count(store: Store, now: datetime) -> None:
    """Have today's figures be counted out of the calls, as the daemon counts them."""
    take_over(store, "x", now)
    settings, _ = load_shared(store, "default")
    maker = FigureMaker(store, "one", lambda: settings, FakeClock(now), Event())
    reach(store, now)
    count_all(maker, settings)


def tell_all(store: Store, stop: Event) -> None:
    """Have daemon and reader live until `stop`."""
    while not stop.wait(2):
        if HUSHED.is_set():
            continue
        tell(store)
        now = datetime.now(UTC)
        store.database["instances"].update_one({"_id": "daemon"}, {"$set": {"heartbeat_at": now}})


@contextmanager
def browsing(
    *options: str, size: str = "1920,1080", language: str = "en-GB", has_logs: bool = True
) -> Iterator[WebDriver]:
    """Open a browser of one's own: nothing is kept, and nothing is asked from outside.

    It notes what scripts and the network do, unless it has no logs: noting costs, too.
    """
    wanted = webdriver.ChromeOptions()
    wanted.binary_location = str(BROWSER)
    for option in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run", "--disable-extensions", f"--window-size={size}", f"--lang={language}", *options,
    ):  # fmt: skip
        wanted.add_argument(option)
    wanted.add_experimental_option("prefs", {"intl.accept_languages": language})
    if has_logs:
        wanted.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=wanted, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield browser
    finally:
        browser.quit()


@contextmanager
def serving(place: Served, folder: Path, port: int = 0) -> Iterator[Served]:
    """Serve the same call centre by a process of one's own, which may be killed."""
    own = Served(place.store, folder, json.loads((place.folder / "bootstrap.json").read_text())["mongo_uri"])
    try:
        yield own.start(*(["--port", str(port)] if port else []))
    finally:
        own.kill()


class Window:
    """The browser at the page of a served call centre."""

    def __init__(self, browser: WebDriver, place: Served) -> None:
        self.browser = browser
        self.place = place

    def clear(self) -> None:
        """Leave nothing of who was there before."""
        self.leave()
        self.browser.get(self.place.url + "/web/icon.svg")
        self.browser.delete_all_cookies()
        self.browser.get_log("browser")

    def leave(self) -> None:
        """Show nothing, in one window of the usual size."""
        first, *others = self.browser.window_handles
        for handle in others:
            self.browser.switch_to.window(handle)
            self.browser.close()
        self.browser.switch_to.window(first)
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        self.browser.get("about:blank")

    def enter(self, address: str = "wall", token: str | None = None, *, url: str = "") -> None:
        """Sign in as the page does, without its form, and show a view."""
        url = url or self.place.url
        body = {"token": self.place.all if token is None else token}
        answer = requests.post(f"{url}/api/v1/session", json=body, timeout=60)
        assert answer.status_code == 201, answer.text
        self.browser.get(url + "/web/icon.svg")
        for cookie in answer.cookies:
            self.browser.add_cookie(
                {"name": cookie.name, "value": cookie.value, "httpOnly": True, "sameSite": "Strict"}
            )
        self.browser.get(f"{url}/#{address}")
        wait_until(lambda: self.all("header nav a"), 60)

    def go(self, address: str) -> None:
        """Show another view of the page that is open."""
        self.browser.execute_script("location.hash = arguments[0]", f"#{address}")

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Return the first element, as soon as there is one."""
        found: list[WebElement] = wait_until(lambda: self.all(selector), 60)
        return found[0]

    def press(self, selector: str) -> None:
        """Press a button as soon as it is there; it may be drawn anew meanwhile."""
        script = "const b = document.querySelector(arguments[0]); b?.click(); return Boolean(b)"
        wait_until(lambda: self.ask(script, selector), 60)

    def text(self, selector: str = "body") -> str:
        """Return all text of the elements that there are now."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')"
        return str(self.browser.execute_script(script, selector))

    def until(self, words: str, selector: str = "body") -> None:
        """Wait until words are shown."""
        wait_until(lambda: words in self.text(selector), 60)

    def until_not(self, words: str, selector: str = "body") -> None:
        wait_until(lambda: words not in self.text(selector), 60)

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def resize(self, width: int, height: int, **more: Any) -> None:
        """Be a screen of another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, **more})

    def prefer(self, scheme: str, media: str = "screen") -> None:
        """Have the reader prefer `light` or `dark`, or print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def check_reading(self) -> list[str]:
        """Return what axe-core finds wrong for people who see little, hear the page, or use no mouse."""
        self.ask(AXE.read_text("utf-8"))
        run = "axe.run(document).then(found => arguments[0](found.violations))"
        found = self.browser.execute_async_script(run)
        return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in found]

    def save(self, name: str) -> None:
        """Keep a picture, to be looked at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(PICTURES / f"{name}.png"))

    def read_faults(self) -> list[str]:
        """Return what scripts and the policy complained of; that an answer was 401 and its like is no fault."""
        found = [
            str(each["message"]) for each in self.browser.get_log("browser") if each["level"] == "SEVERE"
        ]
        return [each for each in found if "Failed to load resource" not in each and "net::ERR" not in each]
