"""Figures of groups, agents and the phone system."""

from collections.abc import Callable
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from ipecs_mw.api.answers import Problem
from ipecs_mw.api.documents import FiguresTable
from ipecs_mw.api.endpoints.logged import Form, Host, Since, Until
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint
from ipecs_mw.api.scoping import choose_group, choose_host, choose_station
from ipecs_mw.errors import CommandRefused, Words
from ipecs_mw.figures.answers.csv_table import write_table
from ipecs_mw.figures.answers.question import USUAL_INTERVALS, Question
from ipecs_mw.figures.answers.table import describe_table
from ipecs_mw.figures.time.periods import choose_span
from ipecs_mw.model.configuration.rules import is_timezone
from ipecs_mw.model.figure_names import Interval, Period, What
from ipecs_mw.store.figures.asking import find_zone
from ipecs_mw.store.figures.tables import ask

_MOST_ROWS = 100_000


class FigureQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which figures. Without `period` and `since`: today in the zone."""

    since: Since | None = None
    until: Until | None = None
    period: Annotated[Period, Meta(description="in place of since and until")] | None = None
    interval: Annotated[Interval, Meta(description="without it `1h` for hours, else `all`")] | None = None
    zone: Annotated[str, Meta(description="IANA time zone; without it that of the phone system")] | None = (
        None
    )
    host: Host | None = None
    group: str | None = None
    agent: str | None = None
    station: str | None = None
    formula: str | None = None
    threshold: Annotated[int, Meta(ge=1, le=3600, description="of the service level, in seconds")] | None = (
        None
    )
    hours: Annotated[str, Meta(description="`office`, `outside`, or the name of a shift")] | None = None
    top: (
        Annotated[int, Meta(ge=1, le=_MOST_ROWS, description="so many rows, those with most calls")] | None
    ) = None
    format: Form = "json"


def _ask(what: What) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        query: FigureQuery = asked.query
        site, scope = asked.site, asked.token.scope
        host = choose_host(scope, query.host)
        if what == "hours" and scope.is_narrow:
            allowed = ", ".join(sorted(scope.stations | scope.groups))
            raise Problem(403, "error.outside_scope", name="figures", value=what, allowed=allowed)
        is_of_group = what == "queues" or not scope.stations
        if is_of_group and scope.is_narrow and not scope.groups:
            allowed = ", ".join(sorted(scope.stations))
            raise Problem(403, "error.outside_scope", name="group", value=query.group or "-", allowed=allowed)
        group = choose_group(scope, query.group) if is_of_group else query.group
        station = query.station if is_of_group else choose_station(scope, query.station)
        if query.zone is not None and not is_timezone(query.zone):
            raise CommandRefused(
                "error.argument", name="zone", value=repr(query.zone)[:80], allowed=Words("allowed.timezone")
            )
        zone = find_zone(site.store, site.settings, query.zone, host)
        since, until = choose_span(query.period, query.since, query.until, zone, asked.now)
        if since > until:
            raise CommandRefused(
                "error.argument",
                name="until",
                value=until.isoformat(),
                allowed=Words("allowed.after", since=since),
            )
        question = Question(
            what=what,
            since=since,
            until=until,
            interval=query.interval or USUAL_INTERVALS.get(what, "all"),
            zone=zone.key,
            host=host,
            group=group,
            agent=query.agent,
            station=station,
            formula=query.formula,
            threshold_seconds=query.threshold,
            hours=query.hours,
            top=query.top,
        )
        table = ask(site.store, site.settings, question)
        if query.format == "csv":
            return Answer(lines=write_table(table, asked.texts, ZoneInfo(zone.key)))
        return Answer(describe_table(table))

    return answer


ROWS = (
    Endpoint("GET", f"{BASE}/figures/queues", "figures.read", "getQueueFigures",
             "Figures of groups: offered, answered, abandoned, waits, service level.", _ask("queues"),
             FiguresTable, FigureQuery, has_csv=True),
    Endpoint("GET", f"{BASE}/figures/agents", "figures.read", "getAgentFigures",
             "Figures of agents: calls, handling time, seconds by state.", _ask("agents"), FiguresTable,
             FigureQuery, has_csv=True),
    Endpoint("GET", f"{BASE}/figures/hours", "figures.read", "getHourFigures",
             "Figures of the phone system by the hour: calls, trunks.", _ask("hours"), FiguresTable,
             FigureQuery, has_csv=True),
)  # fmt: skip
"""The endpoints of figures."""
