"""By which formula, threshold and short-call limit a group's figures are made."""

from collections.abc import Mapping

from msgspec import Struct

from ipecs_mw.model.configuration.figure_settings import FigureSettings


class Rule(Struct, frozen=True):
    """What holds of one group."""

    formula: str = "offered"
    threshold_seconds: int = 20
    short_seconds: int = 5


class Rules(Struct, frozen=True):
    """What holds of single groups, and of all others."""

    groups: Mapping[str, Rule] = {}
    default: Rule = Rule()

    def find(self, group: str) -> Rule:
        """Return what holds of a group."""
        return self.groups.get(group, self.default)


def read_rules(settings: FigureSettings) -> Rules:
    """Return the rules that are configured."""
    level, short = settings.default.service_level, settings.default.short_seconds
    groups = {}
    for number, group in settings.groups.items():
        own = group.service_level or level
        own_short = short if group.short_seconds is None else group.short_seconds
        groups[number] = Rule(own.formula, own.threshold_seconds, own_short)
    return Rules(groups, Rule(level.formula, level.threshold_seconds, short))
