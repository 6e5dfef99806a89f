"""The session's table of states and its waits."""

import random
from itertools import pairwise

import pytest

from ipecs_mw.errors import Recovery
from ipecs_mw.protocol.session import (
    FACT_OF,
    LONGEST_WAIT_SECONDS,
    TRANSITIONS,
    Fact,
    State,
    next_state,
    wait_seconds,
)

ALLOWED = {
    "offline": {"begun": "logging_in", "ended": "stopped"},
    "logging_in": {
        "logged_in": "connecting", "failed": "backing_off", "held": "waiting_out",
        "barred": "standing_by", "refused": "needs_attention", "ended": "stopped",
    },
    "connecting": {
        "connected": "up", "failed": "backing_off", "held": "waiting_out",
        "barred": "standing_by", "refused": "needs_attention", "ended": "stopped",
    },
    "up": {
        "failed": "backing_off", "held": "waiting_out", "barred": "standing_by",
        "refused": "needs_attention", "ended": "stopped",
    },
    "backing_off": {"begun": "logging_in", "ended": "stopped"},
    "waiting_out": {"begun": "logging_in", "ended": "stopped"},
    "standing_by": {"begun": "logging_in", "ended": "stopped"},
    "needs_attention": {"begun": "logging_in", "ended": "stopped"},
    "stopped": {},
}  # fmt: skip
LATEST = random.Random(1)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("fact", Fact)
def test_a_fact_leads_where_the_table_says_and_raises_elsewhere(state: State, fact: Fact) -> None:
    expected = ALLOWED[state.value].get(fact.value)
    if expected is None:
        with pytest.raises(ValueError, match=f"{fact.value} cannot happen while {state.value}"):
            next_state(state, fact)
    else:
        assert next_state(state, fact).value == expected


def test_every_state_can_be_reached_and_every_one_but_the_last_left() -> None:
    assert set(TRANSITIONS.values()) | {State.OFFLINE} == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.STOPPED}


def test_every_recovery_means_something_for_a_session_that_tries() -> None:
    for recovery in Recovery:
        for state in (State.LOGGING_IN, State.CONNECTING, State.UP):
            assert next_state(state, FACT_OF[recovery]) in set(State)


def test_waits_after_network_trouble_grow_from_a_quarter_second_to_a_minute() -> None:
    longest = [max(wait_seconds(Recovery.RETRY, n, 120, LATEST) for _ in range(300)) for n in range(1, 40)]
    assert longest[0] <= 0.25
    assert all(before < after for before, after in pairwise(longest[:9]))
    assert 55 < max(longest) <= 60


@pytest.mark.parametrize("failures", [1, 2, 9, 10_000, 10**9])
def test_jitter_keeps_a_wait_between_half_of_it_and_all(failures: int) -> None:
    whole = min(0.25 * 2 ** (min(failures, 20) - 1), 60)
    for seed in range(50):
        waited = wait_seconds(Recovery.RETRY, failures, 120, random.Random(seed))
        assert whole / 2 <= waited <= whole


def test_an_expired_token_logs_in_at_once_but_only_once() -> None:
    assert wait_seconds(Recovery.LOGIN_AGAIN, 1, 120, LATEST) == 0
    assert wait_seconds(Recovery.LOGIN_AGAIN, 2, 120, LATEST) > 0


def test_a_held_account_waits_until_the_host_s_timer_has_run_out() -> None:
    assert 45 < wait_seconds(Recovery.WAIT_OUT, 1, 45, LATEST) < 50


def test_a_secret_that_cannot_be_read_is_looked_for_every_ten_seconds() -> None:
    assert {wait_seconds(Recovery.LOOK_AGAIN, failures, 120, LATEST) for failures in (1, 2, 50)} == {10}


@pytest.mark.parametrize("recovery", [Recovery.LONGEST_WAIT, Recovery.STOP])
def test_what_needs_a_person_waits_longest_from_the_first_time(recovery: Recovery) -> None:
    assert wait_seconds(recovery, 1, 120, LATEST) == LONGEST_WAIT_SECONDS
