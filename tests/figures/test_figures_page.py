"""`docs/figures.md` explains every field and formula, and its questions run."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from figures_scene import SINCE, UNTIL, make_day
from msgspec import structs
from sites import seed

from ipecs_mw.cli import cli
from ipecs_mw.figures.answers.formulas import ALL
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

PAGE = (Path(__file__).parent.parent.parent / "docs/figures.md").read_text("utf-8")
QUESTIONS = re.findall(r"^ipecs-mw (figures .+?)(?:  +#.*)?$", PAGE, re.MULTILINE)
OF_TIME = {"_id", "revision", "updated_at"}
OBJECTS = {"waits", "abandon_waits", "states", "not_ready", "not_ready_seconds", "total"}


def test_the_page_has_ten_questions_and_more() -> None:
    asked = PAGE.partition("## Ten questions")[2].partition("\n## ")[0]
    assert len(re.findall(r"^ipecs-mw figures ", asked, re.MULTILINE)) == 10


@pytest.fixture
def file(migrated: Store, mongo_uri: str, tmp_path: Path) -> Path:
    seed(migrated)
    make_day(migrated)
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps({"mongo_uri": mongo_uri}))
    return path


def test_every_question_of_the_page_is_answered(file: Path) -> None:
    for question in QUESTIONS:
        result = CliRunner(env={"TZ": "UTC"}).invoke(cli, ["--bootstrap", str(file), *shlex.split(question)])
        assert result.exit_code == 0, (question, result.output, result.exception)


def walk(document: Mapping[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        yield name
        if isinstance(value, Mapping) and name not in OBJECTS:
            yield from walk(value)


def test_every_field_that_is_kept_or_answered_is_explained(migrated: Store) -> None:
    make_day(migrated)
    kept = {name for each in migrated.database["figures"].find() for name in walk(each)}
    assert {"answered_in", "trunks", "peak", "states"} <= kept
    answered = set()
    for what in ("queues", "agents"):
        question = Question(what=what, since=SINCE, until=UNTIL, zone="UTC")  # type: ignore[arg-type]
        for interval in ("all", "hour-of-day", "weekday"):
            table = ask(migrated, Settings(hosts=[]), structs.replace(question, interval=interval))
            answered |= {name for row in table.rows for name in walk(row)}
    told = {"value"}  # of a service level
    assert sorted(name for name in (kept | answered) - OF_TIME - told if f"`{name}`" not in PAGE) == []


def test_every_formula_is_on_the_page() -> None:
    assert [formula.name for formula in ALL if f"| `{formula.name}` |" not in PAGE] == []
