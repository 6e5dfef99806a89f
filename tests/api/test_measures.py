"""`serve` measures what it does, and tells Prometheus."""

import re

from api_scene import Served
from sites import wait_until

from ipecs_mw.api.metrics import METRICS


def read(api: Served) -> dict[str, float]:
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        name: float(value) for name, value in re.findall(r"^(ipecs_mw_\S+) (\S+)$", answer.text, re.MULTILINE)
    }


def test_every_metric_of_the_table_is_told(api: Served) -> None:
    api.refused("calls", "ipecsmw_wrong")
    found = {name.partition("{")[0] for name in read(api)}
    assert found == {metric.name for metric in METRICS}


def test_answers_refusals_and_streams_are_counted(api: Served) -> None:
    before = read(api)
    assert api.refused("calls", "ipecsmw_wrong")[0] == 401
    with api.get("stream?topics=missed", stream=True) as stream:
        content = stream.iter_content(None)
        assert next(content).startswith(b"retry")
        wait_until(lambda: read(api)['ipecs_mw_api_streams{wire="sse"}'] >= 1)
        found = read(api)
    failures = "ipecs_mw_api_sign_in_failures_total"
    assert found[failures] == before[failures] + 1
    refused = 'ipecs_mw_api_answers_total{status="401"}'
    assert found[refused] == before.get(refused, 0) + 1
    assert (
        found['ipecs_mw_api_answers_total{status="200"}'] > before['ipecs_mw_api_answers_total{status="200"}']
    )
    assert found['ipecs_mw_api_feed_up{feed="calls"}'] == 1


def test_how_far_streams_are_behind_is_told_in_seconds(api: Served) -> None:
    wait_until(lambda: 0 <= read(api)['ipecs_mw_api_feed_lag_seconds{feed="calls"}'] < 5)
    health = wait_until(
        lambda: (found := api.get("/healthz", "").json()).get("lag_seconds", 99) < 5 and found
    )
    assert health["status"] == "ok"


def test_metrics_need_the_right_to_see_the_state(api: Served) -> None:
    assert api.refused("/metrics", api.make_token("calls.read")) == (403, "right_missing")
