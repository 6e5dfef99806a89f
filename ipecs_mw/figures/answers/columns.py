"""Which columns the table of each question has."""

from collections.abc import Iterator, Mapping, Sequence

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.table import Column, Row
from ipecs_mw.figures.counting.documents import NO_REASON

_SINCE = Column("from", "from", "instant")
_SECONDS = Column("talk", "talk_seconds", "seconds")

_COUNTED = (
    Column("calls", "calls", "count", has_bar=True),
    Column("incoming", "incoming"),
    Column("outgoing", "outgoing"),
    Column("internal", "internal"),
    Column("answered", "answered"),
    Column("unanswered", "unanswered"),
    _SECONDS,
    Column("cost", "cost", "decimal"),
)

_QUEUES = (
    _SINCE,
    Column("group", "group", "text"),
    Column("name", "name", "text"),
    Column("offered", "offered", "count", has_bar=True),
    Column("answered", "answered"),
    Column("abandoned", "abandoned"),
    Column("short", "short"),
    Column("overflowed", "overflowed"),
    Column("service_level", "service_level.value", "share", has_bar=True),
    Column("asa", "asa_seconds", "seconds"),
    Column("longest_wait", "longest_wait_seconds", "seconds"),
    Column("aht", "aht_seconds", "seconds"),
    Column("occupancy", "occupancy", "share"),
)

COLUMNS: Mapping[str, Sequence[Column]] = {
    "queues": _QUEUES,
    "day": _QUEUES,
    "agents": (
        _SINCE,
        Column("agent", "agent", "text"),
        Column("station", "station", "text"),
        Column("offered", "offered"),
        Column("answered", "answered", "count", has_bar=True),
        Column("no_answer", "no_answer"),
        Column("logged_in", "logged_in_seconds", "seconds"),
        Column("ready", "states.ready", "seconds"),
        _SECONDS,
        Column("hold", "hold_seconds", "seconds"),
        Column("wrap_up", "wrap_up_seconds", "seconds"),
        Column("not_ready", "states.not_ready", "seconds"),
        Column("aht", "aht_seconds", "seconds"),
        Column("occupancy", "occupancy", "share", has_bar=True),
    ),
    "hours": (
        _SINCE,
        Column("calls", "calls", "count", has_bar=True),
        Column("incoming", "incoming"),
        Column("incoming_answered", "incoming_answered"),
        Column("outgoing", "outgoing"),
        Column("outgoing_answered", "outgoing_answered"),
        Column("internal", "internal"),
        _SECONDS,
        Column("trunks_at_once", "trunks_at_once"),
        Column("all_busy", "all_busy_seconds", "seconds"),
        Column("erlangs", "erlangs", "decimal"),
        Column("cost", "cost", "decimal"),
    ),
    "stations": (Column("station", "station", "text"), *_COUNTED),
    "departments": (Column("department", "department", "text"), *_COUNTED),
    "trunks": (
        Column("trunk", "trunk", "text"),
        Column("calls", "calls", "count", has_bar=True),
        Column("incoming", "incoming"),
        Column("outgoing", "outgoing"),
        Column("answered", "answered"),
        Column("unanswered", "unanswered"),
        Column("busy", "seconds", "seconds"),
        Column("erlangs", "erlangs", "decimal"),
        Column("cost", "cost", "decimal"),
    ),
    "dids": (
        Column("did", "did", "text"),
        Column("incoming", "incoming", "count", has_bar=True),
        Column("answered", "answered"),
        Column("unanswered", "unanswered"),
        _SECONDS,
    ),
    "numbers": (
        Column("number", "number", "text"),
        Column("outgoing", "outgoing", "count", has_bar=True),
        Column("answered", "answered"),
        Column("unanswered", "unanswered"),
        _SECONDS,
        Column("cost", "cost", "decimal"),
    ),
    "calls": (
        _SINCE,
        Column("direction", "direction", "text"),
        Column("caller", "caller", "text"),
        Column("called", "called", "text"),
        Column("talk", "seconds", "seconds", has_bar=True),
        Column("cost", "cost", "decimal"),
        Column("id", "id", "text"),
    ),
}
"""Question → its columns, as they stand beside each other."""

_HOST = Column("host", "host", "text")
_PROFILES = (Column("hour", "hour", "hour"), Column("weekday", "weekday", "weekday"))
_MAIN = {"queues": "offered", "day": "offered", "agents": "answered", "hours": "calls"}
"""Question → the count of which a profile says how much there was on average."""

_AT_FIRST = frozenset({"from"})


def list_columns(what: str, rows: Sequence[Row]) -> Sequence[Column]:
    """Return the columns of a table: with the phone system where rows tell it, and each reason that they tell.

    Rows of a profile begin with the hour or the day of the week, and say how much there was each time.
    """
    columns: list[Column] = []
    profile = next((column for column in _PROFILES if rows and column.name in rows[0]), None)
    has_hosts = any("host" in row for row in rows[:1])  # all rows of a table tell it, or none
    for column in COLUMNS[what]:
        if column.name not in _AT_FIRST and _HOST not in columns and has_hosts:
            columns.append(_HOST)
        columns.append(column if column != _SINCE or profile is None else profile)
        if profile is not None and column.name == _MAIN[what]:
            columns += Column("average", f"average_{column.name}", "decimal"), Column("times", "times")
        if column.name == "not_ready":
            columns += _list_reasons(rows)
    return columns


def _list_reasons(rows: Sequence[Row]) -> Iterator[Column]:
    """Yield a column for each reason for not being ready; none where nobody gave any."""
    reasons = sorted(set().union(*[row["not_ready_seconds"] for row in rows]))
    if reasons == [NO_REASON]:
        return
    for reason in reasons:
        is_told = reason != NO_REASON
        head = Words("figures.column.reason", name=reason) if is_told else Words("figures.column.no_reason")
        yield Column(f"not_ready {reason}", f"not_ready_seconds.{reason}", "seconds", head=head)
