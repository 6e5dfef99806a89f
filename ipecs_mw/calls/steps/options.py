"""What the configuration says about how events are to be read."""

from collections.abc import Mapping
from hashlib import blake2s

from msgspec import Struct

from ipecs_mw.model.configuration.figure_settings import bare_bin
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.numbering.extensions import expand_numbers


class ReadingOptions(Struct, frozen=True):
    """How events are read: one value for all phone systems of a profile.

    `bins` are the numbers of groups by bin, where the two differ. `machines` are devices that are no person.
    `short_seconds` are the limits of single groups below which a call was no call.
    """

    bins: Mapping[str, str]
    machines: frozenset[str]
    short_seconds: Mapping[str, float]
    default_short_seconds: float
    plan: NumberSettings

    def describe_reading(self) -> str:
        """Return a name for what of them a reading follows: one of other options may have read otherwise."""
        told = (sorted(self.bins.items()), sorted(self.machines))
        return blake2s(repr(told).encode(), digest_size=8).hexdigest()


def build_reading_options(settings: Settings) -> ReadingOptions:
    """Return how events are read by a profile's settings."""
    groups = settings.figures.groups
    return ReadingOptions(
        bins={bare_bin(group.bin): number for number, group in groups.items() if group.bin is not None},
        machines=frozenset(expand_numbers(settings.calls.machines)),
        short_seconds={
            number: float(group.short_seconds)
            for number, group in groups.items()
            if group.short_seconds is not None
        },
        default_short_seconds=float(settings.figures.default.short_seconds),
        plan=settings.numbers,
    )


def find_reading_options(settings: Settings) -> ReadingOptions | None:
    """Return how a daemon of this profile reads events; None where it is not to read them."""
    return build_reading_options(settings) if settings.calls.enabled else None
