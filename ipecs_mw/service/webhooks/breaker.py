"""Whether a receiver is there: one that is dead is tried seldom, by one delivery at a time. Pure."""

_MOST_FAILURES = 5
_FIRST_SECONDS = 5.0
_LONGEST_SECONDS = 300.0


class Breaker:
    """What the last tries of one receiver say; times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the receiver counts as dead."""
        return self._failures >= _MOST_FAILURES

    def seconds_left(self, now: float) -> float:
        """Return after how many seconds it may be tried: 0 where at once."""
        return max(self._next_at - now, 0.0) if self.is_open else 0.0

    def note_success(self) -> bool:
        """Note that it took a delivery; tell whether it was dead before."""
        was_open, self._failures = self.is_open, 0
        return was_open

    def note_failure(self, now: float) -> bool:
        """Note that it took none; tell whether it counts as dead only now."""
        was_open = self.is_open
        self._failures += 1
        if self.is_open:
            doublings = min(self._failures - _MOST_FAILURES, 10)
            self._next_at = now + min(_FIRST_SECONDS * 2**doublings, _LONGEST_SECONDS)
        return self.is_open and not was_open
