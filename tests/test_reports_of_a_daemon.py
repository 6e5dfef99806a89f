"""Reports of daemons as users run them: several processes, a real MongoDB, a real mail server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mail_server import Mailbox, serve_mail
from sites import Site, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import parse_settings
from ipecs_mw.reports.question import find_zone
from ipecs_mw.reports.schedule import build_schedule, find_last
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.coordination.report_runs import COLLECTION, note_run

WHATS = ("queues", "agents", "stations", "departments", "trunks", "dids", "numbers", "hours", "calls", "day")


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, int]]:
    with serve_mail() as served:
        yield served


def configure(site: Site, port: int) -> None:
    """Have a report of each kind that was due within the last day, and is known since yesterday."""
    content: dict[str, Any] = read_json("config.json")
    content["hosts"] = []
    content["mail"] = {
        "server": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "pbx@example.com",
    }
    content["reports"] = [
        {"name": what, "what": what, "period": "yesterday", "every": "day", "to": ["boss@example.com"]}
        for what in WHATS
    ]
    now = SystemClock().now()
    if now.hour == 6 and now.minute >= 58:  # not over the time at which they are due
        for report in content["reports"]:
            report["at"] = "12:00"
    save_settings(site.store, "default", content, "test", at=now)
    settings = parse_settings(content, source="test")
    for report in settings.reports:
        schedule = build_schedule(report, find_zone(settings, report))
        before = find_last(schedule, now) - timedelta(days=1)
        note_run(site.store, "default", report.name, before, schedule.spell(), before, is_skipped=True)


def count_sent(site: Site) -> int:
    return site.store.database[COLLECTION].count_documents({"state": "sent"})


def test_two_daemons_send_each_report_once_and_none_again_after_a_restart(
    site: Site, mail: tuple[Mailbox, int]
) -> None:
    box, port = mail
    configure(site, port)
    other = site.beside(site.folder / "other")
    first, second = site.start(), other.start()
    try:
        wait_until(lambda: count_sent(site) == len(WHATS), 60)
        assert len(box.mails) == len(WHATS)
        first.terminate()
        assert first.wait(15) == 0
        site.start()
        wait_until(lambda: site.count(type="daemon_started") == 3)
        again = {"state": "waiting", "next_at": datetime(2026, 1, 1, tzinfo=UTC)}
        site.store.database[COLLECTION].update_one({"name": "day", "state": "sent"}, {"$set": again})
        wait_until(lambda: len(box.mails) > len(WHATS))  # so the daemons had their turn at the others too
        assert len(box.mails) == len(WHATS) + 1
        subjects = [str(message["Subject"]).partition(":")[0] for message in box.mails]
        assert sorted(set(subjects)) == sorted(WHATS)
        assert site.count(kind="system", type="report_sent") >= len(WHATS)
    finally:
        other.stop()
    assert second.poll() is not None
