"""`ipecs-mw report`, and what `check`, `status` and `support` say of mails."""

import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from mail_server import PASSWORD, USER, Mailbox, serve_mail
from report_scene import build_table
from sites import Site

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart, MailNotSent, NoSuchName
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.seeds import read_json
from ipecs_mw.service.reports import asking
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.coordination.report_runs import claim_run, end_run, note_run

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return make_certificate(["127.0.0.1"], SystemClock().now())


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """What is asked; each question is answered with the same table."""
    asked: list[Question] = []

    def answer(question: Question) -> Table:
        asked.append(question)
        return build_table()

    monkeypatch.setattr(asking, "build_ask", lambda *_: answer)
    return asked


@pytest.fixture
def server(certificate: Certificate) -> Iterator[tuple[Mailbox, int]]:
    with serve_mail(certificate, "starttls", has_login=True) as served:
        yield served


def configure(site: Site, port: int, certificate: Certificate, **changes: Any) -> None:
    content = read_json("config.json")
    content["hosts"] = []
    content["mail"] = {
        "server": "127.0.0.1",
        "port": port,
        "sender": "pbx@example.com",
        "user": USER,
        "password": {"env": "CANARY_MAIL"},
        "tls": {"verify": "pin", "fingerprint_sha256": certificate.fingerprint_sha256},
        "timeout_seconds": 10,
        **changes,
    }
    content["reports"] = [
        {
            "name": "daily",
            "what": "queues",
            "period": "yesterday",
            "every": "day",
            "zone": "Asia/Singapore",
            "to": ["boss@example.com", "lead@example.com"],
        },
        {
            "name": "monthly",
            "what": "agents",
            "period": "last-month",
            "every": "month",
            "to": ["boss@example.com"],
            "language": "de-DE",
            "group": "620",
        },
    ]
    save_settings(site.store, "default", content, "test", at=SystemClock().now())


@pytest.fixture
def configured(
    site: Site, server: tuple[Mailbox, int], certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> Site:
    monkeypatch.setenv("CANARY_MAIL", PASSWORD)
    configure(site, server[1], certificate)
    return site


def fail(site: Site, name: str = "daily") -> None:
    """Have a report that was due a while ago be given up."""
    now = SystemClock().now()
    due_at = now.replace(microsecond=0) - timedelta(hours=1)
    note_run(site.store, "default", name, due_at, "x", due_at, is_skipped=False)
    run = claim_run(site.store, "default", "test", 60)
    assert run is not None
    assert end_run(site.store, run, "failed", error="451 greylisted\x1b[31m")


def find(result: Result) -> dict[str, dict[str, Any]]:
    return {each["check"]: each for each in json.loads(result.stdout) if each["where"] == "mail"}


def test_a_list_says_when_each_is_sent_next_and_what_became_of_it(
    configured: Site, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    fail(configured)
    result = invoke("report", "list")
    assert result.exit_code == 0, result.output
    assert "451 greylisted\\x1b[31m" in result.output
    daily, monthly = json.loads(invoke("report", "list", "--format", "json").output)
    assert (daily["name"], daily["zone"], daily["last"]["state"]) == ("daily", "Asia/Singapore", "failed")
    assert (monthly["name"], monthly["zone"]) == ("monthly", "UTC")
    assert "last" not in monthly
    assert monthly["next_at"].endswith("01T07:00:00+00:00")


def test_a_list_of_no_reports_says_where_to_read_on(site: Site, invoke: Invoke) -> None:
    result = invoke("report", "list")
    assert result.exit_code == 0
    assert "docs/reports.md" in result.stderr


def test_a_preview_shows_what_the_mail_would_hold(
    configured: Site, invoke: Invoke, questions: list[Question], server: tuple[Mailbox, int]
) -> None:
    text = invoke("report", "preview", "daily")
    assert text.exit_code == 0, text.output
    assert "70.0 %" in text.output
    assert invoke("report", "preview", "daily", "--format", "html").output.startswith("<!DOCTYPE html>")
    assert "group,offered" in invoke("report", "preview", "daily", "--format", "csv").output
    assert "70,0 %" in invoke("report", "preview", "monthly").output
    assert questions[-1].group == "620"
    assert questions[0].zone == "Asia/Singapore"
    assert server[0].mails == []


def test_a_report_is_sent_now_to_whom_it_is_for_or_to_somebody_else(
    configured: Site, invoke: Invoke, questions: list[Question], server: tuple[Mailbox, int]
) -> None:
    result = invoke("report", "send", "daily")
    assert result.exit_code == 0, result.output
    assert "boss@example.com, lead@example.com" in result.output
    assert invoke("report", "send", "daily", "--to", "me@example.com").exit_code == 0
    assert server[0].recipients == [["boss@example.com", "lead@example.com"], ["me@example.com"]]
    first, second = server[0].mails
    assert first["Message-ID"] != second["Message-ID"]
    assert len(questions) == 2
    assert configured.store.database["report_runs"].count_documents({}) == 0


def test_who_is_refused_is_named(
    configured: Site, invoke: Invoke, questions: list[Question], server: tuple[Mailbox, int]
) -> None:
    server[0].refused = {"lead@example.com": "550 nobody"}
    result = invoke("report", "send", "daily")
    assert result.exit_code == 1
    assert "550 nobody" in result.stderr
    assert "sent to boss@example.com." in result.stdout
    assert len(questions) == 1


def test_what_is_wrong_is_a_sentence(
    configured: Site, invoke: Invoke, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(invoke("report", "preview", "x").exception, NoSuchName)
    assert invoke("report", "send", "daily", "--to", "me").exit_code == 2
    monkeypatch.setenv("CANARY_MAIL", "wrong")
    assert isinstance(invoke("report", "send", "daily").exception, MailNotSent)
    configure_without_mail(configured)
    assert isinstance(invoke("report", "send", "daily", "--to", "a@b.example").exception, CannotStart)
    assert questions == questions[:1]


def configure_without_mail(site: Site) -> None:
    save_settings(site.store, "default", read_json("config.json"), "test", at=SystemClock().now())


def test_check_tries_the_server_and_sends_nothing(
    configured: Site, invoke: Invoke, server: tuple[Mailbox, int]
) -> None:
    found = find(invoke("check", "--format", "json"))
    assert {name: each["level"] for name, each in found.items()} == {"secret": "ok", "mail": "ok"}
    assert server[0].mails == []


def test_check_names_what_keeps_mails_from_being_sent(
    configured: Site,
    invoke: Invoke,
    server: tuple[Mailbox, int],
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(configured)
    monkeypatch.setenv("CANARY_MAIL", "wrong-canary")
    result = invoke("check", "--format", "json")
    found = find(result)
    assert (found["mail_failed"]["level"], found["report_failed"]["level"]) == ("error", "warning")
    assert "report send daily" in found["report_failed"]["advice"]
    assert "wrong-canary" not in result.output
    assert "mail" in find(invoke("check", "--no-login", "--format", "json"))
    monkeypatch.delenv("CANARY_MAIL")
    assert find(invoke("check", "--format", "json"))["secret_missing"]["level"] == "error"
    configure(configured, server[1], certificate, tls={"verify": "off"})
    assert "mail_unverified" in find(invoke("check", "--format", "json"))
    other = make_certificate(["127.0.0.1"], SystemClock().now())
    configure(configured, server[1], other)
    assert "Pinned" in find(invoke("check", "--format", "json"))["mail_failed"]["text"]


def test_check_says_nothing_of_mail_where_none_is_configured(site: Site, invoke: Invoke) -> None:
    assert find(invoke("check", "--format", "json")) == {}


def test_status_tells_of_a_report_that_was_not_sent(configured: Site, invoke: Invoke) -> None:
    fail(configured)
    configured.store.database["instances"].insert_one({"_id": "x", "profile": "default", "hosts": {}})
    assert "451 greylisted\\x1b[31m" in invoke("status").output


def test_a_support_file_holds_no_password_of_the_mail_server(
    configured: Site, invoke: Invoke, server: tuple[Mailbox, int], certificate: Certificate, tmp_path: Path
) -> None:
    configure(configured, server[1], certificate, password=PASSWORD)
    assert invoke("support", "--output", str(tmp_path / "s.zip")).exit_code == 0
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        held = "".join(archive.read(name).decode() for name in archive.namelist())
    assert PASSWORD not in held
    assert json.dumps(PASSWORD)[1:-1] not in held
    assert '"mail_failed"' not in held


def test_names_of_reports_are_completed(configured: Site) -> None:
    done = configured.run(
        _IPECS_MW_COMPLETE="bash_complete",
        COMP_WORDS="ipecs-mw report send d",
        COMP_CWORD="3",
        IPECS_MW_BOOTSTRAP=str(configured.folder / "bootstrap.json"),
    )
    assert done.stdout.split() == ["plain,daily"]
