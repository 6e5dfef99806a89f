"""A configured report → what it asks for, and by which clocks."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ipecs_mw.figures.answers.question import USUAL_INTERVALS, Question
from ipecs_mw.figures.time.periods import find_span
from ipecs_mw.model.configuration.report_settings import ReportSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.figure_names import BY_INTERVAL


def find_zone(settings: Settings, report: ReportSettings) -> str:
    """Return the zone that counts for a report: its own, else that of its phone system, else of the first."""
    if report.zone is not None:
        return report.zone
    zones = {host.name: host.timezone for host in settings.hosts}
    return zones.get(report.host or "") or next(iter(zones.values()), "UTC")


def build_question(report: ReportSettings, zone: str, due_at: datetime) -> Question:
    """Return what a report asks for that is due at an instant, however late it is sent."""
    since, until = find_span(report.period, ZoneInfo(zone), due_at)
    interval = report.interval if report.what in BY_INTERVAL else None
    return Question(
        what=report.what,
        since=since,
        until=until,
        interval=interval or USUAL_INTERVALS.get(report.what, "all"),
        zone=zone,
        host=report.host,
        group=report.group,
        agent=report.agent,
        station=report.station,
        top=report.top,
        hours=report.hours,
    )
