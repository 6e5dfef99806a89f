"""What answers look like, for OpenAPI: the fields of each document. A field that is absent is not known."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ipecs_mw.calls.documents.outcome import Direction, Outcome
from ipecs_mw.model.configuration.settings import Kind
from ipecs_mw.store.applications.deliveries import State

Instant = Annotated[datetime, Meta(tz=True, description="ISO 8601, UTC")]
T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """A page of a list, newest first; `next` is the cursor of the next one, null on the last."""

    items: list[T]
    next: str | None


class Event(Struct, frozen=True):
    """An event of the log."""

    id: str
    host: str
    kind: Kind
    type: str | UnsetType = UNSET
    code: int | UnsetType = UNSET
    at: Instant | UnsetType = UNSET
    received_at: Instant | UnsetType = UNSET
    call_ref: int | UnsetType = UNSET
    serial: int | UnsetType = UNSET
    connection: int | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    journal: str | UnsetType = UNSET
    stations: list[str] | UnsetType = UNSET
    group: str | UnsetType = UNSET
    data: Any = UNSET
    raw: Any = UNSET


class Caller(Struct, frozen=True):
    """Who called."""

    number: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    station: str | UnsetType = UNSET


class Dialed(Struct, frozen=True):
    """What was called."""

    number: str | UnsetType = UNSET
    did: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    station: str | UnsetType = UNSET


class AnsweredBy(Struct, frozen=True):
    """The first person who answered."""

    station: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    group: str | UnsetType = UNSET


class Segment(Struct, frozen=True):
    """What one party did."""

    kind: str
    began_at: Annotated[Instant | UnsetType, Meta()] = field(name="from", default=UNSET)
    until: Instant | UnsetType = UNSET
    station: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    result: str | UnsetType = UNSET


class Call(Struct, frozen=True):
    """A conversation from its first event to its last."""

    id: str
    host: str | UnsetType = UNSET
    call_refs: list[int] | UnsetType = UNSET
    direction: Direction | UnsetType = UNSET
    is_open: bool | UnsetType = UNSET
    began_at: Instant | UnsetType = UNSET
    queued_at: Instant | UnsetType = UNSET
    rang_at: Instant | UnsetType = UNSET
    answered_at: Instant | UnsetType = UNSET
    ended_at: Instant | UnsetType = UNSET
    caller: Caller | UnsetType = UNSET
    dialed: Dialed | UnsetType = UNSET
    answered_by: AnsweredBy | UnsetType = UNSET
    account_code: str | UnsetType = UNSET
    trunks: list[str] | UnsetType = UNSET
    stations: list[str] | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    outcome: Outcome | UnsetType = UNSET
    ended_by: str | UnsetType = UNSET
    cause: Any = UNSET
    seconds: dict[str, float] | UnsetType = UNSET
    counts: dict[str, int] | UnsetType = UNSET
    segments: list[Segment] | UnsetType = UNSET
    records: list[Any] | UnsetType = UNSET
    quality: dict[str, Any] | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET


class LiveItem(Struct, frozen=True):
    """What a station, an agent or a group does now."""

    id: str
    host: str
    kind: Literal["station", "agent", "group"]
    is_stale: bool
    station: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    state: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    call: str | UnsetType = UNSET
    since: Instant | UnsetType = UNSET
    waiting: int | UnsetType = UNSET
    ringing: int | UnsetType = UNSET
    unseen: int | UnsetType = UNSET
    calls: list[str] | UnsetType = UNSET
    longest_wait_since: Instant | UnsetType = UNSET
    agents: dict[str, int] | UnsetType = UNSET


class Live(Struct, frozen=True):
    """What is true now; `is_stale` says that it may no longer be so."""

    as_of: Instant
    is_stale: bool
    items: list[LiveItem]


class MissedItem(Struct, frozen=True):
    """A number that is to be called back."""

    id: str
    host: str
    number: str
    state: Literal["open", "closed"]
    name: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    count: int | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    attempted_at: Instant | UnsetType = UNSET
    first_at: Instant | UnsetType = UNSET
    last_at: Instant | UnsetType = UNSET
    calls: list[str] | UnsetType = UNSET
    closed_at: Instant | UnsetType = UNSET
    closed_by: str | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    history: list[Any] | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET


class ServiceLevel(Struct, frozen=True):
    """How much was answered in time, and by which formula."""

    formula: str | UnsetType = UNSET
    threshold_seconds: float | UnsetType = UNSET
    short_seconds: float | UnsetType = UNSET
    value: float | UnsetType | None = UNSET


class Figures(Struct, frozen=True):
    """The figures of a group, an agent or a phone system in an interval.

    Rates are from 0 to 1, absent where nothing counts. A row of a profile has its `hour` or `weekday`, and an
    average of as many `times`.
    """

    began_at: Annotated[Instant | UnsetType, Meta()] = field(name="from", default=UNSET)
    until: Instant | UnsetType = UNSET
    host: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    station: str | UnsetType = UNSET
    stations: list[str] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    offered: int | UnsetType = UNSET
    answered: int | UnsetType = UNSET
    abandoned: int | UnsetType = UNSET
    short: int | UnsetType = UNSET
    overflowed: int | UnsetType = UNSET
    left: int | UnsetType = UNSET
    no_answer: int | UnsetType = UNSET
    open: int | UnsetType = UNSET
    unknown: int | UnsetType = UNSET
    transfers: int | UnsetType = UNSET
    service_level: ServiceLevel | UnsetType = UNSET
    abandon_rate: float | UnsetType = UNSET
    asa_seconds: float | UnsetType = UNSET
    abandon_seconds: float | UnsetType = UNSET
    aht_seconds: float | UnsetType = UNSET
    talk_seconds: float | UnsetType = UNSET
    hold_seconds: float | UnsetType = UNSET
    wrap_up_seconds: float | UnsetType = UNSET
    longest_wait_seconds: float | UnsetType = UNSET
    waits: dict[str, int] | UnsetType = UNSET
    occupancy: float | UnsetType = UNSET
    logged_in_seconds: float | UnsetType = UNSET
    not_ready_seconds: dict[str, float] | UnsetType = UNSET
    states: dict[str, float] | UnsetType = UNSET
    is_complete: bool | UnsetType = UNSET
    gap_seconds: float | UnsetType = UNSET
    as_of: Instant | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    hour: int | UnsetType = UNSET
    weekday: str | UnsetType = UNSET
    times: int | UnsetType = UNSET
    average_offered: float | UnsetType = UNSET
    average_answered: float | UnsetType = UNSET
    average_calls: float | UnsetType = UNSET
    calls: int | UnsetType = UNSET
    incoming: int | UnsetType = UNSET
    incoming_answered: int | UnsetType = UNSET
    outgoing: int | UnsetType = UNSET
    outgoing_answered: int | UnsetType = UNSET
    internal: int | UnsetType = UNSET
    internal_answered: int | UnsetType = UNSET
    cost: float | UnsetType = UNSET
    trunks_at_once: int | UnsetType = UNSET
    all_busy_seconds: float | UnsetType = UNSET
    erlangs: float | UnsetType = UNSET
    busiest_from: Instant | UnsetType = UNSET
    busiest_erlangs: float | UnsetType = UNSET


class FiguresTable(Struct, frozen=True):
    """A row an interval and a group, agent or phone system; `total` is the same over all rows."""

    items: list[Figures]
    total: Figures | UnsetType = UNSET


class Status(Struct, frozen=True):
    """Who runs, and how it is."""

    as_of: Instant
    daemons: list[Any]
    reader: Any
    hosts: list[Any]
    is_stale: bool
    version: str


class CommandInfo(Struct, frozen=True):
    """A command that this token may give."""

    id: str
    summary: str
    params: list[Any]
    is_safe: bool


class RequestInfo(Struct, frozen=True):
    """A command and what became of it."""

    id: str
    command: str
    state: Literal["queued", "sent", "done", "failed", "expired", "unknown"]
    host: str | UnsetType = UNSET
    args: Any = UNSET
    result: Any = UNSET
    error: Any = UNSET
    created_at: Instant | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
    expires_at: Instant | UnsetType = UNSET
    claimed_at: Instant | UnsetType = UNSET
    ended_at: Instant | UnsetType = UNSET
    resolved_at: Instant | UnsetType = UNSET
    resolved_by: str | UnsetType = UNSET


class Ticket(Struct, frozen=True):
    """What opens one stream where no header can be sent, as by EventSource in a browser."""

    ticket: str
    expires_at: Instant


class Health(Struct, frozen=True):
    """Whether the database can be asked.

    `lag_seconds` is how far streams are behind its changes, by the feed that is furthest behind.
    """

    status: Literal["ok", "down"]
    lag_seconds: float | UnsetType = UNSET


class WebhookInfo(Struct, frozen=True):
    """A webhook as it is shown: `url` without its path. `secret` is there once, where it was made."""

    name: str
    url: str
    topics: list[str]
    state: str
    secret: str | UnsetType = UNSET
    hosts: list[str] | UnsetType = UNSET
    kinds: list[str] | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    stations: list[str] | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    format: Any = UNSET
    variables: Any = UNSET
    reason: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    created_at: Instant | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET
    updated_by: str | UnsetType = UNSET


class DeliveryInfo(Struct, frozen=True):
    """A delivery: its id is the header `webhook-id` of all its tries."""

    id: str
    webhook: str
    name: str
    state: State
    tries: int
    at: Instant
    host: str | UnsetType = UNSET
    next_at: Instant | UnsetType = UNSET
    first_at: Instant | UnsetType = UNSET
    ended_at: Instant | UnsetType = UNSET
    call: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    attempts: list[Any] | UnsetType = UNSET


class TestResult(Struct, frozen=True):
    """What became of a test."""

    status: int | UnsetType | None = UNSET
    error: str | UnsetType = UNSET
    duration_seconds: float | UnsetType = UNSET


class ReplayResult(Struct, frozen=True):
    """How many deliveries are sent again."""

    count: int | UnsetType = UNSET
