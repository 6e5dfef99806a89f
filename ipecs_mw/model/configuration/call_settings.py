"""Settings of what is read out of events: calls, agent states, missed calls."""

from typing import Annotated

from msgspec import Meta, Struct, field

from ipecs_mw.model.configuration.rules import check_numbers
from ipecs_mw.model.numbering.extensions import Numbers

Days = Annotated[int, Meta(ge=1, le=24855)]  # MongoDB counts them as seconds, in 31 bits


class CallSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls, agent states and missed calls, as they are read out of events."""

    enabled: Annotated[
        bool,
        Meta(
            description="read the events for calls, agent states and missed calls. Of all daemons of a database"
            " one does this. false: daemons of this profile do not. The event log stays as it is, and `rebuild`"
            " makes the calls of it at any time"
        ),
    ] = True
    retention_days: Annotated[
        Days | None,
        Meta(
            description="days after which a call, an agent's state and a closed missed call are deleted; an open"
            " missed call stays. null: never"
        ),
    ] = 1095
    machines: Annotated[
        list[Numbers],
        Meta(
            description="extensions that are no person, as `monitor`: announcements, door phones. A call is not"
            " answered by them",
            extra={"rule": check_numbers},
        ),
    ] = field(default_factory=list)
