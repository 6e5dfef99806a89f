"""What the daemon measures, as Prometheus reads it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from ipecs_mw.errors import CannotStart
from ipecs_mw.protocol.session import State
from ipecs_mw.service.intake.counters import BOUNDS_SECONDS, Counters, Durations
from ipecs_mw.store.figures.groups_now import GroupNow

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Value = float | Durations
Sample = tuple[str, tuple[str, ...], Value]


class Metric(NamedTuple):
    """A measured thing: `kind` is `gauge`, `counter` or `histogram`; a value for each combination of labels."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


METRICS = (
    Metric("ipecs_mw_info", "gauge", ("version", "profile"), "1; version and profile of the daemon"),
    Metric("ipecs_mw_start_time_seconds", "gauge", (), "when the daemon started, in seconds since 1970"),
    Metric("ipecs_mw_configuration_revision", "gauge", (), "revision of the configuration in use"),
    Metric(
        "ipecs_mw_configuration_recalled",
        "gauge",
        (),
        "1 while the daemon runs on the last good configuration, because MongoDB was away at its start",
    ),
    Metric(
        "ipecs_mw_configuration_refused",
        "gauge",
        (),
        "1 while a changed configuration is refused and the former one is in use",
    ),
    Metric("ipecs_mw_mongodb_up", "gauge", (), "1 if MongoDB took the last heartbeat"),
    Metric("ipecs_mw_session_up", "gauge", ("host",), "1 while the session with the phone system is up"),
    Metric(
        "ipecs_mw_session_state",
        "gauge",
        ("host", "state"),
        "1 for the present state of the session, 0 for each other state",
    ),
    Metric("ipecs_mw_session_reconnects_total", "counter", ("host",), "sessions that came up again"),
    Metric(
        "ipecs_mw_session_losses_total",
        "counter",
        ("host", "reason"),
        "lost sessions, by the key of the error",
    ),
    Metric("ipecs_mw_frames_received_total", "counter", ("host",), "frames that came from the phone system"),
    Metric(
        "ipecs_mw_events_stored_total",
        "counter",
        ("host", "kind"),
        "events that MongoDB confirmed; an event that it already had counts again",
    ),
    Metric("ipecs_mw_gaps_total", "counter", ("host", "reason"), "recorded gaps"),
    Metric("ipecs_mw_requests_total", "counter", ("host", "outcome"), "ended requests, by their state"),
    Metric(
        "ipecs_mw_store_lag_seconds",
        "histogram",
        ("host",),
        "time from an event's reception until MongoDB confirmed it; each event counts as the oldest of its batch",
    ),
    Metric(
        "ipecs_mw_mongodb_write_seconds", "histogram", ("host",), "time that MongoDB took to confirm a batch"
    ),
    Metric("ipecs_mw_forwarding_stalled", "gauge", ("host",), "1 while MongoDB takes no events"),
    Metric("ipecs_mw_journal_entries", "gauge", ("host",), "entries that wait in the journal"),
    Metric(
        "ipecs_mw_journal_used_ratio", "gauge", ("host",), "used part of the journal's limit, from 0 to 1"
    ),
    Metric(
        "ipecs_mw_journal_oldest_age_seconds",
        "gauge",
        ("host",),
        "time that the oldest entry has waited; 0 if none waits",
    ),
    Metric(
        "ipecs_mw_monitors",
        "gauge",
        ("host", "subscription", "verdict"),
        "number of extensions that the phone system `accepted` or `refused` to monitor",
    ),
    Metric(
        "ipecs_mw_reader_behind_seconds",
        "gauge",
        ("host",),
        "how far the reader of calls is behind the event log; only from the daemon that reads",
    ),
    Metric(
        "ipecs_mw_figures_behind_seconds",
        "gauge",
        ("host",),
        "how far the figures are behind what is known; only from the daemon that counts",
    ),
    Metric(
        "ipecs_mw_figures_waiting",
        "gauge",
        ("host",),
        "quarter hours that wait to be counted anew; only from the daemon that counts",
    ),
    Metric(
        "ipecs_mw_webhook_deliveries_total",
        "counter",
        ("webhook", "outcome"),
        "tries to tell a webhook: `delivered`, `failed` (to be tried again), `set_aside`, `skipped` (not needed);"
        " only from the daemon that sends",
    ),
    Metric(
        "ipecs_mw_webhook_waiting",
        "gauge",
        ("webhook",),
        "deliveries of a webhook that wait; only from the daemon that sends",
    ),
    Metric(
        "ipecs_mw_webhook_oldest_age_seconds",
        "gauge",
        ("webhook",),
        "time that the oldest of them has waited; 0 if none waits",
    ),
    Metric("ipecs_mw_webhook_unreachable", "gauge", ("webhook",), "1 while the receiver takes no deliveries"),
    Metric("ipecs_mw_group_waiting_calls", "gauge", ("host", "group"), "calls that wait in the group"),
    Metric(
        "ipecs_mw_group_longest_wait_seconds",
        "gauge",
        ("host", "group"),
        "how long the first of them has waited; 0 if none waits",
    ),
    Metric(
        "ipecs_mw_group_agents",
        "gauge",
        ("host", "group", "state"),
        "agents who are logged in to the group, by what they do",
    ),
    Metric(
        "ipecs_mw_group_service_level_ratio",
        "gauge",
        ("host", "group"),
        "the group's service level since midnight at the phone system, from 0 to 1",
    ),
)
"""Every metric; the process's own (`process_…`, Linux) come beside them. `host` is empty for the middleware."""


AGENT_STATES = (
    "ready", "ringing", "talking", "holding", "wrap_up", "not_ready", "busy_other", "dnd", "out_of_service",
    "unknown",
)  # fmt: skip
"""What the label `state` of agents may be; any other counts as the last."""


def collect(
    document: Mapping[str, Any],
    counters: Mapping[str, Counters],
    now: datetime,
    *,
    is_stored: bool,
    groups: Sequence[GroupNow] = (),
) -> Iterator[Sample]:
    """Yield (name, values of its labels, value) for a daemon's document in `instances`, counters and groups."""
    yield "ipecs_mw_info", (document["version"], document["profile"]), 1
    yield "ipecs_mw_start_time_seconds", (), document["started_at"].timestamp()
    yield "ipecs_mw_configuration_revision", (), document["revision"]
    yield "ipecs_mw_configuration_recalled", (), bool(document.get("is_recalled"))
    yield "ipecs_mw_configuration_refused", (), bool(document.get("refused"))
    yield "ipecs_mw_mongodb_up", (), is_stored
    for name, host in document["hosts"].items():
        yield "ipecs_mw_session_up", (name,), host["state"] == State.UP.value
        for state in State:
            yield "ipecs_mw_session_state", (name, state.value), host["state"] == state.value
        yield "ipecs_mw_session_reconnects_total", (name,), host["reconnects"]
        yield "ipecs_mw_frames_received_total", (name,), host["received"]
        for subscription, verdicts in (host.get("monitors") or {}).items():
            yield "ipecs_mw_monitors", (name, subscription, "accepted"), verdicts["accepted"]
            yield "ipecs_mw_monitors", (name, subscription, "refused"), len(verdicts["refused"])
        yield from _collect_intake(name, host, now)
    yield from _collect_intake("", document["middleware"], now)
    for host in document.get("reader") or ():
        yield "ipecs_mw_reader_behind_seconds", (host["host"],), host["behind_seconds"]
    for host in document.get("figures") or ():
        yield "ipecs_mw_figures_behind_seconds", (host["host"],), host["behind_seconds"]
        yield "ipecs_mw_figures_waiting", (host["host"],), host["waiting"]
    yield from _collect_webhooks(document.get("webhooks") or {}, now)
    for group in groups:
        yield from _collect_group(group)
    for name, counted in counters.items():
        for metric, label in _COUNTED.items():
            for value, count in counted.read_counts(label).items():
                yield metric, (name, value), count
        yield "ipecs_mw_store_lag_seconds", (name,), counted.read_durations("lag")
        yield "ipecs_mw_mongodb_write_seconds", (name,), counted.read_durations("write")


_COUNTED = {
    "ipecs_mw_events_stored_total": "events",
    "ipecs_mw_gaps_total": "gap",
    "ipecs_mw_requests_total": "requests",
    "ipecs_mw_session_losses_total": "session.down",
}


def _collect_group(group: GroupNow) -> Iterator[Sample]:
    """Yield what is known of a group; what is not, or is no longer true, is absent."""
    labels = (group.host, group.group)
    known = {
        "ipecs_mw_group_waiting_calls": group.waiting,
        "ipecs_mw_group_longest_wait_seconds": group.longest_wait_seconds,
        "ipecs_mw_group_service_level_ratio": group.level,
    }
    for name, value in known.items():
        if value is not None:
            yield name, labels, value
    if group.agents is not None:
        counts = dict.fromkeys(AGENT_STATES, 0)
        for state, count in group.agents.items():
            counts[state if state in counts else AGENT_STATES[-1]] += count
        for state, count in counts.items():
            yield "ipecs_mw_group_agents", (*labels, state), count


def _collect_webhooks(told: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    """Yield what is known of each webhook; of one that is refused nothing is."""
    for webhook in told.get("webhooks") or ():
        if "waiting" not in webhook:
            continue
        labels, oldest_at = (webhook["name"],), webhook.get("oldest_at")
        age_seconds = 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds())
        for outcome, count in webhook["outcomes"].items():
            yield "ipecs_mw_webhook_deliveries_total", (*labels, outcome), count
        yield "ipecs_mw_webhook_waiting", labels, webhook["waiting"]
        yield "ipecs_mw_webhook_oldest_age_seconds", labels, age_seconds
        yield "ipecs_mw_webhook_unreachable", labels, bool(webhook.get("is_unreachable"))


def _collect_intake(name: str, intake: Mapping[str, Any], now: datetime) -> Iterator[Sample]:
    journal = intake["journal"]
    oldest_at = journal.get("oldest_at")
    age_seconds = 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds())
    yield "ipecs_mw_forwarding_stalled", (name,), intake.get("stalled_since") is not None
    yield "ipecs_mw_journal_entries", (name,), journal["entries"]
    yield "ipecs_mw_journal_used_ratio", (name,), journal["used_share"]
    yield "ipecs_mw_journal_oldest_age_seconds", (name,), age_seconds


def render(
    document: Mapping[str, Any],
    counters: Mapping[str, Counters],
    now: datetime,
    accept: str,
    *,
    is_stored: bool,
    groups: Sequence[GroupNow] = (),
) -> tuple[str, bytes]:
    """Return content type and text of all metrics, in the format that the header `accept` asks for.

    Raises CannotStart without the extra `metrics`.
    """
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 - an extra
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - an extra
        from prometheus_client.registry import Collector  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise CannotStart("error.metrics_missing", package=error.name) from error

    samples = list(collect(document, counters, now, is_stored=is_stored, groups=groups))

    class Ours(Collector):
        def collect(self) -> Iterator["Family"]:
            return _build_families(samples)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ours())
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accept)
    return str(kind), bytes(encode(registry))


def _build_families(samples: list[Sample]) -> Iterator["Family"]:
    from prometheus_client import core  # noqa: PLC0415 - an extra

    kinds = {
        "gauge": core.GaugeMetricFamily,
        "counter": core.CounterMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    for metric in METRICS:
        family = kinds[metric.kind](metric.name, metric.meaning, labels=metric.labels)
        for name, labels, value in samples:
            if name != metric.name:
                continue
            if isinstance(value, Durations):
                bounds = (*(str(bound) for bound in BOUNDS_SECONDS), "+Inf")
                buckets = list(zip(bounds, accumulate(value.counts), strict=True))
                family.add_metric(labels, buckets, value.total_seconds)
            else:
                family.add_metric(labels, float(value))
        yield family
