"""Frames in the short form of the cases of calls → documents of the event log, by the decoder as it ships.

A frame is a list: seconds; an ACD code with reference, source, destination, data1 and data2; or `call` with the
vendor's fields; or `smdr` with those of a call record; or a type of the middleware's own with its data. A source
or destination is a station (`1001`), a trunk (`CO001`) or blank.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json
from ipecs_mw.store.events.event_log import build_document

EPOCH = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@cache
def _decoder() -> Decoder:
    return Decoder(read_json("codes.json"), ZoneInfo("UTC"))


def read_documents(frames: Sequence[Sequence[Any]], *, are_odd: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the documents of frames; a document's `_id` counts up. Only odd frames may have problems."""
    for number, (seconds, what, *rest) in enumerate(frames):
        received_at = EPOCH + timedelta(seconds=seconds)
        if isinstance(what, int):
            envelope = {"event": "acd", "data": _spell_acd(received_at, what, *rest)}
        elif what in ("call", "smdr"):
            envelope = {"event": what, "data": rest[0]}
        else:
            data = rest[0] if rest else {}
            yield {
                "_id": f"main:{number:06}",
                "kind": "system",
                "type": what,
                "received_at": received_at,
                "data": data,
            }
            continue
        event = _decoder().decode(msgspec.json.encode(envelope), received_at)
        assert are_odd or not event.problems, event
        yield build_document(f"main:{number:06}", "main", number, event)


def _spell_acd(
    at: datetime,
    code: int,
    ref: int | str = "",
    source: str = "",
    dest: str = "",
    data1: str = "",
    data2: str = "",
) -> dict[str, Any]:
    kinds = {True: "CO", False: "Station"}
    return {
        "time": at.strftime("%Y/%m/%d %H:%M:%S"),
        "callRefID": ref,
        "eventCode": code,
        "eventString": "",
        "sourceType": kinds[source.startswith("CO")] if source else "",
        "sourceNumber": source.removeprefix("CO"),
        "destType": kinds[dest.startswith("CO")] if dest else "",
        "destNumber": dest.removeprefix("CO"),
        "data1": data1,
        "data2": data2,
    }
