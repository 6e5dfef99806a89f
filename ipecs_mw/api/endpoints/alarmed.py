"""The alarms that last, in words."""

from msgspec import Struct

from ipecs_mw.api.documents import Instant
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint
from ipecs_mw.errors import Words
from ipecs_mw.store.figures.alarms import load_lasting


class AlarmInfo(Struct, frozen=True):
    """An alarm; `says` is its sentence in the language of `Accept-Language`."""

    id: str
    rule: str
    host: str
    says: str
    since: Instant
    raised_at: Instant


class Alarms(Struct, frozen=True):
    """All alarms that last, the latest first."""

    items: list[AlarmInfo]


def _list(asked: Asked) -> Answer:
    """Return the alarms that are in the scope of the token."""
    scope = asked.token.scope
    items = []
    for alarm in load_lasting(asked.site.store, asked.site.profile):
        if not scope.has(alarm.host, alarm.stations, alarm.groups):
            continue
        facts = asked.hide(dict(alarm.words.facts))
        says = str(asked.texts.say(Words(alarm.words.key, **facts)))
        items.append(AlarmInfo(alarm.id, alarm.rule, alarm.host, says, alarm.since, alarm.raised_at))
    return Answer(Alarms(items))


ROWS = (
    Endpoint(
        "GET", f"{BASE}/alarms", "state.read", "listAlarms", "The alarms that last, in words.", _list, Alarms
    ),
)
"""The endpoint of alarms."""
