"""What is read off a certificate that nobody vouches for."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ipecs_mw.simulator.wire.certificate import make_certificate
from ipecs_mw.transport.certificate import read_certificate

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WHOLE = ssl.PEM_cert_to_DER_cert(make_certificate(["pbx.example.com", "192.0.2.10", "::1"], NOW).pem)


def is_read(der: bytes) -> bool:
    try:
        read_certificate(der)
    except ValueError:
        return False
    return True


def test_a_certificate_says_whose_it_is_until_when_and_for_which_names() -> None:
    found = read_certificate(WHOLE)
    assert found.subject == found.issuer == "CN=iPECS simulated host"
    assert found.names == ("pbx.example.com", "192.0.2.10", "::1")
    assert found.not_after_at == NOW + timedelta(days=3650)


def test_years_from_2050_on_are_written_otherwise_and_read_all_the_same() -> None:
    der = ssl.PEM_cert_to_DER_cert(make_certificate(["a"], NOW, days=365 * 40).pem)
    found = read_certificate(der)
    assert (found.not_before_at.year, found.not_after_at.year) == (1986, 2066)


@pytest.mark.parametrize("end", range(0, len(WHOLE), 7))
def test_a_certificate_that_is_cut_short_is_none(end: int) -> None:
    assert not is_read(WHOLE[:end])


@given(some.binary(max_size=300))
def test_bytes_that_are_no_certificate_raise_nothing_but_value_errors(body: bytes) -> None:
    assert not is_read(body)


@given(some.integers(0, len(WHOLE) - 1), some.integers(0, 255))
def test_a_certificate_with_a_changed_byte_raises_nothing_but_value_errors(at: int, byte: int) -> None:
    is_read(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
