"""Alarms are raised once, are quiet while they last, end once, and survive whoever looks for them."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from call_scene import tell
from mail_server import Mailbox, serve_mail
from report_scene import speak
from support import FakeClock

from ipecs_mw.errors import JournalFull
from ipecs_mw.model.configuration.settings import Settings, parse_settings
from ipecs_mw.seeds import read_json
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.pipeline import open_intake
from ipecs_mw.service.reports.alarm_keeper import AlarmKeeper
from ipecs_mw.service.reports.alarm_mailer import AlarmMailer
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.store.coordination.report_runs import COLLECTION
from ipecs_mw.store.figures.place import Place, save_place
from ipecs_mw.store.server.connection import Store

EMERGENCY = {"name": "help", "when": "emergency_call", "to": ["guard@example.com"]}
WAITING = {"name": "queue", "when": "waiting", "more_than_calls": 2}


class Recorded:
    """What daemons put into the event log."""

    def __init__(self, intake: Intake) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.record = intake.record
        intake.record = self._record  # type: ignore[method-assign]

    def _record(self, event: str, level: str = "info", /, **facts: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.record(event, level, **facts)
        self.events.append((event, facts))

    def take(self) -> list[tuple[str, str]]:
        """Return which alarms were told, and of what, since it was last asked."""
        found = [(event.removeprefix("alarm."), facts["rule"]) for event, facts in self.events]
        self.events.clear()
        return found


class Scene:
    """A database, a mail server, and daemons that look for the alarms of one profile."""

    def __init__(self, store: Store, folder: Path, box: Mailbox, port: int) -> None:
        self.store = store
        self.box = box
        self.clock = FakeClock(datetime.now(UTC))
        self.port = port
        self.settings: Settings
        self.intake = open_intake("middleware", None, folder, self.clock)
        self.told = Recorded(self.intake)
        self.configure(EMERGENCY)
        self.keeper = self.start()
        self.live()

    def configure(self, *alarms: dict[str, Any]) -> None:
        content = read_json("config.json")
        content["mail"] = {
            "server": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "sender": "pbx@example.com",
        }
        content["numbers"] = {"country": "49", "trunk_prefix": "0"}
        content["figures"] = {"trunks": 2}
        content["alarms"] = list(alarms)
        self.settings = parse_settings(content, source="test")

    def read(self) -> Spoken:
        return Spoken(self.settings, speak())

    def start(self) -> AlarmKeeper:
        """Return what looks for alarms in another daemon, or in one that was started again."""
        return AlarmKeeper(self.build_context())

    def build_context(self) -> Context:
        return Context(
            self.store,
            "default",
            "one",
            self.read,
            lambda secret, _: secret,
            self.intake,
            self.clock,
            threading.Event(),
        )

    def send_mails(self) -> None:
        AlarmMailer(self.build_context()).turn()

    def look(self) -> list[tuple[str, str]]:
        """Look once, and return what was told."""
        self.clock.advance(1)
        self.keeper.turn()
        return self.told.take()

    def keep_call(self, number: str = "112", name: str = "main:1", **fields: Any) -> None:
        now = self.clock.now()
        call = {
            "_id": name,
            "host": "main",
            "direction": "outbound",
            "is_open": "ended_at" not in fields,
            "began_at": now - timedelta(seconds=5),
            "caller": {"station": "1001"},
            "dialed": {"number": number},
            "updated_at": now,
            **fields,
        }
        self.store.database["calls"].replace_one({"_id": name}, call, upsert=True)

    def live(self, waiting: int = 0, *, is_stale: bool = False, **fields: Any) -> None:
        """Have so many calls wait in group 620, and the reader say that it knows."""
        tell(self.store)
        documents = [
            {"_id": "main:host", "kind": "host", "is_stale": is_stale},
            {"_id": "main:group:620", "kind": "group", "group": "620", "waiting": waiting, **fields},
        ]
        for each in documents:
            found = {"host": "main", **each}
            self.store.database["live"].replace_one({"_id": each["_id"]}, found, upsert=True)

    def read_alarms(self) -> list[dict[str, Any]]:
        return list(self.store.database["alarms"].find().sort("raised_at", 1))


@pytest.fixture
def scene(migrated: Store, tmp_path: Path) -> Iterator[Scene]:
    with serve_mail() as (box, port):
        yield Scene(migrated, tmp_path, box, port)


def test_an_alarm_is_told_once_and_its_end_once(scene: Scene) -> None:
    assert scene.look() == []
    scene.keep_call()
    assert scene.look() == [("raised", "help")]
    scene.keep_call()
    assert scene.look() == []
    scene.keep_call(ended_at=scene.clock.now())
    assert scene.look() == [("ended", "help")]
    assert [scene.look() for _ in range(3)] == [[], [], []]
    (alarm,) = scene.read_alarms()
    assert (alarm["_id"], alarm["state"], alarm["host"]) == ("default:help:main:1", "ended", "main")
    assert sorted(alarm["told"]) == ["ended", "raised"]


def test_what_was_told_is_not_told_again_by_the_next_daemon(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    assert scene.look() == [("raised", "help")]
    scene.keeper = scene.start()
    assert scene.look() == []
    scene.keep_call(ended_at=scene.clock.now())
    scene.keeper = scene.start()
    assert scene.look() == [("ended", "help")]
    scene.keeper = scene.start()
    assert scene.look() == []


def test_a_call_of_while_nobody_looked_is_told_late_and_once(scene: Scene) -> None:
    scene.look()
    scene.clock.advance(3600)
    ended = scene.clock.now() - timedelta(minutes=30)
    scene.keep_call(began_at=ended - timedelta(minutes=1), ended_at=ended)
    scene.keeper = scene.start()
    assert scene.look() == [("raised", "help")]
    assert [scene.look() for _ in range(3)] == [[], [], []]
    assert scene.read_alarms()[0]["ended_at"] == ended.replace(microsecond=ended.microsecond // 1000 * 1000)


def test_a_call_from_before_the_alarm_was_configured_is_none(scene: Scene) -> None:
    ended = scene.clock.now() - timedelta(minutes=1)
    scene.keep_call(ended_at=ended)
    assert scene.look() == []
    scene.configure({**EMERGENCY, "numbers": ["555", "0555"]})
    scene.keep_call("555", ended_at=ended)
    assert scene.look() == []
    scene.configure({**EMERGENCY, "numbers": ["555", "0555"], "to": []})  # whom it is told is no other alarm
    scene.keep_call("555", "main:2", ended_at=scene.clock.now())
    assert scene.look() == [("raised", "help")]


def test_a_call_of_long_ago_that_is_read_anew_is_none(scene: Scene) -> None:
    scene.look()
    scene.clock.advance(30 * 86400)
    scene.keep_call(ended_at=scene.clock.now() - timedelta(days=8))
    assert scene.look() == []


def test_a_call_that_is_no_more_ends_its_alarm(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.look()
    scene.store.database["calls"].delete_many({})
    assert scene.look() == [("ended", "help")]


def test_a_queue_is_quiet_while_it_lasts_and_over_after_a_minute(scene: Scene) -> None:
    scene.configure(WAITING)
    scene.live(3)
    assert scene.look() == [("raised", "queue")]
    scene.live(9)
    assert scene.look() == []
    scene.live(0)
    over = scene.clock.now() + timedelta(seconds=1)
    assert scene.look() == []
    scene.clock.advance(30)
    scene.live(3)
    assert scene.look() == []  # back within the minute
    scene.live(0)
    over = scene.clock.now() + timedelta(seconds=1)
    scene.look()
    scene.clock.advance(60)
    assert scene.look() == [("ended", "queue")]
    (alarm,) = scene.read_alarms()
    assert abs(alarm["ended_at"] - over) < timedelta(seconds=1)
    scene.live(3)
    assert scene.look() == [("raised", "queue")]
    assert len(scene.read_alarms()) == 2


def test_a_queue_of_which_nobody_knows_stays_as_it_was(scene: Scene) -> None:
    scene.configure(WAITING)
    scene.live(3, is_stale=True)
    assert scene.look() == []
    scene.live(3)
    assert scene.look() == [("raised", "queue")]
    scene.live(0, is_stale=True)
    scene.clock.advance(600)
    assert [scene.look() for _ in range(2)] == [[], []]
    scene.store.database["readers"].delete_many({"_id": "calls"})
    scene.clock.advance(600)
    assert scene.look() == []


def test_a_queue_that_is_over_when_somebody_looks_again_is_none(scene: Scene) -> None:
    scene.configure(WAITING)
    assert scene.look() == []
    scene.live(9)
    scene.live(0)
    scene.keeper = scene.start()
    assert scene.look() == []


def test_trunks_long_calls_and_service_levels_are_found_in_the_database(scene: Scene) -> None:
    scene.configure(
        {"name": "trunks", "when": "trunks_busy"},
        {"name": "long", "when": "long_call", "longer_than_seconds": 60},
        {"name": "level", "when": "service_level", "below_percent": 80},
    )
    now = scene.clock.now()
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    scene.clock.advance((quarter + timedelta(minutes=15, seconds=30) - now).total_seconds())
    scene.look()
    scene.keep_call("0301", "main:1", answered_at=scene.clock.now() - timedelta(seconds=90), trunks=["1"])
    scene.keep_call("0302", "main:2", trunks=["2"])
    figures = {"kind": "group", "group": "620", "offered": 10, "answered": 5, "waits": {"3": 5}}
    scene.store.database["figures"].insert_one({"_id": "x", "host": "main", "from": quarter, **figures})
    save_place(scene.store, Place("main", scene.clock.now()), scene.clock.now())
    assert sorted(scene.look()) == [("raised", "level"), ("raised", "long"), ("raised", "trunks")]
    said = {rule["rule"]: rule["says"]["facts"] for rule in scene.read_alarms()}
    assert said["trunks"] == {"trunks": 2}
    assert said["level"]["percent"] == {"key": "figures.decimal", "facts": {"whole": 50, "tenth": 0}}
    assert said["long"]["number"] == "0301"


def test_of_two_rules_and_two_systems_each_has_its_own_alarm(scene: Scene) -> None:
    other = {"name": "calls", "when": "call_to", "numbers": ["11*"], "host": "main"}
    scene.configure(EMERGENCY, other)
    scene.look()
    scene.keep_call(name="elsewhere:1", host="elsewhere")  # of another profile
    assert scene.look() == []
    scene.keep_call()
    assert sorted(scene.look()) == [("raised", "calls"), ("raised", "help")]


def test_an_alarm_that_is_no_longer_configured_is_over(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.look()
    scene.configure()
    assert scene.look() == [("ended", "help")]
    assert scene.look() == []


def test_what_the_journal_does_not_take_is_told_later(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.told.failure = JournalFull("error.journal_full")
    assert scene.look() == []
    scene.told.failure = None
    assert scene.look() == [("raised", "help")]
    assert scene.look() == []


def test_without_alarms_nothing_is_kept(scene: Scene) -> None:
    scene.configure()
    scene.look()
    assert scene.store.database["readers"].count_documents({"_id": "alarms:default"}) == 0


def test_an_alarm_is_mailed_once_and_its_end_answers_it(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.look()
    scene.send_mails()
    scene.send_mails()
    (mail,) = scene.box.mails
    assert mail["Subject"] == "Alarm help: station 1001 called the emergency number 112"
    assert scene.box.recipients == [["guard@example.com"]]
    assert "Phone system: main" in mail.get_content()
    scene.keep_call(ended_at=scene.clock.now())
    scene.look()
    scene.send_mails()
    assert [str(each["Subject"]).partition(":")[0] for each in scene.box.mails] == ["Alarm help", "Over"]
    assert scene.box.mails[1]["In-Reply-To"] == mail["Message-ID"]
    assert "Until: " in scene.box.mails[1].get_content()


def test_a_mail_that_fails_is_tried_again_and_told_once(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.look()
    scene.box.answer = "451 later"
    for _ in range(2):
        scene.send_mails()
        past = {"next_at": datetime(2026, 1, 1, tzinfo=UTC)}
        scene.store.database[COLLECTION].update_many({"state": "waiting"}, {"$set": past})
    assert scene.told.take() == [("mail_late", "help")]
    scene.box.answer = "250 OK"
    scene.send_mails()
    assert len(scene.box.mails) == 1


def test_a_mail_that_nobody_wants_any_more_is_given_up(scene: Scene) -> None:
    scene.look()
    scene.keep_call()
    scene.look()
    scene.configure({**EMERGENCY, "to": []})
    scene.send_mails()
    assert (scene.told.take(), scene.box.mails) == ([("mail_failed", "help")], [])


def test_an_alarm_in_another_language_is_mailed_in_it(scene: Scene) -> None:
    scene.configure({**EMERGENCY, "language": "de-DE"})
    scene.look()
    scene.keep_call()
    scene.look()
    scene.send_mails()
    assert "Notrufnummer 112" in str(scene.box.mails[0]["Subject"])


def test_a_rule_that_fits_every_call_mails_no_more_than_sixty_times_an_hour(scene: Scene) -> None:
    scene.configure({"name": "all", "when": "call_to", "numbers": ["0*"], "to": ["boss@example.com"]})
    scene.look()
    for number in range(70):
        scene.keep_call("030123456", f"main:{number}", ended_at=scene.clock.now())
    assert len(scene.look()) == 70
    assert scene.store.database[COLLECTION].count_documents({}) == 60
