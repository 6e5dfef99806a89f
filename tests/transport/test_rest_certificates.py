"""A request goes to nobody but the trusted host."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rest_scene import OK, REQUEST, Start, client, say
from tls_host import pin, settings

from ipecs_mw import outside
from ipecs_mw.errors import (
    CertificateRefused,
)
from ipecs_mw.model.configuration.settings import TlsSettings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate
from ipecs_mw.transport.tls import (
    build_context,
    compute_fingerprint,
    fetch_certificate,
    normalise_fingerprint,
)


def test_the_pinned_certificate_is_trusted(start: Start, certificate: Certificate) -> None:
    with client(settings(start(say(OK)).port, pin(certificate))) as opened:
        assert opened.send(REQUEST).body == b"{}"


def test_another_certificate_than_the_pinned_one_is_refused_before_anything_is_sent(
    start: Start, certificate: Certificate
) -> None:
    other = make_certificate(["127.0.0.1"], datetime.now(UTC))
    host = start(say(OK), other)
    with client(settings(host.port, pin(certificate))) as opened, pytest.raises(CertificateRefused) as caught:
        opened.send(REQUEST)
    assert caught.value.facts["found"] == normalise_fingerprint(other.fingerprint_sha256)
    assert caught.value.facts["pinned"] == normalise_fingerprint(certificate.fingerprint_sha256)
    host.close()
    assert host.received == b""


def test_an_untrusted_certificate_is_refused_with_the_fingerprint_to_pin(
    start: Start, certificate: Certificate
) -> None:
    host = start(say(OK))
    with (
        client(settings(host.port, TlsSettings("ca"))) as opened,
        pytest.raises(CertificateRefused) as caught,
    ):
        opened.send(REQUEST)
    sentence = shipped_texts("en-GB").explain(caught.value)
    assert normalise_fingerprint(certificate.fingerprint_sha256) in sentence
    host.close()
    assert host.received == b""


def test_a_certificate_signed_by_the_named_authority_is_trusted(
    start: Start, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(certificate.pem)
    tls = TlsSettings("ca", ca_file=str(tmp_path / "ca.pem"))
    with client(settings(start(say(OK)).port, tls)) as opened:
        assert opened.send(REQUEST).status == 200


@pytest.mark.parametrize(("names", "days"), [(["192.0.2.1"], 10), (["127.0.0.1"], -1)])
def test_a_certificate_for_another_name_or_time_is_refused(
    start: Start, tmp_path: Path, names: list[str], days: int
) -> None:
    wrong = make_certificate(names, datetime.now(UTC), days=days)
    (tmp_path / "ca.pem").write_text(wrong.pem)
    host = start(say(OK), wrong)
    tls = TlsSettings("ca", ca_file=str(tmp_path / "ca.pem"))
    with client(settings(host.port, tls)) as opened, pytest.raises(CertificateRefused):
        opened.send(REQUEST)


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content)
        with pytest.raises(CertificateRefused) as caught:
            build_context(settings(1, TlsSettings("ca", ca_file=str(file))))
        assert caught.value.facts["file"] == str(file)


def test_authorities_with_words_between_them_are_read(
    start: Start, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(f"Zertifikat für unsere Häuser\n{certificate.pem}\nund weiter nichts\n")
    tls = TlsSettings("ca", ca_file=str(tmp_path / "ca.pem"))
    with client(settings(start(say(OK)).port, tls)) as opened:
        assert opened.send(REQUEST).status == 200


def test_an_authority_that_never_ends_or_never_comes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    monkeypatch.setattr(outside.read_file, "__defaults__", (4096, 0.1))
    for name in ("pipe", "endless"):
        file = str(tmp_path / name)
        with pytest.raises(CertificateRefused) as caught:
            build_context(settings(1, TlsSettings("ca", ca_file=file)))
        assert caught.value.facts["file"] == file


def test_the_fingerprint_can_be_asked_for_beforehand(start: Start, certificate: Certificate) -> None:
    host = start(say(OK))
    found = compute_fingerprint(fetch_certificate(settings(host.port)))
    assert found == normalise_fingerprint(certificate.fingerprint_sha256)
    host.close()
    assert host.received == b""
