"""What is shown when something is away: that it is, since when; and everything again once it is back."""

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import requests
from call_scene import tell
from page_scene import HUSHED, Window, make_group, make_host, make_person, put, serving
from sites import wait_until

LOST = "No connection to the server since"
_AHEAD = ".".join(f"{letter}f000000000000001" for letter in "cfglm")


def find_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def show_group(window: Window, number: str, waiting: int) -> None:
    put(window.place.store, "live", make_group(number, waiting, 3, ready=1))


def test_a_server_that_restarts_is_away_and_back_and_nothing_is_missed(
    window: Window, tmp_path: Path
) -> None:
    port = find_port()
    show_group(window, "671", 1)
    with serving(window.place, tmp_path, port) as own:
        window.enter("wall?groups=671", url=own.url)
        window.until("671", ".tile.group")
        own.kill()
        window.until(LOST, ".notices")
        window.until("not current", ".tile.group")
        before = window.text(".tile.group .fact:nth-child(2)")
        time.sleep(1.1)  # a wait that nobody sees does not grow
        assert window.text(".tile.group .fact:nth-child(2)") == before
        window.save("wall-lost")
        show_group(window, "671", 47)  # while nobody looked
    (tmp_path / "again").mkdir()
    with serving(window.place, tmp_path / "again", port):
        window.until_not(LOST, ".notices")
        window.until("47", ".tile.group .big")
        window.until_not("not current", ".tile.group")
    window.place.store.database["live"].delete_one({"_id": "main:group:671"})


def test_a_position_that_is_too_old_begins_anew(window: Window, tmp_path: Path) -> None:
    """As after a database was restored: the server has never been where the page is."""
    script = """
      const Real = EventSource;
      window.opened = 0;
      window.resets = 0;
      window.EventSource = class extends Real {
        constructor(url) {
          super(window.opened++ ? url.replace(/&after=[^&]*/, '') + '&after=AHEAD' : url);
          this.addEventListener('reset', () => window.resets++);
        }
      };
      window.EventSource.OPEN = Real.OPEN; window.EventSource.CLOSED = Real.CLOSED;
    """.replace("AHEAD", _AHEAD)
    added = window.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    port = find_port()
    for number in ("672", "673"):
        show_group(window, number, 2)
    try:
        with serving(window.place, tmp_path, port) as own:
            window.enter("wall?groups=672,673", url=own.url)
            wait_until(lambda: len(window.all(".tile.group")) == 2)
            own.stop()  # a stream that is closed is opened anew by the page itself
        window.place.store.database["live"].delete_one({"_id": "main:group:672"})
        (tmp_path / "again").mkdir()
        with serving(window.place, tmp_path / "again", port):
            wait_until(lambda: window.ask("return window.resets"), 60)
            wait_until(lambda: len(window.all(".tile.group")) == 1)
            window.until_not(LOST, ".notices")
    finally:
        window.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    window.place.store.database["live"].delete_one({"_id": "main:group:673"})


def test_a_server_that_is_full_says_so_and_the_page_follows_once_there_is_room(
    window: Window, tmp_path: Path
) -> None:
    store, port = window.place.store, find_port()
    allow = lambda most: store.database["config"].update_one(  # noqa: E731
        {"_id": "default"}, {"$set": {"api.max_streams": most}, "$inc": {"revision": 1}}
    )
    show_group(window, "676", 1)
    with serving(window.place, tmp_path, port) as own:
        allow(1)
        try:
            signed = {"Authorization": f"Bearer {own.all}"}
            wanted = {"headers": signed, "stream": True, "timeout": 60}
            stream = f"{own.url}/api/v1/stream?topics=state"
            with requests.get(stream, **wanted) as held:  # type: ignore[arg-type]
                assert held.status_code == 200

                def is_refused() -> bool:
                    with requests.get(stream, **wanted) as refused:  # type: ignore[arg-type]
                        return refused.status_code == 429

                wait_until(is_refused)
                window.enter("wall?groups=676", url=own.url)
                window.until("holds as many streams open as it may", ".notices")
                assert LOST not in window.text(".notices")
                window.save("wall-full")
            window.until("676", ".tile.group")
            wait_until(lambda: window.all(".notices:empty"), 60)
            assert "not current" not in window.text(".tile.group")
        finally:
            allow(10_000)
    store.database["live"].delete_one({"_id": "main:group:676"})


def test_a_phone_system_that_is_away_makes_everything_of_it_old(window: Window) -> None:
    window.enter("wall")
    window.one(".tile.group")
    put(window.place.store, "live", make_host(is_stale=True, heard_at=datetime.now(UTC)))
    window.until("No connection to the phone system", ".notices")
    window.until("not current", ".tile.group")
    assert len(window.all(".tile.agent.stale")) == len(window.all(".tile.agent"))
    window.save("wall-stale")
    window.go("system")
    window.until("No connection to the phone system", ".system .tile.alert")
    put(window.place.store, "live", make_host())
    wait_until(lambda: window.all(".notices:empty"), 60)
    window.one(".tile.system.well")


def test_a_daemon_that_has_died_is_noticed(window: Window) -> None:
    """It says nothing any more, and the stream goes on without a word: the page asks."""
    window.enter("wall")
    window.one(".tile.group")
    HUSHED.set()
    try:
        tell(window.place.store, seconds_ago=600)
        window.until("is the daemon running?", ".notices")
        window.until("not current", ".tile.group")
    finally:
        HUSHED.clear()
    wait_until(lambda: window.all(".notices:empty"), 60)


def test_after_hundreds_of_changes_the_wall_shows_what_is_so(window: Window) -> None:
    """As on a busy day: several changes of one thing between two pictures, agents who come and go."""
    chance = Random(7)
    names = [f"7{number:03}" for number in range(40)]
    window.enter("wall?groups=675")
    put(window.place.store, "live", make_group("675", 0))
    window.one(".tile.group")
    there: dict[str, str] = {}
    for turn in range(800):
        name = chance.choice(names)
        if chance.random() < 0.1:
            window.place.store.database["live"].delete_one({"_id": f"main:agent:{name}"})
            there.pop(name, None)
        else:
            there[name] = chance.choice(["ready", "talking", "wrap_up", "not_ready"])
            put(window.place.store, "live", make_person("agent", name, there[name], 1, ["675"]))
        put(window.place.store, "live", make_group("675", turn, 1, ready=len(there)))
    shown = """return [...document.querySelectorAll('.tile.agent')]
      .map(each => [each.querySelector('b').textContent, each.dataset.state])"""
    wait_until(lambda: dict(window.ask(shown)) == there)
    window.until("799", ".tile.group .big")
    window.place.store.database["live"].delete_many({"_id": {"$regex": "^main:agent:7"}})
    window.place.store.database["live"].delete_one({"_id": "main:group:675"})


def test_a_device_whose_clock_is_wrong_counts_by_that_of_the_server(window: Window) -> None:
    script = "const real = Date.now; Date.now = () => real() + 3600_000;"
    added = window.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    put(window.place.store, "live", make_group("674", 1, 5))
    try:
        window.enter("wall?groups=674")
        window.until("clock of this device is wrong", ".notices")
        window.one(".tile.group")
        began = datetime.now(UTC)
        minutes, seconds = window.text(".tile.group .fact:nth-child(2) .big").split(":")
        assert int(minutes) * 60 + int(seconds) < 60 + (datetime.now(UTC) - began) / timedelta(seconds=1)
    finally:
        window.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    window.place.store.database["live"].delete_one({"_id": "main:group:674"})
