"""Problems that most events share: told once, and again only after they had gone."""

from typing import Any

from ipecs_mw.service.intake.problems import Problems, Shared, find_shared

DATE = "StartTime: unexpected value"


def events(kind: str, count: int, *problems: str) -> list[dict[str, Any]]:
    return [{"kind": kind, **({"problems": problems} if problems else {})} for _ in range(count)]


def test_what_most_events_of_a_kind_share_is_told_once() -> None:
    problems = Problems()
    assert problems.note(events("smdr", 99, DATE)) == []
    assert problems.note(events("smdr", 1, DATE)) == [Shared("smdr", DATE, 100)]
    assert problems.note(events("smdr", 500, DATE)) == []


def test_it_is_told_again_after_it_had_gone() -> None:
    problems = Problems()
    assert problems.note(events("smdr", 100, DATE)) == [Shared("smdr", DATE, 100)]
    assert problems.note(events("smdr", 100)) == []
    assert problems.note(events("smdr", 40) + events("smdr", 60, DATE)) == [Shared("smdr", DATE, 60)]


def test_half_of_the_events_and_those_of_another_kind_are_not_most() -> None:
    problems = Problems()
    assert problems.note(events("smdr", 50) + events("smdr", 50, DATE)) == []
    assert problems.note(events("acd", 1000) + events("call", 99, DATE)) == []
    assert problems.note(events("call", 1)) == [Shared("call", DATE, 99)]


def test_two_problems_are_two_and_of_few_events_nothing_is_said() -> None:
    shared = list(find_shared(events("acd", 20, "a: x", "b: y") + events("smdr", 19, DATE)))
    assert shared == [Shared("acd", "a: x", 100), Shared("acd", "b: y", 100)]
