"""Reports and alarms as webhooks: what they say comes once, to those who are meant, within what they may see."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from hook_receiver import Receiver
from hook_scene import Scene
from msgspec import structs
from report_scene import build_table
from sites import wait_until
from standardwebhooks import Webhook

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Alarm
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.report_settings import ReportSettings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.pipeline import open_intake
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.reports.reporter import Reporter
from ipecs_mw.store.figures.alarms import end_alarm, load_lasting, raise_alarm

DAILY = ReportSettings(name="daily", what="queues", period="yesterday", every="day", webhooks=["office"])


def make_reporter(scene: Scene, folder: Path) -> Reporter:
    """Return what sends the reports of a configuration."""
    folder.mkdir()
    intake = open_intake("middleware", None, folder, scene.clock)
    context = Context(
        scene.store, "default", "one", lambda: Spoken(scene.settings, shipped_texts("en-GB")),
        lambda locked, _: locked, intake, scene.clock, threading.Event(),
    )  # fmt: skip
    return Reporter(context, lambda _: lambda _: build_table())


def make_due(scene: Scene, reporter: Reporter) -> None:
    """Have a report be noted, and then be due."""
    reporter.turn()
    past = scene.clock.now() - timedelta(minutes=1)
    changes = {"state": "waiting", "next_at": past, "due_at": past}
    scene.store.database["report_runs"].update_many({}, {"$set": changes})
    reporter.turn()


def raise_one(scene: Scene, cause: str = "620", **rule: Any) -> None:
    """Raise an alarm about a group."""
    settings = AlarmSettings(name="queue", when="waiting", more_than_calls=5, **rule)
    says = Words("alarm.says.waiting", group=cause, waiting=7, seconds=130)
    now = scene.clock.now()
    what = str(shipped_texts("en-GB").say(says))
    assert raise_alarm(scene.store, "default", settings, "main", Alarm(cause, now, says), what, now)


def test_a_report_without_a_mail_server_is_told_once_with_its_figures_and_its_text(
    scene: Scene, receiver: Receiver, tmp_path: Path
) -> None:
    secret = scene.add("office", receiver.url, topics=("reports",))
    scene.add("other", f"{receiver.url}/other", topics=("reports",))
    scene.settings = structs.replace(scene.settings, reports=[DAILY])
    scene.start_ready()
    reporter = make_reporter(scene, tmp_path / "reporter")
    make_due(scene, reporter)
    (told,) = receiver.wait(1)
    body = Webhook(secret).verify(told.body, told.headers)
    data = body["data"]
    assert (body["type"], data["report"], data["what"]) == ("report", "daily", "queues")
    assert [each["offered"] for each in data["items"]] == [100, 25, 0]
    assert data["items"][0]["service_level"] == {"value": 0.7}
    assert data["total"]["offered"] == 125
    assert "70.0 %" in data["text"]
    assert data["since"] < data["until"] <= data["due_at"]
    assert "webhooks" not in data
    assert scene.store.database["report_runs"].distinct("state") == ["sent"]
    # a daemon that died before it noted that makes it anew, and nothing is told twice
    scene.store.database["report_runs"].update_many({}, {"$set": {"state": "waiting"}})
    reporter.turn()
    wait_until(lambda: scene.store.database["report_runs"].distinct("state") == ["sent"])
    raise_one(scene)  # what comes later is there: nothing was still on its way
    scene.add("pager", f"{receiver.url}/pager", topics=("alarms",))
    assert [each["webhook"] for each in scene.deliveries(name="report")] == ["office"]


def test_an_alarm_is_told_when_it_is_raised_and_when_it_is_over(scene: Scene, receiver: Receiver) -> None:
    scene.add("pager", receiver.url, topics=("alarms",), format="cloudevents")
    scene.add("other", f"{receiver.url}/other", topics=("alarms",))
    scene.add("events", f"{receiver.url}/events", topics=("events",))
    scene.start_ready()
    raise_one(scene, webhooks=["pager"])
    receiver.wait(1)
    (lasting,) = load_lasting(scene.store)
    end_alarm(scene.store, lasting, scene.clock.now(), scene.clock.now())
    raised, ended = (each.json for each in receiver.wait(2))
    assert (raised["specversion"], raised["type"], ended["type"]) == ("1.0", "alarm.raised", "alarm.ended")
    assert raised["source"].endswith("/main")
    data = raised["data"]
    assert (data["rule"], data["host"], data["groups"]) == ("queue", "main", ["620"])
    assert "620" in data["what"]
    assert "told" not in data
    assert ended["data"]["ended_at"]
    raise_one(scene, "621")  # for all
    wait_until(lambda: len(scene.deliveries(state="delivered")) == 4)
    assert {(each["webhook"], each["name"]) for each in scene.deliveries()} == {
        ("pager", "alarm.raised"), ("pager", "alarm.ended"), ("other", "alarm.raised"),
    }  # fmt: skip


def test_what_is_told_of_alarms_is_within_the_limits_of_the_webhook(scene: Scene, receiver: Receiver) -> None:
    scene.add("narrow", receiver.url, topics=("alarms",), limits={"groups": ["620"], "sees_numbers": False})
    scene.start_ready()
    raise_one(scene, "621")
    rule = AlarmSettings(name="premium", when="call_to", numbers=["0900*"])
    says = Words("alarm.says.call_to", station="1001", number="09005550142")
    what, now = str(shipped_texts("en-GB").say(says)), scene.clock.now()
    raise_alarm(scene.store, "default", rule, "main", Alarm("main:1", now, says), what, now)
    raise_one(scene, "620")
    (told,) = receiver.wait(1)
    assert told.json["data"]["groups"] == ["620"]
    assert [each["name"] for each in scene.deliveries()] == ["alarm.raised"]


def test_numbers_in_the_sentence_of_an_alarm_are_masked_for_who_may_not_see_them(
    scene: Scene, receiver: Receiver
) -> None:
    scene.add(
        "narrow", receiver.url, topics=("alarms",), limits={"stations": ["1001"], "sees_numbers": False}
    )
    scene.start_ready()
    rule = AlarmSettings(name="premium", when="call_to", numbers=["0900*"])
    says = Words("alarm.says.call_to", station="1001", number="09005550142")
    what, now = str(shipped_texts("en-GB").say(says)), scene.clock.now()
    raise_alarm(scene.store, "default", rule, "main", Alarm("main:1", now, says), what, now)
    (told,) = receiver.wait(1)
    assert b"5550142" not in told.body
    assert "1001" in told.json["data"]["what"]
