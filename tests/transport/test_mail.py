"""Mails to a real mail server, and to servers that are none too good."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from mail_server import (
    PASSWORD,
    USER,
    Mailbox,
    build_mail_settings,
    converse,
    serve_mail,
    serve_script,
)
from stopwatch import Stopwatch
from support import explain

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import MailNotSent, MailUnsure
from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate
from ipecs_mw.transport.mail import send_mail, try_server

TO = ["boss@example.com", "lead@example.com"]
GOOD = {
    "EHLO": "250 mx",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 taken",
    "QUIT": "221 bye",
}


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return make_certificate(["127.0.0.1"], SystemClock().now())


def build_mail(text: str = "hello\n.\n..dots\n") -> EmailMessage:
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    message["Subject"] = "Grüße"
    message["From"] = "pbx@example.com"
    message.set_content(text)
    return message


def send(settings: MailSettings, password: str | None = None, to: list[str] = TO) -> Any:
    return send_mail(settings, password, build_mail(), to, SystemClock())


def refuse(settings: MailSettings, password: str | None = None) -> MailNotSent:
    """Return why nothing is sent; its sentence holds no secret."""
    with pytest.raises(MailNotSent) as caught:
        send(settings, password)
    assert PASSWORD not in explain(caught.value)
    assert "{" not in explain(caught.value)
    assert f":{settings.port}" in explain(caught.value)
    return caught.value


@contextmanager
def scripted(answers: dict[str, str], greeting: str = "220 mx") -> Iterator[MailSettings]:
    with serve_script(lambda connection, _: converse(connection, {**GOOD, **answers}, greeting)) as port:
        yield build_mail_settings(port, timeout_seconds=5)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_tls_with_a_login(security: str, certificate: Certificate) -> None:
    with serve_mail(certificate, security, has_login=True) as (box, port):
        settings = build_mail_settings(port, security, user=USER, pin=certificate)
        assert send(settings, PASSWORD) == {}
    assert box.recipients == [TO]
    assert box.mails[0]["Subject"] == "Grüße"
    assert box.mails[0].get_content().replace("\r\n", "\n") == "hello\n.\n..dots\n"


def test_a_server_on_this_machine_needs_neither_tls_nor_login() -> None:
    with serve_mail() as (box, port):
        send(build_mail_settings(port))
    assert len(box.mails) == 1


def test_a_certificate_that_an_authority_signed_is_trusted(certificate: Certificate, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(certificate.pem)
    with serve_mail(certificate, "starttls") as (box, port):
        send(build_mail_settings(port, "starttls", tls=TlsSettings(ca_file=str(file))))
    assert len(box.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_gets_no_password(
    security: str, certificate: Certificate
) -> None:
    with serve_mail(certificate, security, has_login=True) as (box, port):
        settings = build_mail_settings(port, security, user=USER)
        assert refuse(settings, PASSWORD).key == "error.mail_certificate"
        other = make_certificate(["127.0.0.1"], SystemClock().now())
        pinned = build_mail_settings(port, security, user=USER, pin=other)
        assert refuse(pinned, PASSWORD).key == "error.mail_certificate_changed"
    assert box.mails == []


def test_a_file_of_authorities_that_is_not_there_is_named() -> None:
    settings = build_mail_settings(1, "tls", tls=TlsSettings(ca_file="/nowhere.pem"))
    with pytest.raises(MailNotSent) as caught:
        send(settings)
    assert "/nowhere.pem" in explain(caught.value)


def test_a_server_without_starttls_gets_nothing_where_it_is_asked_for() -> None:
    with serve_mail() as (box, port):
        assert (
            refuse(build_mail_settings(port, "starttls", user=USER), PASSWORD).key == "error.mail_no_starttls"
        )
    assert box.mails == []


def test_tls_with_a_server_that_speaks_none_says_so() -> None:
    with serve_mail() as (_, port):
        error = refuse(build_mail_settings(port, "tls", timeout_seconds=5))
    assert error.key == "error.mail_handshake"


def test_a_wrong_password_and_a_server_without_login_say_so(certificate: Certificate) -> None:
    with serve_mail(certificate, "starttls", has_login=True) as (_, port):
        settings = build_mail_settings(port, "starttls", user=USER, pin=certificate)
        assert refuse(settings, "wrong").key == "error.mail_login"
        assert refuse(settings).key == "error.mail_sender"
    with serve_mail(certificate, "starttls") as (_, port):
        settings = build_mail_settings(port, "starttls", user=USER, pin=certificate)
        assert refuse(settings, PASSWORD).key == "error.mail_no_login"


def test_a_server_that_knows_only_login_is_logged_in_at() -> None:
    heard: list[bytes] = []

    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(b"220 mx\r\n")
        for answer in (b"250-mx\r\n250 AUTH LOGIN\r\n", b"334 x\r\n", b"235 ok\r\n", b"221 bye\r\n"):
            heard.append(connection.recv(4096))
            connection.sendall(answer)

    with serve_script(talk) as port:
        try_server(build_mail_settings(port), "secret", SystemClock())
    assert heard[2] == b"c2VjcmV0\r\n"


def test_refused_recipients_are_told_and_the_others_get_the_mail() -> None:
    with serve_mail() as (box, port):
        box.refused = {TO[0]: "550 nobody of that name\x1b[31m"}
        assert list(send(build_mail_settings(port))) == [TO[0]]
        assert box.recipients == [[TO[1]]]
        box.refused[TO[1]] = "451 later"
        error = refuse(build_mail_settings(port))
    assert error.key == "error.mail_recipients"
    assert not error.may_have_acted
    assert "451" in explain(error) or "later" in explain(error)
    assert "\x1b" not in explain(error)


@pytest.mark.parametrize(
    ("answers", "greeting", "key"),
    [
        ({}, "554 go away", "error.mail_greeting"),
        ({"MAIL": "550 not from you"}, "220 mx", "error.mail_sender"),
        ({"RCPT": "550 no"}, "220 mx", "error.mail_recipients"),
        ({"DATA": "451 later"}, "220 mx", "error.mail_refused"),
        ({".": "552 too large"}, "220 mx", "error.mail_refused"),
        ({"EHLO": "garbage"}, "220 mx", "error.mail_refused"),
        ({}, "garbage", "error.mail_greeting"),
    ],
)
def test_each_no_of_a_server_is_a_sentence(answers: dict[str, str], greeting: str, key: str) -> None:
    with scripted({**answers, "HELO": "garbage"}, greeting) as settings:
        error = refuse(settings)
    assert error.key == key
    assert not error.may_have_acted


def test_a_server_that_hangs_up_is_told_and_after_the_mail_nobody_knows() -> None:
    for word in ("EHLO", "MAIL", "RCPT", "DATA"):
        answers = {name: answer for name, answer in GOOD.items() if name not in (word, "HELO")}
        with serve_script(lambda connection, _, answers=answers: converse(connection, answers)) as port:
            error = refuse(build_mail_settings(port, timeout_seconds=5))
        assert (error.key, error.may_have_acted) == ("error.mail_broken", False)
    answers = {name: answer for name, answer in GOOD.items() if name != "."}
    with serve_script(lambda connection, _: converse(connection, answers)) as port:
        error = refuse(build_mail_settings(port, timeout_seconds=5))
    assert isinstance(error, MailUnsure)
    assert error.may_have_acted


def test_what_becomes_of_the_goodbye_concerns_nobody() -> None:
    answers = {name: answer for name, answer in GOOD.items() if name != "QUIT"}
    with serve_script(lambda connection, _: converse(connection, answers)) as port:
        assert send(build_mail_settings(port, timeout_seconds=5)) == {}


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    error = refuse(build_mail_settings(port))
    assert error.key == "error.mail_unreachable"
    assert "no program listens" in explain(error)


def hang(_connection: socket.socket, end: threading.Event) -> None:
    end.wait(20)


def drip(connection: socket.socket, end: threading.Event) -> None:
    for sign in b"220-" + b"x" * 1000:
        connection.sendall(bytes([sign]))
        if end.wait(0.1):
            return


def drip_lines(connection: socket.socket, end: threading.Event) -> None:
    while not end.wait(0.1):
        connection.sendall(b"220-still here\r\n")


def never_take(connection: socket.socket, end: threading.Event) -> None:
    converse(connection, {"EHLO": "250 mx", "MAIL": "250 ok", "RCPT": "250 ok"})
    end.wait(20)


@pytest.mark.parametrize("talk", [hang, drip, drip_lines])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_hangs_or_drips_holds_us_no_longer_than_is_set(talk: Any, security: str) -> None:
    with serve_script(talk) as port:
        watch = Stopwatch()
        error = refuse(build_mail_settings(port, security, timeout_seconds=1))
        assert not watch.is_over(5)
    assert error.key in ("error.mail_slow", "error.mail_handshake")
    assert (error.key == "error.mail_slow") or (security == "tls" and talk is not hang)


def test_a_server_that_drips_over_tls_holds_us_no_longer(certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_into(context)

    def talk(connection: socket.socket, end: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            drip(secured, end)

    with serve_script(talk) as port:
        watch = Stopwatch()
        error = refuse(build_mail_settings(port, "tls", timeout_seconds=1, pin=certificate))
        assert not watch.is_over(5)
    assert error.key == "error.mail_slow"


def test_a_server_that_never_ends_its_reply_fills_no_memory() -> None:
    def flood(connection: socket.socket, end: threading.Event) -> None:
        while not end.is_set():
            connection.sendall(b"220-" + b"x" * 1000 + b"\r\n")

    with serve_script(flood) as port:
        error = refuse(build_mail_settings(port, timeout_seconds=30))
    assert error.key == "error.mail_broken"


def test_what_was_said_before_tls_counts_for_nothing(certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_into(context)

    def talk(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(b"220 mx\r\n")
        connection.recv(4096)
        connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
        connection.recv(4096)
        connection.sendall(b"220 go\r\n250 AUTH PLAIN\r\n")  # the latter by somebody in between
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(b"250 mx\r\n")
            end.wait(10)

    with serve_script(talk) as port:
        settings = build_mail_settings(port, "starttls", timeout_seconds=5, user=USER, pin=certificate)
        assert refuse(settings, PASSWORD).key in ("error.mail_no_login", "error.mail_handshake")


def test_trying_a_server_sends_nothing() -> None:
    with serve_mail() as (box, port):
        try_server(build_mail_settings(port), None, SystemClock())
    assert box.mails == []
    assert isinstance(box, Mailbox)
