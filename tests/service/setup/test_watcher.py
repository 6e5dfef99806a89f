"""What the watcher makes of documents that are refused, and of defects that they bring out."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sites import Site
from support import FakeClock

from ipecs_mw.errors import CannotStart, InvalidDocument, IpecsMwError, JournalError
from ipecs_mw.journal.journal import open_journal
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.setup.watcher import Watcher
from ipecs_mw.store.configuration.setup import Setup, read_setup


@pytest.fixture
def build(site: Site, clock: FakeClock, tmp_path: Path) -> Iterator[Callable[..., Watcher]]:
    """Builds a watcher that knows the documents of the site, with a function that applies others."""
    journal, _ = open_journal(tmp_path / "middleware.journal", clock)
    known = read_setup(site.store, "default")

    def make(apply: Callable[[Setup], None]) -> Watcher:
        intake = Intake(None, journal, clock)
        return Watcher(site.store, "default", replace(known), apply, intake, clock, threading.Event())

    yield make
    journal.close()


def edit(site: Site, level: str) -> None:
    site.store.database["config"].update_one({"_id": "default"}, {"$set": {"logging.level": level}})


@pytest.mark.parametrize(
    "error",
    [
        JournalError("error.journal_open", file="x", reason="y"),
        InvalidDocument("error.field_value", document="x", path="y", value="z", allowed="a"),
        KeyError("a defect"),
    ],
    ids=["disk", "document", "defect"],
)
def test_what_was_refused_for_whatever_reason_is_tried_again_every_10_s(
    site: Site, clock: FakeClock, build: Callable[..., Watcher], error: Exception
) -> None:
    tried: list[Setup] = []

    def apply(setup: Setup) -> None:
        tried.append(setup)
        if len(tried) < 3:
            raise error

    watcher = build(apply)
    watcher.look()
    assert (len(tried), watcher.refused) == (0, None)
    edit(site, "DEBUG")
    for number in (1, 2):
        watcher.look()
        watcher.look()
        assert len(tried) == number
        assert watcher.refused is not None
        clock.advance(10)
    watcher.look()
    assert (len(tried), watcher.refused) == (3, None)


def test_after_a_defect_in_the_middle_of_a_change_going_back_is_a_change_too(
    site: Site, build: Callable[..., Watcher]
) -> None:
    levels: list[str] = []

    def apply(setup: Setup) -> None:
        assert setup.config is not None
        levels.append(setup.config["logging"]["level"])
        if levels[-1] == "DEBUG":
            raise KeyError("a defect")

    watcher = build(apply)
    edit(site, "DEBUG")
    watcher.look()
    edit(site, "INFO")
    watcher.look()
    assert (levels, watcher.refused) == (["DEBUG", "INFO"], None)


def test_going_back_where_a_part_could_not_follow_is_a_change_too(
    site: Site, build: Callable[..., Watcher]
) -> None:
    levels: list[str] = []

    def apply(setup: Setup) -> IpecsMwError | None:
        assert setup.config is not None
        levels.append(setup.config["logging"]["level"])
        return CannotStart("error.log_file", file="x", reason="y") if levels[-1] == "DEBUG" else None

    watcher = build(apply)
    edit(site, "DEBUG")
    watcher.look()
    assert watcher.refused is not None
    assert "x" in watcher.refused["reason"]
    edit(site, "INFO")
    watcher.look()
    assert (levels, watcher.refused) == (["DEBUG", "INFO"], None)
