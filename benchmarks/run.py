"""`make bench`: measures every figure, prints the table and writes it to docs/performance.json and .md.

`run.py` for all (about half an hour), `run.py GROUP` for some groups, whose rows replace the earlier ones; `small`
before these for a quick look that writes nothing; `--log-events N` for an event log of one more size, `--minutes
N` for a page that is watched so long.
"""

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from applications import measure_applications
from browser import measure_page
from call_pages import measure_call_pages
from calls import measure_call_latency, measure_flood, measure_log_beside_reader
from figures import measure_figures, measure_live_figures
from growth import measure_hosts, measure_log
from latency import measure_latency, measure_send
from memory import measure_memory
from page import render_page, render_table
from rates import measure_processor_time, measure_rates
from rebuilding import measure_rebuild
from recovery import measure_recovery
from rows import Row
from steps import measure_steps
from streams import measure_streams
from webhooks import measure_webhooks

from ipecs_mw import logs
from ipecs_mw.clock import SystemClock
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.server.embedded import Embedded, open_embedded

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"

Size = Mapping[str, Any]
Measure = Callable[[Embedded, Path, Size], list[Row]]

FULL: Size = {
    "rate_frames": 60_000,
    "rate_rounds": 5,
    "latency_frames": 4_000,
    "commands": 300,
    "recoveries": 5,
    "memory_frames": 1_000_000,
    "host_frames": 4_000,
    "hosts": (1, 4, 16),
    "log_events": (10_000, 1_000_000),
    "call_latency_frames": 4_000,
    "call_frames": 60_000,
    "call_rounds": 3,
    "rebuilt_events": 1_000_000,
    "calls": 5_000_000,
    "figure_times": 20,
    "figure_days": 365,
    "stream_seconds": 60,
    "deliveries": 20_000,
    "page_minutes": 2,
}
SMALL: Size = {
    "rate_frames": 10_000,
    "rate_rounds": 2,
    "latency_frames": 600,
    "commands": 30,
    "recoveries": 1,
    "memory_frames": 40_000,
    "host_frames": 1_000,
    "hosts": (1, 4),
    "log_events": (10_000,),
    "call_latency_frames": 600,
    "call_frames": 10_000,
    "call_rounds": 1,
    "rebuilt_events": 20_000,
    "calls": 20_000,
    "figure_times": 3,
    "figure_days": 2,
    "stream_seconds": 5,
    "deliveries": 2_000,
    "page_minutes": 0.5,
}

MEASURES: dict[str, Sequence[Measure]] = {
    "rates": [
        lambda m, f, s: measure_rates(m, f, s["rate_frames"], s["rate_rounds"]),
        lambda m, f, s: measure_processor_time(m, f, s["rate_frames"], s["rate_rounds"]),
    ],
    "latency": [
        lambda m, f, s: measure_latency(m, f, s["latency_frames"]),
        lambda m, f, s: measure_send(m, f, s["commands"]),
    ],
    "memory": [lambda m, f, s: measure_memory(m, f, s["memory_frames"])],
    "recovery": [lambda m, f, s: measure_recovery(m, f, s["recoveries"])],
    "hosts": [lambda m, f, s: measure_hosts(m, f, s["host_frames"], s["hosts"])],
    "log": [lambda m, f, s: measure_log(m, f, s["log_events"])],
    "steps": [lambda m, f, _: measure_steps(m, f)],
    "streams": [lambda m, f, s: measure_streams(m, f, s["rate_frames"])],
    "applications": [lambda m, f, s: measure_applications(m, f, s["stream_seconds"], s["commands"])],
    "webhooks": [lambda m, f, s: measure_webhooks(m, f, s["deliveries"])],
    "page": [lambda m, f, s: measure_page(m, f, s["page_minutes"])],
    "calls": [
        lambda m, f, s: measure_call_latency(m, f, s["call_latency_frames"]),
        lambda m, f, s: measure_flood(m, f, s["call_frames"]),
        lambda m, f, s: measure_log_beside_reader(m, f, s["call_frames"], s["call_rounds"]),
        lambda m, f, s: measure_rebuild(m, f, s["rebuilt_events"]),
        lambda m, f, s: measure_call_pages(m, f, s["calls"]),
    ],
    "figures": [
        lambda m, f, s: measure_live_figures(m, f, s["figure_times"]),
        lambda m, f, s: measure_figures(m, f, s["calls"], s["figure_days"]),
    ],
}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help=f"small, or groups of {', '.join(MEASURES)}")
    parser.add_argument("--log-events", type=int)
    parser.add_argument("--minutes", type=float, help="how long the page is watched")
    options = parser.parse_args()
    is_small = options.what[:1] == ["small"]
    groups = options.what[is_small:]
    if unknown := set(groups) - set(MEASURES):
        parser.error(f"no such group: {', '.join(sorted(unknown))}. Allowed: {', '.join(MEASURES)}")
    size = dict(SMALL if is_small else FULL)
    if options.log_events:
        size["log_events"] = tuple(sorted({*size["log_events"], options.log_events}))
    if options.minutes:
        size["page_minutes"] = options.minutes
    rows = [row.describe() for row in measure(groups or list(MEASURES), size)]
    print(render_table(rows))
    if not is_small:
        save(rows)


def measure(groups: Sequence[str], size: Size) -> list[Row]:
    """Return the rows of some groups, measured on a mongod of their own."""
    logs.configure(shipped_texts("en-GB"), stream=io.StringIO())
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_embedded(Path(folder) / "mongo", SystemClock()) as mongo,
    ):
        for group in groups:
            for take in MEASURES[group]:
                began = time.monotonic()
                rows += take(mongo, Path(folder), size)
                print(f"{group}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def save(rows: Sequence[dict[str, Any]]) -> None:
    """Write the results, those of groups that were not measured as they were, and the page made from them."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    at = f"{datetime.now(UTC):%Y-%m-%d}"
    measured = {row["group"] for row in rows}
    kept = [row for row in known if row["group"] not in measured]
    order = list(MEASURES)
    both = sorted([*kept, *({**row, "at": at} for row in rows)], key=lambda row: order.index(row["group"]))
    RESULTS.write_text(json.dumps(both, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(render_page(PAGE.read_text("utf-8"), both), "utf-8")


if __name__ == "__main__":
    main()
