"""Reports by themselves: each is sent once, after a restart and on nights of changed clocks too, or it is told."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_server import Mailbox, converse, serve_mail, serve_script
from msgspec import structs
from report_scene import build_table, speak
from support import FakeClock

from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.configuration.settings import Settings, parse_settings
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.pipeline import open_intake
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.reports.outbox import find_pause
from ipecs_mw.service.reports.reporter import Reporter, is_over
from ipecs_mw.store.coordination.report_runs import COLLECTION, Run, begin_sending, claim_run, load_runs
from ipecs_mw.store.server.connection import Store

BEGIN = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)  # half an hour before 07:00 in Singapore
ANSWERS = {"EHLO": "250 mx", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken"}


class Scene:
    """A database, a mail server, and daemons that see to the reports of one profile."""

    def __init__(self, store: Store, folder: Path, box: Mailbox, port: int) -> None:
        self.store = store
        self.folder = folder
        self.box = box
        self.clock = FakeClock(BEGIN)
        self.questions: list[Question] = []
        self.failure: Exception | None = None
        self.settings: Settings
        self.port = port
        self.configure()
        self.reporter = self.start("one")

    def configure(self, mail: dict[str, Any] | None = None, **report: Any) -> None:
        content = read_json("config.json")
        content["mail"] = {
            "server": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "sender": "pbx@example.com",
            "timeout_seconds": 5,
            **(mail or {}),
        }
        content["reports"] = [
            {
                "name": "daily",
                "what": "queues",
                "period": "yesterday",
                "every": "day",
                "to": ["boss@example.com"],
                **report,
            }
        ]
        self.settings = parse_settings(content, source="test")

    def start(self, name: str) -> Reporter:
        """Return the reporter of another daemon, or of one that was started again."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        intake = open_intake("middleware", None, folder, self.clock)
        context = Context(
            self.store,
            "default",
            name,
            lambda: Spoken(self.settings, speak()),
            lambda secret, _: secret,
            intake,
            self.clock,
            threading.Event(),
        )
        return Reporter(context, lambda _: self.ask)

    def ask(self, question: Question) -> Table:
        self.questions.append(question)
        if self.failure is not None:
            raise self.failure
        return build_table()

    def pass_time(self, **time: float) -> None:
        self.clock.advance(timedelta(**time).total_seconds())

    def let_pauses_pass(self) -> None:
        """Have what waits be due, and what is claimed be free, by the server's clock."""
        past = datetime(2026, 1, 1, tzinfo=UTC)
        runs = self.store.database[COLLECTION]
        runs.update_many({"state": "waiting"}, {"$set": {"next_at": past}})
        runs.update_many({"state": {"$in": ["preparing", "sending"]}}, {"$set": {"claimed_until": past}})

    def read(self) -> Run:
        return load_runs(self.store, "default")["daily"]

    def count(self) -> int:
        return len(self.box.mails)


@pytest.fixture
def scene(migrated: Store, tmp_path: Path) -> Iterator[Scene]:
    with serve_mail() as (box, port):
        yield Scene(migrated, tmp_path, box, port)


def test_a_report_is_sent_once_when_it_is_due(scene: Scene) -> None:
    scene.reporter.turn()
    assert scene.count() == 0
    scene.pass_time(minutes=31)
    for _ in range(3):
        scene.reporter.turn()
    assert scene.count() == 1
    assert scene.box.mails[0]["Subject"] == "daily: Groups, 2026-03-02"
    assert scene.box.recipients == [["boss@example.com"]]
    scene.pass_time(hours=24)
    scene.reporter.turn()
    assert scene.count() == 2
    first, second = scene.box.mails
    assert first["Message-ID"] != second["Message-ID"]


def test_a_report_asks_for_the_days_of_its_zone(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    (question,) = scene.questions
    assert question.zone == "Asia/Singapore"
    assert question.since == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert question.until == datetime(2026, 3, 2, 16, tzinfo=UTC)


def test_a_new_report_waits_for_its_time(scene: Scene) -> None:
    scene.pass_time(hours=5)
    scene.reporter.turn()
    assert scene.count() == 0
    scene.pass_time(hours=20)
    scene.reporter.turn()
    assert scene.count() == 1


def test_a_report_of_another_time_waits_for_that_and_loses_none(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(hours=1)
    scene.reporter.turn()
    scene.configure(at="06:00")  # past today
    scene.reporter.turn()
    assert scene.count() == 1
    scene.configure(at="07:00")
    scene.start("two").turn()
    assert scene.count() == 1
    scene.configure(every="week", on="tuesday")  # the same instant as today's
    scene.reporter.turn()
    assert scene.count() == 1
    scene.pass_time(days=7)
    scene.start("three").turn()
    assert scene.count() == 2


def test_after_a_restart_nothing_is_sent_again(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    scene.start("one").turn()
    assert scene.count() == 1


def test_what_was_due_while_nobody_ran_is_sent_late_the_last_one_only(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(days=3, hours=2)
    scene.start("one").turn()
    assert scene.count() == 1
    assert scene.box.mails[0]["Subject"] == "daily: Groups, 2026-03-05"
    assert scene.questions[0].until == datetime(2026, 3, 5, 16, tzinfo=UTC)


def test_of_several_daemons_one_sends(scene: Scene) -> None:
    reporters = [scene.reporter, *(scene.start(f"other{number}") for number in range(4))]
    for reporter in reporters:
        reporter.turn()
    scene.pass_time(minutes=31)
    begin = threading.Barrier(len(reporters))
    threads = [threading.Thread(target=lambda one=one: (begin.wait(), one.turn())) for one in reporters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert scene.count() == 1


@pytest.mark.parametrize(
    ("zone", "at", "begin"),
    [
        ("Europe/Berlin", "02:30", "2026-03-28T12:00+00:00"),
        ("Europe/Berlin", "02:30", "2026-10-24T12:00+00:00"),
        ("Australia/Lord_Howe", "01:45", "2026-04-04T02:00+00:00"),
        ("Africa/Cairo", "00:00", "2026-04-22T23:00+00:00"),
    ],
)
def test_in_a_night_of_changed_clocks_it_is_sent_once(scene: Scene, zone: str, at: str, begin: str) -> None:
    scene.clock = FakeClock(datetime.fromisoformat(begin).astimezone(UTC))
    scene.configure(zone=zone, at=at)
    reporter = scene.start("berlin")
    for _ in range(4 * 26):
        reporter.turn()
        scene.pass_time(minutes=15)
    assert scene.count() == 1


def test_what_fails_is_tried_again_and_told_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.box.answer = "451 later"
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    with caplog.at_level(logging.WARNING):
        for tries in (1, 2, 3):
            scene.reporter.turn()
            assert (scene.read().state, scene.read().tries) == ("waiting", tries)
            scene.let_pauses_pass()
    assert "451 later" in (scene.read().error or "")
    assert scene.reporter._context.intake.counters.read_counts("report.late") == {"": 1}
    scene.box.answer = "250 OK"
    scene.reporter.turn()
    assert scene.count() == 1
    assert (scene.read().state, scene.read().error) == ("sent", None)


def test_who_was_refused_is_tried_again_and_nobody_else_gets_it_twice(scene: Scene) -> None:
    scene.configure(to=["boss@example.com", "lead@example.com"])
    scene.box.refused = {"lead@example.com": "450 try later"}
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    assert "450 try later" in (scene.read().error or "")
    scene.box.refused = {}
    scene.let_pauses_pass()
    scene.reporter.turn()
    assert scene.box.recipients == [["boss@example.com"], ["lead@example.com"]]
    assert {mail["To"] for mail in scene.box.mails} == {"boss@example.com, lead@example.com"}
    assert scene.read().state == "sent"


def test_an_address_that_was_put_right_gets_what_waits(scene: Scene) -> None:
    scene.box.refused = {"boss@example.com": "550 nobody"}
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    scene.configure(to=["chief@example.com"])
    scene.let_pauses_pass()
    scene.reporter.turn()
    assert scene.box.recipients == [["chief@example.com"]]


def test_after_the_next_one_is_due_the_former_is_given_up(scene: Scene) -> None:
    scene.box.answer = "451 later"
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    scene.box.answer = "250 OK"
    scene.pass_time(days=1)
    scene.let_pauses_pass()
    scene.reporter.turn()
    assert scene.count() == 1
    states = scene.store.database[COLLECTION].distinct("state")
    assert sorted(states) == ["failed", "sent", "skipped"]


def test_a_daemon_that_dies_before_it_sends_is_taken_over(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter._note(scene.settings, scene.settings.reports[0])
    assert claim_run(scene.store, "default", "dead", 60) is not None
    other = scene.start("two")
    other.turn()
    assert scene.count() == 0
    scene.let_pauses_pass()
    other.turn()
    assert (scene.count(), scene.read().doubts) == (1, 0)


def test_a_daemon_that_dies_while_it_sends_has_it_sent_a_second_time_and_no_third(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter._note(scene.settings, scene.settings.reports[0])
    for _ in range(2):
        run = claim_run(scene.store, "default", "dead", 60)
        assert run is not None
        assert begin_sending(scene.store, run, 60)
        scene.let_pauses_pass()
    scene.start("two").turn()
    assert scene.count() == 0
    assert scene.read().state == "unknown"


def test_the_second_mail_after_a_death_can_be_told_by_its_message_id(scene: Scene) -> None:
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    scene.store.database[COLLECTION].update_one({"state": "sent"}, {"$set": {"state": "sending"}})
    scene.let_pauses_pass()
    scene.start("two").turn()
    first, second = scene.box.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert scene.read().state == "sent"


def test_a_server_that_never_says_whether_it_took_the_mail_gets_it_twice_at_most(scene: Scene) -> None:
    silent = {name: answer for name, answer in ANSWERS.items() if name != "."}
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    for state in ("waiting", "unknown", "unknown"):
        with serve_script(lambda connection, _: converse(connection, silent)) as port:
            scene.configure({"port": port})
            scene.reporter.turn()
            converse_with_nobody(port)
        assert scene.read().state == state
        scene.let_pauses_pass()


def converse_with_nobody(port: int) -> None:
    """Let a server go that nobody called."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()


def test_a_report_that_is_no_longer_configured_is_given_up(scene: Scene) -> None:
    scene.box.answer = "451 later"
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    scene.configure(name="other")
    scene.let_pauses_pass()
    scene.reporter.turn()
    assert scene.read().state == "failed"


def test_figures_that_cannot_be_had_put_it_off(scene: Scene) -> None:
    scene.failure = StoreUnavailable("error.mongo_away", reason="gone")
    scene.reporter.turn()
    scene.pass_time(minutes=31)
    scene.reporter.turn()
    assert (scene.read().state, scene.count()) == ("waiting", 0)
    scene.failure = None
    scene.let_pauses_pass()
    scene.reporter.turn()
    assert scene.count() == 1


def test_a_secret_that_a_server_repeats_is_not_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "canary-mail-7")
    scene.settings = structs.replace(
        scene.settings,
        mail=structs.replace(scene.settings.mail, user="u", password="canary-mail-7"),
    )
    answers = {**ANSWERS, "EHLO": "250-mx\r\n250 AUTH PLAIN", "AUTH": "535 canary-mail-7 is wrong"}
    with serve_script(lambda connection, _: converse(connection, answers)) as port:
        scene.settings = structs.replace(scene.settings, mail=structs.replace(scene.settings.mail, port=port))
        scene.reporter.turn()
        scene.pass_time(minutes=31)
        scene.reporter.turn()
    assert "canary-mail-7" not in str(list(scene.store.database[COLLECTION].find()))
    assert "535" in (scene.read().error or "") or "wrong" in (scene.read().error or "")


def test_without_a_mail_server_nothing_is_noted(scene: Scene) -> None:
    scene.settings = structs.replace(scene.settings, mail=None)
    scene.reporter.turn()
    assert scene.store.database[COLLECTION].count_documents({}) == 0


def test_pauses_grow_to_an_hour() -> None:
    assert [find_pause(tries) for tries in (1, 2, 3, 7, 1000)] == [60, 120, 240, 3600, 3600]


def test_a_run_is_over_after_a_day_or_when_the_next_is_due() -> None:
    run = Run("x", "default", "daily", BEGIN, "waiting", first_at=BEGIN)
    assert not is_over(run, BEGIN, BEGIN + timedelta(hours=23))
    assert is_over(run, BEGIN, BEGIN + timedelta(hours=24))
    assert is_over(run, BEGIN + timedelta(seconds=1), BEGIN)


def test_a_certificate_that_is_not_verified_is_warned_of(
    scene: Scene, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    scene.configure({"security": "tls", "tls": {"verify": "off"}})
    for _ in range(3):
        scene.reporter.turn()
    said = capsys.readouterr().out + str([record.msg for record in caplog.records])  # wherever logs go by now
    assert said.count("mail.unverified") == 1
