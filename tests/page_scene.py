"""A scene of the page: a call centre as it is now, in a real MongoDB, served, and looked at by Debian's Chromium."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from api_scene import configure
from call_scene import tell
from figures_scene import count_all, reach
from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from sites import wait_until
from support import FakeClock

from ipecs_mw.model.days import list_days
from ipecs_mw.service.readers.figure_maker import FigureMaker
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.configuration.shared import load_shared
from ipecs_mw.store.server.connection import Store

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PICTURES = Path(__file__).parents[1] / ".cache" / "page"
GROUPS = {"620": "Sales", "621": "Support", "622": "Orders", "623": "Switchboard"}
VIEWS = ("wall", "calls", "missed", "figures", "station", "system")

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
    names = {number: {"name": name} for number, name in GROUPS.items()}
    figures = {**content.get("figures", {}), "groups": names, "reasons": {"1": "Lunch", "2": "Training"}}
    kept = {name: value for name, value in content.items() if name not in ("_id", "revision")}
    save_settings(store, "default", {**kept, "figures": figures}, "test", at=now)
    put(store, "live", *_make_live(now, agents))
    put(store, "calls", *_make_calls(now))
    put(store, "missed", *_make_missed(now))
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
        "groups": list(groups), "state": state, "since": datetime.now(UTC) - timedelta(seconds=seconds), "holder": 1,
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


def make_call(name: str, began: datetime, **facts: Any) -> Document:
    """Return an incoming call to group 620: it waited 20 s, rang 5 s, was talked in, held, and wrapped up."""
    at = [began + timedelta(seconds=seconds) for seconds in (0, 20, 25, 145, 175, 265, 285)]
    spans = (
        ("queue", 0, 2, "", "answered"), ("ring", 1, 2, "1001", "answered"), ("talk", 2, 3, "1001", ""),
        ("hold", 3, 4, "1001", ""), ("talk", 4, 5, "1001", ""), ("wrap_up", 5, 6, "1001", ""),
    )  # fmt: skip
    segments = []
    for kind, first, last, station, result in spans:
        who = {"station": station, "agent": station} if station else {"group": "620"}
        segments.append(
            {
                "kind": kind,
                "from": at[first],
                "until": at[last],
                **who,
                **({"result": result} if result else {}),
            }
        )
    return {
        "_id": f"main:{name}", "host": "main", "call_refs": [7], "direction": "inbound", "is_open": False,
        "began_at": began, "queued_at": began, "rang_at": at[1], "answered_at": at[2], "ended_at": at[5],
        "caller": {"number": "0301234567", "name": "Kim"}, "dialed": {"group": "620"},
        "answered_by": {"station": "1001", "agent": "1001", "group": "620"}, "stations": ["1001"], "groups": ["620"],
        "trunks": ["001"], "outcome": "answered", "ended_by": "CO001", "segments": segments,
        "seconds": {"queue": 20.0, "ring": 5.0, "talk": 210.0, "hold": 30.0, "total": 285.0},
        "numbers": ["0301234567"], "days": list_days(began, at[6]), "first": f"{began:%s}", "quality": {"is_complete": True}, "revision": 1, "updated_at": datetime.now(UTC),
        **facts,
    }  # fmt: skip


def _make_calls(now: datetime) -> Iterator[Document]:
    people = ("Kim", "Schmidt", "Lee", "Müller", "박지민", "O’Brien")
    outcomes = ("answered", "answered", "abandoned", "answered", "no_answer", "busy")
    for index in range(30):
        outcome = outcomes[index % len(outcomes)]
        caller = {
            "number": f"030555{1000 + 37 * index % 9000:04}",
            "name": people[index % len(people)],
        }
        more = {} if outcome == "answered" else {"segments": [], "stations": []}
        call = make_call(f"call{index:03}", now - timedelta(minutes=6 + 9 * index), caller=caller, **more)
        call["outcome"] = outcome
        if outcome != "answered":
            del call["answered_by"], call["answered_at"]
        call["numbers"] = [caller["number"]]
        yield call


def _make_missed(now: datetime) -> Iterator[Document]:
    rows = (("0305551074", "Lee", "620", 3, 4), ("0305551148", "박지민", "621", 1, 35), ("0891234567", "", "620", 2, 95))
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
    settings, _ = load_shared(store, "default")
    maker = FigureMaker(store, "one", lambda: settings, FakeClock(now), Event())
    reach(store, now)
    count_all(maker, settings)


@contextmanager
def browsing(*options: str, size: str = "1920,1080", language: str = "en-GB") -> Iterator[WebDriver]:
    """Open a browser of one's own: nothing is kept, and nothing is asked from outside."""
    wanted = webdriver.ChromeOptions()
    wanted.binary_location = str(BROWSER)
    for option in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", "--disable-extensions", f"--window-size={size}", f"--lang={language}", *options,
    ):  # fmt: skip
        wanted.add_argument(option)
    wanted.add_experimental_option("prefs", {"intl.accept_languages": language})
    wanted.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=wanted, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield browser
    finally:
        browser.quit()
