"""A small run of the benchmarks: fails where a ratio has halved, never on an absolute time.

`make bench` measures what counts; here the machine may be busy and the runs are short, so a ratio has several
tries to be at least half of what it usually is in runs of this size.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.store.server.embedded import Embedded

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FRAMES = 6000
TRIES = 3
USUAL_LIVE_OF_LIMIT = 0.5
USUAL_DRAIN_OF_LIMIT = 0.6
USUAL_DECODE_OF_JSON = 2.5


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import rates  # noqa: PLC0415 - found only now

    yield rates
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[module.__name__]


def best_of(tries: int, measure: Callable[[], float], enough: float) -> float:
    """Return the first ratio that is enough, else the best."""
    found = []
    while len(found) < tries:
        found.append(measure())
        if found[-1] >= enough:
            break
    return max(found)


def test_the_way_to_mongodb_keeps_at_least_half_its_share_of_what_mongodb_can_take(
    rates: ModuleType, mongo: Embedded, tmp_path: Path
) -> None:
    limit = rates.measure_limit(mongo, tmp_path, FRAMES)
    for measure, usual in (
        (rates.measure_live, USUAL_LIVE_OF_LIMIT),
        (rates.measure_drain, USUAL_DRAIN_OF_LIMIT),
    ):
        enough = usual / 2
        ratio = best_of(TRIES, lambda do=measure: do(mongo, tmp_path, FRAMES) / limit, enough)
        assert ratio >= enough, f"{measure.__name__}: {ratio:.2f} of the limit, usually {usual}"


def test_decoding_a_frame_takes_at_most_twice_its_usual_multiple_of_reading_its_json(
    rates: ModuleType,
) -> None:
    decode = Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode
    frames = [frame.encode() for frame in rates.build_frames(2000)]
    now = datetime.now(UTC)

    def time_all(read: Callable[[bytes], object]) -> float:
        began = time.process_time()
        for frame in frames:
            read(frame)
        return time.process_time() - began

    json_seconds = min(time_all(json.loads) for _ in range(7))
    ours_seconds = min(time_all(lambda frame: decode(frame, now)) for _ in range(7))
    assert ours_seconds / json_seconds <= 2 * USUAL_DECODE_OF_JSON
