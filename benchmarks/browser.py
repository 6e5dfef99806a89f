"""The page in Chromium: how soon it is there, how soon a frame shows on the wall, what that costs."""

import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from frames import CALL_FRAMES, build_calls, build_logins
from rates import running_daemon
from rows import Row
from scene import HostProcess, Scene, read_cpu_seconds, wait_until
from serve_process import ServeProcess

from ipecs_mw.clock import SystemClock
from ipecs_mw.messages.rights import EVERYTHING
from ipecs_mw.store.applications.tokens import create_token
from ipecs_mw.store.configuration.settings import load_document, save_settings
from ipecs_mw.store.server.embedded import Embedded

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from page_scene import BROWSER, DRIVER, Window, browsing  # isort: skip - the browser is that of the tests

_AGENTS = 200
_RATE = 50
_RINGS = 20
_RINGS_A_SECOND = 1
_RING = 2  # its place among the frames of a call
_GROUP, _BIN = "620", "1"
_RIGHTS = ("figures.read", "state.read")
_CHUNK_SECONDS = 10

_WATCH = """
window.rang = {};
new MutationObserver((changes) => {
  const ringing = changes.map((each) => each.target).filter((each) => each.dataset?.state === 'ringing');
  const names = ringing.map((each) => each.querySelector('b')?.textContent).filter(Boolean);
  const note = () => names.forEach((name) => (rang[name] ??= Date.now()));
  if (names.length) requestAnimationFrame(() => setTimeout(note)); // once it is painted
}).observe(document.querySelector('.agents'), {attributes: true, attributeFilter: ['data-state'], subtree: true});
"""
_SIZES = """return performance.getEntries().filter((each) => 'transferSize' in each)
  .reduce((sum, each) => sum + each.transferSize, 0)"""
_SHOWN = "return performance.getEntriesByName('ipecs-mw shown')[0]?.startTime"


def measure_page(mongo: Embedded, folder: Path, minutes: float) -> list[Row]:
    """Return the rows of the wall with 200 agents; none where there is no Chromium."""
    if BROWSER is None or DRIVER is None:
        print("page: there is no chromium with its chromedriver, so nothing is measured", file=sys.stderr)
        return []
    with running_daemon(mongo, folder) as (scene, host), ServeProcess(scene) as serve:
        _name_bin(scene)
        begin = datetime.now(UTC)
        _write(host, list(build_logins(_AGENTS, _BIN, begin=begin)), _RATE)
        wait_until(lambda: scene.store.database["live"].count_documents({"kind": "agent"}) == _AGENTS, 60)
        frames = build_calls(sys.maxsize, begin=begin, rate=_RATE, lanes=_AGENTS)
        with browsing(has_logs=False) as browser:
            window = Window(browser, serve)  # type: ignore[arg-type] - its `url` is all that is asked of it
            token = create_token(scene.store, "wall", _RIGHTS, EVERYTHING, at=begin, by="benchmark")
            window.enter("wall", token)
            rows = _measure_first_view(window)
            rows += _measure_rings(window, host, frames)
            return rows + _measure_load(window, host, frames, minutes)


def _name_bin(scene: Scene) -> None:
    """Have the frames' group be known by its number: a login tells its bin alone."""
    content = load_document(scene.store, "default") or {}
    figures = {**content.get("figures", {}), "groups": {_GROUP: {"name": "Sales", "bin": _BIN}}}
    save_settings(
        scene.store, "default", {**content, "figures": figures}, "benchmark", at=SystemClock().now()
    )


def _write(host: HostProcess, frames: list[str], rate: float) -> list[float]:
    """Have the host write frames, so many a second; return when each left, in seconds since 1970."""
    left: list[float] = host.ask("write", frames, rate)["left"]
    offset = time.time() - time.monotonic()
    return [at + offset for at in left]


def _measure_first_view(window: Window) -> list[Row]:
    """Return how soon the wall is there for who has never been there, and how much comes over the wire."""
    window.browser.get("about:blank")
    window.browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    window.browser.get(f"{window.place.url}/#wall")
    milliseconds = wait_until(lambda: window.ask(_SHOWN), 60)
    wait_until(lambda: len(window.all(".tile.agent")) == _AGENTS, 60)
    return [
        _row("first view of the page with 200 agents, on loopback", milliseconds / 1000, "s", 1.0),
        _row("first view of the page, over the wire", window.ask(_SIZES) / 1000, "kB", 150.0),
    ]


def _measure_rings(window: Window, host: HostProcess, frames: Iterator[str]) -> list[Row]:
    """Return how soon phones that ring, one a second, are shown to ring."""
    _write(host, list(islice(frames, _RING * _AGENTS)), _RATE)
    window.ask(_WATCH)
    left = _write(host, list(islice(frames, _RINGS)), _RINGS_A_SECOND)
    wait_until(lambda: len(window.ask("return rang")) == _RINGS, 60)
    shown = window.ask("return rang")
    delays = [shown[name] - 1000 * at for name, at in zip(sorted(shown), left, strict=True)]
    _write(host, list(islice(frames, _AGENTS - _RINGS)), _RATE)
    name = f"frame leaves the host → the wall shows that the phone rings, median of {_RINGS}"
    return [_row(name, statistics.median(delays), "ms", 300.0)]


def _measure_load(window: Window, host: HostProcess, frames: Iterator[str], minutes: float) -> list[Row]:
    """Return the processor time and the most memory of the page while much happens."""
    driver = window.browser.service.process.pid  # type: ignore[attr-defined] - it is a Chrome
    page = max(_list_renderers(driver), key=read_cpu_seconds)
    window.ask("rang = {}")
    began, used, most = time.monotonic(), read_cpu_seconds(page), 0.0
    for _ in range(max(1, round(60 * minutes / _CHUNK_SECONDS))):
        _write(host, list(islice(frames, _CHUNK_SECONDS * _RATE)), _RATE)
        most = max(most, _read_own_mebibytes(page))
    seconds = time.monotonic() - began
    share = 100 * (read_cpu_seconds(page) - used) / seconds
    assert len(window.all(".tile.agent")) == _AGENTS
    if seconds * _RATE > CALL_FRAMES * _AGENTS:  # each phone has rung meanwhile, and each time is shown
        assert len(window.ask("return rang")) == _AGENTS
    what = f"with 200 agents and {_RATE} events/s for {minutes:g} min"
    return [
        _row(f"processor time of the page {what}", share, "% of a core", 10.0),
        _row(f"the most memory of the page {what}", most, "MiB", 150.0),
    ]


def _row(name: str, value: float, unit: str, goal: float) -> Row:
    return Row("page", name, value, unit, goal=goal, is_most=True, is_absolute=True)


def _list_renderers(pid: int) -> Iterator[int]:
    """Yield the processes below one in which Chromium shows pages."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            if b"--type=renderer" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield child
            yield from _list_renderers(child)


def _read_own_mebibytes(pid: int) -> float:
    """Return the memory that a process shares with none: what Chromium's own task manager shows."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(lines[name].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024
