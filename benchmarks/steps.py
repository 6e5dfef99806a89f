"""Where the time goes: processor time of each step on an event's way, in one thread that nothing disturbs."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from frames import build_frames
from rows import Row
from scene import open_scene

from ipecs_mw.clock import SystemClock
from ipecs_mw.journal.journal import Arrival, open_journal
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.documents import Documents, Item, store_items
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.embedded import Embedded

_BATCH = 1000
_TIMES = 15


def measure_steps(mongo: Embedded, folder: Path) -> list[Row]:
    """Return a row a step: the least of 15 times, each over a batch of 1000 frames."""
    frames = [frame.encode() for frame in build_frames(_BATCH)]
    decode = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode
    now = datetime.now(UTC)
    found: dict[str, list[float]] = {}

    def timed(step: str, do: Callable[[], Any]) -> Any:
        began = time.thread_time()
        result = do()
        found.setdefault(step, []).append((time.thread_time() - began) / _BATCH)
        return result

    journal, _ = open_journal(folder / "steps.journal", SystemClock())
    with open_scene(mongo, folder) as scene:
        log = EventLog(scene.store)
        after = 0
        for _ in range(_TIMES):
            timed(
                "append to the journal", lambda: journal.append([Arrival(1, now, "frame", f) for f in frames])
            )
            entries = timed("read from the journal", lambda a=after: journal.read(a, _BATCH))
            timed("json", lambda: [json.loads(frame) for frame in frames])
            timed("decode", lambda: [decode(frame, now) for frame in frames])
            documents = Documents("host0", journal.id)
            items: list[Item] = timed(
                "decode and build the document",
                lambda d=documents, e=entries: [item for entry in e for item in d.build(entry, decode)],
            )
            timed(
                "encode as BSON and insert, the daemon's part",
                lambda i=items: store_items(log, "host0", i),
            )
            after = entries[-1].seq
            timed("acknowledge to the journal", lambda a=after: journal.acknowledge(a))
    journal.close()
    least = {step: 1e6 * min(seconds) for step, seconds in found.items()}
    plain = least.pop("json")
    return [
        Row("steps", f"step: {step}", micros, "µs", *(("`json.loads`", plain) if step == "decode" else ()))
        for step, micros in least.items()
    ]
