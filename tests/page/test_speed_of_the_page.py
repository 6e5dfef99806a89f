"""How fast the page is, and how little comes over the wire."""

import json
import statistics
from datetime import UTC, datetime

from page_scene import PICTURES, Window, make_group, put
from sites import wait_until

MOST_BYTES = 150_000
GENEROUS_MILLISECONDS = 10_000
"""The machine may be busy: the figures themselves are in `.cache/page/speed.json`."""


def keep(**figures: float) -> None:
    """Keep what was measured."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    place = PICTURES / "speed.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    place.write_text(json.dumps({**known, **figures}, indent=1, sort_keys=True))


def test_the_first_view_is_there_soon_and_small(window: Window) -> None:
    window.enter("wall")
    window.one(".tile.group")
    window.browser.get("about:blank")
    window.browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    window.browser.get(window.place.url + "/#wall")
    wait_until(lambda: window.ask("return performance.getEntriesByName('ipecs-mw shown').length"))
    shown = window.ask("return performance.getEntriesByName('ipecs-mw shown')[0].startTime")
    sizes = window.ask(
        "return performance.getEntries().filter(e => 'transferSize' in e).map(e => [e.name, e.transferSize])"
    )
    assert len(sizes) > 10
    total = sum(size for _, size in sizes)
    keep(first_view_bytes=total, first_view_milliseconds=round(shown))
    assert total < MOST_BYTES, sizes
    assert shown < GENEROUS_MILLISECONDS


def test_what_happens_is_shown_at_once(window: Window) -> None:
    window.enter("wall?groups=681")
    number = "681"
    put(window.place.store, "live", make_group(number, 0))
    window.one(".tile.group")
    window.ask(
        """
        window.seen = {};
        const big = document.querySelector('.tile.group .big');
        new MutationObserver(() => (window.seen[big.textContent] ??= Date.now()))
          .observe(big, {childList: true, characterData: true, subtree: true})
        """
    )
    delays = []
    for waiting in range(100, 120):
        at = datetime.now(UTC).timestamp() * 1000
        put(window.place.store, "live", make_group(number, waiting, 1))
        wait_until(lambda waiting=waiting: window.ask("return window.seen[arguments[0]]", str(waiting)))  # type: ignore[misc]
        delays.append(window.ask("return window.seen[arguments[0]]", str(waiting)) - at)
    median = statistics.median(delays)
    keep(shown_after_milliseconds_median=round(median), shown_after_milliseconds_most=round(max(delays)))
    assert median < GENEROUS_MILLISECONDS
    window.place.store.database["live"].delete_one({"_id": f"main:group:{number}"})
