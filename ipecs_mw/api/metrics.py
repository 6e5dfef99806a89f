"""What `ipecs-mw serve` measures, as Prometheus reads it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ipecs_mw.api.answers import Problem

if TYPE_CHECKING:
    from prometheus_client import Metric as Family


class Metric(NamedTuple):
    """A measured thing: `kind` is `gauge` or `counter`; a value for each value of its labels."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


FEED_LAG = "ipecs_mw_api_feed_lag_seconds"

METRICS = (
    Metric("ipecs_mw_api_answers_total", "counter", ("status",), "answers of `serve`, by status"),
    Metric("ipecs_mw_api_sign_in_failures_total", "counter", (), "requests whose token was not valid"),
    Metric("ipecs_mw_api_streams", "gauge", ("wire",), "open streams of `serve`: `sse` or `ws`"),
    Metric("ipecs_mw_api_messages_total", "counter", (), "messages that streams were given"),
    Metric("ipecs_mw_api_feed_up", "gauge", ("feed",), "1 while `serve` reads the changes of MongoDB"),
    Metric(
        FEED_LAG,
        "gauge",
        ("feed",),
        "how far behind the changes of MongoDB is what `serve` has told; up to 2 where nothing is late",
    ),
)
"""Every metric of the API; the process's own (`process_…`, Linux) come beside them."""

Measured = Mapping[str, Mapping[str, float]]
"""Name of a metric → value of its label, blank where it has none → number."""


def render(measured: Measured, accept: str) -> tuple[str, bytes]:
    """Return content type and text, in the format that the header `accept` asks for.

    Raises Problem without the extra `metrics`.
    """
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 - an extra
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - an extra
        from prometheus_client.registry import Collector  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise Problem(503, "error.metrics_missing", package=error.name) from error

    class Ours(Collector):
        def collect(self) -> Iterator["Family"]:
            return _build_families(measured)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ours())
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accept)
    return str(kind), bytes(encode(registry))


def _build_families(measured: Measured) -> Iterator["Family"]:
    from prometheus_client import core  # noqa: PLC0415 - an extra

    kinds = {"gauge": core.GaugeMetricFamily, "counter": core.CounterMetricFamily}
    for metric in METRICS:
        family = kinds[metric.kind](metric.name, metric.meaning, labels=metric.labels)
        for label, value in measured.get(metric.name, {}).items():
            family.add_metric([label] if metric.labels else [], float(value))
        yield family
