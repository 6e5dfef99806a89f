"""A SIGHUP of a terminal that closes is told from any other."""

import pytest
from support import FakeClock

from ipecs_mw.service.process import terminal as module


@pytest.fixture
def is_open(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the terminal can be opened: the last item."""
    states = [True]
    monkeypatch.setattr(module, "_can_open", lambda: states[-1])
    return states


@pytest.mark.parametrize("is_seen_before", [True, False])
def test_a_closing_counts_whether_it_is_seen_before_the_signal_or_with_it(
    clock: FakeClock, is_open: list[bool], is_seen_before: bool
) -> None:
    terminal = module.Terminal(clock)
    assert not terminal.has_just_closed()
    is_open.append(False)
    if is_seen_before:
        terminal.look()
    assert terminal.has_just_closed()


def test_a_signal_long_after_the_closing_is_not_of_it(clock: FakeClock, is_open: list[bool]) -> None:
    terminal = module.Terminal(clock)
    is_open.append(False)
    terminal.look()
    clock.advance(60)
    assert not terminal.has_just_closed()


def test_a_process_that_never_had_a_terminal_loses_none(clock: FakeClock, is_open: list[bool]) -> None:
    is_open.append(False)
    assert not module.Terminal(clock).has_just_closed()
