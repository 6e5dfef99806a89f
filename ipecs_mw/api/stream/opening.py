"""A request for a stream → who asks, what is wanted, after which position."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple, get_args

from msgspec import Meta, Struct, field

from ipecs_mw.api.answers import Problem
from ipecs_mw.api.scoping import check_right
from ipecs_mw.api.stream.position import Places
from ipecs_mw.errors import CommandRefused, NoSuchName, Words
from ipecs_mw.messages.rights import COMMANDS, NUMBERS, TOPICS, allows
from ipecs_mw.messages.selection import Selection
from ipecs_mw.model.configuration.settings import Kind
from ipecs_mw.store.applications.tokens import Token

_MOST_VALUES = 200

Values = Annotated[list[str], Meta(max_length=_MOST_VALUES)]


class StreamQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be followed. Each filter may be given several times, or with commas between its values."""

    topics: Annotated[
        Values, Meta(description=f"{', '.join(sorted(TOPICS))}; without it all that the token may follow")
    ] = field(default_factory=list)
    host: Annotated[Values, Meta(description="phone systems")] = field(default_factory=list)
    kind: Annotated[Values, Meta(description="kinds of events")] = field(default_factory=list)
    type: Annotated[Values, Meta(description="types of events")] = field(default_factory=list)
    station: Annotated[Values, Meta(description="what concerns any of these stations or groups")] = field(
        default_factory=list
    )
    group: Annotated[Values, Meta(description="what concerns any of these stations or groups")] = field(
        default_factory=list
    )
    after: Annotated[str, Meta(description="a position, in place of the header `Last-Event-ID`")] | None = (
        None
    )
    snapshot: Annotated[bool, Meta(description="begin with what is so now")] = False
    ticket: Annotated[str, Meta(description="of `POST /stream-tickets`, in place of the header")] | None = (
        None
    )


class Opening(NamedTuple):
    """What a stream is to be: `after` is blank where it begins now, and a snapshot counts only then.

    `begin` is where the feeds were before the client was told that it follows: what comes from then on is its.
    """

    token: Token
    selection: Selection
    after: str
    has_snapshot: bool
    begin: Places


def read_opening(query: StreamQuery, token: Token, last_id: str) -> Opening:
    """Return what a stream is to be; raises Problem for a right that is missing, CommandRefused, NoSuchName."""
    topics = _split(query.topics) or [topic for topic, right in TOPICS.items() if allows(token.rights, right)]
    if not topics:
        check_right(token, TOPICS["state"])
    for topic in topics:
        if topic not in TOPICS:
            raise NoSuchName(
                "error.no_such_choice", name="topics", value=topic[:80], allowed=", ".join(sorted(TOPICS))
            )
        check_right(token, TOPICS[topic])
    kinds = _split(query.kind)
    for kind in kinds:
        if kind not in _KINDS:
            raise NoSuchName("error.no_such_choice", name="kind", value=kind[:80], allowed=", ".join(_KINDS))
    _check_scope("host", token.scope.hosts, _split(query.host))
    selection = Selection(
        topics=frozenset(topics),
        hosts=frozenset(_split(query.host)),
        kinds=frozenset(kinds),
        types=frozenset(_split(query.type)),
        stations=frozenset(_split(query.station)),
        groups=frozenset(_split(query.group)),
        scope=token.scope,
        commands=frozenset(right for right in token.rights if right.startswith(COMMANDS)),
        sees_numbers=NUMBERS in token.rights,
    )
    return Opening(token, selection, last_id or query.after or "", query.snapshot, {})


_KINDS: Sequence[str] = get_args(Kind)


def _split(values: Sequence[str]) -> list[str]:
    found = [part.strip() for value in values for part in value.split(",")]
    if len(found) > _MOST_VALUES:
        allowed = Words("allowed.at_most", most=_MOST_VALUES)
        raise CommandRefused("error.argument", name="query", value=str(len(found)), allowed=allowed)
    return [part for part in found if part]


def _check_scope(name: str, allowed: frozenset[str], values: Sequence[str]) -> None:
    for value in values:
        if allowed and value not in allowed:
            names = ", ".join(sorted(allowed))
            raise Problem(403, "error.outside_scope", name=name, value=value[:80], allowed=names)
