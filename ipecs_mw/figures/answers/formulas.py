"""The formulas: name, numerator, denominator. A rate is computed last, from sums; nothing by 0 is no rate.

The page of the figures and what the command line says of them come from these rows.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ipecs_mw.errors import Words
from ipecs_mw.figures.counting.sums import Columns

Sums = Mapping[str, float]


class Formula(Struct, frozen=True):
    """Names of sums: the numerator, and the denominator `less` some others."""

    name: str
    numerator: Sequence[str]
    denominator: Sequence[str]
    less: Sequence[str] = ()

    @property
    def words(self) -> Words:
        """The formula in words."""
        return Words(f"figures.formula.{self.name}")

    def above(self, sums: Sums) -> float:
        """Return the numerator."""
        return _add(sums, self.numerator)

    def below(self, sums: Sums) -> float:
        """Return the denominator."""
        return _add(sums, self.denominator) - _add(sums, self.less)

    def compute(self, sums: Sums) -> float | None:
        """Return the value; None where the denominator is 0 or below, since nothing is to be said then."""
        below = self.below(sums)
        return self.above(sums) / below if below > 0 else None

    def compute_each(self, columns: Columns) -> list[float | None]:
        """Return the value of each of many sums, as `compute`; for thousands much sooner than one by one."""
        above, below = _add_columns(columns, self.numerator), _add_columns(columns, self.denominator)
        if self.less:
            below = [each - less for each, less in zip(below, _add_columns(columns, self.less), strict=True)]
        return [each / by if by > 0 else None for each, by in zip(above, below, strict=True)]


def _add(sums: Sums, names: Sequence[str]) -> float:
    return sum([sums.get(name, 0) for name in names])


def _add_columns(columns: Columns, names: Sequence[str]) -> list[float]:
    found = [columns[name] for name in names]
    return found[0] if len(found) == 1 else [*map(sum, zip(*found, strict=True))]


_CONTACT = ("talk_seconds", "hold_seconds", "wrap_up_seconds")
_STATES = ("talking", "holding", "wrap_up")

SERVICE_LEVELS: Mapping[str, Formula] = {
    formula.name: formula
    for formula in (
        Formula("offered", ("answered_in",), ("offered",)),
        Formula("without_abandoned", ("answered_in",), ("offered",), ("abandoned_in",)),
        Formula("abandoned_met", ("answered_in", "abandoned_in"), ("offered",)),
        Formula("answered", ("answered_in",), ("answered",)),
        Formula("without_short", ("answered_in",), ("offered",), ("short",)),
    )
}
"""The service levels by name; `answered_in` and `abandoned_in` waited no longer than the threshold."""

RATES: Mapping[str, Formula] = {
    formula.name: formula
    for formula in (
        Formula("abandon_rate", ("abandoned",), ("offered",)),
        Formula("asa_seconds", ("wait_seconds",), ("answered",)),
        Formula("abandon_seconds", ("abandon_wait_seconds",), ("abandoned",)),
        Formula("aht_seconds", _CONTACT, ("handled",)),
    )
}
"""The other rates of a group."""

OCCUPANCY = Formula("occupancy", _STATES, (*_STATES, "ready", "ringing"))
"""Of seconds by the state of agents."""

AGENT_AHT = Formula("aht_seconds", _STATES, ("answered",))
"""An agent's handling time a call that he answered, from the seconds of his states."""

ALL: Sequence[Formula] = (*SERVICE_LEVELS.values(), *RATES.values(), OCCUPANCY)
"""Every formula, as the page lists them."""
