"""`ipecs-mw trust` against the simulated host over real TLS."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from sites import Site

from ipecs_mw.errors import IpecsMwError
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.transport.tls import normalise_fingerprint

Invoke = Callable[..., Result]


def tls_of(site: Site) -> dict[str, Any]:
    found = site.store.database["config"].find_one({"_id": "default"})
    assert found is not None
    tls: dict[str, Any] = found["hosts"][0]["tls"]
    return tls


@pytest.fixture
def untrusting(site: Site, simulated: SimulatedHost) -> Site:
    site.configure(simulated, tls={"verify": "ca"})
    return site


def test_a_certificate_is_shown_and_pinned_after_a_yes(
    untrusting: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    fingerprint = normalise_fingerprint(simulated.fingerprint_sha256)
    result = invoke("trust", "host0", input="y\n")
    assert result.exit_code == 0, result.output
    for told in ("CN=iPECS simulated host", "127.0.0.1", fingerprint, "20"):
        assert told in result.stdout
    assert tls_of(untrusting) == {"verify": "pin", "fingerprint_sha256": fingerprint}
    assert "already" in invoke("trust", "host0").stdout


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_pinned_without_a_yes(untrusting: Site, invoke: Invoke, answer: str) -> None:
    assert invoke("trust", "host0", input=answer).exit_code == 1
    assert tls_of(untrusting) == {"verify": "ca"}


def test_a_changed_certificate_is_told_with_both_fingerprints(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated)
    before = normalise_fingerprint(simulated.fingerprint_sha256)
    simulated.change_certificate()
    after = normalise_fingerprint(simulated.fingerprint_sha256)
    result = invoke("trust", "host0", "--yes")
    assert result.exit_code == 0, result.output
    assert before in result.stdout
    assert result.stdout.count(after) == 2
    assert tls_of(site)["fingerprint_sha256"] == after


def test_a_host_that_is_not_configured_or_not_there_is_named(
    site: Site, simulated: SimulatedHost, invoke: Invoke
) -> None:
    site.configure(simulated, port=1)
    for name, key in (("elsewhere", "error.host_unknown"), ("host0", "error.host_unreachable")):
        result = invoke("trust", name, "--yes")
        assert isinstance(result.exception, IpecsMwError)
        assert result.exception.key == key
