"""What a configured report asks for."""

import pytest
from msgspec import convert
from reading_scene import NOW

from ipecs_mw.model.configuration.report_settings import ReportSettings
from ipecs_mw.reports.question import build_question


@pytest.mark.parametrize(
    ("what", "interval", "asked"),
    [
        ("hours", None, "1h"),
        ("queues", None, "all"),
        ("queues", "hour-of-day", "hour-of-day"),
        ("stations", "1d", "all"),  # it was allowed, and is sent as it always was
    ],
)
def test_a_report_asks_for_intervals_where_there_are_any(what: str, interval: str | None, asked: str) -> None:
    content = {
        "name": "x", "what": what, "period": "yesterday", "every": "day", "to": ["lead@example.com"],
        "interval": interval,
    }  # fmt: skip
    assert build_question(convert(content, ReportSettings), "UTC", NOW).interval == asked
