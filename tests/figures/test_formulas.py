"""The formulas, by the worked examples of those who use them."""

import pytest

from ipecs_mw.figures.answers.formulas import AGENT_AHT, OCCUPANCY, RATES, SERVICE_LEVELS
from ipecs_mw.figures.answers.rows import BLANK_QUEUES, apply_rule, describe_levels, finish_queues, merge
from ipecs_mw.figures.counting.rules import Rule
from ipecs_mw.figures.counting.sums import Columns


@pytest.mark.parametrize(
    ("formula", "percent"), [("offered", 70.0), ("without_abandoned", 77.8), ("abandoned_met", 80.0)]
)
def test_service_levels_are_as_in_the_cisco_cti_guide(formula: str, percent: float) -> None:
    sums = {"answered_in": 70, "abandoned_in": 10, "offered": 100}
    value = SERVICE_LEVELS[formula].compute(sums)
    assert value is not None
    assert round(100 * value, 1) == percent


def test_the_level_of_answered_calls_is_as_in_the_cisco_uic_report_reference() -> None:
    value = SERVICE_LEVELS["answered"].compute({"answered_in": 50, "answered": 130})
    assert value is not None
    assert round(100 * value, 1) == 38.5


def test_waits_are_as_in_wazo_s_tests() -> None:
    sums = {"answered": 3, "wait_seconds": 28, "waits": {"20": 1, "5": 1, "3": 1}}
    row = {**BLANK_QUEUES, **sums}
    finish_queues([row], Rule("answered", 10))
    assert row["service_level"] == {
        "formula": "answered",
        "threshold_seconds": 10,
        "short_seconds": 5,
        "value": pytest.approx(2 / 3, abs=1e-6),
    }
    assert round(row["asa_seconds"], 2) == 9.33
    assert row["waits"] == {"10": 2, "20": 1, "30": 0, "60": 0, "120": 0, "300": 0, "longer": 0}


def test_the_handling_time_is_as_in_a_cisco_call_detail_record() -> None:
    sums = {"talk_seconds": 365, "hold_seconds": 0, "wrap_up_seconds": 8, "handled": 1}
    assert RATES["aht_seconds"].compute(sums) == 373


def test_occupancy_is_as_amazon_computes_it() -> None:
    states = {"talking": 6.0, "wrap_up": 1.0, "ready": 3.0, "not_ready": 50.0}
    assert OCCUPANCY.compute(states) == 0.7


def test_a_rate_without_a_denominator_is_absent_and_not_zero() -> None:
    row = {**BLANK_QUEUES}
    finish_queues([row], Rule())
    assert not {"abandon_rate", "asa_seconds", "abandon_seconds", "aht_seconds", "occupancy"} & row.keys()
    assert "value" not in row["service_level"]
    assert AGENT_AHT.compute({"talking": 60.0}) is None


def test_more_abandoned_than_offered_gives_nothing_instead_of_a_negative_level() -> None:
    assert SERVICE_LEVELS["without_abandoned"].compute({"offered": 3, "abandoned_in": 5}) is None


@pytest.mark.parametrize(
    ("threshold", "answered", "abandoned", "short"),
    [(1, 0, 0, 1), (2, 1, 1, 1), (3, 2, 2, 1), (4, 2, 2, 1)],
)
def test_a_threshold_counts_who_waited_no_longer_and_a_short_call_is_below_the_limit(
    threshold: int, answered: int, abandoned: int, short: int
) -> None:
    sums = {"waits": {"2": 1, "2+": 1}, "abandon_waits": {"1+": 1, "2+": 1}}
    counted = apply_rule(sums, Rule("offered", threshold, 2))
    assert (counted["answered_in"], counted["abandoned_in"], counted["short"]) == (answered, abandoned, short)


def test_groups_with_rules_of_their_own_add_up_to_a_level_by_each_one_s_rule() -> None:
    first, second = Rule("offered", 10), Rule("answered", 20)
    parts = [
        (apply_rule({"offered": 10, "answered": 8, "waits": {"5": 6, "15": 2}}, first), first),
        (apply_rule({"offered": 4, "answered": 2, "waits": {"15": 1, "60": 1}}, second), second),
    ]
    total, rule = merge(parts)
    assert rule is None
    assert total["offered"] == 14
    assert describe_levels(Columns([total]), rule)[0] == {"value": round(7 / 12, 6)}
    assert merge(parts[:1])[1] == first
