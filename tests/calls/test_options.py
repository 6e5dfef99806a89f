"""What the configuration says about how events are to be read."""

from typing import Any

from ipecs_mw.calls.steps.options import build_reading_options
from ipecs_mw.model.configuration.settings import parse_settings
from ipecs_mw.seeds import read_json

GROUPS = {
    "620": {"name": "Sales", "bin": "07", "short_seconds": 10},
    "621": {
        "name": "Support",
        "bin": None,
        "service_level": {"formula": "answered", "threshold_seconds": 30},
    },
}


def read(**settings: Any) -> Any:
    return build_reading_options(parse_settings({**read_json("config.json"), **settings}, source="x"))


def test_a_configuration_that_says_nothing_has_no_bins_and_no_machines() -> None:
    options = read()
    assert (options.bins, options.machines, options.short_seconds) == ({}, frozenset(), {})
    assert options.default_short_seconds == 5


def test_the_groups_of_a_configuration_are_known_by_their_bins() -> None:
    options = read(figures={"groups": GROUPS, "default": {"short_seconds": 3}})
    assert options.bins == {"7": "620"}  # as the event log has them
    assert options.short_seconds == {"620": 10}
    assert options.default_short_seconds == 3


def test_what_is_read_in_another_way_has_another_name() -> None:
    names = {
        read().describe_reading(),
        read(figures={"groups": GROUPS}).describe_reading(),
        read(calls={"machines": ["1090"]}).describe_reading(),
    }
    assert len(names) == 3
    assert read(numbers={"country": "82"}).describe_reading() in names  # no reading has numbers in mind


def test_ranges_of_machines_are_single_extensions() -> None:
    assert read(calls={"machines": ["1090-1092", "1200"]}).machines == {"1090", "1091", "1092", "1200"}


def test_numbers_are_read_as_the_configuration_says() -> None:
    assert read(numbers={"country": "82"}).plan.country == "82"
