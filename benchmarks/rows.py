"""A row of the table: one figure, its plain alternative of the same run, and what was to be reached."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """`value` and `plain` are in `unit`; `goal` bounds their ratio, or the value where `is_absolute`."""

    group: str
    name: str
    value: float
    unit: str
    plain_name: str = ""
    plain: float | None = None
    goal: float | None = None
    is_most: bool = False
    is_absolute: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the plain alternative the figure is."""
        return None if not self.plain else self.value / self.plain

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        measure = self.value if self.is_absolute else self.ratio
        if self.goal is None or measure is None:
            return None
        return measure <= self.goal if self.is_most else measure >= self.goal

    def describe(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {**asdict(self), "ratio": self.ratio, "is_reached": self.is_reached}


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many per cent of `values` do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
