"""`ipecs-mw figures`: what each question prints, in each form, and how wrong ones are refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from figures_scene import insert, make_day
from reading_scene import build_log
from sites import seed

from ipecs_mw.cli import cli
from ipecs_mw.errors import NoSuchName
from ipecs_mw.store.server.connection import Store

Run = Callable[..., Result]
WHEN = ("--since", "2026-03-02T08:00Z", "--until", "2026-03-02T10:30Z")
LOCALES = ("en-GB", "de-DE", "ko-KR")
ALL = ("queues", "agents", "stations", "departments", "trunks", "dids", "numbers", "hours", "calls", "day")


@pytest.fixture
def run(migrated: Store, mongo_uri: str, tmp_path: Path) -> Run:
    """Runs a command on a simulated morning that was counted."""
    seed(migrated)
    departments = {"figures.departments": {"Sales": ["1000-1009"], "Service": ["1010-1019"]}}
    migrated.database["config"].update_one({"_id": "default"}, {"$set": departments})
    make_day(migrated)
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))

    def invoke(*arguments: str, **environment: str) -> Result:
        settings = {"TZ": "UTC", "IPECS_MW_LOCALE": "en-GB", **environment}
        return CliRunner(env=settings).invoke(cli, ["--bootstrap", str(file), "figures", *arguments])

    return invoke


def test_every_question_is_answered_in_every_form_and_language(run: Run) -> None:
    for what in ALL:
        found = run(what, *WHEN, "--format", "json")
        assert found.exit_code == 0, found.output
        items = json.loads(found.stdout)["items"]
        assert items, what
        assert all(item == {**item} and None not in item.values() for item in items)
        lines = run(what, *WHEN, "--format", "csv").stdout.splitlines()
        assert len(list(csv.reader(lines))) == len(items) + 1
        for locale in LOCALES:
            shown = run(what, *WHEN, IPECS_MW_LOCALE=locale)
            assert shown.exit_code == 0, (what, locale, shown.output)
            assert len(shown.stdout.splitlines()) >= len(items)


def test_the_table_says_which_formula_it_has_and_what_is_not_complete(run: Run) -> None:
    shown = run("queues", *WHEN).stdout
    assert "Service level: answered within 20 s / offered." in shown
    assert "Not complete yet" in shown
    assert (
        "answered within 7 s / answered"
        in run("queues", *WHEN, "--formula", "answered", "--threshold", "7").stdout
    )


def test_the_day_is_told_in_words(run: Run) -> None:
    shown = run("day", *WHEN).stdout
    for part in ("The groups were offered ", "The busiest hour began at ", "Agents were logged in for "):
        assert part in shown


def test_departments_are_their_stations_together(run: Run) -> None:
    stations = json.loads(run("stations", *WHEN, "--format", "json").stdout)["items"]
    sales = [item for item in stations if 1000 <= int(item["station"]) <= 1009]
    departments = json.loads(run("departments", *WHEN, "--format", "json").stdout)["items"]
    found = {item["department"]: item for item in departments}
    assert found["Sales"]["calls"] == sum(item["calls"] for item in sales) > 0


def test_the_most_called_come_first_and_no_more_than_asked_for(run: Run) -> None:
    items = json.loads(run("stations", *WHEN, "--top", "3", "--format", "json").stdout)["items"]
    assert len(items) == 3
    assert [item["calls"] for item in items] == sorted((item["calls"] for item in items), reverse=True)
    calls = json.loads(run("calls", *WHEN, "--top", "5", "--format", "json").stdout)["items"]
    assert [call["seconds"] for call in calls] == sorted((call["seconds"] for call in calls), reverse=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("queues", "--formula", "best"), "offered"),
        (("queues", "--threshold", "0"), "1<=x<=3600"),
        (("queues", "--zone", "Nowhere/Land"), "Asia/Singapore"),
        (("queues", "--since", "2026-03-03", "--until", "2026-03-02"), "2026-03-03"),
        (("queues", "--period", "today", "--since", "2026-03-02"), "--since"),
        (("queues", "--since", "1990-01-01", "--interval", "15m"), "200000"),
        (("queues", "--group", "999"), "620"),
        (("queues", "--since", "2999-01-01"), "2999-01-01"),
        (("hours", "--group", "620"), "host"),
        (("everything",), "queues"),
        (("queues", "--hours", "night"), "outside"),
    ],
)
def test_wrong_input_gets_a_sentence_with_what_is_allowed(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)
    refused = result.exception
    told = str(refused.facts) if isinstance(refused, NoSuchName) else result.output
    assert (refused.exit_code if isinstance(refused, NoSuchName) else result.exit_code) == 2
    assert said in told


def test_a_rebuild_without_a_daemon_counts_the_figures_too(
    migrated: Store, mongo_uri: str, tmp_path: Path
) -> None:
    seed(migrated)
    insert(migrated, build_log(2.5, 1, 1))
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))

    def invoke(*arguments: str) -> Result:
        return CliRunner(env={"TZ": "UTC"}).invoke(cli, ["--bootstrap", str(file), *arguments])

    def ask() -> dict[str, Any]:
        found = json.loads(invoke("figures", "queues", *WHEN, "--format", "json").stdout)
        return {row.pop("group", ""): row | {"revision": None} for row in (*found["items"], found["total"])}

    assert invoke("rebuild").exit_code == 0
    found = ask()
    assert found[""]["offered"] > 50
    # somebody changes a call: the next rebuild puts it right, and the figures with it
    broken = {"$set": {"segments.$[].group": "999"}}
    migrated.database["calls"].update_many({"groups": "620"}, broken)
    migrated.database["figures"].update_many({"kind": "group"}, {"$set": {"offered": 0}})
    assert invoke("rebuild").exit_code == 0
    assert ask() == found
    assert migrated.database["leases"].count_documents({"_id": "reader:figures"}) == 0
