"""`check` says what keeps applications from asking."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from support import explain

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.api_settings import ApiSettings
from ipecs_mw.service.doctor.api_findings import examine_api
from ipecs_mw.simulator.wire.certificate import make_certificate
from ipecs_mw.store.server.connection import Store


def examine(store: Store, **settings: Any) -> list[tuple[str, str]]:
    found = examine_api(store, "default", convert(settings, ApiSettings), SystemClock(), explain)
    return [(finding.name, finding.level) for finding in found]


def test_what_only_this_machine_can_reach_is_well(seeded: Store) -> None:
    assert examine(seeded) == [("api", "ok")]


def test_plain_http_that_others_reach_is_told(seeded: Store) -> None:
    assert examine(seeded, address="0.0.0.0", allow_plain=True) == [("api_plain", "warning"), ("api", "ok")]
    assert examine(seeded, address="0.0.0.0") == [("api_refuses", "error")]


@pytest.mark.parametrize(
    ("days", "wanted"),
    [(400, []), (10, [("api_certificate_ends", "warning")]), (-1, [("api_certificate_over", "error")])],
)
def test_a_certificate_is_looked_at_before_it_expires(
    seeded: Store, tmp_path: Path, days: int, wanted: list[Any]
) -> None:
    made = make_certificate(["localhost"], SystemClock().now(), days=days)
    (tmp_path / "cert.pem").write_text(made.pem)
    (tmp_path / "key.pem").write_text(made.key_pem)
    tls = {"certificate_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    assert examine(seeded, address="0.0.0.0", tls=tls) == [*wanted, ("api", "ok")]
    (tmp_path / "key.pem").unlink()
    assert examine(seeded, address="0.0.0.0", tls=tls) == [("api_refuses", "error")]


def test_a_database_without_the_view_is_told(seeded: Store) -> None:
    seeded.database.drop_collection("config_shared")
    assert examine(seeded) == [("api_refuses", "error")]
