"""The PBX's store of call records: finite, kept until deleted, counted by index."""

from datetime import datetime
from typing import Any, TypeAlias

from ipecs_mw.logs import get_logger
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator.wire.smdr_query import matches

log = get_logger()
CAPTIONS = ("DialedNumber1", "DialedNumber2")

Record: TypeAlias = dict[str, Any]


class CallRecords:
    """Call records by index. A full store raises an alarm once and loses what comes next."""

    def __init__(self, capacity: int, captions: tuple[str, str] = CAPTIONS) -> None:
        self.capacity = capacity
        self.captions = captions
        self.lost = 0
        self._records: dict[int, Record] = {}
        self._next = 1
        self._reasons = {row["code"]: row["name"] for row in read_json("codes.json")["disconnect_causes"]}

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        *,
        call_ref: int,
        station: str,
        trunk: str,
        began_at: datetime,
        duration_seconds: int,
        direction: str,
        numbers: tuple[str, str],
        account: str,
        cause: int,
    ) -> Record:
        """Write a record and return it, also where the store is full and it is lost."""
        record: Record = {
            "Index": self._next,
            "callRefID": call_ref,
            "StationNumber": station,
            "CoNumber": trunk,
            "Duration": clock_face(duration_seconds, ":"),
            "StartTime": began_at.strftime("%Y-%m-%d %H:%M"),
            "Direction": direction,
            self.captions[0]: numbers[0],
            "Cost": "",
            "AccountCode": account,
            self.captions[1]: numbers[1],
            "DisconnectCause": f"{cause}-{self._reasons[cause]}",
        }
        self._next += 1
        if len(self._records) < self.capacity:
            self._records[record["Index"]] = record
        else:
            if not self.lost:
                log.warning("simulator.smdr_full", capacity=self.capacity)
            self.lost += 1
        return record

    def find(self, query: Any) -> list[Record]:
        """Return the records that a filter lets through, by index. Raises CommandRefused for a wrong filter."""
        return [record for record in self._records.values() if matches(query, record)]

    def delete(self, query: Any) -> int:
        """Delete what a filter lets through; return how many. Raises CommandRefused for a wrong filter."""
        found = self.find(query)
        for record in found:
            del self._records[record["Index"]]
        if found:
            self.lost = 0
        return len(found)


def clock_face(seconds: int, mark: str = "") -> str:
    """Return a duration as HHMMSS, with `mark` between."""
    return mark.join(f"{part:02}" for part in (seconds // 3600, seconds // 60 % 60, seconds % 60))
