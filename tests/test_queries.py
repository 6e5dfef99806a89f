"""Every question of docs/queries.md, in both its forms, against a real MongoDB."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from call_scene import keep_reading
from support_queries import at, build_morning

from ipecs_mw.calls.documents.reading import HostReading
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store

ROOT = Path(__file__).parent.parent
MONGOSH = Path(os.environ.get("IPECS_MW_MONGOSH") or ROOT / ".cache/mongosh/node_modules/.bin/mongosh")
_BLOCK = {form: re.compile(rf"```{form}\n(.*?)```", re.DOTALL) for form in ("js", "python")}


@cache
def read_questions() -> dict[str, tuple[str, str]]:
    """Return heading → (its mongosh form, its PyMongo form)."""
    _, *sections = (ROOT / "docs/queries.md").read_text("utf-8").split("\n## ")
    found = {}
    for section in sections:
        blocks = [_BLOCK[form].findall(section) for form in ("js", "python")]
        assert [len(block) for block in blocks] == [1, 1], section[:80]
        found[section.partition("\n")[0]] = (blocks[0][0], blocks[1][0])
    return found


EXPECTED: dict[str, Any] = {
    "What happened to call 101?": lambda rows: (
        [(row["outcome"], row["caller"], row["answered_by"]["station"]) for row in rows]
        == [("answered", {"number": "0612345678"}, "1001")]
        and rows[0]["segments"] == [
            {"kind": "queue", "group": "620", "from": at("01:00:01"), "until": at("01:00:36"),
             "result": "answered"},
            {"kind": "ring", "station": "1001", "group": "620", "from": at("01:00:31"), "until": at("01:00:36"),
             "result": "answered"},
            {"kind": "talk", "station": "1001", "group": "620", "from": at("01:00:36"), "until": at("01:03:36")},
        ]
    ),
    "Which calls did station 1001 have today?": [
        {"host": host, "began_at": at(began)}
        | ({"call_refs": refs} if refs else {})
        | ({"ended_at": at(ended), "outcome": "answered"} if ended else {})
        for host, refs, began, ended in [
            ("main", [101], "01:00:00", "01:03:36"),
            ("branch", [101], "01:00:10", "01:00:41"),
            ("branch", [102, 103], "01:20:30", ""),
            ("main", [104], "02:10:00", "02:11:12"),
            ("main", [106], "02:20:00", "02:25:00"),
            ("main", [], "04:00:00", "04:02:00"),
            ("main", [], "04:01:00", "04:02:00"),
        ]
    ],
    "How many incoming calls were not answered, by hour?": [
        {"_id": {"host": "main", "hour": at("01:00:00")}, "calls": 2},
        {"_id": {"host": "main", "hour": at("02:00:00")}, "calls": 1},
    ],
    "Who waited longest in a queue?": [
        {"host": host, "call_refs": [call], "group": group, "seconds": seconds, "is_given_up": is_given_up}
        for host, call, group, seconds, is_given_up in [
            ("main", 107, "621", 140, True),
            ("main", 106, "620", 120, False),
            ("main", 102, "620", 90, True),
            ("main", 109, "621", 60, False),
            ("main", 101, "620", 35, False),
            ("main", 109, "620", 30, False),
            ("branch", 101, "620", 20, False),
        ]
    ],
    "How many calls did each group answer within 20 seconds?": [
        {"_id": {"host": host, "group": group}, "offered": offered, "answered": answered, "in_time": in_time}
        for host, group, offered, answered, in_time in [
            ("branch", "620", 1, 1, 1),
            ("main", "620", 4, 2, 0),
            ("main", "621", 2, 1, 0),
        ]
    ],
    "Who has to be called back?": [
        {"host": "main", "number": "0612345678", "group": "620", "count": 1, "last_at": at("01:20:00")}
    ],
    "When did this number call?": [
        {"began_at": at("01:00:00"), "host": "main", "call_refs": [101], "outcome": "answered"},
        {"began_at": at("01:20:00"), "host": "main", "call_refs": [102], "outcome": "abandoned"},
    ],
    "Which agents are logged in now?": [
        {"host": host, "station": station, "groups": [group], "state": state, "from": at(since)}
        for host, station, group, state, since in [
            ("branch", "1001", "620", "busy_other", "01:20:30"),
            ("main", "1001", "620", "unknown", "03:00:00"),
            ("main", "1004", "621", "unknown", "03:00:00"),
        ]
    ],
    "How long does each agent talk on average?": [
        {"_id": {"host": host, "station": station}, "calls": calls, "seconds": seconds}
        for host, station, calls, seconds in [
            ("branch", "1001", 1, 10.0),
            ("main", "1000", 1, 55.0),
            ("main", "1001", 3, 120.0),
            ("main", "1004", 1, 30.0),
        ]
    ],
    "Which hour of the day is the busiest?": [
        {"_id": {"host": "main", "hour": 10}, "calls": 5},
        {"_id": {"host": "main", "hour": 9}, "calls": 3},
        {"_id": {"host": "branch", "hour": 9}, "calls": 1},
    ],
    "Who transferred to whom?": [{"_id": {"host": "main", "by": "1001", "to": "1003"}, "calls": 1}],
    "Where are gaps and outages?": lambda rows: (
        [row["type"] for row in rows] == ["daemon_started", "session_down", "gap"]
        and rows[2]["data"]["since"] == "2026-11-24 03:00:00+00:00"
    ),
    "What does the host send that nobody knows?": [
        {"_id": "lunch_break", "events": 2, "last_at": at("03:11:00")},
        {"_id": "teleported", "events": 1, "last_at": at("03:12:00")},
        {"_id": "undecodable", "events": 1, "last_at": at("03:13:00")},
    ],
    "What do outgoing calls cost, by station?": [
{"_id": {"host": "main", "station": "1001"}, "calls": 2, "seconds": 180, "cost": "1.75", "unread": 0},
        {"_id": {"host": "main", "station": "1002"}, "calls": 1, "seconds": 30, "cost": "0", "unread": 1},
    ],
}  # fmt: skip


def check(question: str, answer: Any) -> None:
    expected: Any | Callable[[Any], bool] = EXPECTED[question]
    if callable(expected):
        assert expected(answer), (question, answer)
    else:
        assert answer == expected, question


@pytest.fixture
def morning(store: Store) -> Store:
    documents = list(build_morning())
    EventLog(store).append(documents)
    for host in ("main", "branch"):
        of_host = [document for document in documents if document.get("host") == host]
        keep_reading(store, HostReading(host, machines=("1999",)), of_host)
    return store


def ask_python(store: Store, code: str) -> Any:
    collections = ("events", "calls", "agent_states", "missed")
    names: dict[str, Any] = {name: store.database[name] for name in collections}
    names |= {"datetime": datetime, "timedelta": timedelta, "UTC": UTC}
    exec(compile(code, "docs/queries.md", "exec"), names)
    return names["answer"]


def wrap_mongosh(question: str, code: str) -> str:
    """Return the block with its last expression, which begins with `db.`, printed on one line."""
    *before, last = re.split(r"^(?=db\.)", code, flags=re.MULTILINE)
    answer = f"EJSON.stringify(({last}).toArray(), {{relaxed: false}})"
    return f"{{ {''.join(before)}\nprint({question!r} + '\\t' + {answer}) }}\n"


def test_every_question_has_an_expected_answer() -> None:
    assert list(read_questions()) == list(EXPECTED)


def test_every_question_is_answered_through_pymongo(morning: Store) -> None:
    for question, (_, code) in read_questions().items():
        check(question, ask_python(morning, code))


@pytest.mark.skipif(not MONGOSH.exists(), reason=f"no mongosh at {MONGOSH} (make test installs it with npm)")
@pytest.mark.skipif(shutil.which("node") is None, reason="no node, which mongosh needs")
def test_mongosh_gives_the_same_answers(morning: Store, mongo_uri: str, tmp_path: Path) -> None:
    script = tmp_path / "questions.js"
    script.write_text("".join(wrap_mongosh(q, js) for q, (js, _) in read_questions().items()), "utf-8")
    done = subprocess.run(
        [str(MONGOSH), "--quiet", "--norc", mongo_uri, "--file", str(script)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    answers = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    for question, (_, code) in read_questions().items():
        answer = json_util.loads(answers[question], json_options=options)
        check(question, answer)
        assert answer == ask_python(morning, code)
