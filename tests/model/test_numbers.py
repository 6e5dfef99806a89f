"""One number, many spellings: which are the same, and by what the configuration tells."""

from itertools import combinations

import pytest

from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.numbers import find_readings, find_spellings, read_number

SINGAPORE = NumberSettings(country="65", trunk_prefix="9")
GERMANY = NumberSettings(country="49", trunk_prefix="0")
AMERICA = NumberSettings(country="1", trunk_prefix="9")
ITALY = NumberSettings(country="39")
KOREA = NumberSettings(country="82", trunk_prefix="9")


def is_same(one: str, other: str, plan: NumberSettings) -> bool:
    first, second = read_number(one), read_number(other)
    assert first
    assert second
    return bool(find_readings(first, plan) & find_readings(second, plan))


@pytest.mark.parametrize(
    ("plan", "spellings"),
    [
        (
            NumberSettings(),
            "030-555-0142|(030) 555 0142|sip:0305550142@pbx:5060|tel:030.555.0142| 030/5550142 ",
        ),
        (NumberSettings(), "+65 6123 4567|0065 61234567|tel:+65-6123-4567|sip:+6561234567@pbx;user=phone"),
        (SINGAPORE, "6123 4567|+65 6123 4567|0065 6123 4567|6561234567|9 6123 4567|9006561234567"),
        (GERMANY, "0305550142|+49 (0)30 5550142|+49 030 5550142|0049305550142|00305550142|00049305550142"),
        (AMERICA, "(555) 123-4567|1-555-123-4567|+1 555 123 4567|9 1 555 123 4567|011 1 5551234567"),
        (ITALY, "06 1234 5678|+39 06 1234 5678|0039 06 12345678"),
        (KOREA, "02-312-3456|+82-2-312-3456|902-312-3456|+82 (0)2 312 3456"),
    ],
)
def test_every_spelling_of_a_number_is_the_same_as_every_other(plan: NumberSettings, spellings: str) -> None:
    for one, other in combinations(spellings.split("|"), 2):
        assert is_same(one, other, plan), (one, other)


@pytest.mark.parametrize(
    ("plan", "one", "other"),
    [
        (NumberSettings(), "0305550142", "+49305550142"),
        (GERMANY, "1001", "01001"),
        (GERMANY, "1001", "+491001"),
        (GERMANY, "0305550142", "305550142"),
        (GERMANY, "0305550142", "0305550143"),
        (SINGAPORE, "91234567", "1234567"),
        (SINGAPORE, "9123 4567", "+65 9123 4568"),
        (SINGAPORE, "91001", "1001"),
        (AMERICA, "5551234567", "+49 5551234567"),
        (AMERICA, "1001", "+11001"),
    ],
)
def test_what_nothing_tells_to_be_one_number_is_two(plan: NumberSettings, one: str, other: str) -> None:
    assert not is_same(one, other, plan)


@pytest.mark.parametrize(
    "text",
    ["", "12", "abc", "2026-11-28", "28.11.2026", "192.0.2.10", "10:30", "1+2222", "sip:kim@pbx", "$ne"],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_each_spelling_of_a_number_is_the_same_number() -> None:
    for plan in (SINGAPORE, GERMANY, AMERICA, ITALY, KOREA, NumberSettings()):
        for number in ("+6561234567", "+493055501420", "+15551234567", "1001", "0305550142"):
            spellings = find_spellings(number, plan)
            assert spellings[0] == number
            assert len(set(spellings)) == len(spellings)
            for spelling in spellings:
                assert is_same(number, spelling, plan), (number, spelling, plan)


def test_what_the_configuration_says_goes_before_the_habit_of_the_country() -> None:
    plan = NumberSettings(country="49", national_prefix="8", international_prefix="810", national_digits=10)
    assert is_same("8 1234567890", "+49 1234567890", plan)
    assert is_same("810 49 1234567890", "+49 1234567890", plan)
    assert not is_same("0 1234567890", "+49 1234567890", plan)
