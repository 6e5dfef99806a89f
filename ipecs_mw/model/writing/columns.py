"""The columns of tables in CSV: the same whatever documents there are. One within another is `seconds.talk`."""

CALLS = (
    "_id", "host", "direction", "outcome", "is_open", "began_at", "queued_at", "rang_at", "answered_at",
    "ended_at", "caller.number", "caller.name", "caller.station", "dialed.number", "dialed.did", "dialed.group",
    "dialed.station", "answered_by.station", "answered_by.agent", "answered_by.group", "stations", "groups",
    "trunks", "call_refs", "seconds.total", "seconds.queue", "seconds.ring", "seconds.talk", "seconds.hold",
    "seconds.park", "seconds.consult", "seconds.wrap_up", "counts.offered", "counts.no_answer", "counts.holds",
    "counts.transfers", "counts.conferences", "ended_by", "cause", "account_code", "quality.is_complete",
    "quality.closed_by", "quality.inferred", "quality.clock",
)  # fmt: skip

MISSED = (
    "_id", "host", "number", "name", "group", "state", "count", "attempts", "first_at", "last_at", "attempted_at",
    "closed_at", "closed_by", "owner", "note", "calls",
)  # fmt: skip

EVENTS = (
    "_id", "received_at", "at", "host", "kind", "type", "code", "call_ref", "serial", "stations", "group", "data",
)  # fmt: skip
