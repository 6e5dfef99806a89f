"""What real hosts do differently from each other, as one table of choices.

The vendor's text leaves each of them open. The default of each is what the simulated host does by itself.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta


@dataclass
class Variants:
    """The choices of a host, each with the key of the sentence that explains it; they may change while it runs."""

    records: Annotated[Literal["call", "segment"], Meta(description="help.simulate.records")] = "call"
    transfer_ref: Annotated[
        Literal["held", "active", "new"], Meta(description="help.simulate.transfer_ref")
    ] = "held"
    blank_refs: Annotated[
        Literal["none", "acd", "call", "both"], Meta(description="help.simulate.blank_refs")
    ] = "none"
    bins: Annotated[Literal["own", "number"], Meta(description="help.simulate.bins")] = "own"
    unanswered: Annotated[
        Literal["idle", "no_answer", "queue", "overflow_group", "overflow_station"],
        Meta(description="help.simulate.unanswered"),
    ] = "idle"
    unanswered_share: Annotated[float, Meta(ge=0, le=1, description="help.simulate.unanswered_share")] = 0.1
    announcement: Annotated[str, Meta(pattern="^[0-9]{0,8}$", description="help.simulate.announcement")] = ""
    release_order: Annotated[
        Literal["before_trunk", "after_trunk", "trunk_only"],
        Meta(description="help.simulate.release_order"),
    ] = "before_trunk"
    unpark: Annotated[Literal["both", "acd", "call"], Meta(description="help.simulate.unpark")] = "both"


VARIANTS: dict[str, Any] = get_type_hints(Variants, include_extras=True)
"""The name of each choice and what it may be."""


@dataclass(frozen=True)
class Choice:
    """A row of the table, for whoever shows it. `words` are the allowed values; none where any number is."""

    name: str
    text_key: str
    default: str | float
    words: tuple[str, ...]


def list_choices() -> list[Choice]:
    """Return the table."""
    found = []
    for each in fields(Variants):
        kind, meta = get_args(VARIANTS[each.name])
        words = get_args(kind) if get_origin(kind) is Literal else ()
        found.append(Choice(each.name, meta.description, each.default, words))  # type: ignore[arg-type]
    return found
