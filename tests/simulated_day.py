"""The frames of a simulated day, without sockets: what the PBX tells while its day passes at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator.pbx.day import Day
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.timetable import Timetable
from ipecs_mw.simulator.pbx.truth import Truth
from ipecs_mw.simulator.wire.smdr import CallRecords
from ipecs_mw.simulator.wire.variants import Variants
from ipecs_mw.store.events.event_log import build_document

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


Frame = tuple[float, str, dict[str, Any]]
"""Seconds of the day, kind of event, and its data."""


def build_day(
    told: list[Frame],
    random: Random,
    kinds: tuple[str, ...],
    stations: int,
    variants: Variants | None = None,
) -> Pbx:
    """Return a PBX whose day begins and passes with its timetable; it adds to `told` what it tells."""
    serial = 0

    def publish(kind: str, _number: str, data: dict[str, Any]) -> bool:
        nonlocal serial
        if kind == "call" and data.get("type") != "presence":
            serial += 1
            data = {**data, "evtSerialNum": serial}
        if kind in kinds:
            told.append((pbx.timetable.now_seconds, kind, data))
        return True

    timetable = Timetable()
    local_now = lambda: BEGIN + timedelta(seconds=timetable.now_seconds)  # noqa: E731
    pbx = Pbx(
        stations=range(1000, 1000 + stations),
        trunks=30,
        records=CallRecords(1_000_000),
        publish=publish,
        local_now=local_now,
        random=random,
        timetable=timetable,
        truth=Truth(timetable, local_now, capacity=1_000_000),
        variants=variants,
    )
    Day(pbx, random).begin()
    return pbx


def play_day(
    hours: float, seed: int = 1, kinds: tuple[str, ...] = ("acd", "call", "smdr"), stations: int = 40
) -> list[Frame]:
    """Return what a PBX tells in so many hours of its day."""
    told: list[Frame] = []
    build_day(told, Random(seed), kinds, stations).timetable.run_until(hours * 3600)
    return told


@cache
def _decoder() -> Decoder:
    return Decoder(read_json("codes.json"), ZoneInfo("UTC"))


def read_frame(number: int, frame: Frame) -> dict[str, Any]:
    """Return the document of the event log that a frame becomes."""
    seconds, kind, data = frame
    received_at = BEGIN + timedelta(seconds=seconds)
    event = _decoder().decode(msgspec.json.encode({"event": kind, "data": data}), received_at)
    return build_document(f"main:{number:07}", "main", number, event)


def read_day(told: list[Frame]) -> Iterator[dict[str, Any]]:
    """Yield the documents of the event log that the frames of a day become."""
    return (read_frame(number, frame) for number, frame in enumerate(told))
