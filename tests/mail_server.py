"""Real mail servers on the loopback: one that takes mails, and one that says what a test has it say."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.simulator.wire.certificate import Certificate

logging.getLogger("mail.log").setLevel(logging.ERROR)  # what it says of itself is not ours

USER = "pbx"
PASSWORD = "canary-mail-pässword"


class Mailbox:
    """What the server was given; `refused` are addresses that it takes no mail for, with its words."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refused: dict[str, str] = {}
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - so the library calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)


class _Controller(Controller):
    def __init__(self, box: Mailbox, context: ssl.SSLContext | None, security: str, **options: Any) -> None:
        self._context = context if security == "starttls" else None
        self._options = options
        tls = context if security == "tls" else None
        super().__init__(box, hostname="127.0.0.1", port=_find_port(), ssl_context=tls)

    def factory(self) -> SMTP:
        return SMTP(self.handler, tls_context=self._context, hostname="mx", **self._options)


@contextmanager
def serve_mail(
    certificate: Certificate | None = None, security: str = "none", *, has_login: bool = False
) -> Iterator[tuple[Mailbox, int]]:
    """Run a mail server; give what it takes, and its port."""
    box = Mailbox()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_into(context)
    options: dict[str, Any] = {"auth_exclude_mechanism": ["PLAIN", "LOGIN"]}
    if has_login:
        options = {"authenticator": box.authenticate, "auth_required": True}
    if has_login and security == "tls":  # which it has, but does not know
        options |= {"auth_require_tls": False, "auth_required": False}
    controller = _Controller(box, context, security, **options)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serve_script(talk: Talk) -> Iterator[int]:
    """Run a server that treats its one caller as `talk` says; give its port."""
    end = threading.Event()

    def run() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.settimeout(10)
                talk(connection, end)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            end.set()
            thread.join(15)


def converse(connection: socket.socket, answers: dict[str, str], greeting: str = "220 mx") -> None:
    """Greet, and answer each command by its first word; after a mail as `.` says. Without an answer: hang up."""
    connection.sendall(f"{greeting}\r\n".encode())
    with connection.makefile("rb") as lines:
        is_mail = False
        for line in lines:
            if is_mail and line != b".\r\n":
                continue
            word = "." if is_mail else line.decode().split()[0].upper()
            is_mail = False
            answer = answers.get(word)
            if answer is None:
                return
            is_mail = word == "DATA" and answer.startswith("354")
            connection.sendall(f"{answer}\r\n".encode())


def build_mail_settings(port: int, security: Any = "none", **changes: Any) -> MailSettings:
    """Return the settings of a server on the loopback; `pin` trusts a certificate."""
    if isinstance(pin := changes.pop("pin", None), Certificate):
        changes["tls"] = TlsSettings("pin", fingerprint_sha256=pin.fingerprint_sha256)
    return MailSettings(server="127.0.0.1", sender="pbx@example.com", security=security, port=port, **changes)


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
