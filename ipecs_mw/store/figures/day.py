"""The day in words: what a lead wants to hear of it, in sentences, above the table of the groups."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.cells import spell_seconds
from ipecs_mw.figures.answers.table import Row


def tell_day(
    queues: Row | None, agents: Row | None, hours: Row | None, rows: Sequence[Row], zone: ZoneInfo
) -> Iterator[Words]:
    """Yield what there is to say of the totals, and of the hours one by one; nothing of what there was not."""
    if hours:
        yield from _tell_host(hours)
    if queues and queues["offered"]:
        yield from _tell_queues(queues)
    if busiest := max(rows, key=lambda row: row["calls"], default=None):
        yield Words("figures.day.busiest", at=_spell_time(busiest["from"], zone), calls=busiest["calls"])
    if agents and agents["logged_in_seconds"]:
        yield from _tell_agents(agents)


def _tell_host(hours: Row) -> Iterator[Words]:
    yield Words(
        "figures.day.calls",
        calls=hours["calls"],
        incoming=hours["incoming"],
        outgoing=hours["outgoing"],
        internal=hours["internal"],
    )
    yield from tell_trunks(hours)


def tell_trunks(hours: Row) -> Iterator[Words]:
    """Yield how busy all trunks together were, by the total of hours."""
    if hours["trunks_at_once"]:
        yield Words("figures.day.trunks", trunks=hours["trunks_at_once"])
    if hours["all_busy_seconds"]:
        yield Words("figures.day.all_busy", time=spell_seconds(hours["all_busy_seconds"]))


def _tell_queues(queues: Row) -> Iterator[Words]:
    yield Words(
        "figures.day.queues",
        offered=queues["offered"],
        answered=queues["answered"],
        abandoned=queues["abandoned"],
        short=queues["short"],
    )
    if (value := queues["service_level"].get("value")) is not None:
        yield Words("figures.day.level", percent=tell_decimal(100 * value))
    if "asa_seconds" in queues:
        yield Words(
            "figures.day.waits",
            average=spell_seconds(queues["asa_seconds"]),
            longest=spell_seconds(queues["longest_wait_seconds"]),
        )


def _tell_agents(agents: Row) -> Iterator[Words]:
    yield Words("figures.day.logged_in", time=spell_seconds(agents["logged_in_seconds"]))
    if "occupancy" in agents:
        yield Words("figures.day.occupancy", percent=tell_decimal(100 * agents["occupancy"]))


def tell_decimal(value: float) -> Words:
    """Return a number with one decimal, as each language writes it."""
    whole, tenth = divmod(round(10 * value), 10)
    return Words("figures.decimal", whole=whole, tenth=tenth)


def _spell_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}"
