"""What a shard key does to the event log: `python benchmarks/shard_key.py` prints the table of docs/scaling.md.

No router is needed for this: which shard a document goes to follows from its key alone. A day of events of a
hundred hosts fills ranges of equal size, dealt to the shards in turn as the balancer would; then one more hour is
written. A call record that was pushed and is read back an hour later is stored twice where the two go to different
shards, because each shard knows only its own `_id`s.
"""

import hashlib
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

HOSTS, SHARDS, RANGES, DAY, HOUR = 100, 4, 128, 86_400, 3_600
EVENTS_A_DAY = 200_000
CALL_RECORDS = 0.1  # of all events
JOURNAL = "0193559c000a1b2c3"


@dataclass(frozen=True)
class Event:
    """What a key can be made of."""

    host: str
    received_at: float
    event_id: str


Key = Callable[[Event], Any]

KEYS: dict[str, Key] = {
    "{received_at: 1}": lambda event: event.received_at,
    "{host: 1, received_at: 1}": lambda event: (event.host, event.received_at),
    "{_id: 'hashed'}": lambda event: hashlib.md5(event.event_id.encode()).digest(),
    "{host: 1, _id: 1}": lambda event: (event.host, event.event_id),
}


def make_events(chance: random.Random, first_at: float, seconds: float, count: int) -> list[Event]:
    """Return events of all hosts; the busiest host has fifty times the share of the quietest."""
    hosts = [f"site-{number:03d}" for number in range(HOSTS)]
    shares = [1 / (1 + number / 2) for number in range(HOSTS)]
    made = []
    for host, offset in zip(chance.choices(hosts, shares, k=count), range(count), strict=True):
        at = first_at + seconds * offset / count
        name = (
            f"smdr:{chance.getrandbits(96):024x}"
            if chance.random() < CALL_RECORDS
            else f"{JOURNAL}:{offset:012d}:{1_800_000_000_000_000 + int(at * 1e6)}"
        )
        made.append(Event(host, at, f"{host}:{name}"))
    return made


def measure(key: Key) -> tuple[float, float, int, float]:
    """Return what is a row of the table.

    The busiest shard's share of an hour's writes, and of the largest host's; how many shards a query of that
    host's hour asks; the share of call records that are stored twice.
    """
    chance = random.Random(1)  # the same day each time
    day = make_events(chance, 0, DAY, EVENTS_A_DAY)
    ordered = sorted(map(key, day))
    bounds = [ordered[len(ordered) * number // RANGES] for number in range(1, RANGES)]

    def shard(event: Event) -> int:
        return bisect_right(bounds, key(event)) % SHARDS

    hour = make_events(chance, DAY, HOUR, EVENTS_A_DAY * HOUR // DAY)
    busiest = max(Counter(map(shard, hour)).values()) / len(hour)
    largest = [event for event in hour if event.host == "site-000"]
    of_largest = max(Counter(map(shard, largest)).values()) / len(largest)
    asked = len({shard(event) for event in largest})
    records = [event for event in day if ":smdr:" in event.event_id]
    doubled = sum(
        shard(event) != shard(replace(event, received_at=event.received_at + HOUR)) for event in records
    )
    return busiest, of_largest, asked, doubled / len(records)


def main() -> None:
    """Print the table."""
    print(
        "| Shard key | busiest shard | of the largest host | shards asked for its hour | call records doubled |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, key in KEYS.items():
        busiest, of_largest, asked, doubled = measure(key)
        print(f"| `{name}` | {busiest:.0%} | {of_largest:.0%} | {asked} of {SHARDS} | {doubled:.0%} |")


if __name__ == "__main__":
    main()
