"""The session with a host as a table of states, and how long to wait before each new try."""

import random
from enum import Enum

from ipecs_mw.errors import Recovery


class State(Enum):
    """Where the session stands; the value is what `status` shows."""

    OFFLINE = "offline"
    LOGGING_IN = "logging_in"
    CONNECTING = "connecting"
    UP = "up"
    BACKING_OFF = "backing_off"
    WAITING_OUT = "waiting_out"
    STANDING_BY = "standing_by"
    NEEDS_ATTENTION = "needs_attention"
    STOPPED = "stopped"


class Fact(Enum):
    """What happened to the session."""

    BEGUN = "begun"
    LOGGED_IN = "logged_in"
    CONNECTED = "connected"
    FAILED = "failed"
    HELD = "held"
    BARRED = "barred"
    REFUSED = "refused"
    ENDED = "ended"


_WAITING = (State.BACKING_OFF, State.WAITING_OUT, State.STANDING_BY, State.NEEDS_ATTENTION)
TRYING = (State.LOGGING_IN, State.CONNECTING, State.UP)
"""The states that a failure ends."""

TRANSITIONS: dict[tuple[State, Fact], State] = {
    (State.OFFLINE, Fact.BEGUN): State.LOGGING_IN,
    **{(state, Fact.BEGUN): State.LOGGING_IN for state in _WAITING},
    (State.LOGGING_IN, Fact.LOGGED_IN): State.CONNECTING,
    (State.CONNECTING, Fact.CONNECTED): State.UP,
    **{(state, Fact.FAILED): State.BACKING_OFF for state in TRYING},
    **{(state, Fact.HELD): State.WAITING_OUT for state in TRYING},
    **{(state, Fact.BARRED): State.STANDING_BY for state in TRYING},
    **{(state, Fact.REFUSED): State.NEEDS_ATTENTION for state in TRYING},
    **{(state, Fact.ENDED): State.STOPPED for state in State if state is not State.STOPPED},
}

FACT_OF: dict[Recovery, Fact] = {
    Recovery.RETRY: Fact.FAILED,
    Recovery.LOGIN_AGAIN: Fact.FAILED,
    Recovery.WAIT_OUT: Fact.HELD,
    Recovery.STAND_BY: Fact.BARRED,
    Recovery.LONGEST_WAIT: Fact.REFUSED,
    Recovery.LOOK_AGAIN: Fact.REFUSED,
    Recovery.STOP: Fact.REFUSED,
}
"""An error's recovery → what it means for the session."""

PATIENT = frozenset({Recovery.WAIT_OUT, Recovery.STAND_BY, Recovery.LOOK_AGAIN})
"""Recoveries that wait for somebody else: no failures of the network, so they lengthen none of its waits."""

STABLE_SECONDS = 60.0
"""A session that was up this long starts its next series of waits from the shortest."""

LONGEST_WAIT_SECONDS = 300.0
_SHORTEST_SECONDS = 0.25
_LONGEST_BACKOFF_SECONDS = 60.0
_MARGIN_SECONDS = 2.0
_STAND_BY_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 10.0


def next_state(state: State, fact: Fact) -> State:
    """Return the state that `fact` leads to; raise ValueError where it cannot happen in `state`."""
    try:
        return TRANSITIONS[state, fact]
    except KeyError:
        raise ValueError(f"{fact.value} cannot happen while {state.value}") from None


def wait_seconds(recovery: Recovery, failures: int, timer_seconds: float, chance: random.Random) -> float:
    """Return how long to wait after the `failures`-th failure in a row (1 for the first).

    Network trouble waits 0.25 s, doubled each time up to 60 s, jittered between half and all of it, so that many
    clients do not come back at once. A held account waits out the host's session timer; one that another
    daemon holds is asked for every second, a secret that cannot be read every 10 s.
    """
    backoff: float = min(_SHORTEST_SECONDS * 2 ** min(failures - 1, 16), _LONGEST_BACKOFF_SECONDS)
    match recovery:
        case Recovery.LOGIN_AGAIN if failures == 1:
            return 0.0
        case Recovery.WAIT_OUT:
            return timer_seconds + _MARGIN_SECONDS
        case Recovery.STAND_BY:
            return _STAND_BY_SECONDS
        case Recovery.LOOK_AGAIN:
            return _LOOK_AGAIN_SECONDS
        case Recovery.LONGEST_WAIT | Recovery.STOP:
            return LONGEST_WAIT_SECONDS
        case _:
            return backoff * chance.uniform(0.5, 1.0)
